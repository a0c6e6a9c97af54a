//! The lives of pipelines: started, paused, drained, replaced, as is wanted of each.
//!
//! Whatever changes what is wanted, or ends a life, calls [`ServiceSupervisor::settle`], which takes
//! the next step towards it.

use std::sync::Arc;
use std::time::Duration;

use actix::{ActorFutureExt, Addr, AsyncContext, Context, WrapFuture};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::ServiceSupervisor;
use crate::answer::{Owed, give_all};
use crate::flow::Standing;
use crate::model::Wanted;
use crate::pipeline_supervisor::{Drain, Look, Pause, PipelineSpec, PipelineSupervisor, RELEASE};
use crate::port::{Event, Ledger, Measured, Observer};
use crate::supervision::{ChildExited, ChildHandle, spawn};

/// A pipeline of the service.
pub(super) struct Pipeline {
    spec: PipelineSpec,
    pub(super) standing: Standing,
    life: Life,
    generation: u64,
    /// It is to end whatever is wanted: it is removed, or waits for its new specification.
    leaving: bool,
    /// Who waits for what was commanded to come about.
    pub(super) waiting: Vec<Owed>,
    /// Who waits for the end of its life; they learn whether all that was read is committed.
    ends: Vec<oneshot::Sender<bool>>,
}

enum Life {
    /// Not started, or ended in order; it holds nothing.
    Down,
    /// Running, or paused.
    Up {
        address: Addr<PipelineSupervisor>,
        handle: ChildHandle,
    },
    /// It commits what is in flight.
    Ending,
    /// It has failed, and is started again after a while.
    Failed,
}

impl Pipeline {
    fn new(spec: PipelineSpec) -> Pipeline {
        Pipeline {
            spec,
            standing: Standing::default(),
            life: Life::Down,
            generation: 0,
            leaving: false,
            waiting: Vec::new(),
            ends: Vec::new(),
        }
    }

    pub(super) fn observer(&self) -> &Arc<dyn Observer> {
        &self.spec.ports.observer
    }

    pub(super) fn handle(&self) -> Option<&ChildHandle> {
        match &self.life {
            Life::Up { handle, .. } => Some(handle),
            _ => None,
        }
    }

    /// What was wanted in this turn has come about.
    fn reach(&mut self, turn: u64) {
        self.standing.reach(turn);
        self.answer();
    }

    /// Answers those who wait, where all has come about.
    pub(super) fn answer(&mut self) {
        if self.standing.is_settled() {
            give_all(&mut self.waiting);
        }
    }

    fn has_ended(&mut self, drained: bool) {
        self.life = Life::Down;
        for end in self.ends.drain(..) {
            // Whoever has gone needs no answer.
            let _ = end.send(drained);
        }
    }
}

impl ServiceSupervisor {
    /// One more pipeline, or the new specification of one that has ended; it starts once the control
    /// knows what is wanted.
    pub(super) fn add(&mut self, spec: PipelineSpec) {
        let name = spec.name.clone();
        match self.pipelines.get_mut(&name) {
            Some(pipeline) => {
                pipeline.spec = spec;
                pipeline.leaving = false;
            }
            None => {
                self.pipelines.insert(name, Pipeline::new(spec));
            }
        }
    }

    /// Takes the next step towards what is wanted of a pipeline.
    pub(super) fn settle(&mut self, name: &str, context: &mut Context<Self>) {
        let Some(pipeline) = self.pipelines.get_mut(name) else {
            return;
        };
        let held = matches!(
            pipeline.standing.wanted(),
            Some(Wanted::Paused | Wanted::Drained)
        );
        let measured = Event::Measured(Measured::Paused(held));
        pipeline.observer().observe(&measured);
        let turn = pipeline.standing.turn();
        let ends = pipeline.leaving || self.draining;
        match (pipeline.standing.wanted(), &pipeline.life) {
            // It is looked at again once it has ended.
            (_, Life::Ending) => {}
            (_, Life::Down) if ends => pipeline.has_ended(true),
            (None, Life::Down) => {}
            (Some(Wanted::Drained), Life::Down) => {
                pipeline.reach(turn);
                self.tell_control();
            }
            (Some(_), Life::Down) => {
                let generation = pipeline.generation + 1;
                self.start(name, generation, context);
            }
            (wanted, Life::Failed) => {
                if ends || wanted == Some(Wanted::Drained) {
                    self.end(name, context);
                } else {
                    // Nothing is read, and the next life knows what is wanted.
                    pipeline.reach(turn);
                    self.tell_control();
                }
            }
            (wanted, Life::Up { address, .. }) => {
                if ends || wanted == Some(Wanted::Drained) {
                    return self.end(name, context);
                }
                let told = address.send(Pause(wanted == Some(Wanted::Paused)));
                let name = name.to_owned();
                let told = told.into_actor(self).map(move |answer, actor, _| {
                    // Without an answer it has ended, and the next life is told as it starts.
                    if answer.is_ok() {
                        actor.reached(&name, turn);
                    }
                });
                context.spawn(told);
            }
        }
    }

    fn reached(&mut self, name: &str, turn: u64) {
        if let Some(pipeline) = self.pipelines.get_mut(name) {
            pipeline.reach(turn);
            self.tell_control();
        }
    }

    fn start(&mut self, name: &str, generation: u64, context: &mut Context<Self>) {
        let log = self.spec.log.clone();
        let exits = context.address().recipient();
        let Some(pipeline) = self.pipelines.get_mut(name) else {
            return;
        };
        let paused = pipeline.standing.wanted() == Some(Wanted::Paused);
        let spec = pipeline.spec.clone();
        let (address, handle) = spawn(name, generation, exits, move |lifeline| {
            PipelineSupervisor::new(spec, paused, &log, lifeline)
        });
        pipeline.generation = generation;
        pipeline.life = Life::Up { address, handle };
        pipeline.reach(pipeline.standing.turn());
        self.tell_control();
    }

    /// A life has failed: the next one starts later.
    pub(super) fn note_end(&mut self, exit: &ChildExited) {
        if let Some(pipeline) = self.pipelines.get_mut(&exit.child) {
            pipeline.life = Life::Failed;
        }
        self.settle_failed(&exit.child);
    }

    /// Whoever waits for a pause need not wait for the next life.
    fn settle_failed(&mut self, name: &str) {
        if let Some(pipeline) = self.pipelines.get_mut(name)
            && pipeline.standing.wanted() != Some(Wanted::Drained)
        {
            pipeline.reach(pipeline.standing.turn());
            self.tell_control();
        }
    }

    /// Starts a pipeline that has failed, unless something else has become of it meanwhile.
    pub(super) fn start_again(&mut self, name: &str, generation: u64, context: &mut Context<Self>) {
        let waits = self.pipelines.get(name).is_some_and(|pipeline| {
            matches!(pipeline.life, Life::Failed) && pipeline.generation + 1 == generation
        });
        if waits {
            self.start(name, generation, context);
        }
    }

    /// Ends a life in order; one that takes too long is cut, as by a kill.
    fn end(&mut self, name: &str, context: &mut Context<Self>) {
        let Some(pipeline) = self.pipelines.get_mut(name) else {
            return;
        };
        let ledger = Arc::clone(&pipeline.spec.ports.ledger);
        let log = self.spec.log.new(slog::o!("pipeline" => name.to_owned()));
        // Whoever ends the whole service has a limit of its own.
        let limit = (!self.draining).then_some(self.spec.drain_timeout);
        let life = std::mem::replace(&mut pipeline.life, Life::Ending);
        let name = name.to_owned();
        let ending = async move {
            match life {
                Life::Up { address, handle } => {
                    end_life(address, handle, limit, ledger, &log).await
                }
                _ => {
                    release(ledger).await;
                    false
                }
            }
        };
        context.spawn(ending.into_actor(self).map(move |drained, actor, context| {
            if let Some(pipeline) = actor.pipelines.get_mut(&name) {
                pipeline.has_ended(drained);
            }
            actor.settle(&name, context);
        }));
    }

    /// Ends a pipeline's life whatever is wanted; resolves with whether all that it had read is
    /// committed.
    pub(super) fn leave(
        &mut self,
        name: &str,
        context: &mut Context<Self>,
    ) -> Option<oneshot::Receiver<bool>> {
        let pipeline = self.pipelines.get_mut(name)?;
        let (end, ended) = oneshot::channel();
        pipeline.leaving = true;
        pipeline.ends.push(end);
        self.settle(name, context);
        Some(ended)
    }

    /// Looks through a pipeline's directory now, for the request that its standing knows.
    pub(super) fn look(&mut self, name: &str, context: &mut Context<Self>) {
        let Some(pipeline) = self.pipelines.get(name) else {
            return;
        };
        let rescan = pipeline.standing.rescan();
        let looking = match &pipeline.life {
            Life::Up { address, .. } => Some(address.send(Look)),
            // The next life begins with a look.
            _ => None,
        };
        let looking = async move {
            if let Some(looking) = looking {
                // Without an answer it has ended.
                let _ = looking.await;
            }
        };
        let name = name.to_owned();
        context.spawn(looking.into_actor(self).map(move |(), actor, _| {
            if let Some(pipeline) = actor.pipelines.get_mut(&name) {
                pipeline.standing.looked(rescan);
                actor.tell_control();
            }
        }));
    }
}

/// Whether everything that the life had read is committed, and the ledger knows that it has let go.
async fn end_life(
    address: Addr<PipelineSupervisor>,
    handle: ChildHandle,
    limit: Option<Duration>,
    ledger: Arc<dyn Ledger>,
    log: &slog::Logger,
) -> bool {
    let draining = address.send(Drain);
    tokio::pin!(draining);
    let drained = match limit {
        Some(limit) => timeout(limit, &mut draining).await,
        None => Ok((&mut draining).await),
    };
    // The children end before anybody else may take the pipeline.
    drop(handle);
    let answer = match drained {
        Ok(answer) => answer,
        Err(_) => {
            slog::warn!(log, "ended before everything in flight was committed; nothing is lost";
                "drain_timeout_s" => limit.unwrap_or_default().as_secs_f64());
            // Without its children the drain comes to its end, and lets go by itself: it must not do
            // so in the next life.
            draining.await
        }
    };
    match answer {
        Ok(drained) => drained,
        Err(_) => {
            release(ledger).await;
            false
        }
    }
}

async fn release(ledger: Arc<dyn Ledger>) {
    // Where the ledger can't be told, it finds out by itself.
    let _ = timeout(RELEASE, ledger.release()).await;
}
