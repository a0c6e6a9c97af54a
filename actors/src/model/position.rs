//! How far a file has been read, and by which lane its records travel.

use std::fmt;

/// How far a file has been read: everything before it is behind us.
///
/// Ordered by record first; two positions of one file never disagree on the order of their fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Records read so far, the header not counted; the number of the last one read.
    pub record: u64,
    /// The byte offset of the first byte not yet read, in the file's text: decompressed, and in UTF-8.
    pub offset: u64,
    /// The physical line, counted from 1, on which that byte stands.
    pub line: u64,
}

impl Position {
    /// The start of a file, before its header.
    pub const START: Position = Position {
        record: 0,
        offset: 0,
        line: 1,
    };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "record {}, line {}, byte {}",
            self.record, self.line, self.offset
        )
    }
}

/// One of the ways by which records of a file reach the database, each with its own checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Rows of one share of the keys, counted from 0.
    Partition(u16),
    /// Records that are no rows: those that could not be decoded become dead letters, and those that
    /// a filter left out are counted.
    Rejects,
}

impl Lane {
    /// The lane's number in the ledger: the partition, or -1 for the rejects.
    pub fn number(self) -> i32 {
        match self {
            Lane::Partition(partition) => i32::from(partition),
            Lane::Rejects => -1,
        }
    }

    /// The lane that stands in the ledger under `number`; `None` where no lane has it.
    pub fn from_number(number: i32) -> Option<Lane> {
        match number {
            -1 => Some(Lane::Rejects),
            other => u16::try_from(other).ok().map(Lane::Partition),
        }
    }
}
