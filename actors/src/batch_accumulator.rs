//! Collects rows into batches, and holds the reader back while too much is in flight.
//!
//! No timer stands between an idle lane and a commit: a lane that is free takes what is there;
//! while it is busy, the next batch grows.

mod giving_up;
mod in_flight;
mod messages;
mod reject_lane;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Recipient, WrapFuture};

use crate::answer::{Owed, ended, give_all};
use crate::checkpointer::{ChunkAccepted, FileEnded, FileOpened, LaneMoved};
use crate::dead_letters::StoreRejects;
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::{Step, pass_at_once};
use crate::flow::{Budget, Credits, LaneQueue, Limits, Taken};
use crate::model::{
    Batch, Chunk, Counts, Epoch, FileId, Lane, OverBudget, Plan, Rows, Share, ShareOutcome, Written,
};
use crate::port::{Event, Measured, Observer};
use crate::supervision::Lifeline;
use crate::writer_supervisor::WriteBatch;
use in_flight::InFlight;
use reject_lane::{NoRows, RejectLane};

pub use messages::{Decoded, Flush, OpenFileFor};

/// What the accumulator needs.
pub struct Deps {
    /// The writers.
    pub writers: Recipient<WriteBatch>,
    /// The dead-letter actor.
    pub dead_letters: Recipient<StoreRejects>,
    /// The checkpointer's ears.
    pub opened: Recipient<FileOpened>,
    /// See `opened`.
    pub accepted: Recipient<ChunkAccepted>,
    /// See `opened`.
    pub moved: Recipient<LaneMoved>,
    /// See `opened`.
    pub ended: Recipient<FileEnded>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// The most that a batch takes.
    pub limits: Limits,
    /// The most bytes in flight.
    pub memory: usize,
    /// How many dead letters a file may have.
    pub budget: Budget,
}

/// The actor.
pub struct BatchAccumulator {
    deps: Deps,
    lifeline: Lifeline,
    files: HashMap<FileId, OpenFile>,
    partitions: BTreeMap<u16, RowLane>,
    rejects: RejectLane,
    credits: Credits,
    waiting_for_credit: Vec<(FileId, Owed<bool>)>,
    waiting_for_flush: Vec<Owed>,
}

struct OpenFile {
    epoch: Epoch,
    plan: Arc<Plan>,
    /// Pieces that wait or are in flight, over all lanes.
    outstanding: usize,
    /// Its reading has ended, and has waited for credit so long.
    ended: Option<Duration>,
    /// Its dead letters, as far as they are known: stored before, queued, or refused by the server.
    errors: u64,
    /// So many of its records, from the first on, have all of these among them.
    judged: u64,
    /// It is over its error budget: nothing more of it is written.
    given_up: Option<OverBudget>,
}

#[derive(Default)]
struct RowLane {
    queue: LaneQueue<Arc<Rows>>,
    busy: bool,
}

impl BatchAccumulator {
    /// An accumulator that holds nothing.
    pub fn new(deps: Deps, lifeline: Lifeline) -> Self {
        Self {
            credits: Credits::new(deps.memory),
            rejects: RejectLane::new(deps.limits),
            deps,
            lifeline,
            files: HashMap::new(),
            partitions: BTreeMap::new(),
            waiting_for_credit: Vec::new(),
            waiting_for_flush: Vec::new(),
        }
    }

    /// Queues a chunk's rows and rejects; what a checkpoint covers already is left out.
    fn queue(&mut self, mut chunk: Chunk) -> Result<()> {
        pass_at_once(Step::AccumulatorAdd)?;
        self.trim(&mut chunk)?;
        let Some(open) = self.files.get_mut(&chunk.file) else {
            return Ok(());
        };
        let (file, to) = (chunk.file, chunk.to);
        if open.given_up.is_some() {
            return Ok(());
        }
        if self.refuse_chunk(&mut chunk) {
            return pass_at_once(Step::AccumulatorGiveUp);
        }
        let Some(open) = self.files.get_mut(&file) else {
            return Ok(());
        };
        if !chunk.rejects.is_empty() {
            open.errors += chunk.rejects.len() as u64;
            open.judged = open.judged.max(to.record);
        }
        let (records, bytes) = (chunk.records(), to.offset - chunk.from.offset);
        let mut lanes = Vec::with_capacity(chunk.partitions.len() + 1);

        for (partition, rows) in chunk.partitions {
            let lane = &mut self.partitions.entry(partition).or_default().queue;
            let (count, bytes) = (rows.len(), rows.bytes());
            lane.push(file, to, count, bytes, Arc::new(rows));
            self.credits.take(bytes);
            open.outstanding += 1;
            lanes.push(Lane::Partition(partition));
        }

        let no_rows = NoRows {
            dead_letters: chunk.rejects,
            filtered: chunk.filtered,
        };
        if !no_rows.is_empty() {
            self.credits.take(self.rejects.push(file, to, no_rows));
            open.outstanding += 1;
            lanes.push(Lane::Rejects);
        }
        if !self.rejects.queue.is_empty() {
            self.rejects.patience.read(records, bytes);
        }

        self.deps.accepted.do_send(ChunkAccepted {
            file,
            epoch: chunk.epoch,
            to,
            lanes,
            hash_mark: chunk.hash_mark,
        });
        self.deps.observer.observe(&Event::Read { file, to });
        self.tell_in_flight();
        Ok(())
    }

    /// Leaves out what the lanes' checkpoints cover, and lanes that are left with nothing.
    fn trim(&self, chunk: &mut Chunk) -> Result<()> {
        let file = chunk.file;
        let no_lane = || {
            bug(format!(
                "file {} has records for a lane it does not have",
                file.0
            ))
        };
        for (partition, rows) in &mut chunk.partitions {
            let lane = self.partitions.get(partition).ok_or_else(no_lane)?;
            let done = lane.queue.has_up_to(file).ok_or_else(no_lane)?;
            rows.index.retain(|row| row.record > done);
        }
        chunk.partitions.retain(|(_, rows)| !rows.is_empty());
        if !chunk.rejects.is_empty() || !chunk.filtered.is_empty() {
            let done = self.rejects.queue.has_up_to(file).ok_or_else(no_lane)?;
            chunk.rejects.retain(|reject| reject.record > done);
            chunk.filtered.keep_after(done);
        }
        Ok(())
    }

    fn dispatch_all(&mut self, context: &mut Context<Self>) {
        let partitions: Vec<u16> = self.partitions.keys().copied().collect();
        for partition in partitions {
            self.dispatch_rows(partition, context);
        }
        self.dispatch_rejects(context);
    }

    /// Sends the partition's next batch, where it is free and something waits.
    fn dispatch_rows(&mut self, partition: u16, context: &mut Context<Self>) {
        let limits = self.deps.limits;
        let Some(lane) = self.partitions.get_mut(&partition) else {
            return;
        };
        if lane.busy {
            return;
        }
        let Some(taken) = lane.queue.take(limits) else {
            return;
        };
        lane.busy = true;
        let in_flight = InFlight::of(&taken, &self.files);
        let plan = pass_at_once(Step::AccumulatorFlush).and_then(|()| self.plan_of(&taken));
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => return self.lifeline.fail(error, context),
        };
        let shares = taken.shares.into_iter().map(|share| Share {
            room: self.room_of(share.file, share.to),
            file: share.file,
            epoch: share.epoch,
            from: share.from,
            to: share.to,
            rows: share.payloads,
        });
        let batch = Batch {
            partition,
            plan,
            shares: shares.collect(),
        };
        let written = self.deps.writers.send(WriteBatch(Arc::new(batch)));
        let outcomes = async move {
            match written.await {
                Ok(result) => result,
                Err(_) => Err(ended("the writers")),
            }
        };
        context.spawn(
            outcomes
                .into_actor(self)
                .map(move |result, actor, context| {
                    if let Some(lane) = actor.partitions.get_mut(&partition) {
                        lane.busy = false;
                    }
                    actor.settle(Lane::Partition(partition), &in_flight, result, context);
                }),
        );
    }

    /// The plan of all files of a batch: the reader's barrier keeps plans apart.
    fn plan_of<T>(&self, taken: &Taken<T>) -> Result<Arc<Plan>> {
        let mut plans = taken
            .shares
            .iter()
            .filter_map(|share| self.files.get(&share.file))
            .map(|open| &open.plan);
        let plan = plans.next().ok_or_else(|| bug("a batch of no open file"))?;
        if plans.any(|other| other.id != plan.id) {
            return Err(bug("a batch of files with different plans"));
        }
        Ok(Arc::clone(plan))
    }

    /// A batch came back: moves the lane's positions, gives the credits back, sends the next.
    fn settle(
        &mut self,
        lane: Lane,
        in_flight: &InFlight,
        result: Result<Written>,
        context: &mut Context<Self>,
    ) {
        let Written {
            outcomes,
            over_budget,
            ..
        } = match pass_at_once(Step::AccumulatorSettle).and(result) {
            Ok(written) => written,
            Err(error) => return self.lifeline.fail(error, context),
        };
        if outcomes.len() != in_flight.shares.len() {
            let error = bug("a batch was answered without an outcome for each of its files");
            return self.lifeline.fail(error, context);
        }
        for outcome in outcomes {
            match outcome {
                ShareOutcome::Moved {
                    file,
                    epoch,
                    to,
                    counts,
                } => {
                    match lane {
                        Lane::Partition(partition) => {
                            self.count_refused(file, to, counts.rejected);
                            if let Some(lane) = self.partitions.get_mut(&partition) {
                                lane.queue.committed(file, to);
                            }
                        }
                        Lane::Rejects => self.rejects.queue.committed(file, to),
                    }
                    self.tell_moved(file, epoch, lane, to, counts);
                }
                // What was found of it is in `over_budget`.
                ShareOutcome::OverBudget { .. } => {}
                ShareOutcome::Fenced { file, .. } => {
                    let error = Error::new(
                        ErrorKind::Fenced,
                        format!("file {} is not where this life believed", file.0),
                    );
                    return self.lifeline.fail(error, context);
                }
            }
        }
        self.credits.give_back(in_flight.bytes);
        self.tell_in_flight();
        for (file, found) in over_budget {
            let share = in_flight.shares.iter().find(|share| share.file == file);
            self.give_up(file, found, share.map_or(0, |share| share.judged));
        }
        for share in &in_flight.shares {
            if let Some(open) = self.files.get_mut(&share.file) {
                open.outstanding -= share.pieces;
            }
            self.check_budget(share.file);
            self.forget_if_done(share.file);
        }
        self.dispatch_all(context);
        self.answer_waiting();
    }

    fn tell_moved(
        &self,
        file: FileId,
        epoch: Epoch,
        lane: Lane,
        to: crate::model::Position,
        counts: Counts,
    ) {
        self.deps.observer.observe(&Event::Durable { file, counts });
        self.deps.moved.do_send(LaneMoved {
            file,
            epoch,
            lane,
            to,
            counts,
        });
    }

    fn tell_in_flight(&self) {
        let bytes = self.credits.in_flight();
        let measured = Measured::InFlight { bytes };
        self.deps.observer.observe(&Event::Measured(measured));
    }

    fn forget_if_done(&mut self, file: FileId) {
        let done = self
            .files
            .get(&file)
            .is_some_and(|open| open.ended.is_some() && open.outstanding == 0);
        if !done {
            return;
        }
        if let Some(open) = self.files.remove(&file) {
            self.tell_given_up(file, open);
        }
        for lane in self.partitions.values_mut() {
            lane.queue.forget(file);
        }
        self.rejects.queue.forget(file);
    }

    fn answer_waiting(&mut self) {
        if self.credits.available() {
            for (file, owed) in std::mem::take(&mut self.waiting_for_credit) {
                let wanted = self.is_wanted(file);
                // The reader may be gone: its successor reads from the ledger.
                let _ = owed.send(wanted);
            }
        }
        if self.is_empty() {
            give_all(&mut self.waiting_for_flush);
        }
    }

    fn is_empty(&self) -> bool {
        let row_lanes = self.partitions.values();
        let busy = self.rejects.busy || row_lanes.clone().any(|lane| lane.busy);
        let waiting =
            !self.rejects.queue.is_empty() || row_lanes.clone().any(|lane| !lane.queue.is_empty());
        !busy && !waiting
    }
}

fn bug(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Bug, message)
}

impl Actor for BatchAccumulator {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        // What its predecessor had is nobody's any more.
        self.tell_in_flight();
    }
}
