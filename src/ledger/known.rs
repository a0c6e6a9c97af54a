//! A row of `ingestd.files` as plain data.

use std::path::PathBuf;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{Candidate, Ends, Epoch, FileId, FileState, HashMark, Position};
use tokio_postgres::Row;

use crate::fs::path_from_text;

/// What [`Known::read`] needs, of a table that is called `f`.
pub const COLUMNS: &str = "f.file_id, f.path, f.size, f.modified, f.device, f.inode, \
    f.head_hash, f.tail_hash, f.content_hash, f.hash_offset, f.hash_chain, f.plan_id, f.parent_id, \
    f.base_offset, f.base_line, f.state, f.reason, f.duplicate_of, f.epoch, \
    f.watermark_record, f.watermark_offset, f.watermark_line, f.records, \
    coalesce(f.inserted + f.updated + f.unchanged + f.duplicate + f.deleted, 0) as loaded, \
    f.archive_path, f.archived_at is not null as archived, f.owner::text as owner, \
    f.leave_again_at is not null as held, f.undone_at is not null as undone, \
    to_char(f.committed_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') as committed_at";

/// What the ledger knows of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Its number.
    pub file: FileId,
    /// What it was when it was last looked at.
    pub candidate: Candidate,
    /// The hash of its head.
    pub head: Vec<u8>,
    /// The hash of its tail.
    pub tail: Vec<u8>,
    /// The hash of its content, once that is known.
    pub content: Option<Vec<u8>>,
    /// The content hash's state at the watermark.
    pub mark: Option<HashMark>,
    /// Its plan.
    pub plan: Option<i64>,
    /// The file whose tail it is.
    pub parent: Option<FileId>,
    /// Where its own records begin.
    pub base: Position,
    /// What became of it.
    pub state: FileState,
    /// Why.
    pub reason: Option<String>,
    /// The file that it equals.
    pub duplicate_of: Option<FileId>,
    /// Its newest claim.
    pub epoch: Epoch,
    /// Everything up to here is durable; its end, once it is committed.
    pub watermark: Position,
    /// Its records, once it is committed.
    pub records: Option<u64>,
    /// How many of its records became rows, once it is finished.
    pub loaded: u64,
    /// Where it is moved to, once that is decided.
    pub archive_path: Option<PathBuf>,
    /// Whether it has left its path.
    pub archived: bool,
    /// Whether it is tried again later what could not be done with it: to leave.
    pub held: bool,
    /// Whether its rows were taken back.
    pub undone: bool,
    /// The instance that has it in hand, or had.
    pub owner: Option<String>,
    /// When it was committed (UTC).
    pub committed_at: Option<String>,
}

impl Known {
    /// Whether its loading has not ended.
    pub fn is_unfinished(&self) -> bool {
        matches!(
            self.state,
            FileState::Scheduled | FileState::Reading | FileState::Completed
        )
    }

    /// The hashes of its ends; `None` where it could not be read.
    pub fn ends(&self) -> Option<Ends> {
        Some(Ends {
            head: self.head[..].try_into().ok()?,
            tail: self.tail[..].try_into().ok()?,
        })
    }

    /// Reads a row that has [`COLUMNS`].
    ///
    /// # Errors
    /// `Bug` where the row can't be what this program wrote.
    pub fn read(row: &Row) -> Result<Known> {
        let file: i64 = row.get("file_id");
        let state: &str = row.get("state");
        let Some(state) = state_by_name(state) else {
            let message = format!("file {file} of the ledger is in an unknown state");
            return Err(Error::new(ErrorKind::Bug, message)
                .with_advice("was the ledger written by a newer version?"));
        };
        Ok(Known {
            file: FileId(file),
            candidate: Candidate {
                path: path_from_text(row.get("path")),
                size: unsigned(row, "size"),
                modified: row.get("modified"),
                device: bits(row, "device"),
                inode: bits(row, "inode"),
            },
            head: row.get("head_hash"),
            tail: row.get("tail_hash"),
            content: row.get("content_hash"),
            mark: mark(row),
            plan: row.get("plan_id"),
            parent: row.get::<_, Option<i64>>("parent_id").map(FileId),
            base: Position {
                record: 0,
                offset: unsigned(row, "base_offset"),
                line: unsigned(row, "base_line"),
            },
            state,
            reason: row.get("reason"),
            duplicate_of: row.get::<_, Option<i64>>("duplicate_of").map(FileId),
            epoch: Epoch(row.get("epoch")),
            watermark: Position {
                record: unsigned(row, "watermark_record"),
                offset: unsigned(row, "watermark_offset"),
                line: unsigned(row, "watermark_line"),
            },
            records: row.get::<_, Option<i64>>("records").map(to_unsigned),
            loaded: unsigned(row, "loaded"),
            archive_path: row
                .get::<_, Option<&str>>("archive_path")
                .map(path_from_text),
            archived: row.get("archived"),
            held: row.get("held"),
            undone: row.get("undone"),
            owner: row.get("owner"),
            committed_at: row.get("committed_at"),
        })
    }
}

/// A count that the ledger keeps as a signed number.
pub fn to_unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A count as the ledger keeps it.
pub fn to_signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count in a column of this name.
pub fn unsigned(row: &Row, column: &str) -> u64 {
    to_unsigned(row.get(column))
}

fn bits(row: &Row, column: &str) -> u64 {
    row.get::<_, i64>(column).cast_unsigned()
}

fn mark(row: &Row) -> Option<HashMark> {
    let offset: Option<i64> = row.get("hash_offset");
    let chain: Option<&[u8]> = row.get("hash_chain");
    Some(HashMark {
        offset: to_unsigned(offset?),
        chain: chain?.try_into().ok()?,
    })
}

fn state_by_name(name: &str) -> Option<FileState> {
    use FileState::*;
    [
        Scheduled,
        Reading,
        Completed,
        Committed,
        Archived,
        Skipped,
        Quarantined,
        Failed,
    ]
    .into_iter()
    .find(|state| state.name() == name)
}
