//! The memory of one process: what reader, accumulator, writers and checkpointer hold of the files
//! that it has claimed. The pure parts are the program's own; what lies between them is as the actors
//! have it, whose messages to each other arrive in order, or not at all where the process dies.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use ingestd::postgres::claims::{Claims, Pending};
use ingestd::postgres::fence::Move;
use ingestd_actors::flow::{Credits, FileTracker, LaneQueue, Patience};
use ingestd_actors::model::{
    Candidate, Checkpoint, Claim, Counts, Epoch, FileId, Lane, Plan, Position, ShareOutcome,
};

use super::rules::Rule;
use super::scene::{Fate, LANES, PARTITIONS, Scene, at, index_of};
use super::server::{Completion, FileRow, Note, Record, Transaction};

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
    /// Files that are to leave the inbox.
    pub leaving: BTreeSet<FileId>,
}

/// A claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Held {
    file: FileId,
    path: usize,
    base: u64,
    epoch: Epoch,
    checkpoints: Vec<Checkpoint>,
    resume_at: Position,
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
}

/// A lane: what waits, and the batch that is being written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LaneState {
    pub queue: LaneQueue<Vec<Record>>,
    pub writing: Option<Writing>,
    /// Whether its connection is still to be made, after one that a crash of the server has ended.
    pub is_anew: bool,
}

/// A batch on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Writing {
    pub claims: Claims,
    /// The records of each share.
    records: Vec<Vec<Record>>,
    /// What is given back once it is durable: bytes, and pieces by file.
    bytes: usize,
    pieces: Vec<(FileId, usize)>,
    pub phase: Phase,
}

/// How far its transaction is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// On its way to the server.
    Sent,
    /// The checkpoints have to be read, after an answer that was lost, or a fence that was.
    Asking(Option<Pending>),
    /// Half of it is done: only where it is not one transaction.
    Half,
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
            leaving: BTreeSet::new(),
        }
    }

    /// Takes a claim, as `Core::claim` has answered it.
    pub fn take_claim(&mut self, file: FileId, row: &FileRow, scene: &Scene) {
        let checkpoint = |lane: &super::server::LaneRow| Checkpoint {
            lane: lane.lane,
            position: lane.position,
        };
        let checkpoints: Vec<Checkpoint> = row.lanes.iter().map(checkpoint).collect();
        self.known.insert(row.path);
        self.claims.push_back(Held {
            file,
            path: row.path,
            base: row.base,
            epoch: row.epoch,
            resume_at: resume_at(file, row, &checkpoints, scene),
            checkpoints,
        });
        self.open_next();
    }

    /// `BatchAccumulator`'s `OpenFileFor` and `Checkpointer`'s `FileOpened`, once the reader is free.
    fn open_next(&mut self) {
        if self.reading.is_some() {
            return;
        }
        let Some(held) = self.claims.pop_front() else {
            return;
        };
        for checkpoint in &held.checkpoints {
            let lane = &mut self.lanes[index_of(checkpoint.lane)];
            lane.queue.open(held.file, held.epoch, checkpoint.position);
        }
        self.reading = Some((held.file, held.resume_at));
        let open = OpenFile {
            path: held.path,
            base: held.base,
            epoch: held.epoch,
            tracker: FileTracker::new(held.resume_at, None),
            seen: BTreeMap::new(),
            noted: None,
            ended: None,
            outstanding: 0,
        };
        self.open.insert(held.file, open);
    }

    /// Whether the reader may read on.
    pub fn can_read(&self) -> bool {
        self.reading.is_some() && self.credits.available()
    }

    /// Reads the next chunk of a text, or its end, and hands that on.
    pub fn read(&mut self, text: &[Fate], chunk: u64, changed: bool, scene: &Scene) {
        let Some((file, from)) = self.reading else {
            return;
        };
        let Some(open) = self.open.get_mut(&file) else {
            return;
        };
        let (base, path) = (open.base, open.path);
        let all = text.len() as u64 - base;
        if from.record == all {
            open.ended = Some(from);
            self.reading = None;
            if !self.lanes[index_of(Lane::Rejects)].queue.is_empty() {
                self.patience.end();
            }
            self.dispatch(scene);
            self.forget_if_done(file);
            self.open_next();
            return;
        }
        let to = at(base, (from.record + chunk).min(all));
        self.reading = Some((file, to));
        let fate = |in_path: u64| match (text[in_path as usize - 1], changed) {
            (Fate::Fickle(_), true) => Fate::Letter,
            (fate, _) => fate,
        };
        let records = (from.record + 1..=to.record).map(|number| Record {
            number,
            path,
            in_path: base + number,
            fate: fate(base + number),
        });
        self.queue(file, from, to, records.collect(), scene);
        self.dispatch(scene);
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

    /// `Checkpointer::completions`.
    pub fn completion(&self, scene: &Scene) -> Option<Completion> {
        self.open.iter().find_map(|(&file, open)| {
            let durable = open.tracker.is_durable() || !scene.rules.hold(Rule::CommitWaits);
            Some(Completion {
                file,
                epoch: open.epoch,
                seen: seen(open),
                end: open.ended.filter(|_| durable)?,
            })
        })
    }

    /// `Checkpointer::note_progress`, of the first file that has something to be noted.
    pub fn note(&self, scene: &Scene) -> Option<Note> {
        self.open.iter().find_map(|(&file, open)| {
            let mut now = (open.tracker.watermark(), open.ended.is_some());
            if !scene.rules.hold(Rule::WatermarkWaits) {
                now.0 = self.read_up_to(file).or(open.ended).unwrap_or(now.0);
            }
            (open.noted != Some(now)).then(|| Note {
                file,
                epoch: open.epoch,
                watermark: now.0,
                seen: seen(open),
                completed: now.1,
            })
        })
    }

    fn read_up_to(&self, file: FileId) -> Option<Position> {
        let reading = self.reading.filter(|reading| reading.0 == file);
        reading.map(|(_, at)| at)
    }

    pub fn noted(&mut self, note: &Note) {
        if let Some(open) = self.open.get_mut(&note.file) {
            open.noted = Some((note.watermark, note.completed));
        }
    }

    /// A file is COMMITTED.
    pub fn committed(&mut self, file: FileId) {
        self.open.remove(&file);
        self.leaving.insert(file);
    }

    /// `Acknowledged::compare`, with the files whose COMMITTED was not seen; the rejects have no order.
    pub fn misses(&self, lane: Lane, files: &BTreeMap<FileId, FileRow>, scene: &Scene) -> bool {
        if lane == Lane::Rejects || !scene.rules.hold(Rule::LaneRemembers) {
            return false;
        }
        self.open.iter().any(|(file, open)| {
            let row = files.get(file);
            let mut lanes = row.into_iter().flat_map(|row| &row.lanes);
            let stands = lanes.find(|row| row.lane == lane && row.epoch == open.epoch);
            let seen = open.seen.get(&lane);
            seen.zip(stands)
                .is_some_and(|(seen, row)| row.position.record < seen.record)
        })
    }

    /// What is on its way to the server, and arrives perhaps after the process is gone.
    pub fn in_flight(&self, files: &BTreeMap<FileId, FileRow>, scene: &Scene) -> Vec<Transaction> {
        let sent = LANES
            .into_iter()
            .zip(&self.lanes)
            .filter_map(|(lane, state)| {
                let writing = state.writing.as_ref()?;
                if state.is_anew && self.misses(lane, files, scene) {
                    return None;
                }
                (writing.phase == Phase::Sent).then(|| writing.transaction(lane, scene))
            });
        let commits = self.completion(scene).map(Transaction::Commit);
        let notes = self
            .note(scene)
            .filter(|_| scene.notes)
            .map(Transaction::Note);
        sent.chain(commits).chain(notes).collect()
    }

    /// What a generation would be that lost its accumulator and kept its reader.
    pub fn without_accumulator(&self, files: &BTreeMap<FileId, FileRow>, scene: &Scene) -> Life {
        let mut life = Life::new(scene);
        life.known.clone_from(&self.known);
        life.claims.clone_from(&self.claims);
        life.reading = self.reading;
        life.leaving.clone_from(&self.leaving);
        for (&file, open) in &self.open {
            let Some(row) = files.get(&file) else {
                continue;
            };
            for lane in &row.lanes {
                let queue = &mut life.lanes[index_of(lane.lane)].queue;
                queue.open(file, open.epoch, lane.position);
            }
            let tracker = FileTracker::new(open.tracker.watermark(), None);
            let open = OpenFile {
                tracker,
                outstanding: 0,
                ..open.clone()
            };
            life.open.insert(file, open);
        }
        life
    }
}

impl Writing {
    /// The transaction of what is not settled: `Writer::attempt`, `rejects::attempt`.
    pub fn transaction(&self, lane: Lane, scene: &Scene) -> Transaction {
        let mut moves = Vec::new();
        let mut records = Vec::new();
        for (share, wanted) in self.claims.live() {
            let written = self.claims.written_up_to(share).unwrap_or(0);
            let trims = scene.rules.hold(Rule::TrimAbove);
            let new = |record: &&Record| record.number > written || !trims;
            moves.push(wanted);
            records.push(self.records[share].iter().filter(new).copied().collect());
        }
        Transaction::Batch {
            lane,
            moves,
            records,
        }
    }

    /// The answer was success: `Claims::settle_committed`.
    pub fn succeeded(&mut self) {
        self.claims
            .settle_committed(&vec![Counts::default(); self.records.len()]);
    }

    /// No answer came.
    pub fn unknown(&mut self, scene: &Scene) {
        if !scene.rules.hold(Rule::UnknownIsRead) {
            return self.succeeded();
        }
        let counts = vec![Counts::default(); self.records.len()];
        self.phase = Phase::Asking(Some(self.claims.pending(&counts)));
    }
}

fn seen(open: &OpenFile) -> Vec<Checkpoint> {
    let lanes = open.seen.iter();
    lanes
        .map(|(&lane, &position)| Checkpoint { lane, position })
        .collect()
}

fn lane_of(fate: Fate) -> Lane {
    match fate {
        Fate::Row(partition) | Fate::Fickle(partition) => Lane::Partition(partition),
        Fate::Letter | Fate::Filtered => Lane::Rejects,
    }
}

/// `Claim::resume_at`, of a claim as the ledger gives it.
fn resume_at(file: FileId, row: &FileRow, checkpoints: &[Checkpoint], scene: &Scene) -> Position {
    static PLAN: OnceLock<Arc<Plan>> = OnceLock::new();
    let plan = PLAN.get_or_init(|| {
        Arc::new(Plan {
            id: 1,
            partitions: PARTITIONS,
            definition: String::new(),
            all_or_nothing: false,
        })
    });
    let mut checkpoints = checkpoints.to_vec();
    if !scene.rules.hold(Rule::ResumeFromLowest) {
        let highest = checkpoints.iter().map(|it| it.position).max();
        checkpoints.retain(|it| Some(it.position) == highest);
    }
    if !scene.rules.hold(Rule::ResumeCountsRejects) {
        checkpoints.retain(|it| it.lane != Lane::Rejects);
    }
    let claim = Claim {
        file,
        candidate: Candidate {
            path: PathBuf::new(),
            size: 0,
            modified: 0,
            device: 0,
            inode: 0,
        },
        ends: None,
        epoch: row.epoch,
        plan: Arc::clone(plan),
        base: at(row.base, 0),
        checkpoints,
        watermark: row.watermark,
        hash_mark: None,
        rejected: 0,
    };
    claim.resume_at()
}
