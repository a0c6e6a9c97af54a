//! The running tree, from its start to its orderly end.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use ingestd_actors::error::Error;
use ingestd_actors::model::Wanted;
use ingestd_actors::pipeline_supervisor::PipelineSpec;
use ingestd_actors::port::Companion;
use ingestd_actors::service_supervisor::{Command, DrainAll, ServiceSpec, ServiceSupervisor};
use ingestd_actors::supervision::{RestartPolicy, watch_thread};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::database::{OpenDatabase, ServerCompanion};
use super::reload::{ReloadDesk, Reloader};
use super::signals::{Signal, Signals};
use crate::ledger::PostgresControl;
use crate::metrics::Metrics;
use crate::settings::Service;
use crate::watch::Ignore;

/// The exit code where the actors' thread does not answer any more (`EX_SOFTWARE`).
const STUCK: i32 = 70;

/// How long the ledger may take to strike the service from its list.
const LEAVE: Duration = Duration::from_secs(2);

/// A running tree.
pub struct Tree {
    root: Addr<ServiceSupervisor>,
    control: PostgresControl,
    reloader: Option<Reloader>,
    given_up: oneshot::Receiver<Error>,
    signals: Signals,
    shutdown_timeout: Duration,
    stopping: CancellationToken,
    log: slog::Logger,
}

/// How a tree ended.
#[derive(Debug)]
pub enum Ended {
    /// In order: everything that was read is committed.
    Drained,
    /// Something was still in flight when the time was over, or a second signal came: it is read
    /// again in the next life.
    Cut,
    /// A child failed too often.
    GaveUp(Error),
}

impl Tree {
    /// Starts the tree; inside the actors' system. Where there are metrics, the service's own children are
    /// counted there, and others are told what waits.
    pub fn start(
        pipelines: Vec<PipelineSpec>,
        opened: &OpenDatabase,
        service: &Service,
        signals: Signals,
        metrics: Option<&Metrics>,
        log: &slog::Logger,
    ) -> Tree {
        super::open_files::raise_limit();
        let (give_up, given_up) = oneshot::channel();
        let control = PostgresControl::new(opened.database.clone(), metrics.cloned());
        let companion = opened.private.as_ref().map(|private| {
            let companion: Arc<dyn Companion> = Arc::new(ServerCompanion(Arc::clone(private)));
            companion
        });
        let spec = ServiceSpec {
            companion,
            control: Arc::new(control.clone()),
            pipelines,
            restarts: RestartPolicy::default(),
            drain_timeout: service.shutdown_timeout,
            observer: metrics.map_or_else(Ignore::observer, Metrics::service),
            log: log.clone(),
        };
        watch_thread(service.stuck_after, |limit| {
            eprintln!(
                "ingestd: the actors have not answered for {} s; the process ends, and the next one goes on from the ledger",
                limit.as_secs()
            );
            std::process::exit(STUCK);
        });
        Tree {
            root: ServiceSupervisor::new(spec, give_up).start(),
            control,
            reloader: None,
            given_up,
            signals,
            shutdown_timeout: service.shutdown_timeout,
            stopping: CancellationToken::new(),
            log: log.clone(),
        }
    }

    /// Cancels this as the orderly end begins.
    pub fn telling(mut self, stopping: CancellationToken) -> Tree {
        self.stopping = stopping;
        self
    }

    /// What SIGHUP does: without, nothing.
    pub fn reload_with(mut self, reloader: Reloader) -> Tree {
        self.reloader = Some(reloader);
        self
    }

    /// Runs until a signal asks for the end, `done` resolves, or the root gives up; then ends it in
    /// order.
    pub async fn run_until(mut self, done: impl Future<Output = ()>) -> Ended {
        tokio::pin!(done);
        // One reload after the other; any number that are asked for meanwhile are one more.
        let mut reloading: Option<LocalBoxFuture<'static, Reloader>> = None;
        let mut reload_again = false;
        let desk = self.reloader.as_ref().map(|it| it.desk().clone());
        loop {
            if let Some(reloader) = self.reloader.take_if(|_| reload_again) {
                reload_again = false;
                reloading = Some(reloader.reload(self.root.clone()).boxed_local());
            }
            tokio::select! {
                () = &mut done => return self.drain().await,
                given_up = &mut self.given_up => {
                    let error = given_up.unwrap_or_else(|_| ingestd_actors::port::gone("the root supervisor"));
                    return Ended::GaveUp(error);
                }
                reloader = finished(&mut reloading) => {
                    reloading = None;
                    self.reloader = Some(reloader);
                }
                () = asked(desk.as_ref()) => reload_again = true,
                signal = self.signals.next() => match signal {
                    Signal::Stop => {
                        slog::info!(self.log, "stopping: what is in flight is committed first");
                        return self.drain().await;
                    }
                    Signal::Pause => self.command(Wanted::Paused),
                    Signal::Resume => self.command(Wanted::Running),
                    Signal::Reload => reload_again = true,
                },
            }
        }
    }

    fn command(&self, wanted: Wanted) {
        self.root.do_send(Command {
            pipeline: None,
            wanted,
        });
    }

    async fn drain(self) -> Ended {
        self.stopping.cancel();
        let control = self.control.clone();
        let ended = self.drain_all().await;
        // Nobody waits any more for what this service would do; without the word, they find out.
        let _ = tokio::time::timeout(LEAVE, control.leave()).await;
        ended
    }

    async fn drain_all(mut self) -> Ended {
        let drained = self.root.send(DrainAll);
        tokio::select! {
            answer = tokio::time::timeout(self.shutdown_timeout, drained) => match answer {
                Ok(Ok(true)) => Ended::Drained,
                Ok(_) => {
                    slog::warn!(self.log, "stopped while a pipeline was about to start again: what it had in flight is not committed; nothing is lost");
                    Ended::Cut
                }
                Err(_) => {
                    slog::warn!(self.log, "stopped before everything in flight was committed; nothing is lost";
                        "shutdown_timeout_s" => self.shutdown_timeout.as_secs_f64());
                    Ended::Cut
                }
            },
            () = self.signals.stop() => {
                slog::warn!(self.log, "stopped at once by a second signal; nothing is lost");
                Ended::Cut
            }
        }
    }
}

/// Somebody asks for a reload, where that can be.
async fn asked(desk: Option<&ReloadDesk>) {
    match desk {
        Some(desk) => desk.asked().await,
        None => std::future::pending().await,
    }
}

/// The end of a reload, where one is under way.
async fn finished(reloading: &mut Option<LocalBoxFuture<'static, Reloader>>) -> Reloader {
    match reloading {
        Some(reloading) => reloading.await,
        None => std::future::pending().await,
    }
}
