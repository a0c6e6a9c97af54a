//! The task that watches: it looks, decides, writes down and has it told, again and again.
//!
//! What it decides is pure ([`changes`]). It asks and writes over a connection of its own ([`ledger`]),
//! and tells the sinks ([`mail`]).

mod changes;
mod ledger;
mod mail;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ingestd_actors::error::Result;
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::supervision::Pulse;
use slog::Logger;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::disks::{self, Disk};
use super::look::{Look, Me, Pipeline};
use super::notice::{Status, host};
use super::plan::Plan;
use super::sink::Sinks;
use super::standing::Sight;
use super::tally::Tally;
use crate::service::{self, Beside};
use crate::settings::Settings;
use changes::{Act, Board, Moment, Pending};
use ledger::{Ledger, Seen};
use mail::Mail;

/// How long disks may take.
const DISKS: Duration = Duration::from_secs(5);
/// Looking takes no more than one of so many parts of the time.
const SHARE: u32 = 20;
/// However long a look has taken, the next one comes after this.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// How long an end of the service waits for notifications that are on their way.
const LAST: Duration = Duration::from_millis(1500);

/// The alerts of a running service.
pub struct Alerts {
    plans: Arc<watch::Sender<Arc<Plan>>>,
    stopping: CancellationToken,
    task: service::Kept,
}

impl Alerts {
    /// Starts to watch, until `stopping`.
    pub fn start(
        beside: &Beside,
        settings: &Settings,
        stopping: CancellationToken,
        log: &Logger,
    ) -> Alerts {
        let plan = Arc::new(Plan::of(settings));
        let (plans, changes) = watch::channel(Arc::clone(&plan));
        let started = Instant::now();
        let (own, log, until) = (beside.clone(), log.clone(), stopping.clone());
        // What one life knows, the next one reads in the ledger.
        let life = move |pulse| {
            let (tell, done) = unbounded_channel();
            let mut changes = changes.clone();
            let plan = Arc::clone(&changes.borrow_and_update());
            let sinks = Sinks::start(&plan.alerts.sinks, &own, &log);
            let me = Me {
                origin: format!("{}:{}", host(), plan.place),
                place: plan.place.clone(),
                host: host(),
                process: i32::try_from(std::process::id()).unwrap_or(0),
            };
            let watcher = Watcher {
                started,
                tally: Tally::new(plan.longest_window().unwrap_or_default()),
                board: Board::default(),
                ledger: Ledger::new(me, own.database.clone(), log.clone()),
                mail: Mail::new(sinks, tell),
                looking: None,
                took: Duration::ZERO,
                beside: own.clone(),
                pulse,
                plan,
            };
            watcher.run(changes, done, until.clone())
        };
        let runtime = beside.database.runtime();
        Alerts {
            plans: Arc::new(plans),
            stopping,
            task: beside.background.keep(runtime, "alerts", life),
        }
    }

    /// What takes on another configuration, without a restart.
    pub fn taker(&self) -> Arc<dyn Fn(&Settings) + Send + Sync> {
        let plans = Arc::clone(&self.plans);
        Arc::new(move |settings| drop(plans.send_replace(Arc::new(Plan::of(settings)))))
    }

    /// Ends, once what is on its way was told, or shortly.
    pub async fn finish(self) {
        self.stopping.cancel();
        // What was not told by then is told by the next life.
        let _ = tokio::time::timeout(LAST * 2, self.task.ended()).await;
    }
}

struct Watcher {
    plan: Arc<Plan>,
    beside: Beside,
    started: Instant,
    tally: Tally,
    board: Board,
    ledger: Ledger,
    mail: Mail,
    /// A look at disks that has not come back.
    looking: Option<JoinHandle<Vec<Disk>>>,
    /// How long the last look at the ledger has taken; nothing before the first.
    took: Duration,
    /// Says that it works, or waits for somebody who has limits of his own.
    pulse: Pulse,
}

impl Watcher {
    async fn run(
        mut self,
        mut plans: watch::Receiver<Arc<Plan>>,
        mut done: UnboundedReceiver<String>,
        stopping: CancellationToken,
    ) -> Result<()> {
        loop {
            let rest = tokio::select! {
                rest = self.round() => rest?,
                () = stopping.cancelled() => break,
            };
            let rest = tokio::time::sleep(rest);
            tokio::pin!(rest);
            loop {
                tokio::select! {
                    () = &mut rest => break,
                    () = stopping.cancelled() => break,
                    Some(alert) = done.recv() => {
                        self.arrived(alert);
                        // Soon, so that the next life does not tell it again. Else with the next look.
                        let _ = self.ledger.catch_up().await;
                    }
                    Ok(()) = plans.changed() => {
                        let plan = Arc::clone(&plans.borrow_and_update());
                        self.take_on(plan);
                        break;
                    }
                }
            }
            if stopping.is_cancelled() {
                break;
            }
        }
        self.end(&mut done).await;
        Ok(())
    }

    /// Waits a little for what is on its way, and writes down what has arrived.
    async fn end(mut self, done: &mut UnboundedReceiver<String>) {
        let waiting = async {
            while !self.mail.on_their_way.is_empty() {
                let Some(alert) = done.recv().await else {
                    return;
                };
                self.arrived(alert);
            }
        };
        let _ = tokio::time::timeout(LAST, waiting).await;
        if !self.ledger.is_idle() {
            // The last look may have been given up with its connection.
            let writing = async {
                self.ledger.connect().await?;
                self.ledger.catch_up().await
            };
            let _ = tokio::time::timeout(LAST, writing).await;
        }
    }

    fn take_on(&mut self, plan: Arc<Plan>) {
        if plan.alerts.sinks != self.plan.alerts.sinks {
            self.mail.sinks = Sinks::start(&plan.alerts.sinks, &self.beside, &self.ledger.log);
        }
        self.tally.keep(plan.longest_window().unwrap_or_default());
        self.plan = plan;
    }

    /// The sinks are done with a notification.
    fn arrived(&mut self, alert: String) {
        if self.mail.arrived(&alert) {
            self.ledger.told.push(alert);
        }
    }

    /// Looks once at everything; how long to rest then.
    async fn round(&mut self) -> Result<Duration> {
        self.pulse.working();
        pass(Step::AlertsRound).await?;
        self.pulse.waiting();
        let plan = Arc::clone(&self.plan);
        if plan.alerts.rules.is_empty() && self.ledger.has_seen && self.is_idle() {
            return Ok(plan.alerts.interval);
        }
        let began = Instant::now();
        let mut seen = self.ledger.see(&plan).await;
        let before = std::mem::replace(&mut self.took, began.elapsed());
        if let (Some(seen), Some(metrics)) = (&mut seen, &self.beside.metrics) {
            for pipeline in seen.look.pipelines.iter_mut().filter(|it| it.is_mine) {
                pipeline.with_found(metrics.oldest(&pipeline.name));
            }
        }
        for alert in std::mem::take(&mut self.ledger.given_up) {
            self.mail.tell(&plan, Status::Resolved, false, &alert);
        }
        let now = self.started.elapsed();
        if let Some(seen) = &seen {
            self.tally.add(&seen.look.files, &backlogs(&seen.look), now);
        }
        let disks = self.look_at_disks().await;
        self.decide(&plan, seen.as_ref(), disks.as_deref(), now)
            .await;
        Ok(match seen {
            Some(_) => rest([before, self.took], plan.alerts.interval),
            None => plan.alerts.interval,
        })
    }

    /// Whether nothing is left of rules that were there.
    fn is_idle(&self) -> bool {
        self.board.is_empty() && self.ledger.is_idle()
    }

    async fn decide(
        &mut self,
        plan: &Plan,
        seen: Option<&Seen>,
        disks: Option<&[Disk]>,
        now: Duration,
    ) {
        let me = self.ledger.me.clone();
        let (unreached, trouble) = self.ledger.unreached();
        let Watcher {
            tally,
            board,
            ledger,
            mail,
            ..
        } = self;
        let sight = Sight {
            me: &me,
            look: seen.map(|seen| &seen.look),
            tally,
            unreached: (seen.map_or(unreached, |_| 0.0), &trouble),
            disks,
        };
        if let Some(seen) = seen {
            let pending = Pending {
                unwritten: &ledger.unwritten,
                on_their_way: &mail.on_their_way,
                told: &ledger.told,
            };
            for act in board.compare(plan, &sight, &seen.kept, &pending, now) {
                carry_out(act, plan, board, ledger, mail, now).await;
            }
        }
        if now < plan.alerts.quiet_start {
            return;
        }
        for rule in &plan.alerts.rules {
            for read in sight.read(rule) {
                let moment = Moment {
                    now,
                    clock: SystemTime::now(),
                    new_id: || Uuid::new_v4().to_string(),
                };
                if let Some(act) = board.apply(rule, read, &moment) {
                    carry_out(act, plan, board, ledger, mail, now).await;
                }
            }
        }
        for act in board.drop_unwatched(plan, &sight, SystemTime::now()) {
            carry_out(act, plan, board, ledger, mail, now).await;
        }
    }

    /// The disks, unless they don't answer; a look that hangs is waited for before the next one.
    async fn look_at_disks(&mut self) -> Option<Vec<Disk>> {
        if !self.plan.looks_at_disks() {
            return Some(Vec::new());
        }
        let directories = self.plan.directories.clone();
        let mut looking = self
            .looking
            .take()
            .unwrap_or_else(|| tokio::task::spawn_blocking(move || disks::of(&directories)));
        match tokio::time::timeout(DISKS, &mut looking).await {
            Ok(found) => found.ok(),
            Err(_) => {
                self.looking = Some(looking);
                None
            }
        }
    }
}

/// PURE: how long to rest after two looks that have taken so long.
fn rest(took: [Duration; 2], interval: Duration) -> Duration {
    // A single slow one, such as the first one on a busy machine, tells nothing of the next.
    let [before, last] = took;
    (before.min(last) * SHARE).min(LONGEST_REST).max(interval)
}

/// Writes down first, and tells where no other service was faster. Where it can't be written down, it is
/// told at once.
async fn carry_out(
    act: Act,
    plan: &Plan,
    board: &mut Board,
    ledger: &mut Ledger,
    mail: &mut Mail,
    now: Duration,
) {
    match act {
        Act::Fire(key, alert) => {
            let is_first = ledger.fire(&alert).await;
            board.fires(key, is_first.then(|| alert.clone()), now);
            if is_first {
                mail.tell(plan, Status::Firing, false, &alert);
            }
        }
        Act::Note { alert, is_news } => {
            if is_news {
                mail.tell(plan, Status::Firing, true, &alert);
            }
            ledger.note(&alert).await;
        }
        Act::Resolve(alert) => {
            if ledger.resolve(&alert).await {
                mail.tell(plan, Status::Resolved, false, &alert);
            }
        }
        Act::Tell(status, alert) => mail.tell(plan, status, false, &alert),
    }
}

/// The pipelines, with whether files wait that are to be loaded.
fn backlogs(look: &Look) -> Vec<(&str, bool)> {
    let backlog = |it: &Pipeline| it.oldest.is_some() && it.is_running;
    let pipelines = look.pipelines.iter();
    pipelines
        .map(|it| (it.name.as_str(), backlog(it)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_first_look_does_not_delay_the_alerts_by_a_minute() {
        let [interval, quick, slow] = [100, 10, 4_000].map(Duration::from_millis);
        assert_eq!(rest([Duration::ZERO, slow], interval), interval);
        assert_eq!(rest([slow, quick], interval), quick * SHARE);
        assert_eq!(rest([quick, slow], interval), quick * SHARE);
        assert_eq!(rest([slow, slow], interval), LONGEST_REST);
    }
}
