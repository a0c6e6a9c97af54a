//! One part of a replay: its statements, inside one transaction.

use std::collections::{BTreeMap, BTreeSet};

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::Place;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::tally::Tally;
use crate::postgres::dead_letters::RAW_CAP;
use crate::postgres::error::classify_ledger;

/// Where a letter stands: its file and its record.
pub type Key = (i64, i64);

/// A letter that is NEW, and locked.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Which one.
    pub key: Key,
    /// Where its record stood.
    pub place: Place,
    /// Its true length.
    pub length: u64,
    /// What was kept of it.
    pub raw: Vec<u8>,
    /// Why it is a dead letter.
    pub told: Told,
}

/// Why a record is no row.
#[derive(Clone, Debug)]
pub struct Told {
    /// The reason's code.
    pub reason: String,
    /// The column at fault.
    pub column: Option<String>,
    /// What is wrong.
    pub message: String,
    /// The server's code.
    pub sqlstate: Option<String>,
}

/// What is to be noted of a letter.
#[derive(Clone, Debug)]
pub enum Mark {
    /// It is RESOLVED, so.
    Resolved(String),
    /// It has failed again.
    Failed(Told),
    /// It was tried and stays as it is.
    Stays,
}

/// Moves the replay's row; `false` where it stands elsewhere, or under another epoch.
pub async fn advance(
    client: &Client,
    (replay, epoch): (i64, i64),
    from: Option<Key>,
    to: Key,
) -> Result<bool> {
    let (from_file, from_record) = (from.map(|it| it.0), from.map(|it| it.1));
    let moved = client
        .execute_typed(
            "update ingestd.replays
             set at_file = $5, at_record = $6, parts = parts + 1, seen_at = clock_timestamp()
             where replay_id = $1 and epoch = $2 and state = 'RUNNING'
               and at_file is not distinct from $3 and at_record is not distinct from $4",
            &[
                (&replay, Type::INT8),
                (&epoch, Type::INT8),
                (&from_file, Type::INT8),
                (&from_record, Type::INT8),
                (&to.0, Type::INT8),
                (&to.1, Type::INT8),
            ],
        )
        .await
        .map_err(|error| classify_ledger(error, "moving a replay"))?;
    Ok(moved == 1)
}

/// Where the replay's row stands, under its lock; `None` where somebody else has taken it over.
pub async fn standing(client: &Client, (replay, epoch): (i64, i64)) -> Result<Option<Option<Key>>> {
    let row = client
        .query_typed_opt(
            "select at_file, at_record from ingestd.replays
             where replay_id = $1 and epoch = $2 for update",
            &[(&replay, Type::INT8), (&epoch, Type::INT8)],
        )
        .await
        .map_err(|error| classify_ledger(error, "reading how far a replay is"))?;
    Ok(row.map(|row| Some((row.get::<_, Option<i64>>(0)?, row.get(1)))))
}

/// Of these files those whose letters may go on, locked against change.
pub async fn lock_files(client: &Client, keys: &[Key]) -> Result<BTreeSet<i64>> {
    let files: BTreeSet<i64> = keys.iter().map(|key| key.0).collect();
    let files: Vec<i64> = files.into_iter().collect();
    let rows = client
        .query_typed(
            "select file_id, state in ('COMMITTED', 'ARCHIVED') from ingestd.files
             where file_id = any($1) order by file_id for share",
            &[(&files, Type::INT8_ARRAY)],
        )
        .await
        .map_err(|error| classify_ledger(error, "locking the files of dead letters"))?;
    let ready = rows.iter().filter(|row| row.get(1));
    Ok(ready.map(|row| row.get(0)).collect())
}

/// Of these letters those that are NEW, locked, in the order of their keys.
pub async fn lock_letters(client: &Client, keys: &[Key]) -> Result<Vec<Taken>> {
    let (files, records): (Vec<i64>, Vec<i64>) = keys.iter().copied().unzip();
    let rows = client
        .query_typed(
            "select d.file_id, d.record, d.line, d.byte_offset, d.length, d.raw, d.reason,
                    d.column_name, d.message, d.sqlstate
             from ingestd.dead_letters d
             where (d.file_id, d.record) in (select * from unnest($1::int8[], $2::int8[]))
               and d.status = 'NEW'
             order by d.file_id, d.record for update",
            &[(&files, Type::INT8_ARRAY), (&records, Type::INT8_ARRAY)],
        )
        .await
        .map_err(|error| classify_ledger(error, "locking dead letters"))?;
    Ok(rows.iter().map(taken).collect())
}

fn taken(row: &Row) -> Taken {
    let number = |column: &str| row.get::<_, i64>(column).unsigned_abs();
    Taken {
        key: (row.get("file_id"), row.get("record")),
        place: Place {
            record: number("record"),
            line: number("line"),
            offset: number("byte_offset"),
        },
        length: number("length"),
        raw: row.get::<_, Option<Vec<u8>>>("raw").unwrap_or_default(),
        told: Told {
            reason: row.get("reason"),
            column: row.get("column_name"),
            message: row.get("message"),
            sqlstate: row.get("sqlstate"),
        },
    }
}

impl Taken {
    /// Whether not all of the record was kept.
    pub fn is_cut(&self) -> bool {
        self.length > self.raw.len() as u64 || self.raw.len() > RAW_CAP
    }
}

/// Notes what became of letters that are locked.
pub async fn mark(
    client: &Client,
    by: &str,
    replay: Option<i64>,
    marks: &BTreeMap<Key, Mark>,
) -> Result<()> {
    let mut noted = resolve(client, by, replay, marks).await?;
    noted += fail(client, replay, marks).await?;
    noted += leave(client, replay, marks).await?;
    match noted == marks.len() as u64 {
        true => Ok(()),
        false => {
            let message = format!("{noted} of {} dead letters were noted", marks.len());
            Err(Error::new(ErrorKind::Bug, message))
        }
    }
}

async fn resolve(
    client: &Client,
    by: &str,
    replay: Option<i64>,
    marks: &BTreeMap<Key, Mark>,
) -> Result<u64> {
    let resolved = marks.iter().filter_map(|(key, mark)| match mark {
        Mark::Resolved(how) => Some((key, how.as_str())),
        _ => None,
    });
    let (keys, how): (Vec<&Key>, Vec<&str>) = resolved.unzip();
    let (files, records) = columns(&keys);
    let sql = "update ingestd.dead_letters d
         set status = 'RESOLVED', resolved_at = clock_timestamp(), resolved_by = $4, resolution = w.how,
             attempts = attempts + 1, tried_at = clock_timestamp(), replay_id = $5
         from unnest($1::int8[], $2::int8[], $3::text[]) as w (file_id, record, how)
         where d.file_id = w.file_id and d.record = w.record and d.status = 'NEW'";
    let done = client
        .execute_typed(
            sql,
            &[
                (&files, Type::INT8_ARRAY),
                (&records, Type::INT8_ARRAY),
                (&how, Type::TEXT_ARRAY),
                (&by, Type::TEXT),
                (&replay, Type::INT8),
            ],
        )
        .await;
    done.map_err(noting)
}

async fn fail(client: &Client, replay: Option<i64>, marks: &BTreeMap<Key, Mark>) -> Result<u64> {
    let failed = marks.iter().filter_map(|(key, mark)| match mark {
        Mark::Failed(told) => Some((key, told)),
        _ => None,
    });
    let (keys, told): (Vec<&Key>, Vec<&Told>) = failed.unzip();
    let (files, records) = columns(&keys);
    let reasons: Vec<&str> = told.iter().map(|it| it.reason.as_str()).collect();
    let columns: Vec<Option<&str>> = told.iter().map(|it| it.column.as_deref()).collect();
    let messages: Vec<String> = told
        .iter()
        .map(|it| it.message.replace('\0', "\u{FFFD}"))
        .collect();
    let codes: Vec<Option<&str>> = told.iter().map(|it| it.sqlstate.as_deref()).collect();
    // What the audit holds against the file is what was found as it was loaded.
    let sql = "update ingestd.dead_letters d
         set first_sqlstate = case when d.first_reason is null then d.sqlstate
                                   else d.first_sqlstate end,
             first_reason = coalesce(d.first_reason, d.reason),
             reason = w.reason, column_name = w.column_name, message = w.message,
             sqlstate = w.sqlstate, attempts = attempts + 1, tried_at = clock_timestamp(),
             replay_id = $7
         from unnest($1::int8[], $2::int8[], $3::text[], $4::text[], $5::text[], $6::text[])
              as w (file_id, record, reason, column_name, message, sqlstate)
         where d.file_id = w.file_id and d.record = w.record and d.status = 'NEW'";
    let done = client
        .execute_typed(
            sql,
            &[
                (&files, Type::INT8_ARRAY),
                (&records, Type::INT8_ARRAY),
                (&reasons, Type::TEXT_ARRAY),
                (&columns, Type::TEXT_ARRAY),
                (&messages, Type::TEXT_ARRAY),
                (&codes, Type::TEXT_ARRAY),
                (&replay, Type::INT8),
            ],
        )
        .await;
    done.map_err(noting)
}

async fn leave(client: &Client, replay: Option<i64>, marks: &BTreeMap<Key, Mark>) -> Result<u64> {
    let stays = marks.iter().filter(|(_, mark)| matches!(mark, Mark::Stays));
    let keys: Vec<&Key> = stays.map(|(key, _)| key).collect();
    let (files, records) = columns(&keys);
    let sql = "update ingestd.dead_letters d
         set attempts = attempts + 1, tried_at = clock_timestamp(), replay_id = $3
         from unnest($1::int8[], $2::int8[]) as w (file_id, record)
         where d.file_id = w.file_id and d.record = w.record and d.status = 'NEW'";
    let done = client
        .execute_typed(
            sql,
            &[
                (&files, Type::INT8_ARRAY),
                (&records, Type::INT8_ARRAY),
                (&replay, Type::INT8),
            ],
        )
        .await;
    done.map_err(noting)
}

fn columns(keys: &[&Key]) -> (Vec<i64>, Vec<i64>) {
    keys.iter().map(|key| **key).unzip()
}

fn noting(error: tokio_postgres::Error) -> Error {
    classify_ledger(error, "noting what became of dead letters")
}

/// Adds what came of a part to the replay's row.
pub async fn count(client: &Client, replay: i64, tally: &Tally) -> Result<()> {
    let numbers = tally.numbers().map(|(_, number)| number as i64);
    let sets: Vec<String> = tally
        .numbers()
        .iter()
        .enumerate()
        .map(|(index, (name, _))| format!("{name} = {name} + ${}", index + 2))
        .collect();
    let sql = format!(
        "update ingestd.replays set {}, seen_at = clock_timestamp() where replay_id = $1",
        sets.join(", ")
    );
    let mut parameters: Vec<(&(dyn tokio_postgres::types::ToSql + Sync), Type)> =
        vec![(&replay, Type::INT8)];
    parameters.extend(numbers.iter().map(|number| {
        let number: &(dyn tokio_postgres::types::ToSql + Sync) = number;
        (number, Type::INT8)
    }));
    client
        .execute_typed(&sql, &parameters)
        .await
        .map_err(|error| classify_ledger(error, "counting what a replay did"))?;
    Ok(())
}
