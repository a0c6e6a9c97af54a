//! Compares tables, dead letters and ledger with the known answer, row by row, and forgets them then.
//!
//! What was compared is taken out of the tables: whatever is written of it later, by whomever, is too
//! many in the next comparison. So neither memory nor the tables grow with the length of a run.

use std::io::Write;

use ingestd_actors::error::{Error, ErrorKind, Result};
use postgres::types::Type;
use postgres::{Client, Transaction};

use super::judge::{Differences, LedgerFile, judge_files};
use super::places::{Places, bytes_of};
use super::wave::{Fate, Flow, Input, Wave};
use crate::fs::path_from_text;
use crate::generate::expected::ROW_COLUMNS;
use crate::postgres::classify;

const COLUMNS: &str =
    "event_id, event_time, event_type, user_id, product_id, category, session_id, price, quantity";

const FILES: &str = "
    select pipeline, path, state, reason, records,
           inserted + updated + unchanged + duplicate + deleted + filtered + rejected, archive_path
    from ingestd.files where file_id > $1 order by file_id";

/// What a finished file must not leave behind.
const LEFTOVERS: &str = "
    select (select count(*) from ingestd.checkpoints)
         + (select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname = 'ingestd' and c.relname like 'staged\\_%' and c.relkind = 'r')";

/// Compares what came of a wave; `base` is the newest file before it. With `archives`, what stands in the
/// archives is compared too.
///
/// # Errors
/// Where the database can't be asked.
pub fn compare(
    client: &mut Client,
    wave: &Wave,
    base: i64,
    archives: Option<&Places>,
) -> Result<Differences> {
    let mut found = Differences::default();
    let mut transaction = client.transaction().map_err(failed)?;
    for flow in Flow::ALL {
        compare_rows(&mut transaction, wave, flow, &mut found)?;
        compare_dead_letters(&mut transaction, wave, flow, &mut found)?;
    }
    let files = ledger_files(&mut transaction, base)?;
    found.files_expected = wave.inputs().len() as u64;
    found.files_wrong = judge_files(wave, &files);
    let left: i64 = transaction
        .query_typed_one(LEFTOVERS, &[])
        .map_err(failed)?
        .get(0);
    if left > 0 {
        let line = format!("{left} checkpoints or staging tables of finished files are left");
        found.files_wrong.push(line);
    }
    transaction.rollback().map_err(failed)?;
    if let Some(places) = archives {
        for input in wave.inputs() {
            found
                .files_wrong
                .extend(archived_wrongly(places, wave, input, &files));
        }
        let left = places.left();
        found.files_wrong.extend(
            left.iter()
                .map(|name| format!("{name} is left in an inbox")),
        );
    }
    Ok(found)
}

fn compare_rows(
    transaction: &mut Transaction<'_>,
    wave: &Wave,
    flow: Flow,
    found: &mut Differences,
) -> Result<()> {
    let table = flow.name();
    let expected = format!("expected_{table}");
    transaction
        .batch_execute(&format!(
            "create temporary table {expected} ({ROW_COLUMNS}) on commit drop"
        ))
        .map_err(failed)?;
    found.rows_expected += copy(transaction, &expected, |out| wave.write_rows(flow, out))?;
    let expected = format!("select {COLUMNS} from {expected}");
    let actual = format!("select {COLUMNS} from {table}");
    let missing = difference(transaction, "event_id", &expected, &actual)?;
    let extra = difference(transaction, "event_id", &actual, &expected)?;
    found.note_rows(table, missing, extra);
    Ok(())
}

fn compare_dead_letters(
    transaction: &mut Transaction<'_>,
    wave: &Wave,
    flow: Flow,
    found: &mut Differences,
) -> Result<()> {
    let table = format!("expected_letters_{}", flow.name());
    transaction
        .batch_execute(&format!(
            "create temporary table {table} (name text, record bigint, reason text) on commit drop"
        ))
        .map_err(failed)?;
    found.letters_expected += copy(transaction, &table, |out| {
        wave.write_dead_letters(flow, out)
    })?;
    let expected = format!("select name, record, reason from {table}");
    let actual = format!(
        "select regexp_replace(f.path, '^.*/', '') as name, d.record, d.reason
         from ingestd.dead_letters d join ingestd.files f using (file_id)
         where d.pipeline = '{}'",
        flow.name()
    );
    let place = "name || ', record ' || record";
    let missing = difference(transaction, place, &expected, &actual)?;
    let extra = difference(transaction, place, &actual, &expected)?;
    found.note_letters(missing, extra);
    Ok(())
}

fn copy(
    transaction: &mut Transaction<'_>,
    table: &str,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<u64>,
) -> Result<u64> {
    let mut copy = transaction
        .copy_in(&format!("copy {table} from stdin"))
        .map_err(failed)?;
    let count = write(&mut copy).map_err(|error| {
        let message = format!("copying what is expected: {error}");
        Error::new(ErrorKind::Transient, message)
    })?;
    copy.finish().map_err(failed)?;
    Ok(count)
}

/// How many there are in `this` and not in `that`, and some of them.
fn difference(
    transaction: &mut Transaction<'_>,
    shown: &str,
    this: &str,
    that: &str,
) -> Result<(u64, Vec<String>)> {
    let query = format!(
        "with difference as (({this}) except all ({that}))
         select ({shown})::text, count(*) over () from difference order by 1 limit 3"
    );
    let rows = transaction.query_typed(&query, &[]).map_err(failed)?;
    let many = rows.first().map_or(0, |row| row.get::<_, i64>(1));
    let some = rows.iter().map(|row| row.get(0)).collect();
    Ok((many.cast_unsigned(), some))
}

fn ledger_files(transaction: &mut Transaction<'_>, base: i64) -> Result<Vec<LedgerFile>> {
    let rows = transaction
        .query_typed(FILES, &[(&base, Type::INT8)])
        .map_err(failed)?;
    let number = |row: &postgres::Row, column: usize| {
        let number: Option<i64> = row.get(column);
        number.map(i64::cast_unsigned)
    };
    let file = |row: &postgres::Row| LedgerFile {
        pipeline: row.get(0),
        path: row.get(1),
        state: row.get(2),
        reason: row.get(3),
        records: number(row, 4),
        sum: number(row, 5),
        archive_path: row.get(6),
    };
    Ok(rows.iter().map(file).collect())
}

/// What is wrong with the file that should stand in the archive, or in the inbox where it stays.
fn archived_wrongly(
    places: &Places,
    wave: &Wave,
    input: &Input,
    files: &[LedgerFile],
) -> Option<String> {
    let path = match input.fate {
        Fate::Grows => places.inbox(input.flow).join(&input.name),
        Fate::Whole | Fate::Gzip | Fate::Replaced => {
            let last = files.iter().rfind(|file| file.is_of(input))?;
            path_from_text(last.archive_path.as_deref()?)
        }
    };
    match std::fs::read(&path) {
        Ok(content) if content == bytes_of(wave, input) => None,
        Ok(_) => Some(format!("{} holds something else", path.display())),
        Err(error) => Some(format!("{}: {error}", path.display())),
    }
}

/// Takes out of the tables and out of the dead letters what was compared.
///
/// # Errors
/// Where the database says no.
pub fn forget(client: &mut Client) -> Result<()> {
    let tables = Flow::ALL.map(Flow::name).join(", ");
    client
        .batch_execute(&format!(
            "truncate {tables}; delete from ingestd.dead_letters"
        ))
        .map_err(failed)
}

fn failed(error: postgres::Error) -> Error {
    classify(error, "comparing with what is expected")
}
