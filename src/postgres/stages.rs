//! The staging tables of files that are loaded as a whole: one a file, made as its reading begins.

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::model::{Claim, FileId};
use ingestd_actors::port::PortFuture;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};

use super::Database;
use super::error::classify_ledger;
use super::sink::move_sql;
use crate::plan::LoadPlan;

/// Makes them.
#[derive(Clone)]
pub struct Stages {
    database: Database,
}

impl Stages {
    /// On a database whose ledger is there.
    pub fn new(database: Database) -> Stages {
        Stages { database }
    }

    /// Makes the table of a claimed file, where an earlier life has not made it.
    ///
    /// # Errors
    /// `Fenced` where the file has a newer claim; `Configuration` where the role may not create it.
    pub fn make(&self, claim: &Claim) -> PortFuture<()> {
        let (database, claim) = (self.database.clone(), claim.clone());
        self.database
            .run(async move { make(&database, &claim).await })
    }
}

async fn make(database: &Database, claim: &Claim) -> Result<()> {
    let file = claim.file;
    let plan: LoadPlan = serde_json::from_str(&claim.plan.definition).map_err(|error| {
        Error::new(ErrorKind::Bug, "the stored plan can't be read").with_source(error)
    })?;
    let failed = |error| {
        let error = classify_ledger(
            error,
            &format!("making the staging table of file {}", file.0),
        );
        match error.code() {
            Some("42501") => Error::new(ErrorKind::Configuration, error.message())
                .with_code("42501")
                .with_advice("GRANT CREATE ON SCHEMA ingestd to the role that loads"),
            _ => error,
        }
    };
    let mut client = database.client().await?;
    let transaction = database.begin(&mut client).await?;
    // Whoever ends the file drops its table, under this lock: none is made after that. And an attempt whose
    // answer was given up may be making it still: it is waited for here, and not in the catalog.
    let open = transaction
        .query_typed_opt(
            "select from ingestd.files where file_id = $1 and epoch = $2
             and state in ('SCHEDULED', 'READING', 'COMPLETED') for no key update",
            &[(&file.0, Type::INT8), (&claim.epoch.0, Type::INT8)],
        )
        .await
        .map_err(failed)?;
    if open.is_none() {
        let message = format!("file {} has a newer claim", file.0);
        return Err(Error::new(ErrorKind::Fenced, message));
    }
    let sql = move_sql::create(file, &plan);
    transaction.batch_execute(&sql).await.map_err(failed)?;
    pass(Step::StageMake).await?;
    transaction.commit().await.map_err(failed)
}

/// Drops the tables of files that end, in the transaction that ends them.
///
/// # Errors
/// What the server says.
pub async fn drop_tables(transaction: &Transaction<'_>, files: &[i64]) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let drops = files.iter().map(|file| move_sql::drop(FileId(*file)));
    let sql = drops.collect::<Vec<_>>().join("; ");
    let done = transaction.batch_execute(&sql).await;
    done.map_err(|error| classify_ledger(error, "dropping a staging table"))
}

/// The staging tables that belong to no file on its way and that this role may drop, as a dead life or a
/// change of the ledger by hand may leave them.
pub const LEFT_OVER: &str = "select c.relname::text
     from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'ingestd' and c.relkind = 'r' and c.relname ~ '^staged_[0-9]{1,18}$'
       and pg_has_role(c.relowner, 'USAGE')
       and not exists (select from ingestd.files f
                       where f.file_id = substr(c.relname, 8)::bigint
                         and f.state in ('SCHEDULED', 'READING', 'COMPLETED'))";

/// Drops what is left over.
///
/// # Errors
/// What the server says.
pub async fn clear_away(client: &Client) -> Result<()> {
    let failed = |error| classify_ledger(error, "clearing staging tables away");
    let rows = client.query_typed(LEFT_OVER, &[]).await.map_err(failed)?;
    for row in rows {
        let name: &str = row.get(0);
        // One that is still held, or that somebody else has dropped, waits for the next start.
        let sql = format!(
            "DO $$ begin
                 set local lock_timeout = '1s';
                 drop table if exists ingestd.{name};
             exception when lock_not_available or insufficient_privilege or undefined_table then
                 null;
             end $$"
        );
        client.batch_execute(&sql).await.map_err(failed)?;
    }
    Ok(())
}
