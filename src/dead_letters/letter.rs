//! Dead letters as they are read from the ledger.

use std::collections::{BTreeSet, HashMap};

use ingestd_actors::error::Result;
use serde::Serialize;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};
use utoipa::ToSchema;

use super::filter::{CONDITION, LetterFilter};
use crate::postgres::classify;
use crate::view::time;

/// A dead letter without its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Letter {
    /// Its pipeline.
    pub pipeline: String,
    /// Its file's number.
    pub file: i64,
    /// Where the file stood when it was found.
    pub path: String,
    /// The record's number, counted from 1.
    pub record: i64,
    /// The physical line that it starts on.
    pub line: i64,
    /// Where it starts in the file's text.
    pub byte_offset: i64,
    /// Its true length in bytes.
    pub length: i64,
    /// The column at fault.
    pub column: Option<String>,
    /// The reason's code.
    pub reason: String,
    /// What is wrong.
    pub message: String,
    /// The server's code, where the server refused it.
    pub sqlstate: Option<String>,
    /// How often it was tried.
    pub attempts: i32,
    /// NEW, RESOLVED or DISCARDED.
    pub status: String,
    /// When it was found (RFC 3339, UTC).
    pub created_at: String,
    /// When a replay has tried it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried_at: Option<String>,
    /// When it became RESOLVED or DISCARDED.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<String>,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<String>,
    /// How: what its row did, or why it was discarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// The replay that has tried it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<i64>,
}

/// What is kept of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raw {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its true length.
    pub length: u64,
}

impl Raw {
    /// Whether not all of it was kept.
    pub fn is_cut(&self) -> bool {
        self.length > self.bytes.len() as u64
    }
}

/// How many letters have something in common, and the first of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What they have in common; empty where that is nothing.
    pub what: String,
    /// How many they are.
    pub count: i64,
    /// The file of the first.
    pub first_file: i64,
    /// Its record.
    pub first_record: i64,
}

fn columns() -> String {
    let times = ["created_at", "tried_at", "resolved_at"];
    let times = times.map(|name| format!("{} as {name}", time(&format!("d.{name}"))));
    format!(
        "d.pipeline, d.file_id, f.path, d.record, d.line, d.byte_offset, d.length, d.column_name,
         d.reason, d.message, d.sqlstate, d.attempts, d.status, d.resolved_by, d.resolution, d.replay_id,
         {}",
        times.join(", ")
    )
}

fn letter(row: &Row) -> Letter {
    Letter {
        pipeline: row.get("pipeline"),
        file: row.get("file_id"),
        path: row.get("path"),
        record: row.get("record"),
        line: row.get("line"),
        byte_offset: row.get("byte_offset"),
        length: row.get("length"),
        column: row.get("column_name"),
        reason: row.get("reason"),
        message: row.get("message"),
        sqlstate: row.get("sqlstate"),
        attempts: row.get("attempts"),
        status: row.get("status"),
        created_at: row.get("created_at"),
        tried_at: row.get("tried_at"),
        resolved_at: row.get("resolved_at"),
        resolved_by: row.get("resolved_by"),
        resolution: row.get("resolution"),
        replay: row.get("replay_id"),
    }
}

fn failed(error: tokio_postgres::Error) -> ingestd_actors::error::Error {
    classify(error, "reading the dead letters")
}

/// The letters that are meant, by file and record: at most so many behind one (0, 0 for the first).
///
/// # Errors
/// What the server says.
pub async fn list(
    client: &Client,
    filter: &LetterFilter,
    (file, record): (i64, i64),
    limit: i64,
) -> Result<Vec<Letter>> {
    let sql = format!(
        "select {} from ingestd.dead_letters d join ingestd.files f using (file_id)
         where {CONDITION} and (d.file_id, d.record) > ($9, $10)
         order by d.file_id, d.record limit $11",
        columns()
    );
    let mut parameters = filter.parameters();
    parameters.extend([
        (
            &file as &(dyn tokio_postgres::types::ToSql + Sync),
            Type::INT8,
        ),
        (&record, Type::INT8),
        (&limit, Type::INT8),
    ]);
    let rows = client
        .query_typed(&sql, &parameters)
        .await
        .map_err(failed)?;
    Ok(rows.iter().map(letter).collect())
}

/// How many letters are meant.
///
/// # Errors
/// What the server says.
pub async fn count(client: &Client, filter: &LetterFilter) -> Result<u64> {
    let sql = format!("select count(*) from ingestd.dead_letters d where {CONDITION}");
    let row = client.query_typed_one(&sql, &filter.parameters()).await;
    Ok(row.map_err(failed)?.get::<_, i64>(0).unsigned_abs())
}

/// The letters that are meant, counted by reason, column, sqlstate or file: the most first.
///
/// # Errors
/// What the server says.
pub async fn groups(
    client: &Client,
    filter: &LetterFilter,
    by: &str,
    limit: i64,
) -> Result<Vec<Group>> {
    let what = match by {
        "column" => "coalesce(d.column_name, '')",
        "sqlstate" => "coalesce(d.sqlstate, '')",
        "file" => "d.file_id || ' ' || f.path",
        _ => "d.reason",
    };
    let sql = format!(
        "select {what} as what, count(*) as count, min(d.file_id) as file_id,
                (array_agg(d.record order by d.file_id, d.record))[1] as record
         from ingestd.dead_letters d join ingestd.files f using (file_id) where {CONDITION}
         group by 1 order by 2 desc, 1 limit $9::bigint"
    );
    let mut parameters = filter.parameters();
    parameters.push((&limit, Type::INT8));
    let rows = client
        .query_typed(&sql, &parameters)
        .await
        .map_err(failed)?;
    let group = |row: &Row| Group {
        what: row.get("what"),
        count: row.get("count"),
        first_file: row.get("file_id"),
        first_record: row.get("record"),
    };
    Ok(rows.iter().map(group).collect())
}

/// One letter; `None` where the record is none.
///
/// # Errors
/// What the server says.
pub async fn find(client: &Client, file: i64, record: i64) -> Result<Option<Letter>> {
    let filter = LetterFilter {
        file: Some(file),
        record: Some(record),
        ..LetterFilter::default()
    };
    Ok(list(client, &filter, (0, 0), 1).await?.pop())
}

/// What is kept of the record of a letter.
///
/// # Errors
/// What the server says.
pub async fn raw_of(client: &Client, file: i64, record: i64) -> Result<Raw> {
    let sql = "select raw, length from ingestd.dead_letters where file_id = $1 and record = $2";
    let row = client
        .query_typed_opt(sql, &[(&file, Type::INT8), (&record, Type::INT8)])
        .await
        .map_err(failed)?;
    Ok(row.map_or(Raw::default(), |row| Raw {
        bytes: row.get::<_, Option<Vec<u8>>>(0).unwrap_or_default(),
        length: row.get::<_, i64>(1).unsigned_abs(),
    }))
}

/// The pipelines that have letters that are meant, of those that are NEW.
///
/// # Errors
/// What the server says.
pub async fn pipelines_of(client: &Client, filter: &LetterFilter) -> Result<BTreeSet<String>> {
    let sql = format!(
        "select distinct d.pipeline from ingestd.dead_letters d
         where {CONDITION} and d.status = 'NEW'"
    );
    let rows = client.query_typed(&sql, &filter.parameters()).await;
    Ok(rows.map_err(failed)?.iter().map(|row| row.get(0)).collect())
}

/// The pipelines of letters, by file and record; those that there are.
///
/// # Errors
/// What the server says.
pub async fn pipelines_of_letters(
    client: &Client,
    keys: Vec<(i64, i64)>,
) -> Result<HashMap<(i64, i64), String>> {
    let (files, records): (Vec<i64>, Vec<i64>) = keys.into_iter().unzip();
    let rows = client
        .query_typed(
            "select d.file_id, d.record, d.pipeline from ingestd.dead_letters d
             where (d.file_id, d.record) in (select * from unnest($1::int8[], $2::int8[]))",
            &[(&files, Type::INT8_ARRAY), (&records, Type::INT8_ARRAY)],
        )
        .await
        .map_err(failed)?;
    let known = rows
        .iter()
        .map(|row| ((row.get(0), row.get(1)), row.get(2)));
    Ok(known.collect())
}
