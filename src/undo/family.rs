//! The files that stand or fall with another: its tails, and what was skipped as its duplicate.

use ingestd_actors::error::Result;
use postgres::Transaction;
use postgres::types::Type;
use serde::Serialize;

use super::refuse;
use crate::postgres::classify;

/// A file that has to do with another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Relative {
    /// Its number.
    pub file: i64,
    /// Where it stood.
    pub path: String,
}

/// What was skipped as a duplicate of a file, the oldest first.
pub fn duplicates(transaction: &mut Transaction<'_>, file: i64) -> Result<Vec<Relative>> {
    let rows = transaction
        .query_typed(
            "select file_id, path from ingestd.files where duplicate_of = $1 order by file_id",
            &[(&file, Type::INT8)],
        )
        .map_err(|error| classify(error, "reading the ledger"))?;
    let relative = |row: &postgres::Row| Relative {
        file: row.get(0),
        path: row.get(1),
    };
    Ok(rows.iter().map(relative).collect())
}

/// What was added to a file, and forgotten with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tail {
    /// Its number.
    pub file: i64,
    /// Where it stood.
    pub path: String,
    /// The state that it is in.
    pub state: String,
    /// How many dead letters are forgotten with it.
    pub dead_letters: u64,
}

/// All that was added to a file, and to that again.
const TAILS: &str = "
    with recursive tails (file_id) as (
        select file_id from ingestd.files where parent_id = $1
        union
        select f.file_id from ingestd.files f join tails t on f.parent_id = t.file_id)";

/// What was added to a file since it was loaded, the oldest first.
pub fn tails(transaction: &mut Transaction<'_>, file: i64) -> Result<Vec<Tail>> {
    let sql = format!(
        "{TAILS}
         select f.file_id, f.path, f.state,
                (select count(*) from ingestd.dead_letters d where d.file_id = f.file_id)
         from tails join ingestd.files f using (file_id) order by f.file_id"
    );
    let rows = transaction
        .query_typed(&sql, &[(&file, Type::INT8)])
        .map_err(|error| classify(error, "reading the ledger"))?;
    let tail = |row: &postgres::Row| Tail {
        file: row.get(0),
        path: row.get(1),
        state: row.get(2),
        dead_letters: row.get::<_, i64>(3).cast_unsigned(),
    };
    Ok(rows.iter().map(tail).collect())
}

/// Refuses where a tail of the file stands: what is loaded of it begins where this one ends, and the whole
/// of both would be loaded again as one file.
pub fn refuse_with_tails(transaction: &mut Transaction<'_>, file: i64, doing: &str) -> Result<()> {
    let sql = format!(
        "{TAILS}
         select f.file_id, f.state from tails join ingestd.files f using (file_id)
         where f.state in ('SCHEDULED', 'READING', 'COMPLETED', 'COMMITTED', 'ARCHIVED')
            or coalesce(f.inserted + f.updated + f.unchanged + f.duplicate + f.deleted, 0) > 0
         order by f.file_id desc limit 1"
    );
    let row = transaction
        .query_typed_opt(&sql, &[(&file, Type::INT8)])
        .map_err(|error| classify(error, "reading the ledger"))?;
    match row {
        None => Ok(()),
        Some(row) => {
            let tail: i64 = row.get(0);
            let message = format!("file {file} has grown: file {tail} is what was added to it");
            Err(refuse(message, &format!("`ingestd {doing} {tail}` first")))
        }
    }
}

/// What was skipped as a duplicate of a file stands for nothing any more.
pub fn set_free(transaction: &mut Transaction<'_>, file: i64) -> Result<()> {
    transaction
        .execute_typed(
            "with locked as (
                 select file_id from ingestd.files where duplicate_of = $1
                 order by file_id for no key update)
             update ingestd.files f set duplicate_of = null from locked where f.file_id = locked.file_id",
            &[(&file, Type::INT8)],
        )
        .map_err(|error| classify(error, "noting that duplicates stand for nothing any more"))?;
    Ok(())
}
