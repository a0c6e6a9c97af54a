//! The server: a ledger and a table, and the transactions on them, each atomic.
//!
//! What is SQL in the program is a function here that says the same, and names the one it stands for.
//! A transaction of the program holds the locks of its checkpoints from its first statement to its
//! end, so that two which touch one lane of one file never overlap: that is why they may be atomic.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::sync::{Arc, OnceLock};

use ingestd::ledger::balance::{Account, Judgement, judge};
use ingestd::postgres::fence::{Move, Standing};
use ingestd_actors::model::{
    Checkpoint, Counts, Epoch, FileEnd, FileId, FileState, Lane, Position,
};

use super::rules::{Rule, Rules};
use super::scene::{Fate, LANES, at};

/// What the server knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Server {
    /// Which process has the lease; a process that dies lets go of it.
    pub lease: Option<usize>,
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
    pub letters: u8,
    pub filtered: u8,
}

/// A row of `ingestd.files`, with its checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileRow {
    pub path: usize,
    /// How many records of the path stand before its own.
    pub base: u64,
    pub state: FileState,
    pub epoch: Epoch,
    pub watermark: Position,
    /// None once it is COMMITTED.
    pub lanes: Vec<LaneRow>,
    /// How many records it was committed with.
    pub records: u64,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// Moves checkpoints of a lane, and writes the records of each.
    Batch {
        lane: Lane,
        moves: Vec<Move>,
        records: Vec<Vec<Record>>,
    },
    Commit(Completion),
    Note(Note),
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

impl FileRow {
    pub fn is_unfinished(&self) -> bool {
        use FileState::{Completed, Reading, Scheduled};
        matches!(self.state, Scheduled | Reading | Completed)
    }
}

impl Server {
    fn lane(&mut self, file: FileId, lane: Lane) -> Option<&mut LaneRow> {
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
        };
        self.files.insert(FileId(self.next_file), row);
        FileId(self.next_file)
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
        rules: Rules,
    ) -> bool {
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
                self.advance(lane, wanted, records);
            }
            self.put(records);
        }
        true
    }

    /// Whether a batch would be committed.
    pub fn accepts(mut self, batch: &Transaction, rules: Rules) -> bool {
        match batch {
            Transaction::Batch {
                lane,
                moves,
                records,
            } => self.write(*lane, moves, records, rules),
            _ => true,
        }
    }

    /// The checkpoint and the counts: `fence::advance`, `fence::count`.
    pub fn advance(&mut self, lane: Lane, wanted: &Move, records: &[Record]) {
        let mut counts = Counts::default();
        for record in records {
            match record.fate {
                Fate::Row(_) | Fate::Fickle(_) => counts.inserted += 1,
                Fate::Letter => counts.rejected += 1,
                Fate::Filtered => counts.filtered += 1,
            }
        }
        if let Some(row) = self.lane(wanted.file, lane) {
            row.position = wanted.to;
            row.counts += counts;
        }
    }

    /// The rows, in a table without a key, and the dead letters, which have the key (file, record).
    pub fn put(&mut self, records: &[Record]) {
        for record in records {
            let cell = &mut self.table[record.path][record.in_path as usize - 1];
            match record.fate {
                Fate::Row(partition) | Fate::Fickle(partition) => {
                    cell.rows += 1;
                    let here = Some((record.path, record.in_path));
                    let last = &mut self.last[usize::from(partition)];
                    self.out_of_order |= *last > here;
                    *last = here;
                }
                Fate::Letter => cell.letters = 1,
                Fate::Filtered => cell.filtered += 1,
            }
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

    /// `Core::commit`.
    pub fn commit(&mut self, wanted: &Completion, rules: Rules) -> Judgement {
        let Completion {
            file,
            epoch,
            seen,
            end,
        } = wanted;
        let mut account = self.files.get(file).map(FileRow::account);
        if let Some(account) = account
            .as_mut()
            .filter(|_| !rules.hold(Rule::CommitComparesEpoch))
        {
            account.epoch = *epoch;
            account.lanes.iter_mut().for_each(|lane| lane.1 = *epoch);
        }
        let seen = match rules.hold(Rule::CommitComparesSeen) {
            true => &seen[..],
            false => &[],
        };
        let mut judged = judge(account.as_ref(), *epoch, seen, &file_end(*end));
        if matches!(judged, Judgement::Unbalanced(_)) && !rules.hold(Rule::CommitAddsUp) {
            judged = Judgement::Commit(Counts::default());
        }
        if let Some(row) = self.files.get_mut(file) {
            match judged {
                Judgement::Commit(_) => {
                    row.state = FileState::Committed;
                    row.watermark = *end;
                    row.records = end.record;
                    row.lanes.clear();
                }
                Judgement::Unbalanced(_) => row.state = FileState::Failed,
                Judgement::Done(_) | Judgement::Fenced => {}
                Judgement::Refuse(_) | Judgement::Refused(_) => {}
            }
        }
        judged
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

impl FileRow {
    fn account(&self) -> Account {
        let lane = |row: &LaneRow| {
            let checkpoint = Checkpoint {
                lane: row.lane,
                position: row.position,
            };
            (checkpoint, row.epoch, row.counts)
        };
        Account {
            state: self.state,
            epoch: self.epoch,
            reason: None,
            expected: None,
            counts: Counts::default(),
            lanes: self.lanes.iter().map(lane).collect(),
        }
    }
}

/// The end of a file whose text was read to its end.
fn file_end(end: Position) -> FileEnd {
    static NOTHING: OnceLock<Arc<File>> = OnceLock::new();
    let open = || Arc::new(File::open("/dev/null").expect("there is always nothing"));
    FileEnd {
        end,
        text: end.offset,
        size: end.offset,
        modified: 0,
        content_hash: [0; 32],
        handle: Arc::clone(NOTHING.get_or_init(open)),
    }
}
