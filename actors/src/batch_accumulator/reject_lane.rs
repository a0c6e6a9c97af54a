//! The lane of records that are no rows: dead letters go at once, counts of filtered records wait for
//! each other.

use std::sync::Arc;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::{BatchAccumulator, InFlight};
use crate::answer::ended;
use crate::dead_letters::StoreRejects;
use crate::flow::{LaneQueue, Limits, Patience};
use crate::model::{
    DeadLetter, FileId, Filtered, Lane, Position, RejectBatch, RejectShare, StageTimes, Written,
};

/// The lane.
pub(super) struct RejectLane {
    pub queue: LaneQueue<NoRows>,
    pub busy: bool,
    pub patience: Patience,
}

/// The records of a chunk that are no rows.
pub(super) struct NoRows {
    pub dead_letters: Vec<DeadLetter>,
    pub filtered: Filtered,
}

impl NoRows {
    pub fn is_empty(&self) -> bool {
        self.dead_letters.is_empty() && self.filtered.is_empty()
    }

    fn bytes(&self) -> usize {
        let letters = self.dead_letters.iter().map(DeadLetter::bytes);
        letters.sum::<usize>() + self.filtered.bytes()
    }
}

impl RejectLane {
    pub fn new(limits: Limits) -> Self {
        Self {
            queue: LaneQueue::default(),
            busy: false,
            patience: Patience::new(limits),
        }
    }

    /// Queues what a chunk has that ends at `to`; its memory.
    pub fn push(&mut self, file: FileId, to: Position, no_rows: NoRows) -> usize {
        if !no_rows.dead_letters.is_empty() {
            self.patience.end();
        }
        let (count, bytes) = (no_rows.dead_letters.len(), no_rows.bytes());
        self.queue.push(file, to, count, bytes, no_rows);
        bytes
    }

    /// Ends the patience with what waits, if anything does.
    pub fn hurry(&mut self) {
        if !self.queue.is_empty() {
            self.patience.end();
        }
    }
}

impl BatchAccumulator {
    /// Sends the next batch, where the lane is free and something waits that can't wait longer.
    pub(super) fn dispatch_rejects(&mut self, context: &mut Context<Self>) {
        // The reader waits for the credit that the counts hold, or the drain for their end.
        let needed = !self.credits.available() || !self.waiting_for_flush.is_empty();
        let lane = &mut self.rejects;
        if lane.busy || !(needed || lane.patience.is_over()) {
            return;
        }
        let Some(taken) = lane.queue.take(self.deps.limits) else {
            return;
        };
        lane.busy = true;
        if lane.queue.is_empty() {
            lane.patience.renew();
        }
        let in_flight = InFlight::of(&taken, &self.files);
        let shares = taken.shares.into_iter().map(|share| {
            // There may be very many very small ones: they are moved together without a copy to grow into.
            let letters = share.payloads.iter().map(|it| it.dead_letters.len());
            let mut batch = RejectShare {
                file: share.file,
                epoch: share.epoch,
                from: share.from,
                to: share.to,
                dead_letters: Vec::with_capacity(letters.sum()),
                filtered: Filtered::default(),
            };
            for no_rows in share.payloads {
                batch.dead_letters.extend(no_rows.dead_letters);
                batch.filtered.append(&no_rows.filtered);
            }
            batch
        });
        let batch = RejectBatch {
            shares: shares.collect(),
        };
        let stored = self.deps.dead_letters.send(StoreRejects(Arc::new(batch)));
        let outcomes = async move {
            match stored.await {
                Ok(result) => result.map(|outcomes| Written {
                    outcomes,
                    over_budget: Vec::new(),
                    dead_letters: Vec::new(),
                    times: StageTimes::default(),
                }),
                Err(_) => Err(ended("the dead-letter actor")),
            }
        };
        context.spawn(
            outcomes
                .into_actor(self)
                .map(move |result, actor, context| {
                    actor.rejects.busy = false;
                    actor.settle(Lane::Rejects, &in_flight, result, context);
                }),
        );
    }
}
