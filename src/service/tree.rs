//! The running tree, from its start to its orderly end.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr};
use ingestd_actors::error::Error;
use ingestd_actors::pipeline_supervisor::PipelineSpec;
use ingestd_actors::port::Companion;
use ingestd_actors::service_supervisor::{
    DrainAll, PausePipelines, ServiceSpec, ServiceSupervisor,
};
use ingestd_actors::supervision::{RestartPolicy, watch_thread};
use tokio::sync::oneshot;

use super::database::{PrivateServer, ServerCompanion};
use super::signals::{Signal, Signals};
use crate::settings::Service;

/// The exit code where the actors' thread does not answer any more (`EX_SOFTWARE`).
const STUCK: i32 = 70;

/// A running tree.
pub struct Tree {
    root: Addr<ServiceSupervisor>,
    given_up: oneshot::Receiver<Error>,
    signals: Signals,
    shutdown_timeout: Duration,
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
    /// Starts the tree; inside the actors' system.
    pub fn start(
        pipelines: Vec<PipelineSpec>,
        private: Option<&Arc<PrivateServer>>,
        service: &Service,
        signals: Signals,
        log: &slog::Logger,
    ) -> Tree {
        super::open_files::raise_limit();
        let (give_up, given_up) = oneshot::channel();
        let companion = private.map(|private| {
            let companion: Arc<dyn Companion> = Arc::new(ServerCompanion(Arc::clone(private)));
            companion
        });
        let spec = ServiceSpec {
            companion,
            pipelines,
            restarts: RestartPolicy::default(),
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
            given_up,
            signals,
            shutdown_timeout: service.shutdown_timeout,
            log: log.clone(),
        }
    }

    /// Runs until a signal asks for the end, `done` resolves, or the root gives up; then ends it in
    /// order.
    pub async fn run_until(mut self, done: impl Future<Output = ()>) -> Ended {
        tokio::pin!(done);
        loop {
            tokio::select! {
                () = &mut done => return self.drain().await,
                given_up = &mut self.given_up => {
                    let error = given_up.unwrap_or_else(|_| ingestd_actors::port::gone("the root supervisor"));
                    return Ended::GaveUp(error);
                }
                signal = self.signals.next() => match signal {
                    Signal::Stop => {
                        slog::info!(self.log, "stopping: what is in flight is committed first");
                        return self.drain().await;
                    }
                    Signal::Pause => self.pause(true),
                    Signal::Resume => self.pause(false),
                },
            }
        }
    }

    fn pause(&self, paused: bool) {
        self.root.do_send(PausePipelines {
            pipeline: None,
            paused,
        });
    }

    async fn drain(mut self) -> Ended {
        let drained = self.root.send(DrainAll);
        tokio::select! {
            answer = tokio::time::timeout(self.shutdown_timeout, drained) => match answer {
                Ok(Ok(true)) => Ended::Drained,
                Ok(_) => Ended::Cut,
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
