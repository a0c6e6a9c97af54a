//! Dead letters, many in one statement.

use std::borrow::Cow;

use ingestd_actors::error::Result;
use ingestd_actors::model::{DeadLetter, FileId};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::error::classify_ledger;

/// The most raw bytes that are kept of one record.
pub const RAW_CAP: usize = 1 << 20;

/// The most rows, and about the most raw bytes, of one statement.
const ROWS: usize = 10_000;
const BYTES: usize = 16 << 20;

/// Stores dead letters, in the transaction that is open. A record that has one already gets the
/// new reason, and one more attempt.
///
/// # Errors
/// What the server says of a statement of the ledger.
pub async fn store(
    client: &Client,
    pipeline: &str,
    letters: &[(FileId, &DeadLetter)],
) -> Result<()> {
    let mut rest = letters;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(how_many(rest));
        store_some(client, pipeline, now).await?;
        rest = later;
    }
    Ok(())
}

/// How many of these make one statement: at least one.
fn how_many(letters: &[(FileId, &DeadLetter)]) -> usize {
    let mut bytes = 0;
    let fits = |(_, letter): &&(FileId, &DeadLetter)| {
        bytes += letter.raw.len().min(RAW_CAP) + letter.message.len();
        bytes <= BYTES
    };
    letters.iter().take(ROWS).take_while(fits).count().max(1)
}

async fn store_some(
    client: &Client,
    pipeline: &str,
    letters: &[(FileId, &DeadLetter)],
) -> Result<()> {
    let sql = "insert into ingestd.dead_letters as d (pipeline, file_id, record, line, byte_offset,
            length, raw, column_name, reason, message, sqlstate)
        select $1, w.* from unnest($2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[],
            $7::bytea[], $8::text[], $9::text[], $10::text[], $11::text[]) as w
        on conflict (file_id, record) do update
        set line = excluded.line, byte_offset = excluded.byte_offset, length = excluded.length,
            raw = excluded.raw, column_name = excluded.column_name, reason = excluded.reason,
            message = excluded.message, sqlstate = excluded.sqlstate,
            created_at = clock_timestamp(), attempts = d.attempts + 1, status = 'NEW',
            resolved_at = null, resolved_by = null, resolution = null";
    let number = |get: fn(&DeadLetter) -> u64| {
        let values = letters.iter().map(|(_, letter)| get(letter) as i64);
        values.collect::<Vec<i64>>()
    };
    let files: Vec<i64> = letters.iter().map(|(file, _)| file.0).collect();
    let raws: Vec<&[u8]> = letters
        .iter()
        .map(|(_, letter)| &letter.raw[..letter.raw.len().min(RAW_CAP)])
        .collect();
    let columns: Vec<Option<&str>> = letters
        .iter()
        .map(|(_, letter)| letter.column.as_deref())
        .collect();
    let reasons: Vec<&str> = letters
        .iter()
        .map(|(_, letter)| letter.reason.code())
        .collect();
    let messages: Vec<Cow<'_, str>> = letters
        .iter()
        .map(|(_, letter)| storable(&letter.message))
        .collect();
    let sqlstates: Vec<Option<&str>> = letters
        .iter()
        .map(|(_, letter)| letter.sqlstate.as_deref())
        .collect();
    client
        .execute_typed(
            sql,
            &[
                (&pipeline, Type::TEXT),
                (&files, Type::INT8_ARRAY),
                (&number(|l| l.record), Type::INT8_ARRAY),
                (&number(|l| l.line), Type::INT8_ARRAY),
                (&number(|l| l.offset), Type::INT8_ARRAY),
                (&number(|l| l.length), Type::INT8_ARRAY),
                (&raws, Type::BYTEA_ARRAY),
                (&columns, Type::TEXT_ARRAY),
                (&reasons, Type::TEXT_ARRAY),
                (&messages, Type::TEXT_ARRAY),
                (&sqlstates, Type::TEXT_ARRAY),
            ],
        )
        .await
        .map_err(|error| classify_ledger(error, "storing dead letters"))?;
    Ok(())
}

/// PostgreSQL holds no NUL in a text: a dead letter that quotes one must not stop the rest.
fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{FFFD}"))
    } else {
        Cow::Borrowed(text)
    }
}
