//! One connection for one lane, for one generation.
//!
//! It is a connection of its own and not one on loan: a pool hands a connection out again as it came
//! back, and a writer that was dropped in the middle of a COPY would hand back an open transaction.
//! A dedicated one is closed with whatever was open on it, and only ends that way. It is still made
//! by the pool's manager, so that there is one place that knows how to connect.

use std::time::Duration;

use ingestd_actors::error::{Error, Result};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, IsolationLevel, Transaction};
use uuid::Uuid;

use super::database::PINNED_LOCALLY;
use super::error::{classify_commit, classify_ledger};
use super::{Database, classify, quote};

/// A setting that is `yes` inside a transaction of [`Link::begin`], and nowhere else: what is sent
/// behind a BEGIN without waiting for its answer looks at it, since a BEGIN that is cancelled leaves
/// what follows it to commit by itself.
pub const OPEN: &str = "ingestd.transaction_is_open";

/// Whose connection it is: a lane of a pipeline in this life of the service.
#[derive(Clone)]
pub struct Owner {
    /// Where to connect.
    pub database: Database,
    /// The pipeline.
    pub pipeline: String,
    /// The lane's number in the ledger.
    pub lane: i32,
    /// This life of the service.
    pub instance: Uuid,
    /// How long a statement waits for a lock.
    pub lock_timeout: Duration,
}

/// A connection that is recorded in `ingestd.writers`, so that a takeover can terminate it.
pub struct Link {
    /// The connection.
    pub client: Client,
    /// The plans whose staging table this connection has.
    pub staged: Vec<i64>,
    /// Whether its session is its own for a transaction only.
    pub pooled: bool,
    /// What is set in each transaction.
    settings: String,
}

/// PURE: an SQL condition on a row `lock` of `pg_locks`: it is the one that a lane has in each of its
/// transactions behind a pooler, where its session could be anybody's. Shared, so that it is never
/// waited for.
pub fn lane_lock(lock: &str, pipeline: &str, instance: &str, lane: &str) -> String {
    format!(
        "{lock}.locktype = 'advisory' and {lock}.granted and {lock}.objsubid = 2
         and {lock}.database = (select oid from pg_database where datname = current_database())
         and {lock}.classid = hashtext('ingestd.lane')::oid
         and {lock}.objid = hashtext({})::oid",
        lane_name(pipeline, instance, lane)
    )
}

fn lane_name(pipeline: &str, instance: &str, lane: &str) -> String {
    format!("{pipeline} || '/' || {instance} || '/' || {lane}::text")
}

impl Link {
    /// Connects, ends the backend that the lane had before, and records the new one; all of it is
    /// committed before the first batch.
    ///
    /// # Errors
    /// As [`Database::dedicated`], and what the ledger's statements meet.
    pub async fn open(owner: &Owner) -> Result<Link> {
        let client = owner.database.dedicated().await?;
        if owner.database.is_pooled() {
            return Link::open_pooled(client, owner).await;
        }
        notice_the_end(&client).await?;
        terminate_predecessor(&client, owner).await?;
        let backend =
            "select pid, backend_start from pg_stat_activity where pid = pg_backend_pid()";
        record(&client, owner, backend).await?;
        Ok(Link::on(client, false, settings(owner.lock_timeout)))
    }

    /// A connection that is recorded nowhere: for replays, and for transactions that are rolled back.
    ///
    /// Nobody ends its backend, so that it has to end by itself where its client is gone or hangs. A client
    /// that is gone is noticed in the middle of a statement where the server can (since PostgreSQL 14), else
    /// at the statement's end: each is of a few rows, and waits for a lock no longer than is said here. One
    /// that hangs loses its transaction after `idle_in_transaction_session_timeout`, which every session has.
    ///
    /// # Errors
    /// As [`Database::dedicated`].
    pub async fn unrecorded(database: &Database, lock_timeout: Duration) -> Result<Link> {
        let client = database.dedicated().await?;
        let settings = settings(lock_timeout);
        if database.is_pooled() {
            let settings = format!("{settings}; {PINNED_LOCALLY}");
            return Ok(Link::on(client, true, settings));
        }
        notice_the_end(&client).await?;
        Ok(Link::on(client, false, settings))
    }

    fn on(client: Client, pooled: bool, settings: String) -> Link {
        Link {
            client,
            staged: Vec::new(),
            pooled,
            settings,
        }
    }

    /// The same behind a pooler: nothing is set, and no backend is this lane's.
    async fn open_pooled(client: Client, owner: &Owner) -> Result<Link> {
        terminate_pooled_predecessor(&client, owner).await?;
        record(
            &client,
            owner,
            "select 0 as pid, clock_timestamp() as backend_start",
        )
        .await?;
        let lock = lane_name(
            &quote::literal(&owner.pipeline),
            &quote::literal(&owner.instance.to_string()),
            &quote::literal(&owner.lane.to_string()),
        );
        let settings = format!(
            "{}; {PINNED_LOCALLY}; \
             SELECT pg_try_advisory_xact_lock_shared(hashtext('ingestd.lane'), hashtext({lock}))",
            settings(owner.lock_timeout)
        );
        Ok(Link::on(client, true, settings))
    }

    /// Opens a transaction.
    ///
    /// A deferrable constraint is checked inside of it: at COMMIT it could refuse no single row.
    pub async fn begin(&self) -> Result<()> {
        let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED; {}", self.settings);
        self.client
            .batch_execute(&begin)
            .await
            .map_err(|error| classify_ledger(error, "opening a transaction"))
    }

    /// The same for whoever ends it by the driver's own means.
    pub async fn transaction(&mut self) -> Result<Transaction<'_>> {
        let failed = |error| classify_ledger(error, "opening a transaction");
        let transaction = self
            .client
            .build_transaction()
            .isolation_level(IsolationLevel::ReadCommitted)
            .start()
            .await
            .map_err(failed)?;
        transaction
            .batch_execute(&self.settings)
            .await
            .map_err(failed)?;
        Ok(transaction)
    }

    /// Gives the transaction up; the connection is as good as new after it.
    pub async fn rollback(&self) -> Result<()> {
        self.client
            .batch_execute("ROLLBACK")
            .await
            .map_err(|error| classify_ledger(error, "rolling back"))
    }

    /// Commits. An error of kind `Unknown` leaves the outcome to be read from the checkpoints.
    ///
    /// A COMMIT in an aborted transaction answers ROLLBACK, which looks like success here. The
    /// statement before it, in the same message, turns that into an error.
    pub async fn commit(&self) -> Result<()> {
        self.client
            .batch_execute("SELECT 1; COMMIT")
            .await
            .map_err(classify_commit)
    }
}

fn settings(lock_timeout: Duration) -> String {
    format!(
        "SET LOCAL {OPEN} = 'yes'; SET LOCAL lock_timeout = {}; SET CONSTRAINTS ALL IMMEDIATE",
        lock_timeout.as_millis()
    )
}

/// Has the server look in the middle of a statement whether its client is there. Since PostgreSQL 14, and
/// not on every system: it is no loss where it can't be set.
async fn notice_the_end(client: &Client) -> Result<()> {
    let interval = "select set_config(name, '10s', false) from pg_settings \
                    where name = 'client_connection_check_interval'";
    tolerate(client.batch_execute(interval).await)
}

/// What is not allowed or not known here is no reason to stop; what the connection does, is.
fn tolerate<T>(result: Result<T, tokio_postgres::Error>) -> Result<()> {
    match result {
        Err(error) if error.as_db_error().is_none() => {
            Err(classify(error, "setting up a connection"))
        }
        _ => Ok(()),
    }
}

/// The lane has one writer at a time, so whoever had it is given up: it may be stalled in a COPY,
/// which ignores cancel and every timeout while it holds the locks of the checkpoints.
async fn terminate_predecessor(client: &Client, owner: &Owner) -> Result<(), Error> {
    let sql = "select pg_terminate_backend(a.pid)
               from ingestd.writers w join pg_stat_activity a
                 on a.pid = w.backend and a.backend_start = w.backend_start
               where w.pipeline = $1 and w.lane = $2 and w.instance = $3::uuid";
    let instance = owner.instance.to_string();
    let result = client
        .query_typed(
            sql,
            &[
                (&owner.pipeline, Type::TEXT),
                (&owner.lane, Type::INT4),
                (&instance, Type::TEXT),
            ],
        )
        .await;
    tolerate(result)
}

/// The same behind a pooler: whoever has the lane's lock is in one of its transactions.
async fn terminate_pooled_predecessor(client: &Client, owner: &Owner) -> Result<(), Error> {
    let sql = format!(
        "select pg_terminate_backend(l.pid) from pg_locks l where {}",
        lane_lock("l", "$1", "$3", "$2")
    );
    let instance = owner.instance.to_string();
    let result = client
        .query_typed(
            &sql,
            &[
                (&owner.pipeline, Type::TEXT),
                (&owner.lane, Type::INT4),
                (&instance, Type::TEXT),
            ],
        )
        .await;
    tolerate(result)
}

async fn record(client: &Client, owner: &Owner, backend: &str) -> Result<()> {
    let sql = format!(
        "with known as (
                   insert into ingestd.pipelines (name) values ($1) on conflict do nothing)
               insert into ingestd.writers (pipeline, lane, instance, backend, backend_start)
               select $1, $2, $3::uuid, a.pid, a.backend_start from ({backend}) a
               on conflict (pipeline, lane, instance) do update
               set backend = excluded.backend, backend_start = excluded.backend_start"
    );
    let instance = owner.instance.to_string();
    client
        .execute_typed(
            &sql,
            &[
                (&owner.pipeline, Type::TEXT),
                (&owner.lane, Type::INT4),
                (&instance, Type::TEXT),
            ],
        )
        .await
        .map_err(|error| classify_ledger(error, "recording a writer"))?;
    Ok(())
}
