//! What became of every file.

use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::{count, time};

/// The states that a file may be in.
pub const STATES: [&str; 8] = [
    "SCHEDULED",
    "READING",
    "COMPLETED",
    "COMMITTED",
    "ARCHIVED",
    "SKIPPED",
    "QUARANTINED",
    "FAILED",
];

/// What `ingestd files` and the API list of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FileLine {
    /// Its number.
    pub file: i64,
    /// Its pipeline.
    pub pipeline: String,
    /// Where it was found.
    pub path: String,
    /// Its state.
    #[schema(example = "ARCHIVED")]
    pub state: String,
    /// Why it is in this state, where that says more.
    pub reason: Option<String>,
    /// What it was found to be, beside files that came before.
    pub verdict: Option<String>,
    /// Its length.
    pub bytes: u64,
    /// Its records, as far as it was read.
    pub records: u64,
    /// New rows.
    pub inserted: u64,
    /// Rows that were replaced.
    pub updated: u64,
    /// Rows that were there as they are.
    pub unchanged: u64,
    /// Rows whose key came again in this file, or lost against the one that was there.
    pub duplicate: u64,
    /// Rows that were deleted.
    pub deleted: u64,
    /// Records that a filter has left out.
    pub filtered: u64,
    /// Records that became dead letters.
    pub rejected: u64,
    /// Where it stands now.
    pub archive_path: Option<String>,
    /// When it was found.
    pub discovered_at: String,
    /// When all of it was durable.
    pub committed_at: Option<String>,
}

/// What is selected for [`FileLine::of`], from `ingestd.file_status`.
fn columns() -> String {
    format!(
        "file_id, pipeline, path, state, reason, size, records, inserted, updated, unchanged,
           duplicate, deleted, filtered, rejected, archive_path, verdict,
           {} as discovered, {} as committed",
        time("discovered_at"),
        time("committed_at")
    )
}

/// Which files are meant: pipeline ($1), state ($2), a regular expression ($4) of the path ($5) or the
/// name, found since ($6).
const MEANT: &str =
    "($1::text is null or pipeline = $1) and ($2::text is null or state = upper($2))
      and ($4::text is null
           or case when $5 then path else regexp_replace(path, '^.*/', '') end ~ $4)
      and ($6::text is null or discovered_at >= $6::text::timestamptz)";

/// The newest files ($3 of them), the newest last: those that are meant, found before $7, with $8 in
/// their reason.
pub fn newest_query() -> String {
    format!(
        "select * from (
    select {}
    from ingestd.file_status
    where {MEANT}
      and ($7::text is null or discovered_at < $7::text::timestamptz)
      and ($8::text is null or position(lower($8) in lower(reason)) > 0)
    order by file_id desc limit $3::bigint
) newest order by file_id",
        columns()
    )
}

/// A page of files, the newest first ($3 of them): those that are meant, with numbers below $7 and from
/// $8 on. What their paths are like ($9) is looked at first: that is cheap.
pub fn page_query() -> String {
    format!(
        "select {}
    from ingestd.file_status
    where file_id < $7 and file_id >= $8 and ($9::text is null or path like $9) and {MEANT}
    order by file_id desc limit $3::bigint",
        columns()
    )
}

/// The highest number of a file.
pub const HIGHEST: &str = "select coalesce(max(file_id), 0) from ingestd.files";

/// Whether there is a file with a number below $1 that was found since $2, where that is given: files
/// are numbered in the order in which they are found.
pub const IS_MORE: &str = "
    select coalesce((select $2::text is null or f.discovered_at >= $2::text::timestamptz - interval '1 h'
                     from ingestd.files f where f.file_id < $1 order by f.file_id desc limit 1), false)";

impl FileLine {
    /// A row with the columns of a file.
    pub fn of(row: &Row) -> FileLine {
        FileLine {
            file: row.get("file_id"),
            pipeline: row.get("pipeline"),
            path: row.get("path"),
            state: row.get("state"),
            reason: row.get("reason"),
            verdict: row.get("verdict"),
            bytes: count(row, "size"),
            records: count(row, "records"),
            inserted: count(row, "inserted"),
            updated: count(row, "updated"),
            unchanged: count(row, "unchanged"),
            duplicate: count(row, "duplicate"),
            deleted: count(row, "deleted"),
            filtered: count(row, "filtered"),
            rejected: count(row, "rejected"),
            archive_path: row.get("archive_path"),
            discovered_at: row.get("discovered"),
            committed_at: row.get("committed"),
        }
    }
}

/// Whether files of a state are few, and found by an index that has no others: then all of the ledger
/// may be looked through for them.
pub fn is_indexed(state: &str) -> bool {
    matches!(state, "QUARANTINED" | "FAILED")
}
