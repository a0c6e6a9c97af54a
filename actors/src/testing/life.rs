//! One life of a service in a world.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler};
use tokio::sync::oneshot;

use super::World;
use crate::error::Error;
use crate::flow::Limits;
use crate::model::Wanted;
use crate::pipeline_supervisor::PipelineSpec;
use crate::service_supervisor::{Command, DrainAll, ServiceSpec, ServiceSupervisor};
use crate::supervision::{Backoff, ChildExited, ChildHandle, RestartPolicy, spawn};

/// What a test may want otherwise.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The most that a batch takes.
    pub limits: Limits,
    /// The most bytes in flight.
    pub memory: usize,
    /// How often children may fail.
    pub restarts: RestartPolicy,
    /// After how long without progress a child counts as stuck.
    pub stuck_after: Duration,
    /// How long a drain may take.
    pub drain_timeout: Duration,
    /// How often the directory is scanned without a hint.
    pub scan_interval: Duration,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            limits: Limits {
                rows: 5,
                bytes: 10_000,
            },
            memory: 10_000,
            restarts: RestartPolicy {
                backoff: Backoff {
                    initial: Duration::from_millis(1),
                    maximum: Duration::from_millis(20),
                },
                maximum: 1_000,
                window: Duration::from_secs(60),
            },
            stuck_after: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(600),
            scan_interval: Duration::from_secs(5),
        }
    }
}

impl Setting {
    /// A pipeline of these settings.
    pub fn pipeline(&self, name: &str, world: &World) -> PipelineSpec {
        PipelineSpec {
            name: name.to_owned(),
            ports: world.ports(),
            limits: self.limits,
            memory: self.memory,
            budget: world.state().budget,
            scan_interval: self.scan_interval,
            restarts: self.restarts,
            stuck_after: self.stuck_after,
        }
    }
}

/// A running service with one pipeline, `events`; dropping it is like killing the process, except
/// that what has been sent to the world goes on there.
pub struct Life {
    /// The root.
    pub service: Addr<ServiceSupervisor>,
    /// Fires when the root gives up.
    pub given_up: oneshot::Receiver<Error>,
    _root: ChildHandle,
}

impl Life {
    /// Starts a service; must be called inside a `LocalSet`.
    pub fn start(world: &World, setting: Setting) -> Life {
        let (given_up, gave_up) = oneshot::channel();
        let log = slog::Logger::root(slog::Discard, slog::o!());
        let spec = ServiceSpec {
            companion: None,
            control: Arc::new(world.clone()),
            pipelines: vec![setting.pipeline("events", world)],
            restarts: setting.restarts,
            drain_timeout: setting.drain_timeout,
            observer: Arc::new(world.clone()),
            log,
        };
        let exits = Deaf.start().recipient();
        let (service, root) = spawn("service", 1, exits, |_| {
            ServiceSupervisor::new(spec, given_up)
        });
        Life {
            service,
            given_up: gave_up,
            _root: root,
        }
    }

    /// Pauses the pipeline, or lets it go on.
    pub async fn pause(&self, paused: bool) {
        let wanted = match paused {
            true => Wanted::Paused,
            false => Wanted::Running,
        };
        let command = Command {
            pipeline: None,
            wanted,
        };
        self.service.send(command).await.expect("the root lives");
    }

    /// Ends the life in order; whether everything is committed.
    pub async fn drain(&self) -> bool {
        self.service.send(DrainAll).await.expect("the root lives")
    }
}

struct Deaf;

impl Actor for Deaf {
    type Context = Context<Self>;
}

impl Handler<ChildExited> for Deaf {
    type Result = ();

    fn handle(&mut self, _: ChildExited, _: &mut Self::Context) {}
}
