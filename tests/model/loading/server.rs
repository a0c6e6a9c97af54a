//! The server: a ledger and a table, and the transactions on them, each atomic.
//!
//! What is SQL in the program is a function here that says the same, and names the one it stands for.
//! A transaction of the program holds the locks of its checkpoints from its first statement to its
//! end, so that two which touch one lane of one file never overlap: that is why they may be atomic.

mod ending;
mod staging;

use std::collections::{BTreeMap, HashMap};

use ingestd::postgres::fence::{Move, Standing};
use ingestd_actors::model::{Checkpoint, Counts, Epoch, FileId, FileState, Lane, Position};

use super::life::{Sight, Wanted};
use super::rules::{Rule, Rules};
use super::scene::{Fate, LANES, Scene, at};

/// What the server knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Server {
    /// Which process has the lease; a process that dies lets go of it.
    pub lease: Option<usize>,
    /// The processes that share the pipeline, each life by a number of its own, and whether it lives.
    pub instances: BTreeMap<u8, bool>,
    pub files: BTreeMap<FileId, FileRow>,
    pub next_file: i64,
    /// For each path and record, what it has become.
    pub table: Vec<Vec<Cell>>,
    /// The last row of each partition, by path and record.
    pub last: [Option<(usize, u64)>; 2],
    pub out_of_order: bool,
}

/// How often a record is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cell {
    pub rows: u8,
    /// The files that have it as a dead letter, by their numbers.
    pub letters: u32,
    pub filtered: u8,
}

impl Cell {
    /// How often it is there.
    pub fn times(self) -> u32 {
        u32::from(self.rows) + self.letters.count_ones() + u32::from(self.filtered)
    }
}

/// A row of `ingestd.files`, with its checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileRow {
    pub path: usize,
    /// How many records of the path stand before its own.
    pub base: u64,
    pub state: FileState,
    /// Which of those that share the pipeline has it in hand.
    pub owner: Option<u8>,
    pub epoch: Epoch,
    pub watermark: Position,
    /// None once it is COMMITTED.
    pub lanes: Vec<LaneRow>,
    /// How many records it has ended with.
    pub records: u64,
    /// Its staging table, where it is there.
    pub stage: Option<Vec<Record>>,
    /// Its dead letters that stand beyond the rejects' checkpoint.
    pub beyond: Vec<u64>,
}

/// A row of `ingestd.checkpoints`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LaneRow {
    pub lane: Lane,
    pub epoch: Epoch,
    pub position: Position,
    pub counts: Counts,
}

/// A record on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    /// Its number in the file of the ledger.
    pub number: u64,
    pub path: usize,
    /// Its number in the text at that path.
    pub in_path: u64,
    pub fate: Fate,
}

/// What is sent and may arrive late.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Transaction {
    Admit(Admission),
    /// Moves checkpoints of a lane, and writes the records of each.
    Batch {
        lane: Lane,
        moves: Vec<Move>,
        records: Vec<Vec<Record>>,
    },
    Commit(Completion),
    Note(Note),
    GiveUp(GiveUp),
    /// Makes the staging table of a file.
    Make {
        file: FileId,
        epoch: Epoch,
    },
}

/// What a process has decided about the file at a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Admission {
    pub process: usize,
    /// Its number, where it shares the pipeline.
    pub instance: Option<u8>,
    pub sight: Sight,
}

/// A file that its process takes for complete.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Completion {
    pub file: FileId,
    pub epoch: Epoch,
    pub seen: Vec<Checkpoint>,
    pub end: Position,
}

/// How far a file has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    pub file: FileId,
    pub epoch: Epoch,
    pub watermark: Position,
    pub seen: Vec<Checkpoint>,
    pub completed: bool,
}

/// A file that is over its error budget.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GiveUp {
    pub file: FileId,
    pub epoch: Epoch,
    /// What was found and not stored.
    pub letters: Vec<Record>,
}

impl FileRow {
    pub fn is_unfinished(&self) -> bool {
        use FileState::{Completed, Reading, Scheduled};
        matches!(self.state, Scheduled | Reading | Completed)
    }

    /// Whether there is nothing to be loaded of a path that has so many records.
    pub fn is_done_at(&self, length: usize) -> bool {
        match self.state {
            FileState::Quarantined | FileState::Failed => true,
            _ => self.base + self.records == length as u64,
        }
    }
}

impl Server {
    pub(super) fn lane(&mut self, file: FileId, lane: Lane) -> Option<&mut LaneRow> {
        let mut lanes = self.files.get_mut(&file)?.lanes.iter_mut();
        lanes.find(|row| row.lane == lane)
    }

    /// `Core::register`: the file with its checkpoints, under its first claim.
    pub fn register(&mut self, path: usize, base: u64) -> FileId {
        self.next_file += 1;
        let epoch = Epoch(1);
        let row = FileRow {
            path,
            base,
            state: FileState::Scheduled,
            owner: None,
            epoch,
            watermark: at(base, 0),
            lanes: LANES
                .map(|lane| LaneRow {
                    lane,
                    epoch,
                    position: at(base, 0),
                    counts: Counts::default(),
                })
                .to_vec(),
            records: 0,
            stage: None,
            beyond: Vec::new(),
        };
        self.files.insert(FileId(self.next_file), row);
        FileId(self.next_file)
    }

    /// `Core::write_down`: what was decided about the file at a path, without an owner where the pipeline
    /// is not shared.
    pub fn admit(&mut self, admission: &Admission, rules: Rules) -> FileId {
        let Admission {
            instance, sight, ..
        } = admission;
        match sight.wanted {
            Wanted::New(base) => {
                let file = self.register(sight.path, base);
                if let Some(row) = self.files.get_mut(&file) {
                    row.owner = *instance;
                }
                file
            }
            Wanted::Known(file) => {
                if self.files.get(&file).is_some_and(FileRow::is_unfinished) {
                    self.take(file, *instance, rules);
                }
                file
            }
        }
    }

    /// `Core::raise_epochs`: a claim, and whose the file is.
    pub fn take(&mut self, file: FileId, instance: Option<u8>, rules: Rules) {
        if let Some(row) = self.files.get_mut(&file)
            && rules.hold(Rule::ClaimTakesOwner)
        {
            row.owner = instance;
        }
        self.claim(file, rules);
    }

    /// `Core::claim`: the epoch rises, and the checkpoints take it.
    pub fn claim(&mut self, file: FileId, rules: Rules) {
        if let Some(row) = self.files.get_mut(&file) {
            if rules.hold(Rule::ClaimRaisesEpoch) {
                row.epoch.0 += 1;
            }
            for lane in &mut row.lanes {
                lane.epoch = row.epoch;
            }
        }
    }

    /// `fence::advance` and the row statements. Whether it was committed.
    pub fn write(
        &mut self,
        lane: Lane,
        moves: &[Move],
        records: &[Vec<Record>],
        scene: &Scene,
    ) -> bool {
        let rules = scene.rules;
        let fits = |row: Option<&mut LaneRow>, wanted: &Move| {
            row.map_or(!rules.hold(Rule::GoneWritesNothing), |row| {
                let epoch = row.epoch == wanted.epoch || !rules.hold(Rule::EpochIsEpoch);
                let from = (wanted.from.record, wanted.from.offset);
                let stands = (row.position.record, row.position.offset);
                epoch && (stands == from || !rules.hold(Rule::PositionIsFrom))
            })
        };
        let fit: Vec<bool> = moves
            .iter()
            .map(|wanted| fits(self.lane(wanted.file, lane), wanted))
            .collect();
        let all = fit.iter().all(|&fits| fits);
        if !all && (rules.hold(Rule::AllOrNothing) || !fit.contains(&true)) {
            return false;
        }
        for ((wanted, records), fits) in moves.iter().zip(records).zip(fit) {
            if fits {
                self.advance(lane, wanted, records, scene);
            }
            self.put(wanted.file, records, scene);
        }
        true
    }

    /// Whether a batch would be committed.
    pub fn accepts(mut self, batch: &Transaction, scene: &Scene) -> bool {
        match batch {
            Transaction::Batch {
                lane,
                moves,
                records,
            } => self.write(*lane, moves, records, scene),
            _ => true,
        }
    }

    /// The checkpoint and the counts: `fence::advance`, `fence::count`.
    pub fn advance(&mut self, lane: Lane, wanted: &Move, records: &[Record], scene: &Scene) {
        let mut counts = Counts::default();
        for record in records {
            match record.fate {
                Fate::Row(_) | Fate::Fickle(_) | Fate::Refused(_) if scene.stages() => {
                    counts.staged += 1;
                }
                Fate::Row(_) | Fate::Fickle(_) => counts.inserted += 1,
                Fate::Letter | Fate::Refused(_) => counts.rejected += 1,
                Fate::Filtered => counts.filtered += 1,
            }
        }
        if let Some(row) = self.lane(wanted.file, lane) {
            row.position = wanted.to;
            row.counts += counts;
        }
    }

    /// The rows, in a table without a key or in the file's staging table; and the dead letters, which
    /// have the key (file, record).
    pub fn put(&mut self, file: FileId, records: &[Record], scene: &Scene) {
        for record in records {
            let is_row = !matches!(record.fate, Fate::Letter | Fate::Filtered);
            let row = self
                .files
                .get_mut(&file)
                .filter(|_| is_row && scene.stages());
            if let Some(stage) = row.and_then(|row| row.stage.as_mut()) {
                stage.push(*record);
                stage.sort_unstable();
            } else {
                self.put_one(file, record);
            }
        }
    }

    /// One record, where it is to stay.
    pub fn put_one(&mut self, file: FileId, record: &Record) {
        let cell = &mut self.table[record.path][record.in_path as usize - 1];
        match record.fate {
            Fate::Row(partition) | Fate::Fickle(partition) => {
                cell.rows += 1;
                let here = Some((record.path, record.in_path));
                let last = &mut self.last[usize::from(partition)];
                self.out_of_order |= *last > here;
                *last = here;
            }
            Fate::Letter | Fate::Refused(_) => cell.letters |= 1 << file.0,
            Fate::Filtered => cell.filtered += 1,
        }
    }

    /// `fence::standings`.
    pub fn standings(
        &mut self,
        lane: Lane,
        moves: &[Move],
        rules: Rules,
    ) -> HashMap<FileId, Standing> {
        let mut found = HashMap::new();
        for wanted in moves {
            let Some(row) = self.lane(wanted.file, lane) else {
                continue;
            };
            let mut standing = Standing {
                epoch: row.epoch,
                position: row.position,
            };
            if !rules.hold(Rule::EpochIsEpoch) {
                standing.epoch = wanted.epoch;
            }
            let below = standing.position.record < wanted.from.record;
            if below && !rules.hold(Rule::BelowWritesNothing) {
                row.position = wanted.from;
                standing.position = wanted.from;
            }
            found.insert(wanted.file, standing);
        }
        found
    }

    /// `Core::progress`.
    pub fn note(&mut self, note: &Note, rules: Rules) {
        let Some(row) = self.files.get_mut(&note.file) else {
            return;
        };
        let stands_below = |seen: &Checkpoint| {
            let mut lanes = row.lanes.iter();
            let found = lanes.find(|lane| lane.lane == seen.lane);
            found.is_none_or(|lane| lane.position.record < seen.position.record)
        };
        let lost = note.seen.iter().any(stands_below);
        let stale = row.epoch != note.epoch && rules.hold(Rule::NoteComparesEpoch);
        let older = row.watermark.record > note.watermark.record;
        if stale
            || !row.is_unfinished()
            || older && rules.hold(Rule::NotesNeverGoBack)
            || lost && rules.hold(Rule::NoteComparesSeen)
        {
            return;
        }
        row.watermark = note.watermark;
        row.state = match (note.completed, row.state) {
            (true, _) => FileState::Completed,
            (false, FileState::Scheduled) => FileState::Reading,
            (false, other) => other,
        };
    }
}
