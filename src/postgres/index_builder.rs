//! Builds what a first load has put off: CREATE INDEX CONCURRENTLY, over a connection of its own.
//!
//! It blocks no writer, and none of ours can wait for it: they lock the table in ROW EXCLUSIVE mode
//! only, which goes together with its SHARE UPDATE EXCLUSIVE. It waits for older transactions,
//! whoever has them, and so nobody waits for it in one: its lock is asked for again and again.

use std::time::Duration;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::port::{DeferredIndexes, IndexEnd, MissingIndex, PortFuture};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::Database;
use super::deferred_indexes::{Index, Standing, look_at, missing, note_builder, strike};
use super::error::{classify, classify_ledger, with_kind};
use crate::plan::TableName;

/// How long a backend that was told to end may take for it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon it is looked at again.
const AGAIN: Duration = Duration::from_millis(20);

/// What the session needs. No timeout of the role may end a building that takes its time; one whose
/// client is gone ends soon, where the server can notice (PostgreSQL 14 and later); and with 256 MB
/// to sort in, it takes a tenth less time than with the server's default of 64 MB, while 1 GB gains
/// nothing more (measured with 1,000,000 events).
const SESSION: [&str; 3] = [
    "select set_config(name, '0', false) from pg_settings
     where name in ('statement_timeout', 'lock_timeout', 'transaction_timeout')",
    "select set_config(name, '256MB', false) from pg_settings
     where name = 'maintenance_work_mem' and setting::bigint < 256 * 1024",
    "select set_config(name, '1s', false) from pg_settings
     where name = 'client_connection_check_interval'",
];

/// The missing indexes of one pipeline, for one life of the service.
pub struct PostgresIndexes {
    builder: Builder,
}

#[derive(Clone)]
struct Builder {
    database: Database,
    pipeline: String,
    instance: String,
}

impl PostgresIndexes {
    /// The missing indexes of `pipeline`, built by this life (`instance`) of the service.
    pub fn new(database: Database, pipeline: impl Into<String>, instance: Uuid) -> PostgresIndexes {
        PostgresIndexes {
            builder: Builder {
                database,
                pipeline: pipeline.into(),
                instance: instance.to_string(),
            },
        }
    }
}

impl DeferredIndexes for PostgresIndexes {
    fn missing(&self) -> PortFuture<Vec<MissingIndex>> {
        let builder = self.builder.clone();
        self.builder.database.run(async move {
            let client = builder.database.client().await?;
            missing(&client, &builder.pipeline).await
        })
    }

    fn build(&self, index: MissingIndex) -> PortFuture<IndexEnd> {
        let builder = self.builder.clone();
        self.builder
            .database
            .run(async move { builder.build(index.id).await })
    }
}

/// SQL: this instance (`$2`) loads the pipeline (`$1`), alone or beside others.
const LOADS: &str = "(p.lease_instance = $2::uuid
    or p.lease_instance is null
       and exists (select from ingestd.instances where instance = $2::uuid))";

impl Builder {
    async fn build(&self, id: i64) -> Result<IndexEnd> {
        let mut client = self.database.dedicated().await?;
        if self.database.is_pooled() {
            self.claim(&mut client, id).await?;
            self.end_abandoned(&client, id).await?;
            return settle(&client, id, true).await;
        }
        for setting in SESSION {
            let set = client.batch_execute(setting).await;
            // What can't be set here is no reason to stop.
            if let Err(error) = set
                && error.as_db_error().is_none()
            {
                return Err(classify(error, "setting up a connection"));
            }
        }
        self.claim(&mut client, id).await?;
        self.lock(&client).await?;
        let end = settle(&client, id, false).await?;
        // The connection closes a little later, and the next one is not to find it locked: it would
        // end this one. Where the unlocking fails, the connection has failed, and its lock is gone.
        let _ = client
            .execute_typed("select pg_advisory_unlock_all()", &[])
            .await;
        Ok(end)
    }

    /// Makes this instance the only one that builds indexes of the pipeline, as long as it lives.
    async fn claim(&self, client: &mut Client, id: i64) -> Result<()> {
        let failed = |error| classify_ledger(error, "claiming an index that is missing");
        let transaction = self.database.begin(client).await?;
        let leased = format!(
            "select lease_instance is not null from ingestd.pipelines p
             where p.name = $1 and {LOADS} for no key update"
        );
        let this = [
            (&self.pipeline as &(dyn ToSql + Sync), Type::TEXT),
            (&self.instance, Type::TEXT),
        ];
        let leased = transaction.query_typed_opt(&leased, &this).await;
        let Some(row) = leased.map_err(failed)? else {
            return Err(self.not_leased());
        };
        let alone: bool = row.get(0);
        let [pipeline, instance] = this;
        let other = transaction
            .query_typed_opt(
                "select format('process %s on host %s', l.process, l.host)
                 from ingestd.deferred_indexes i
                 join ingestd.live_instances l on l.instance = i.builder
                 where i.pipeline = $1 and i.builder <> $2::uuid and not $3 limit 1",
                &[pipeline, instance.clone(), (&alone, Type::BOOL)],
            )
            .await
            .map_err(failed)?;
        if let Some(row) = other {
            let who: &str = row.get(0);
            let message = format!("{who} builds the indexes of pipeline {}", self.pipeline);
            return Err(Error::new(ErrorKind::Transient, message));
        }
        transaction
            .execute_typed(
                "update ingestd.deferred_indexes set builder = $2::uuid where index_id = $1",
                &[(&id, Type::INT8), instance],
            )
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// Makes this the only connection that builds indexes of the pipeline, for as long as it lives.
    ///
    /// Never by waiting in the server: whoever waits there has a snapshot, and the one that builds
    /// would wait for that one. A builder that another life has left behind is ended, since that one
    /// is dead.
    async fn lock(&self, client: &Client) -> Result<()> {
        let failed = |error| classify_ledger(error, "locking the list of missing indexes");
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let try_lock = format!(
            "select leased, case when leased then
                 pg_try_advisory_lock(hashtext('ingestd.deferred_indexes'), hashtext($1))
                 else false end
             from (select exists (select from ingestd.pipelines p
                                  where p.name = $1 and {LOADS}) as leased) l"
        );
        loop {
            let row = client
                .query_typed_one(
                    &try_lock,
                    &[(&self.pipeline, Type::TEXT), (&self.instance, Type::TEXT)],
                )
                .await
                .map_err(failed)?;
            let (leased, locked): (bool, bool) = (row.get(0), row.get(1));
            if !leased {
                return Err(self.not_leased());
            }
            if locked {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                return Err(self.does_not_end());
            }
            self.end_others(client).await.map_err(failed)?;
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn end_others(&self, client: &Client) -> Result<(), tokio_postgres::Error> {
        let statement = format!(
            "select pg_terminate_backend(pid) from pg_locks
             where locktype = 'advisory' and granted and objsubid = 2
               and database = (select oid from pg_database where datname = current_database())
               and classid = hashtext('ingestd.deferred_indexes')::oid
               and objid = hashtext($1)::oid
               and exists (select from ingestd.pipelines p where p.name = $1 and {LOADS})"
        );
        client
            .execute_typed(
                &statement,
                &[(&self.pipeline, Type::TEXT), (&self.instance, Type::TEXT)],
            )
            .await?;
        Ok(())
    }

    /// Behind a pooler no lock outlives its transaction: a backend that a dead instance has left is
    /// known by the index that it builds.
    async fn end_abandoned(&self, client: &Client, id: i64) -> Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let ended = client
                .execute_typed(
                    "select pg_terminate_backend(g.pid)
                     from ingestd.deferred_indexes i
                     join pg_stat_progress_create_index g on g.relid = i.relation
                     join pg_class c on c.oid = g.index_relid and c.relname = i.name
                     where i.index_id = $1",
                    &[(&id, Type::INT8)],
                )
                .await
                .map_err(|error| classify_ledger(error, "ending a building that was left"))?;
            if ended == 0 {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                return Err(self.does_not_end());
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn not_leased(&self) -> Error {
        let message = format!("pipeline {} is loaded by another instance", self.pipeline);
        Error::new(ErrorKind::Fenced, message)
    }

    fn does_not_end(&self) -> Error {
        let message = format!(
            "a session that builds indexes for pipeline {} does not end",
            self.pipeline
        );
        Error::new(ErrorKind::Transient, message)
    }
}

/// Does what is to be done about an index of the list, and strikes it.
async fn settle(client: &Client, id: i64, pooled: bool) -> Result<IndexEnd> {
    pass(Step::IndexClaimed).await?;
    let end = match look_at(client, id).await? {
        Standing::Done => IndexEnd::WasThere,
        Standing::Gone(why) => IndexEnd::GivenUp(why),
        Standing::Invalid(table, index) => {
            note_builder(client, id, pooled).await?;
            execute(client, &index.drop_concurrently(&table), &table, &index).await?;
            create(client, &table, &index, pooled).await?;
            IndexEnd::Built
        }
        Standing::Missing(table, index) => {
            note_builder(client, id, pooled).await?;
            create(client, &table, &index, pooled).await?;
            IndexEnd::Built
        }
    };
    pass(Step::IndexBuilt).await?;
    strike(client, id).await?;
    pass(Step::IndexStruck).await?;
    Ok(end)
}

/// Builds an index; of one that fails nothing is left, as far as that can be had soon.
async fn create(client: &Client, table: &TableName, index: &Index, pooled: bool) -> Result<()> {
    let built = execute(client, &index.create_concurrently(table), table, index).await;
    if built.is_err() && !pooled && !client.is_closed() {
        // It would take room, and time of every writer. What can't be dropped now, the next try does.
        let _ = client.batch_execute("set lock_timeout = '1s'").await;
        let _ = client.batch_execute(&index.drop_concurrently(table)).await;
    }
    built
}

async fn execute(client: &Client, sql: &str, table: &TableName, index: &Index) -> Result<()> {
    let doing = format!("building index {:?} of table {table}", index.name);
    let done = client.batch_execute(sql).await;
    done.map_err(|error| explained(classify(error, &doing), index))
}

/// What an error of the building means: nothing that it meets is a row to be refused or a batch to
/// be halved, and whatever it has left is cleared away by the next try.
fn explained(error: Error, index: &Index) -> Error {
    let advice = match error.code() {
        Some("57014") => Some("somebody cancelled it; it is tried again".to_owned()),
        Some("42501") => {
            Some("only the table's owner may: make this role a member of the owner's".to_owned())
        }
        _ if error.kind() == ErrorKind::Row => Some(format!(
            "a value may be too long for it: change that row, or create an index {:?} of your own, \
             which is taken for this one",
            index.name
        )),
        _ => None,
    };
    let kind = match error.kind() {
        ErrorKind::Row => ErrorKind::Configuration,
        ErrorKind::TooBig | ErrorKind::Unknown => ErrorKind::Transient,
        other => other,
    };
    let error = with_kind(error, kind);
    match advice {
        Some(advice) => error.with_advice(advice),
        None => error,
    }
}
