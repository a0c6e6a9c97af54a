//! Stores the records that could not be decoded, counts those that a filter left out, and moves the
//! rejects' checkpoints with them.

use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, ActorFutureExt, AtomicResponse, Context, Handler, Message, WrapFuture};

use crate::error::Result;
use crate::failpoint::{Step, pass};
use crate::model::{RejectBatch, ShareOutcome, by_reason};
use crate::port::{Event, Measured, Observer, RejectStore};
use crate::retry::Retry;
use crate::supervision::Lifeline;

/// What the actor needs.
pub struct Deps {
    /// Where dead letters go.
    pub store: Arc<dyn RejectStore>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// The pipeline's log.
    pub log: slog::Logger,
}

/// The actor. One batch at a time, in order.
pub struct DeadLetters {
    deps: Deps,
    lifeline: Lifeline,
}

impl DeadLetters {
    /// A dead-letter actor.
    pub fn new(deps: Deps, lifeline: Lifeline) -> Self {
        Self { deps, lifeline }
    }
}

impl Actor for DeadLetters {
    type Context = Context<Self>;
}

/// Dead letters to be stored and filtered records to be counted; the answer comes once that is
/// durable.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<ShareOutcome>>")]
pub struct StoreRejects(pub Arc<RejectBatch>);

impl Handler<StoreRejects> for DeadLetters {
    type Result = AtomicResponse<Self, Result<Vec<ShareOutcome>>>;

    fn handle(&mut self, StoreRejects(batch): StoreRejects, _: &mut Self::Context) -> Self::Result {
        let store = Arc::clone(&self.deps.store);
        let mut retry = Retry::new(
            "dead letters",
            Arc::clone(&self.deps.observer),
            self.deps.log.clone(),
        );
        let observer = Arc::clone(&self.deps.observer);
        self.lifeline.pulse.waiting();
        let storing = async move {
            loop {
                let started = Instant::now();
                let stored = async {
                    pass(Step::RejectsStore).await?;
                    store.store(Arc::clone(&batch)).await
                };
                match stored.await {
                    Ok(outcomes) => {
                        retry.succeeded();
                        measure(&batch, &outcomes, observer.as_ref());
                        return Ok(outcomes);
                    }
                    Err(error) => {
                        observer.observe(&Event::Measured(Measured::Unwritten {
                            took: started.elapsed(),
                            code: error.code().map(str::to_owned),
                        }));
                        retry.wait_out(error).await?;
                    }
                }
            }
        };
        AtomicResponse::new(Box::pin(
            storing.into_actor(self).map(|result, _, _| result),
        ))
    }
}

/// Tells the reasons of those that were stored now: what a checkpoint covered already stands first.
fn measure(batch: &RejectBatch, outcomes: &[ShareOutcome], observer: &dyn Observer) {
    for (share, outcome) in batch.shares.iter().zip(outcomes) {
        let ShareOutcome::Moved { counts, .. } = outcome else {
            continue;
        };
        let letters = &share.dead_letters;
        let before = letters.len().saturating_sub(counts.rejected as usize);
        for (reason, count) in by_reason(&letters[before..]) {
            observer.observe(&Event::Measured(Measured::DeadLetters { reason, count }));
        }
    }
}
