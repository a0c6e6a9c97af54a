//! One file, stage by stage.

use std::collections::BTreeMap;

use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::time;

/// A file, and how long each stage of it took.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FileShown {
    /// Its number.
    pub file: i64,
    /// Its pipeline.
    pub pipeline: String,
    /// Where it was found.
    pub path: String,
    /// Where it stands now, where that is another place.
    pub archive_path: Option<String>,
    /// Its state.
    pub state: String,
    /// Why it is in this state, where that says more.
    pub reason: Option<String>,
    /// Its length.
    pub bytes: i64,
    /// The hash of all of it, once that is known.
    pub content_hash: Option<String>,
    /// The number of the plan that it is loaded under.
    pub plan: Option<i64>,
    /// The file whose tail it is.
    pub parent: Option<i64>,
    /// The file that it equals.
    pub duplicate_of: Option<i64>,
    /// Its records, as far as it was read.
    pub records: i64,
    /// New rows.
    pub inserted: i64,
    /// Rows that were replaced.
    pub updated: i64,
    /// Rows that were there as they are.
    pub unchanged: i64,
    /// Rows whose key came again in this file, or lost against the one that was there.
    pub duplicate: i64,
    /// Rows that were deleted.
    pub deleted: i64,
    /// Records that a filter has left out.
    pub filtered: i64,
    /// Records that became dead letters.
    pub rejected: i64,
    /// Up to where all of it is durable.
    pub watermark: Watermark,
    /// Up to which record each partition is committed, by its number; -1 are the rejects.
    pub checkpoints: BTreeMap<String, i64>,
    /// How many dead letters there are for each reason.
    pub dead_letters: BTreeMap<String, i64>,
    /// Its stages, in order.
    pub stages: Vec<StageReached>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Watermark {
    /// The record.
    pub record: i64,
    /// The physical line.
    pub line: i64,
    /// The byte; of a compressed file, of its text.
    pub offset: i64,
}

/// A stage of a file, and when that was reached.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StageReached {
    /// discovered, started, completed, committed or archived.
    pub stage: &'static str,
    /// When it was reached.
    pub at: Option<String>,
    /// How many seconds after the stage before.
    pub seconds: Option<f64>,
}

/// A stage: its name, the column with its moment, and what it comes after.
const STAGES: [(&str, &str, &str); 5] = [
    ("discovered", "discovered_at", "discovered_at"),
    ("started", "started_at", "discovered_at"),
    ("completed", "completed_at", "started_at"),
    ("committed", "committed_at", "completed_at"),
    ("archived", "archived_at", "committed_at"),
];

/// The statement for [`FileShown::of`]: the file of number `$1`.
pub fn query() -> String {
    let stages = STAGES.map(|(name, at, after)| {
        format!(
            "{} as {name},
             extract(epoch from f.{at} - f.{after})::float8 as {name}_after",
            time(&format!("f.{at}"))
        )
    });
    format!(
        "select s.*, {}, encode(f.content_hash, 'hex') as hash, f.plan_id, f.parent_id,
                f.duplicate_of, f.watermark_record, f.watermark_line, f.watermark_offset,
                (select json_object_agg(reason, count)::text from
                    (select reason, count(*) from ingestd.dead_letters d
                     where d.file_id = f.file_id group by 1) letters) as letters,
                (select json_object_agg(lane, record)::text from ingestd.checkpoints c
                 where c.file_id = f.file_id) as checkpoints
         from ingestd.files f
         join (select file_id, pipeline, path, state, reason, size, records, inserted, updated,
                      unchanged, duplicate, deleted, filtered, rejected, archive_path
               from ingestd.file_status) s using (file_id)
         where f.file_id = $1",
        stages.join(", ")
    )
}

impl FileShown {
    /// A row of [`query`].
    pub fn of(row: &Row) -> FileShown {
        let object = |column: &str| {
            let text: Option<String> = row.get(column);
            serde_json::from_str(&text.unwrap_or_default()).unwrap_or_default()
        };
        let stages = STAGES.iter().map(|(name, _, _)| StageReached {
            stage: name,
            at: row.get(*name),
            seconds: row.get(format!("{name}_after").as_str()),
        });
        FileShown {
            file: row.get("file_id"),
            pipeline: row.get("pipeline"),
            path: row.get("path"),
            archive_path: row.get("archive_path"),
            state: row.get("state"),
            reason: row.get("reason"),
            bytes: row.get("size"),
            content_hash: row.get("hash"),
            plan: row.get("plan_id"),
            parent: row.get("parent_id"),
            duplicate_of: row.get("duplicate_of"),
            records: row.get("records"),
            inserted: row.get("inserted"),
            updated: row.get("updated"),
            unchanged: row.get("unchanged"),
            duplicate: row.get("duplicate"),
            deleted: row.get("deleted"),
            filtered: row.get("filtered"),
            rejected: row.get("rejected"),
            watermark: Watermark {
                record: row.get("watermark_record"),
                line: row.get("watermark_line"),
                offset: row.get("watermark_offset"),
            },
            checkpoints: object("checkpoints"),
            dead_letters: object("letters"),
            stages: stages.collect(),
        }
    }
}
