//! A file on its way through the tree.

use std::path::PathBuf;
use std::sync::Arc;

use super::{HashMark, Lane, Position};

/// The number of a file in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub i64);

/// How often a file has been claimed; a checkpoint moves only for the newest claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub i64);

/// What has become of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileState {
    /// Known, its plan stored, nothing read yet.
    Scheduled,
    /// Being read.
    Reading,
    /// Read to its end; not all rows are durable yet.
    Completed,
    /// Every row is durable and accounted for.
    Committed,
    /// Committed, and moved out of the inbox.
    Archived,
    /// Not loaded because its content was loaded before.
    Skipped,
    /// Not loaded, or not to its end, because of what is in it.
    Quarantined,
    /// Needs an operator.
    Failed,
}

impl FileState {
    /// The state's name in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            FileState::Scheduled => "SCHEDULED",
            FileState::Reading => "READING",
            FileState::Completed => "COMPLETED",
            FileState::Committed => "COMMITTED",
            FileState::Archived => "ARCHIVED",
            FileState::Skipped => "SKIPPED",
            FileState::Quarantined => "QUARANTINED",
            FileState::Failed => "FAILED",
        }
    }
}

/// A file that a scan found ready to be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Where it stands.
    pub path: PathBuf,
    /// Its length in bytes when it was found.
    pub size: u64,
    /// Its modification time, in nanoseconds since the epoch.
    pub modified: i64,
    /// The device that holds it.
    pub device: u64,
    /// Its inode on that device.
    pub inode: u64,
}

/// What is done to every record of a file; fixed when its reading starts.
///
/// The tree uses the partition count and compares identities; the rest is for source and sink.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// The plan's number in the ledger.
    pub id: i64,
    /// How many partitions the keys are divided into.
    pub partitions: u16,
    /// The definition as it is stored in the ledger (JSON).
    pub definition: String,
    /// Whether a file's rows become visible all at once, as it is committed: then files are committed
    /// one by one, in the order in which they were begun.
    pub all_or_nothing: bool,
}

/// The position up to which one lane of a file is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// The lane.
    pub lane: Lane,
    /// Everything of the lane up to here is durable.
    pub position: Position,
}

/// The hashes of a file's ends, as they were when it was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Of its first bytes.
    pub head: [u8; 32],
    /// Of the last bytes of its length.
    pub tail: [u8; 32],
}

/// The right to load a file, with all that is needed to go on where the last life ended.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The file's number in the ledger.
    pub file: FileId,
    /// Where it stands, and what it was when it was claimed.
    pub candidate: Candidate,
    /// What it began and ended with then, where that is known: it may wait for its turn.
    pub ends: Option<Ends>,
    /// The epoch of this claim.
    pub epoch: Epoch,
    /// The plan that the file is loaded under, from its first record to its last.
    pub plan: Arc<Plan>,
    /// Where the file's own records begin: its start, or for a tail the end of its parent.
    pub base: Position,
    /// One for each partition and one for the rejects.
    pub checkpoints: Vec<Checkpoint>,
    /// Everything up to here is durable in all lanes, as last recorded.
    pub watermark: Position,
    /// The state of the content hash at or before the watermark.
    pub hash_mark: Option<HashMark>,
    /// How many of its records are dead letters already.
    pub rejected: u64,
}

impl Claim {
    /// Where reading goes on: nothing before it is missing in any lane.
    ///
    /// The watermark may stand above an idle lane's checkpoint, and the checkpoints may have moved
    /// since the watermark was recorded: the higher of the two is right.
    pub fn resume_at(&self) -> Position {
        let lowest_checkpoint = self
            .checkpoints
            .iter()
            .map(|checkpoint| checkpoint.position)
            .min()
            .unwrap_or(self.base);
        lowest_checkpoint.max(self.watermark).max(self.base)
    }

    /// How far any lane has come: what was counted so far stands before it.
    pub fn farthest(&self) -> Position {
        let checkpoints = self.checkpoints.iter().map(|it| it.position);
        checkpoints.max().unwrap_or(self.base).max(self.watermark)
    }
}
