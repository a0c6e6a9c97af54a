//! Compares table and dead letters with what was generated, both ways, inside the database.

use std::io::Write;

use ingestd_actors::error::{Error, ErrorKind, Result};
use postgres::Transaction;

use crate::generate::Generator;
use crate::generate::expected::{DEAD_LETTER_COLUMNS, ROW_COLUMNS};
use crate::postgres::{Connection, classify, connect_blocking};

/// What the comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The rows that were to be there.
    pub rows_expected: u64,
    /// Those of them that are missing, or have other values.
    pub rows_missing: u64,
    /// Rows that are there and were not to be, or twice.
    pub rows_extra: u64,
    /// The dead letters that were to be there.
    pub dead_letters_expected: u64,
    /// Those of them that are missing, or have another reason.
    pub dead_letters_missing: u64,
    /// Dead letters that are there and were not to be.
    pub dead_letters_extra: u64,
}

impl Verdict {
    /// Whether everything is as it was to be.
    pub fn holds(&self) -> bool {
        [
            self.rows_missing,
            self.rows_extra,
            self.dead_letters_missing,
            self.dead_letters_extra,
        ]
        .iter()
        .all(|&count| count == 0)
    }
}

/// Compares what a pipeline made of the generator's files with what it was to make of them.
///
/// # Errors
/// Where the database can't be asked.
pub fn compare(
    connection: &Connection,
    generator: &Generator,
    table: &str,
    pipeline: &str,
) -> Result<Verdict> {
    let failed = |error| classify(error, "comparing the table with what was generated");
    let mut client = connect_blocking(connection)?;
    let mut transaction = client.transaction().map_err(failed)?;
    transaction
        .batch_execute(&format!(
            "create temporary table expected_rows ({ROW_COLUMNS}) on commit drop;
             create temporary table expected_dead_letters ({DEAD_LETTER_COLUMNS}) on commit drop"
        ))
        .map_err(failed)?;
    let rows_expected = copy(&mut transaction, "expected_rows", |out| {
        generator.write_expected_table(out)
    })?;
    let dead_letters_expected = copy(&mut transaction, "expected_dead_letters", |out| {
        generator.write_expected_dead_letters(out)
    })?;

    let columns = "event_id, event_time, event_type, user_id, product_id, category, session_id, price, quantity";
    let actual_rows = format!("select {columns} from {table}");
    let expected_rows = format!("select {columns} from expected_rows");
    let expected_letters = "select file_name, record, reason from expected_dead_letters".to_owned();
    let actual_letters = format!(
        "select regexp_replace(f.path, '^.*/', ''), d.record, d.reason
         from ingestd.dead_letters d join ingestd.files f using (file_id)
         where d.pipeline = '{pipeline}' and d.status = 'NEW'"
    );
    let mut difference = |this: &str, that: &str| -> Result<u64> {
        let query = format!("select count(*) from (({this}) except all ({that})) difference");
        let row = transaction.query_typed_one(&query, &[]).map_err(failed)?;
        Ok(row.get::<_, i64>(0).cast_unsigned())
    };
    Ok(Verdict {
        rows_expected,
        rows_missing: difference(&expected_rows, &actual_rows)?,
        rows_extra: difference(&actual_rows, &expected_rows)?,
        dead_letters_expected,
        dead_letters_missing: difference(&expected_letters, &actual_letters)?,
        dead_letters_extra: difference(&actual_letters, &expected_letters)?,
    })
}

fn copy(
    transaction: &mut Transaction<'_>,
    table: &str,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<u64>,
) -> Result<u64> {
    let failed = |error| classify(error, "copying the expected rows");
    let mut copy = transaction
        .copy_in(&format!("copy {table} from stdin"))
        .map_err(failed)?;
    let count = write(&mut copy).map_err(|error| {
        Error::new(
            ErrorKind::Transient,
            format!("copying the expected rows: {error}"),
        )
    })?;
    copy.finish().map_err(failed)?;
    Ok(count)
}
