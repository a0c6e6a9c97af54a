//! Taking a file back: its rows leave the table, and it may come again; and forgetting one.
//!
//! Each is one transaction of the target database, the ledger's part with it, so that whoever dies
//! leaves all of it or nothing. It begins with a lock on the file's row: whoever is about to move the
//! file away, or to judge another one by it, comes before or after. A service keeps nothing of a
//! finished file in mind but what its directory looked like.

mod family;
mod forget;
mod lineage;
mod prospect;

use ingestd_actors::error::{Error, ErrorKind, Result};
use postgres::types::{ToSql, Type};
use postgres::{Client, IsolationLevel, Transaction};
use serde::Serialize;

pub use family::{Relative, Tail};
pub use forget::{Forgotten, forget, forgettable};
pub use prospect::Prospect;

use crate::postgres::classify;

/// What became of a file that was to be taken back.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Undone {
    /// Its rows are gone, or would be.
    Undone(Box<Prospect>),
    /// They were before.
    Before {
        /// The file.
        file: i64,
        /// When, in RFC 3339.
        at: String,
    },
}

/// What taking a file back would do; nothing is changed, and nothing locked.
///
/// # Errors
/// `Configuration` where it can't be taken back, with what to do.
pub fn undoable(client: &mut Client, file: i64) -> Result<Undone> {
    let mut transaction = begin(client)?;
    let mut prospect = match Prospect::look(&mut transaction, file)? {
        Undone::Undone(prospect) => prospect,
        before => return Ok(before),
    };
    let count = format!(
        "select count(*) from {} where {}",
        prospect.table, prospect.lineage.condition
    );
    let values = prospect.lineage.values();
    let row = transaction
        .query_typed_one(&count, &values)
        .map_err(|error| refused(error, &prospect))?;
    prospect.found(row.get::<_, i64>(0).cast_unsigned());
    Ok(Undone::Undone(prospect))
}

/// Takes a file back: its rows are deleted, its dead letters discarded, and in the ledger it stands for
/// nothing any more. While that takes, nobody else writes to the table: batches on their way come
/// before or after, and none meets half of it.
///
/// # Errors
/// `Configuration` where it can't be taken back, with what to do; `Transient` where somebody has the
/// table locked; `Unknown` where the connection is lost at the end: to be done again.
pub fn undo(client: &mut Client, file: i64) -> Result<Undone> {
    let mut transaction = begin(client)?;
    lock(&mut transaction, file)?;
    let mut prospect = match Prospect::look(&mut transaction, file)? {
        Undone::Undone(prospect) => prospect,
        before => return Ok(before),
    };
    let exclusively = format!("lock table {} in share row exclusive mode", prospect.table);
    transaction
        .batch_execute(&exclusively)
        .map_err(|error| refused(error, &prospect))?;
    let delete = format!(
        "delete from {} where {}",
        prospect.table, prospect.lineage.condition
    );
    let rows = transaction
        .execute_typed(&delete, &prospect.lineage.values())
        .map_err(|error| refused(error, &prospect))?;
    prospect.found(rows);
    note(&mut transaction, &prospect)?;
    commit(transaction)?;
    Ok(Undone::Undone(prospect))
}

/// Written down in the transaction that deletes the rows. A file that was loaded to its end has ended as
/// one that was skipped; one that was refused stays so, with nothing of it loaded.
fn note(transaction: &mut Transaction<'_>, prospect: &Prospect) -> Result<()> {
    family::set_free(transaction, prospect.file)?;
    let file = (&prospect.file as &(dyn ToSql + Sync), Type::INT8);
    let rows = prospect.rows.cast_signed();
    let mut note = |statement: &str, values: &[(&(dyn ToSql + Sync), Type)]| {
        let noted = transaction.execute_typed(statement, values);
        noted.map_err(|error| classify(error, "noting that a file was taken back"))
    };
    note(TAKEN_BACK, &[file.clone(), (&rows, Type::INT8)])?;
    note(
        "update ingestd.dead_letters
         set status = 'DISCARDED', resolved_at = clock_timestamp(), resolved_by = session_user,
             resolution = 'taken back with its file' || coalesce(' (was: ' || resolution || ')', '')
         where file_id = $1 and status <> 'DISCARDED'",
        std::slice::from_ref(&file),
    )?;
    note(
        "delete from ingestd.checkpoints where file_id = $1",
        std::slice::from_ref(&file),
    )?;
    Ok(())
}

const TAKEN_BACK: &str = "
    update ingestd.files f
    set state = case when f.state in ('COMMITTED', 'ARCHIVED') then 'SKIPPED' else f.state end,
        reason = format('taken back at %s UTC by %s; rows removed: %s of %s that it had written%s',
                        to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
                        session_user, $2, coalesce(f.inserted, 0) + coalesce(f.updated, 0),
                        case when f.state in ('COMMITTED', 'ARCHIVED') then ''
                             else '; before: ' || coalesce(f.reason, '') end),
        undone_at = clock_timestamp(), undone_by = session_user, undone_rows = $2,
        epoch = f.epoch + 1, duplicate_of = null,
        records = 0, inserted = 0, updated = 0, unchanged = 0, duplicate = 0, deleted = 0,
        filtered = 0, rejected = 0
    where f.file_id = $1";

fn begin(client: &mut Client) -> Result<Transaction<'_>> {
    let failed = |error| classify(error, "opening a transaction");
    let mut transaction = client
        .build_transaction()
        // What it waits for is to be seen afterwards, whatever the role's default is.
        .isolation_level(IsolationLevel::ReadCommitted)
        .start()
        .map_err(failed)?;
    // Whoever is told that it is done is told so for good; and who hangs holds up nobody for long.
    transaction
        .batch_execute(
            "set local lock_timeout = '10s'; set local synchronous_commit = on;
             set local idle_in_transaction_session_timeout = '15s'",
        )
        .map_err(failed)?;
    Ok(transaction)
}

/// Locks a file's row, against whoever moves it or judges others by it.
fn lock(transaction: &mut Transaction<'_>, file: i64) -> Result<()> {
    transaction
        .execute_typed(
            "select from ingestd.files where file_id = $1 for update",
            &[(&file, Type::INT8)],
        )
        .map_err(|error| classify(error, "locking the file's row"))?;
    Ok(())
}

fn commit(transaction: Transaction<'_>) -> Result<()> {
    transaction.commit().map_err(|error| {
        let error = crate::postgres::error::classify_commit(error);
        match error.kind() {
            ErrorKind::Unknown => error.with_advice(
                "whether it came about is not known: type it again, which harms nothing",
            ),
            _ => error,
        }
    })
}

/// What the server says of the table's own statements.
fn refused(error: postgres::Error, prospect: &Prospect) -> Error {
    let error = classify(error, &format!("taking rows out of {}", prospect.table));
    match error.code() {
        Some("23503") => error.with_advice(
            "rows of another table refer to these: take those out first; nothing was changed",
        ),
        Some("42501") => {
            error.with_advice("grant this role select and delete on the table; nothing was changed")
        }
        Some("55P03") => error.with_advice(
            "somebody has the table locked: type it again once that is over; nothing was changed",
        ),
        _ => error,
    }
}

fn refuse(message: String, advice: &str) -> Error {
    Error::new(ErrorKind::Configuration, message).with_advice(advice)
}
