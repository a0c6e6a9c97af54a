//! Dead letters by pipeline, reason and column.

use ingestd_actors::error::Result;
use serde::Serialize;
use tokio_postgres::Client;
use utoipa::ToSchema;

use super::filter::{CONDITION, LetterFilter};
use crate::postgres::classify;
use crate::view::time;

/// The letters of one pipeline with one reason of one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stats {
    /// The pipeline.
    pub pipeline: String,
    /// The reason's code.
    pub reason: String,
    /// The column at fault.
    pub column: Option<String>,
    /// How many are NEW.
    pub new: i64,
    /// How many are RESOLVED.
    pub resolved: i64,
    /// How many are DISCARDED.
    pub discarded: i64,
    /// When the first of them was found.
    pub oldest: String,
    /// When the last was.
    pub newest: String,
    /// The newest one's file, of those that are NEW, or else of all.
    pub sample_file: i64,
    /// Its record.
    pub sample_record: i64,
    /// What it is told.
    pub sample: String,
}

/// Counts the letters that are meant: the most NEW ones first.
///
/// # Errors
/// What the server says.
pub async fn stats(client: &Client, filter: &LetterFilter) -> Result<Vec<Stats>> {
    let sample =
        "order by (d.status = 'NEW') desc, d.created_at desc, d.file_id desc, d.record desc";
    let sql = format!(
        "select d.pipeline, d.reason, d.column_name,
                count(*) filter (where d.status = 'NEW') as new,
                count(*) filter (where d.status = 'RESOLVED') as resolved,
                count(*) filter (where d.status = 'DISCARDED') as discarded,
                {} as oldest, {} as newest,
                (array_agg(d.file_id {sample}))[1] as file_id,
                (array_agg(d.record {sample}))[1] as record,
                (array_agg(d.message {sample}))[1] as message
         from ingestd.dead_letters d where {CONDITION}
         group by 1, 2, 3 order by 4 desc, 1, 2, 3",
        time("min(d.created_at)"),
        time("max(d.created_at)"),
    );
    let rows = client.query_typed(&sql, &filter.parameters()).await;
    let rows = rows.map_err(|error| classify(error, "counting the dead letters"))?;
    let stats = |row: &tokio_postgres::Row| Stats {
        pipeline: row.get("pipeline"),
        reason: row.get("reason"),
        column: row.get("column_name"),
        new: row.get("new"),
        resolved: row.get("resolved"),
        discarded: row.get("discarded"),
        oldest: row.get("oldest"),
        newest: row.get("newest"),
        sample_file: row.get("file_id"),
        sample_record: row.get("record"),
        sample: row.get("message"),
    };
    Ok(rows.iter().map(stats).collect())
}
