//! What comes out of reading a file: chunks of decoded records, then the end.

use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

use super::{DeadLetter, Epoch, FileId, Filtered, Position, Rows};

/// The state of a content hash after whole blocks, from which hashing can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HashMark {
    /// The bytes hashed so far: a multiple of the hash's block length.
    pub offset: u64,
    /// The chained value over those blocks.
    pub chain: [u8; 32],
}

/// A run of records of one file, decoded: all of them, between two positions.
#[derive(Debug)]
pub struct Chunk {
    /// The file.
    pub file: FileId,
    /// The claim under which it was read.
    pub epoch: Epoch,
    /// Where the run starts.
    pub from: Position,
    /// Where it ends.
    pub to: Position,
    /// The rows by partition; only partitions that have any.
    pub partitions: Vec<(u16, Rows)>,
    /// The records that could not be decoded, in record order.
    pub rejects: Vec<DeadLetter>,
    /// The records that a filter left out.
    pub filtered: Filtered,
    /// The content hash's state at or before `to`.
    pub hash_mark: Option<HashMark>,
}

impl Chunk {
    /// The memory that the chunk holds, in bytes.
    pub fn bytes(&self) -> usize {
        let rows: usize = self.partitions.iter().map(|(_, rows)| rows.bytes()).sum();
        let rejects: usize = self.rejects.iter().map(DeadLetter::bytes).sum();
        rows + rejects + self.filtered.bytes()
    }

    /// The number of records in the run.
    pub fn records(&self) -> u64 {
        self.to.record - self.from.record
    }
}

/// What was found at the end of a file.
#[derive(Clone, Debug)]
pub struct FileEnd {
    /// The position after the last record.
    pub end: Position,
    /// The length of its text in bytes, which is where the last record has to end: the file's
    /// length, or another one where it is compressed, or not in UTF-8.
    pub text: u64,
    /// The file's length and modification time (nanoseconds since the epoch) at the end.
    pub size: u64,
    /// See `size`.
    pub modified: i64,
    /// When it was written to its end or moved to its place, whichever came last.
    pub arrived: SystemTime,
    /// The hash of the whole content.
    pub content_hash: [u8; 32],
    /// The open file: it keeps the inode from being used again until the file is archived.
    pub handle: Arc<File>,
}

/// One step of reading a file.
#[derive(Debug)]
pub enum Read {
    /// The next records.
    Chunk(Chunk),
    /// There are no more.
    End(FileEnd),
}
