//! Owns the batches that are not acknowledged, and the writers that write them.
//!
//! A writer sees a clone of its batch, and its answer is the only acknowledgement. Its death loses
//! nothing: the next generation is handed the same batches in the same order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, Recipient, ResponseFuture,
    WrapFuture,
};
use rand::RngExt;
use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Batch, Written};
use crate::partition_writer::{self, PartitionWriter, Write};
use crate::port::{Event, Measured, gone};
use crate::supervision::{
    ChildExited, ChildHandle, Decision, Lifeline, RestartPolicy, Restarts, spawn,
};

/// What the supervisor needs.
pub struct Deps {
    /// What each writer gets.
    pub writer: partition_writer::Deps,
    /// How often a writer may fail.
    pub restarts: RestartPolicy,
    /// After how long without progress a writer counts as stuck.
    pub stuck_after: Duration,
}

/// The actor.
pub struct WriterSupervisor {
    deps: Deps,
    lifeline: Lifeline,
    writers: BTreeMap<u16, Slot>,
}

/// One partition: its writer's current generation, and what it owes.
struct Slot {
    unacknowledged: VecDeque<Owed>,
    writer: Option<(Recipient<Write>, ChildHandle)>,
    generation: u64,
    restarts: Restarts,
    delivered: bool,
}

struct Owed {
    batch: Arc<Batch>,
    answer: oneshot::Sender<Result<Written>>,
}

impl WriterSupervisor {
    /// A supervisor without writers: each is started with its partition's first batch.
    pub fn new(deps: Deps, lifeline: Lifeline) -> Self {
        Self {
            deps,
            lifeline,
            writers: BTreeMap::new(),
        }
    }

    fn slot(&mut self, partition: u16) -> &mut Slot {
        let policy = self.deps.restarts;
        self.writers.entry(partition).or_insert_with(|| Slot {
            unacknowledged: VecDeque::new(),
            writer: None,
            generation: 0,
            restarts: Restarts::new(policy),
            delivered: false,
        })
    }

    fn start_writer(&mut self, partition: u16, context: &mut Context<Self>) {
        let deps = self.deps.writer.clone();
        let exits = context.address().recipient();
        let slot = self.slot(partition);
        slot.generation += 1;
        slot.delivered = false;
        let (writer, handle) = spawn(
            writer_name(partition),
            slot.generation,
            exits,
            move |lifeline| PartitionWriter::new(partition, deps, lifeline),
        );
        slot.writer = Some((writer.recipient(), handle));
        self.deliver(partition, context);
    }

    /// Hands the partition's oldest unacknowledged batch to its writer, unless it has it already.
    fn deliver(&mut self, partition: u16, context: &mut Context<Self>) {
        let slot = self.slot(partition);
        let (Some((writer, handle)), Some(owed)) = (&slot.writer, slot.unacknowledged.front())
        else {
            return;
        };
        if slot.delivered {
            return;
        }
        let generation = handle.generation;
        let writing = writer.send(Write(Arc::clone(&owed.batch)));
        slot.delivered = true;
        let written = writing.into_actor(self);
        context.spawn(written.map(move |answer, actor, context| {
            // A writer that died has not answered: its exit is reported apart.
            if let Ok(result) = answer {
                actor.acknowledge(partition, generation, result, context);
            }
        }));
    }

    fn acknowledge(
        &mut self,
        partition: u16,
        generation: u64,
        result: Result<Written>,
        context: &mut Context<Self>,
    ) {
        let slot = self.slot(partition);
        if slot.generation != generation || !slot.delivered {
            return;
        }
        slot.delivered = false;
        if let Some(owed) = slot.unacknowledged.pop_front() {
            // Whoever asked may be gone: the ledger knows.
            let _ = owed.answer.send(result);
        }
        self.deliver(partition, context);
    }

    fn abort_stuck(&mut self, _: &mut Context<Self>) {
        for (partition, slot) in &self.writers {
            if let Some((_, handle)) = &slot.writer
                && handle.pulse.is_stuck(self.deps.stuck_after)
            {
                slog::error!(self.deps.writer.log, "writer makes no progress: ending it";
                    "partition" => partition, "stuck_after_s" => self.deps.stuck_after.as_secs());
                handle.abort();
            }
        }
    }
}

fn writer_name(partition: u16) -> String {
    format!("writer {partition}")
}

impl Actor for WriterSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(self.deps.stuck_after / 4, Self::abort_stuck);
    }
}

/// A batch to be written, however many writers it takes.
#[derive(Debug, Message)]
#[rtype(result = "Result<Written>")]
pub struct WriteBatch(pub Arc<Batch>);

impl Handler<WriteBatch> for WriterSupervisor {
    type Result = ResponseFuture<Result<Written>>;

    fn handle(
        &mut self,
        WriteBatch(batch): WriteBatch,
        context: &mut Self::Context,
    ) -> Self::Result {
        let partition = batch.partition;
        let (answer, answered) = oneshot::channel();
        let slot = self.slot(partition);
        slot.unacknowledged.push_back(Owed { batch, answer });
        if slot.generation == 0 {
            self.start_writer(partition, context);
        } else {
            self.deliver(partition, context);
        }
        Box::pin(async move { answered.await.unwrap_or_else(|_| Err(gone("the writers"))) })
    }
}

impl Handler<ChildExited> for WriterSupervisor {
    type Result = ();

    fn handle(&mut self, exit: ChildExited, context: &mut Self::Context) {
        let Some(partition) = self.writers.iter().find_map(|(&partition, slot)| {
            let (_, handle) = slot.writer.as_ref()?;
            handle.is_meant_by(&exit).then_some(partition)
        }) else {
            return;
        };
        let slot = self.slot(partition);
        slot.writer = None;
        slot.delivered = false;
        let owed = slot.unacknowledged.len();
        let decision = slot
            .restarts
            .decide(Instant::now(), rand::rng().random::<f64>());
        match decision {
            Decision::RestartAfter(wait) => {
                let child = exit.child.clone();
                let measured = Event::Measured(Measured::Restarted { child });
                self.deps.writer.observer.observe(&measured);
                slog::warn!(self.deps.writer.log, "writer restarts";
                    "partition" => partition, "generation" => exit.generation,
                    "unacknowledged_batches" => owed, "wait_ms" => wait.as_millis() as u64,
                    "reason" => %exit.reason);
                context.run_later(wait, move |actor, context| {
                    actor.start_writer(partition, context);
                });
            }
            Decision::Escalate => {
                let error = Error::new(
                    ErrorKind::Bug,
                    format!(
                        "the writer of partition {partition} fails too often; last: {}",
                        exit.reason
                    ),
                );
                self.lifeline.fail(error, context);
            }
        }
    }
}
