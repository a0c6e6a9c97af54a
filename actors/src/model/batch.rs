//! The unit of one transaction, and what came of it.

use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use super::{DeadLetter, Epoch, FileId, Filtered, Plan, Position, Reason, Rows};

/// Rows of one partition, from one file or several, that are committed together.
#[derive(Debug)]
pub struct Batch {
    /// The partition.
    pub partition: u16,
    /// The plan of all its files.
    pub plan: Arc<Plan>,
    /// One for each file, in the order in which the files were read.
    pub shares: Vec<Share>,
}

/// What one file gives to a batch, and how far the batch moves its checkpoint.
#[derive(Debug, Clone)]
pub struct Share {
    /// The file.
    pub file: FileId,
    /// The claim under which it is loaded.
    pub epoch: Epoch,
    /// Where the checkpoint stands, as last read from or committed to the ledger.
    pub from: Position,
    /// Where it will stand.
    pub to: Position,
    /// The rows, in record order.
    pub rows: Vec<Arc<Rows>>,
    /// How many dead letters the file's error budget leaves to them; `None`: any number.
    pub room: Option<u64>,
}

impl Batch {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.shares.iter().map(Share::row_count).sum()
    }

    /// The size of its rows, encoded.
    pub fn bytes(&self) -> usize {
        let pieces = self.shares.iter().flat_map(|share| &share.rows);
        pieces.map(|rows| rows.bytes()).sum()
    }
}

impl Share {
    /// The number of rows.
    pub fn row_count(&self) -> usize {
        self.rows.iter().map(|rows| rows.len()).sum()
    }
}

/// Records that are no rows, of one or several files, that are committed together.
#[derive(Debug)]
pub struct RejectBatch {
    /// One for each file.
    pub shares: Vec<RejectShare>,
}

/// What one file gives to such a batch.
#[derive(Debug)]
pub struct RejectShare {
    /// The file.
    pub file: FileId,
    /// The claim under which it is loaded.
    pub epoch: Epoch,
    /// Where the rejects' checkpoint stands, as last read from or committed to the ledger.
    pub from: Position,
    /// Where it will stand.
    pub to: Position,
    /// The dead letters, in record order.
    pub dead_letters: Vec<DeadLetter>,
    /// The records that a filter left out.
    pub filtered: Filtered,
}

/// What became of records; committed with the checkpoint that it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Rows that are new in the table.
    pub inserted: u64,
    /// Rows that changed one that was there.
    pub updated: u64,
    /// Rows that were there already with the same values.
    pub unchanged: u64,
    /// Rows that a later row of the same key in the same batch superseded.
    pub duplicate: u64,
    /// Rows that deleted one.
    pub deleted: u64,
    /// Records that a filter left out.
    pub filtered: u64,
    /// Records that became dead letters.
    pub rejected: u64,
    /// Rows that wait to be moved into the table, with all others of a file that is loaded as a whole.
    pub staged: u64,
}

impl Counts {
    /// All of them: equals the number of records at a file's end.
    pub fn total(&self) -> u64 {
        self.inserted
            + self.updated
            + self.unchanged
            + self.duplicate
            + self.deleted
            + self.filtered
            + self.rejected
            + self.staged
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.duplicate += other.duplicate;
        self.deleted += other.deleted;
        self.filtered += other.filtered;
        self.rejected += other.rejected;
        self.staged += other.staged;
    }
}

/// What became of one file's share of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShareOutcome {
    /// The checkpoint stands at the share's end (or stood above it already).
    Moved {
        /// The file.
        file: FileId,
        /// The claim under which it was loaded.
        epoch: Epoch,
        /// Where the checkpoint stands now.
        to: Position,
        /// What this transaction did; zero where another life had done it.
        counts: Counts,
    },
    /// Nothing of the share was written: the file has a newer claim, its checkpoint stands below
    /// the share's start, or it is gone.
    Fenced {
        /// The file.
        file: FileId,
        /// The claim that is no longer good.
        epoch: Epoch,
    },
    /// Nothing of the share was written: the server refuses more of its rows than there was room for.
    OverBudget {
        /// The file.
        file: FileId,
    },
}

/// How long the stages of a transaction took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// Finding the rows to write: trimming and deduplicating.
    pub prepare: Duration,
    /// Moving the checkpoints.
    pub fence: Duration,
    /// Sending and writing the rows.
    pub write: Duration,
    /// The commit.
    pub commit: Duration,
}

/// What a committed transaction did.
#[derive(Clone, Debug)]
pub struct Written {
    /// One for each share of the batch, in its order.
    pub outcomes: Vec<ShareOutcome>,
    /// For each share that is over its budget, its file and the dead letters that were found: one more
    /// than there was room for, at most.
    pub over_budget: Vec<(FileId, Vec<DeadLetter>)>,
    /// How many rows became dead letters in it, by reason.
    pub dead_letters: Vec<(Reason, u64)>,
    /// How long it took.
    pub times: StageTimes,
}
