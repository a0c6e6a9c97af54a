//! The memory of one process: what reader, accumulator, writers and checkpointer hold of the files
//! that it has claimed. The pure parts are the program's own; what lies between them is as the actors
//! have it, whose messages to each other arrive in order, or not at all where the process dies.

mod claim;
mod giving_up;
mod told;
mod writing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ingestd::postgres::claims::Claims;
use ingestd::postgres::fence::Move;
use ingestd_actors::flow::{Budget, Credits, FileTracker, LaneQueue, Patience};
use ingestd_actors::model::{Epoch, FileId, Lane, Position, ShareOutcome};

use super::rules::Rule;
use super::scene::{Fate, LANES, Scene, at, index_of};
use super::server::Record;
use claim::Held;
pub use writing::{Phase, Writing};

/// What a process knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Life {
    /// The paths whose files it has been told of.
    pub known: BTreeSet<usize>,
    claims: VecDeque<Held>,
    /// The file that is read, and up to where it was.
    pub reading: Option<(FileId, Position)>,
    pub open: BTreeMap<FileId, OpenFile>,
    pub lanes: Vec<LaneState>,
    patience: Patience,
    credits: Credits,
    /// Whether files are loaded as a whole.
    stages: bool,
    /// Its number among those that share the pipeline, and whether it is about to forget the dead.
    pub instance: u8,
    pub buries: bool,
    pub sight: Option<Sight>,
    /// Files that are to leave the inbox.
    pub leaving: BTreeSet<FileId>,
}

/// What was decided about the file at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sight {
    pub path: usize,
    pub wanted: Wanted,
    /// Whether files were admitted since: the pipeline's count of admissions has risen.
    pub is_old: bool,
}

/// What a file is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// A new one, or the tail of one that has so many records.
    New(u64),
    Known(FileId),
}

/// What is read of a file.
pub struct Text<'a> {
    pub records: &'a [Fate],
    /// How many of them make a chunk.
    pub chunk: u64,
    /// Whether the table was changed.
    pub changed: bool,
    /// What the file may cost.
    pub budget: Budget,
}

/// A file between its opening and its COMMITTED.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OpenFile {
    pub path: usize,
    base: u64,
    epoch: Epoch,
    tracker: FileTracker,
    seen: BTreeMap<Lane, Position>,
    noted: Option<(Position, bool)>,
    pub ended: Option<Position>,
    outstanding: usize,
    /// How many dead letters it has, as far as this life knows.
    errors: u64,
    /// What was found of a file that is over its budget, and not stored.
    given_up: Option<Vec<Record>>,
    /// Whether its staging table is there, where it needs one.
    is_made: bool,
    /// Whether its rows were moved by a transaction of their own: only where that is not prevented.
    pub is_moved: bool,
}

/// A lane: what waits, and the batch that is being written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LaneState {
    pub queue: LaneQueue<Vec<Record>>,
    pub writing: Option<Writing>,
    /// Whether its connection is still to be made, after one that a crash of the server has ended.
    pub is_anew: bool,
}

/// The process has to start again from the ledger.
pub struct Fenced;

impl Life {
    /// A life that holds nothing.
    pub fn new(scene: &Scene) -> Life {
        let lane = || LaneState {
            queue: LaneQueue::default(),
            writing: None,
            is_anew: false,
        };
        Life {
            known: BTreeSet::new(),
            claims: VecDeque::new(),
            reading: None,
            open: BTreeMap::new(),
            lanes: LANES.iter().map(|_| lane()).collect(),
            patience: Patience::new(scene.limits),
            credits: Credits::new(scene.credit),
            stages: scene.stages(),
            instance: 0,
            buries: false,
            sight: None,
            leaving: BTreeSet::new(),
        }
    }

    /// Whether the reader may read on.
    pub fn can_read(&self) -> bool {
        let open = self.reading.and_then(|(file, _)| self.open.get(&file));
        open.is_some_and(|open| open.is_made) && self.credits.available()
    }

    /// Reads the next chunk of a text, or its end, and hands that on.
    pub fn read(&mut self, text: &Text, scene: &Scene) {
        let Some((file, from)) = self.reading else {
            return;
        };
        let Some(open) = self.open.get(&file) else {
            return;
        };
        let (base, path) = (open.base, open.path);
        let all = text.records.len() as u64 - base;
        if from.record == all {
            return self.end_of_text(file, from, scene);
        }
        let to = at(base, (from.record + text.chunk).min(all));
        self.reading = Some((file, to));
        let fate = |in_path: u64| match (text.records[in_path as usize - 1], text.changed) {
            (Fate::Fickle(_), true) => Fate::Letter,
            (fate, _) => fate,
        };
        let records = (from.record + 1..=to.record).map(|number| Record {
            number,
            path,
            in_path: base + number,
            fate: fate(base + number),
        });
        let records: Vec<Record> = records.collect();
        if self.refuses(file, to, &records, text.budget) {
            return self.end_of_text(file, to, scene);
        }
        self.queue(file, from, to, records, scene);
        self.dispatch(scene);
    }

    /// Nothing more is read of a file.
    fn end_of_text(&mut self, file: FileId, at: Position, scene: &Scene) {
        if let Some(open) = self.open.get_mut(&file) {
            open.ended = Some(at);
        }
        self.reading = None;
        if !self.lanes[index_of(Lane::Rejects)].queue.is_empty() {
            self.patience.end();
        }
        self.dispatch(scene);
        self.forget_if_done(file);
        self.open_next();
    }

    /// `BatchAccumulator::queue`.
    fn queue(
        &mut self,
        file: FileId,
        from: Position,
        to: Position,
        records: Vec<Record>,
        scene: &Scene,
    ) {
        let count = records.len() as u64;
        let mut lanes = Vec::new();
        let Some(open) = self.open.get_mut(&file) else {
            return;
        };
        for (lane, state) in LANES.into_iter().zip(&mut self.lanes) {
            let done = state.queue.has_up_to(file).unwrap_or(u64::MAX);
            let mine = |record: &&Record| record.number > done && lane_of(record.fate) == lane;
            let mine: Vec<Record> = records.iter().filter(mine).copied().collect();
            if mine.is_empty() {
                continue;
            }
            let letters = mine.iter().any(|record| record.fate == Fate::Letter);
            if lane == Lane::Rejects && letters {
                self.patience.end();
            }
            if !scene.rules.hold(Rule::FromIsLedger) {
                state.queue.committed(file, from);
            }
            self.credits.take(mine.len());
            state.queue.push(file, to, mine.len(), mine.len(), mine);
            open.outstanding += 1;
            lanes.push(lane);
        }
        if !self.lanes[index_of(Lane::Rejects)].queue.is_empty() {
            self.patience.read(count, count);
        }
        open.tracker.accept(to, lanes, None);
    }

    /// `BatchAccumulator::dispatch_all`: every lane that is free takes what is there.
    fn dispatch(&mut self, scene: &Scene) {
        for (lane, state) in LANES.into_iter().zip(&mut self.lanes) {
            let rejects = lane == Lane::Rejects;
            let waits = rejects && self.credits.available() && !self.patience.is_over();
            if state.writing.is_some() || waits {
                continue;
            }
            let Some(taken) = state.queue.take(scene.limits) else {
                continue;
            };
            if rejects && state.queue.is_empty() {
                self.patience.renew();
            }
            let moves = taken.shares.iter().map(|share| Move {
                file: share.file,
                epoch: share.epoch,
                from: share.from,
                to: share.to,
            });
            let pieces = taken.shares.iter();
            state.writing = Some(Writing {
                claims: Claims::new(moves).expect("a file has one share"),
                bytes: taken.bytes,
                pieces: pieces.map(|it| (it.file, it.payloads.len())).collect(),
                records: taken
                    .shares
                    .into_iter()
                    .map(|it| it.payloads.concat())
                    .collect(),
                phase: Phase::Sent,
            });
        }
    }

    /// `BatchAccumulator::settle` and `Checkpointer`'s `LaneMoved`, once nothing of a batch is open.
    pub fn settle(&mut self, lane: Lane, scene: &Scene) -> Result<(), Fenced> {
        let state = &mut self.lanes[index_of(lane)];
        let Some(writing) = state.writing.take_if(|writing| writing.claims.settled()) else {
            return Ok(());
        };
        for outcome in writing.claims.outcomes() {
            let ShareOutcome::Moved { file, to, .. } = outcome else {
                return Err(Fenced);
            };
            state.queue.committed(file, to);
            if let Some(open) = self.open.get_mut(&file) {
                open.tracker.moved(lane, to);
                open.seen.insert(lane, to);
            }
        }
        self.credits.give_back(writing.bytes);
        for (file, pieces) in writing.pieces {
            if let Some(open) = self.open.get_mut(&file) {
                open.outstanding -= pieces;
            }
            self.forget_if_done(file);
        }
        self.dispatch(scene);
        Ok(())
    }

    fn forget_if_done(&mut self, file: FileId) {
        let mut open = self.open.get(&file).into_iter();
        if open.all(|open| open.ended.is_some() && open.outstanding == 0) {
            for lane in &mut self.lanes {
                lane.queue.forget(file);
            }
        }
    }
}

fn lane_of(fate: Fate) -> Lane {
    match fate {
        Fate::Row(partition) | Fate::Fickle(partition) | Fate::Refused(partition) => {
            Lane::Partition(partition)
        }
        Fate::Letter | Fate::Filtered => Lane::Rejects,
    }
}
