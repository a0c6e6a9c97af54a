//! The root: the private server where there is one, and every pipeline.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, ResponseFuture};
use futures_util::future::join_all;
use rand::RngExt;
use tokio::sync::oneshot;

use crate::companion::CompanionKeeper;
use crate::error::{Error, ErrorKind};
use crate::pipeline_supervisor::{Drain, Pause, PipelineSpec, PipelineSupervisor};
use crate::port::Companion;
use crate::supervision::{ChildExited, ChildHandle, Decision, RestartPolicy, Restarts, spawn};

/// No name of a pipeline has a space.
const COMPANION: &str = "the companion";

/// What a service is, to the tree.
pub struct ServiceSpec {
    /// Something outside that has to run as long as the service does.
    pub companion: Option<Arc<dyn Companion>>,
    /// The pipelines.
    pub pipelines: Vec<PipelineSpec>,
    /// How often a pipeline or the companion may fail.
    pub restarts: RestartPolicy,
    /// The log.
    pub log: slog::Logger,
}

/// The actor.
pub struct ServiceSupervisor {
    spec: ServiceSpec,
    companion: Option<ChildHandle>,
    pipelines: BTreeMap<String, Pipeline>,
    restarts: BTreeMap<String, Restarts>,
    given_up: Option<oneshot::Sender<Error>>,
    draining: bool,
    /// What pipelines were told of a pause: a new life of one may begin before the ledger knows.
    paused: BTreeMap<String, bool>,
}

struct Pipeline {
    address: Addr<PipelineSupervisor>,
    handle: ChildHandle,
}

impl ServiceSupervisor {
    /// A root; `given_up` is told when a child fails too often, and the process has to end.
    pub fn new(spec: ServiceSpec, given_up: oneshot::Sender<Error>) -> Self {
        Self {
            spec,
            companion: None,
            pipelines: BTreeMap::new(),
            restarts: BTreeMap::new(),
            given_up: Some(given_up),
            draining: false,
            paused: BTreeMap::new(),
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

    fn start_pipeline(&mut self, spec: PipelineSpec, generation: u64, context: &mut Context<Self>) {
        let exits = context.address().recipient();
        let log = self.spec.log.clone();
        let name = spec.name.clone();
        let (address, handle) = spawn(name.clone(), generation, exits, move |lifeline| {
            PipelineSupervisor::new(spec, &log, lifeline)
        });
        if let Some(&paused) = self.paused.get(&name) {
            address.do_send(Pause(paused));
        }
        self.pipelines.insert(name, Pipeline { address, handle });
    }

    fn is_current(&self, exit: &ChildExited) -> bool {
        let pipelines = self.pipelines.values().map(|pipeline| &pipeline.handle);
        pipelines
            .chain(&self.companion)
            .any(|handle| handle.is_meant_by(exit))
    }

    fn restart(&mut self, name: &str, generation: u64, context: &mut Context<Self>) {
        if self.draining {
            return;
        }
        if self.companion.as_ref().is_some_and(|it| it.name == name) {
            return self.start_companion(generation, context);
        }
        let spec = self.spec.pipelines.iter().find(|spec| spec.name == name);
        if let Some(spec) = spec.cloned() {
            self.start_pipeline(spec, generation, context);
        }
    }
}

impl Actor for ServiceSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.start_companion(1, context);
        for spec in self.spec.pipelines.clone() {
            self.start_pipeline(spec, 1, context);
        }
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

/// Pauses a pipeline, or lets it go on; `None` means all of them. The answer comes once it is so.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct PausePipelines {
    /// Which one.
    pub pipeline: Option<String>,
    /// Pause, or go on.
    pub paused: bool,
}

impl Handler<PausePipelines> for ServiceSupervisor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, pause: PausePipelines, _: &mut Self::Context) -> Self::Result {
        let mut asked = Vec::new();
        for (name, pipeline) in &self.pipelines {
            if pause.pipeline.as_ref().is_none_or(|it| it == name) {
                self.paused.insert(name.clone(), pause.paused);
                asked.push(pipeline.address.send(Pause(pause.paused)));
            }
        }
        Box::pin(async move {
            join_all(asked).await;
        })
    }
}

/// Ends all pipelines in order. The answer says whether everything that was read is committed.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct DrainAll;

impl Handler<DrainAll> for ServiceSupervisor {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, _: DrainAll, _: &mut Self::Context) -> Self::Result {
        self.draining = true;
        let asked: Vec<_> = self
            .pipelines
            .values()
            .map(|pipeline| pipeline.address.send(Drain))
            .collect();
        Box::pin(async move {
            let answers = join_all(asked).await;
            answers.into_iter().all(|answer| answer.unwrap_or(false))
        })
    }
}
