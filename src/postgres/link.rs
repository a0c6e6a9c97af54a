//! One connection for one lane, for one generation.
//!
//! It is a connection of its own and not one on loan: a pool hands a connection out again as it came
//! back, and a writer that was dropped in the middle of a COPY would hand back an open transaction.
//! A dedicated one is closed with whatever was open on it, and only ends that way. It is still made
//! by the pool's manager, so that there is one place that knows how to connect.

use std::time::Duration;

use ingestd_actors::error::{Error, Result};
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::error::{classify_commit, classify_ledger};
use super::{Database, classify};

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
    begin: String,
}

impl Link {
    /// Connects, ends the backend that the lane had before, and records the new one; all of it is
    /// committed before the first batch.
    ///
    /// # Errors
    /// As [`Database::dedicated`], and what the ledger's statements meet.
    pub async fn open(owner: &Owner) -> Result<Link> {
        let client = owner.database.dedicated().await?;
        // Since PostgreSQL 14, and not on every system: it is no loss where it can't be set.
        let interval = "select set_config(name, '10s', false) from pg_settings \
                        where name = 'client_connection_check_interval'";
        tolerate(client.batch_execute(interval).await)?;
        terminate_predecessor(&client, owner).await?;
        record(&client, owner).await?;
        Ok(Link::on(client, owner.lock_timeout))
    }

    /// A connection that is recorded nowhere: for transactions that are rolled back.
    pub fn on(client: Client, lock_timeout: Duration) -> Link {
        Link {
            client,
            staged: Vec::new(),
            begin: format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL {OPEN} = 'yes'; \
                 SET LOCAL lock_timeout = {}; SET CONSTRAINTS ALL IMMEDIATE",
                lock_timeout.as_millis()
            ),
        }
    }

    /// Opens a transaction.
    ///
    /// A deferrable constraint is checked inside of it: at COMMIT it could refuse no single row.
    pub async fn begin(&self) -> Result<()> {
        self.client
            .batch_execute(&self.begin)
            .await
            .map_err(|error| classify_ledger(error, "opening a transaction"))
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

async fn record(client: &Client, owner: &Owner) -> Result<()> {
    let sql = "with known as (
                   insert into ingestd.pipelines (name) values ($1) on conflict do nothing)
               insert into ingestd.writers (pipeline, lane, instance, backend, backend_start)
               select $1, $2, $3::uuid, a.pid, a.backend_start
               from pg_stat_activity a where a.pid = pg_backend_pid()
               on conflict (pipeline, lane, instance) do update
               set backend = excluded.backend, backend_start = excluded.backend_start";
    let instance = owner.instance.to_string();
    client
        .execute_typed(
            sql,
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
