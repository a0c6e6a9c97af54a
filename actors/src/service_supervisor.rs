//! The root: the private server where there is one, the control, and every pipeline.

mod life;
mod messages;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, AsyncContext, Context, Handler};
use rand::RngExt;
use tokio::sync::oneshot;

use crate::companion::CompanionKeeper;
use crate::control::{self, Control, News};
use crate::error::{Error, ErrorKind};
use crate::pipeline_supervisor::PipelineSpec;
use crate::port::{self, Event, Measured, Observer};
use crate::supervision::{ChildExited, ChildHandle, Decision, RestartPolicy, Restarts, spawn};
use life::Pipeline;

pub use messages::{Command, DrainAll, Reconfigure};

/// No name of a pipeline has a space.
const COMPANION: &str = "the companion";
/// See [`COMPANION`].
const CONTROL: &str = "the control";

/// What a service is, to the tree.
pub struct ServiceSpec {
    /// Something outside that has to run as long as the service does.
    pub companion: Option<Arc<dyn port::Companion>>,
    /// Where commands come from and are kept.
    pub control: Arc<dyn port::Control>,
    /// The pipelines. Each starts once the control knows what is wanted of it.
    pub pipelines: Vec<PipelineSpec>,
    /// How often a pipeline or the companion may fail.
    pub restarts: RestartPolicy,
    /// How long a pipeline that is drained or reconfigured may take to commit what is in flight; what
    /// it has not by then is read again.
    pub drain_timeout: Duration,
    /// Whoever watches the service's own children; each pipeline has one of its own.
    pub observer: Arc<dyn Observer>,
    /// The log.
    pub log: slog::Logger,
}

/// The actor.
pub struct ServiceSupervisor {
    spec: ServiceSpec,
    companion: Option<ChildHandle>,
    control: Option<(Addr<Control>, ChildHandle)>,
    pipelines: BTreeMap<String, Pipeline>,
    restarts: BTreeMap<String, Restarts>,
    given_up: Option<oneshot::Sender<Error>>,
    draining: bool,
}

impl ServiceSupervisor {
    /// A root; `given_up` is told when a child fails too often, and the process has to end.
    pub fn new(spec: ServiceSpec, given_up: oneshot::Sender<Error>) -> Self {
        Self {
            spec,
            companion: None,
            control: None,
            pipelines: BTreeMap::new(),
            restarts: BTreeMap::new(),
            given_up: Some(given_up),
            draining: false,
        }
    }

    fn start_companion(&mut self, generation: u64, context: &mut Context<Self>) {
        let Some(companion) = self.spec.companion.clone() else {
            return;
        };
        let exits = context.address().recipient();
        let (_, handle) = spawn(COMPANION, generation, exits, move |lifeline| {
            CompanionKeeper::new(companion, lifeline)
        });
        self.companion = Some(handle);
    }

    fn start_control(&mut self, generation: u64, context: &mut Context<Self>) {
        let deps = control::Deps {
            port: Arc::clone(&self.spec.control),
            reports: context.address().recipient(),
            obey: context.address().recipient(),
            log: self.spec.log.clone(),
        };
        let exits = context.address().recipient();
        self.control = Some(spawn(CONTROL, generation, exits, move |lifeline| {
            Control::new(deps, lifeline)
        }));
    }

    /// There is something that the ledger does not know yet.
    fn tell_control(&self) {
        if let Some((control, _)) = &self.control {
            // Whoever is started instead begins by asking.
            control.do_send(News);
        }
    }

    fn is_current(&self, exit: &ChildExited) -> bool {
        let pipelines = self.pipelines.values().filter_map(Pipeline::handle);
        pipelines
            .chain(&self.companion)
            .chain(self.control.as_ref().map(|(_, handle)| handle))
            .any(|handle| handle.is_meant_by(exit))
    }

    fn measure_restart(&self, exit: &ChildExited) {
        let pipeline = self.pipelines.get(&exit.child);
        let observer = pipeline.map_or(&self.spec.observer, Pipeline::observer);
        let child = exit.child.clone();
        observer.observe(&Event::Measured(Measured::Restarted { child }));
    }

    fn restart(&mut self, name: &str, generation: u64, context: &mut Context<Self>) {
        match name {
            _ if self.draining => {}
            COMPANION => self.start_companion(generation, context),
            CONTROL => self.start_control(generation, context),
            pipeline => self.start_again(pipeline, generation, context),
        }
    }
}

impl Actor for ServiceSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.start_companion(1, context);
        for spec in self.spec.pipelines.clone() {
            self.add(spec);
        }
        self.start_control(1, context);
    }
}

impl Handler<ChildExited> for ServiceSupervisor {
    type Result = ();

    fn handle(&mut self, exit: ChildExited, context: &mut Self::Context) {
        if self.draining || !self.is_current(&exit) {
            return;
        }
        // Two levels above the writers, whose policy it is.
        let policy = self.spec.restarts.of_parent().of_parent();
        let restarts = self
            .restarts
            .entry(exit.child.clone())
            .or_insert_with(|| Restarts::new(policy));
        match restarts.decide(Instant::now(), rand::rng().random::<f64>()) {
            Decision::RestartAfter(wait) => {
                slog::error!(self.spec.log, "child of the service restarts";
                    "child" => &exit.child, "generation" => exit.generation,
                    "wait_ms" => wait.as_millis() as u64, "reason" => %exit.reason);
                self.measure_restart(&exit);
                self.note_end(&exit);
                let (name, next) = (exit.child, exit.generation + 1);
                context.run_later(wait, move |actor, context| {
                    actor.restart(&name, next, context);
                });
            }
            Decision::Escalate => {
                let error = Error::new(
                    ErrorKind::Bug,
                    format!("{} fails too often; last: {}", exit.child, exit.reason),
                );
                if let Some(given_up) = self.given_up.take() {
                    // Whoever runs the service may be ending it already.
                    let _ = given_up.send(error);
                }
            }
        }
    }
}
