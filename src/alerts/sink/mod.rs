//! Whom alerts are told. Each sink has a queue and a task of its own: one that is slow holds up nobody.

mod command;
mod webhook;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ingestd_actors::error::Result;
use slog::Logger;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedSender, channel};

use super::notice::{Notice, Status};
use crate::service::Beside;
use crate::settings::{AlertSink, SinkKind};

pub use webhook::{SIGNATURE, signature};

/// How many notifications may wait for a sink.
const WAITING: usize = 100;
/// The first pause before a notification is tried again, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often the same sink's failures are logged, at the most.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Why a notification did not arrive.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong.
    pub what: String,
    /// Whether it may pass.
    passes: bool,
}

impl Failure {
    fn passing(what: String) -> Failure {
        Failure { what, passes: true }
    }

    fn lasting(what: String) -> Failure {
        Failure {
            what,
            passes: false,
        }
    }
}

/// Tells a sink once, and says what came back.
///
/// # Errors
/// What went wrong.
pub async fn deliver(sink: &AlertSink, notice: &Notice, log: &Logger) -> Result<String, Failure> {
    match &sink.kind {
        SinkKind::Log => {
            write_line(notice, log);
            Ok("it was logged".to_owned())
        }
        SinkKind::Command { command, timeout } => command::run(command, *timeout, notice).await,
        SinkKind::Webhook(webhook) => {
            let (webhook, notice) = (webhook.clone(), notice.clone());
            let sending = tokio::task::spawn_blocking(move || webhook::send(&webhook, &notice));
            match sending.await {
                Ok(result) => result,
                Err(_) => Err(Failure::lasting("it could not be sent".to_owned())),
            }
        }
    }
}

fn write_line(notice: &Notice, log: &Logger) {
    let alert = &notice.alert;
    let fields = slog::o!(
        "alert" => alert.alert.clone(), "text" => alert.text.clone(),
        "since" => alert.since.clone(), "value" => alert.value, "threshold" => alert.threshold,
        "unit" => alert.unit.clone(), "look_at" => alert.look_at.clone(),
    );
    let log = match &alert.pipeline {
        Some(pipeline) => log.new(slog::o!("pipeline" => pipeline.clone())),
        None => log.clone(),
    };
    let log = log.new(fields);
    match (notice.status, notice.repeated) {
        (Status::Firing, false) => slog::warn!(log, "alert is firing"),
        (Status::Firing, true) => slog::warn!(log, "alert is firing still"),
        (Status::Resolved, _) => slog::info!(log, "alert is resolved"),
        (Status::Test, _) => slog::info!(log, "test of the alert sinks"),
    }
}

/// A notification on its way. When the last sink is done with it, its number is said.
struct Job {
    notice: Arc<Notice>,
    _done: Arc<Done>,
}

/// Says that all sinks are done with an alert's notification, as it is dropped.
pub(super) struct Done {
    pub alert: String,
    pub tell: UnboundedSender<String>,
}

impl Drop for Done {
    fn drop(&mut self) {
        // At the end of the service nobody listens.
        let _ = self.tell.send(std::mem::take(&mut self.alert));
    }
}

/// The sinks of a service, at work. Dropped, they end when their queues are empty.
pub struct Sinks {
    sinks: Vec<Queue>,
}

struct Queue {
    name: String,
    jobs: Sender<Job>,
    log: Logger,
}

impl Sinks {
    /// Starts a task for each.
    pub fn start(sinks: &[AlertSink], beside: &Beside, log: &Logger) -> Sinks {
        let start = |sink: &AlertSink| {
            let (jobs, queue) = channel(WAITING);
            let worker = Worker {
                sink: sink.clone(),
                log: log.clone(),
                logged: None,
                unlogged: 0,
                failed: 0,
            };
            let queue = Arc::new(Mutex::new(queue));
            let runtime = beside.database.runtime();
            let kept = beside.background.keep(runtime, "alert sinks", move |_| {
                worker.clone().run(Arc::clone(&queue))
            });
            // It ends when its queue is closed and empty.
            kept.let_go();
            Queue {
                name: sink.name.clone(),
                jobs,
                log: log.clone(),
            }
        };
        Sinks {
            sinks: sinks.iter().map(start).collect(),
        }
    }

    /// Tells those of these names; never waits.
    pub(super) fn tell(&self, names: &[String], notice: Notice, done: Done) {
        let (notice, done) = (Arc::new(notice), Arc::new(done));
        for queue in self
            .sinks
            .iter()
            .filter(|queue| names.contains(&queue.name))
        {
            let job = Job {
                notice: Arc::clone(&notice),
                _done: Arc::clone(&done),
            };
            if queue.jobs.try_send(job).is_err() {
                slog::warn!(queue.log, "a notification is dropped: too many wait for this sink";
                    "sink" => &queue.name, "alert" => &notice.alert.alert, "waiting" => WAITING);
            }
        }
    }
}

/// The task of a sink.
#[derive(Clone)]
struct Worker {
    sink: AlertSink,
    log: Logger,
    logged: Option<Instant>,
    unlogged: u64,
    /// How many tries have failed.
    failed: u64,
}

impl Worker {
    async fn run(mut self, queue: Arc<Mutex<Receiver<Job>>>) -> Result<()> {
        let mut queue = queue.lock().await;
        while let Some(job) = queue.recv().await {
            self.deliver(&job.notice).await;
        }
        Ok(())
    }

    /// Tries for as long as it may.
    async fn deliver(&mut self, notice: &Notice) {
        let retry_for = match &self.sink.kind {
            SinkKind::Webhook(webhook) => webhook.retry_for,
            SinkKind::Log | SinkKind::Command { .. } => Duration::ZERO,
        };
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let failure = match deliver(&self.sink, notice, &self.log).await {
                Ok(_) => return,
                Err(failure) => failure,
            };
            self.failed += 1;
            let goes_on = failure.passes && started.elapsed() + pause < retry_for;
            self.complain(notice, &failure, goes_on);
            if !goes_on {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// What is given up is always said; tries that fail, now and then.
    fn complain(&mut self, notice: &Notice, failure: &Failure, goes_on: bool) {
        let is_soon = self.logged.is_some_and(|at| at.elapsed() < LOG_EVERY);
        if goes_on && is_soon {
            self.unlogged += 1;
            return;
        }
        let message = match goes_on {
            true => "a notification did not arrive: trying again",
            false => "a notification is given up",
        };
        slog::warn!(self.log, "{}", message; "sink" => &self.sink.name,
            "alert" => &notice.alert.alert, "status" => notice.status.word(),
            "reason" => &failure.what, "not_logged_before" => self.unlogged,
            "failed" => self.failed);
        self.logged = Some(Instant::now());
        self.unlogged = 0;
    }
}
