//! The pool of connections, and the runtime that its connections live on.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::port::{PortFuture, gone};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_postgres::{IsolationLevel, Transaction};
use tokio_util::task::AbortOnDropHandle;

use super::classify;
use super::connect::{connect, connect_listening, no_host};
use super::connection::{Connection, Pooler};

/// The pool.
pub type Pool = bb8::Pool<Manager>;

/// A connection on loan from the pool, without a borrow of it.
pub type Client = bb8::PooledConnection<'static, Manager>;

/// The most connections of the pool; the writers' own are not among them.
const CONNECTIONS: u32 = 32;

/// What a session must be set to for values to mean the same everywhere; and for a process that hangs
/// in the middle of a transaction to lose its locks, which its successor waits for: some of them
/// before it can end the transactions that it knows; and for one whose machine is gone to be noticed by
/// the server within a minute, rather than after the hours that systems wait by themselves.
const PINNED: &str = "-c timezone=UTC -c datestyle=ISO,YMD -c intervalstyle=postgres \
                      -c default_transaction_isolation=read\\ committed \
                      -c idle_in_transaction_session_timeout=15s \
                      -c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3";

/// Says that the session is this connection's own. Behind a pooler that passes over what a session is
/// set to, it is missing.
const DIRECT: &str = "-c ingestd.session=direct";

/// The same in each transaction, behind a pooler: a session there is anybody's.
pub(super) const PINNED_LOCALLY: &str = "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO,YMD'; \
                                         SET LOCAL intervalstyle = 'postgres'; \
                                         SET LOCAL idle_in_transaction_session_timeout = '15s'";

/// Makes the pool's connections.
#[derive(Debug)]
pub struct Manager {
    connection: Arc<Connection>,
}

impl bb8::ManageConnection for Manager {
    type Connection = tokio_postgres::Client;
    type Error = Error;

    async fn connect(&self) -> Result<tokio_postgres::Client> {
        connect(&self.connection).await
    }

    async fn is_valid(&self, client: &mut tokio_postgres::Client) -> Result<()> {
        let asked = client.batch_execute("").await;
        asked.map_err(|error| classify(error, "asking whether a connection lives"))
    }

    fn has_broken(&self, client: &mut tokio_postgres::Client) -> bool {
        client.is_closed()
    }
}

/// A database: a pool of connections and the runtime they live on.
///
/// The runtime is not the one of the actors: a connection's task must not wait behind them.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    /// The most connections of the pool.
    most: u32,
    connection: Arc<Connection>,
    runtime: Handle,
}

impl Database {
    /// A database; connections are made when they are needed.
    ///
    /// # Errors
    /// `Configuration` where no host is named.
    pub async fn new(connection: &Connection, runtime: Handle) -> Result<Database> {
        Database::with_pool(connection, runtime, CONNECTIONS)
    }

    /// The same with another bound on the pool.
    ///
    /// # Errors
    /// As [`Database::new`].
    pub fn with_pool(connection: &Connection, runtime: Handle, most: u32) -> Result<Database> {
        if connection.endpoints.is_empty() {
            return Err(no_host());
        }
        let connection = Arc::new(with_our_options(connection));
        let manager = Manager {
            connection: Arc::clone(&connection),
        };
        let pool = bb8::Pool::builder()
            .max_size(most)
            // A connection that is closed is known to be; one that is broken unnoticed fails what it
            // is used for, and that is tried again. A question before each use would cost as much as
            // the use.
            .test_on_check_out(false)
            .connection_timeout(Duration::from_secs(10))
            .build_unchecked(manager);
        Ok(Database {
            pool,
            most,
            connection,
            runtime,
        })
    }

    /// Whether sessions are anybody's: what is not ended with its transaction is lost, or another's.
    /// There is no listening then, and no lock of a session.
    pub fn is_pooled(&self) -> bool {
        self.connection.pooler == Pooler::Transaction
    }

    /// Begins a transaction in which values mean the same everywhere.
    ///
    /// # Errors
    /// What the server says.
    pub async fn begin<'a>(
        &self,
        client: &'a mut tokio_postgres::Client,
    ) -> Result<Transaction<'a>> {
        let failed = |error| super::error::classify_ledger(error, "opening a transaction");
        if !self.is_pooled() {
            return client.transaction().await.map_err(failed);
        }
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::ReadCommitted)
            .start()
            .await
            .map_err(failed)?;
        transaction
            .batch_execute(PINNED_LOCALLY)
            .await
            .map_err(failed)?;
        Ok(transaction)
    }

    /// Makes sure that nothing stands between that was not told of: it would lose what sessions are
    /// set to, and values would mean something else without a word.
    ///
    /// # Errors
    /// `Configuration`, with what to set.
    pub async fn check_session(&self, client: &tokio_postgres::Client) -> Result<()> {
        if self.is_pooled() {
            return Ok(());
        }
        let row = client
            .query_typed_one("select current_setting('ingestd.session', true)", &[])
            .await
            .map_err(|error| super::classify(error, "looking at the session"))?;
        if row.get::<_, Option<&str>>(0) == Some("direct") {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Configuration,
            "a pooler stands before the database, and passes over what ingestd sets its sessions to",
        )
        .with_advice(super::error::SET_POOLER))
    }

    /// The runtime of the connections.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// How many connections of the pool are idle, and how many in use.
    pub fn connections(&self) -> (u32, u32) {
        let state = self.pool.state();
        let idle = state.idle_connections;
        (idle, state.connections.saturating_sub(idle))
    }

    /// A connection from the pool.
    ///
    /// # Errors
    /// `Transient` where the server can't be reached, and what the server says otherwise.
    pub async fn client(&self) -> Result<Client> {
        // The pool keeps to itself why it can't connect, and only times out: a wrong password would
        // look like a server that is slow. So the connection that it lacks is made here.
        let state = self.pool.state();
        if state.idle_connections == 0 && state.connections < self.most {
            // Where others were faster and the pool is full now, one of theirs will do.
            let _ = self.pool.add(self.dedicated().await?);
        }
        self.pool.get_owned().await.map_err(|error| match error {
            bb8::RunError::User(error) => error,
            bb8::RunError::TimedOut => Error::new(
                ErrorKind::Transient,
                "no connection to the database within 10 s",
            )
            .with_advice("is the server running, and does it take connections?"),
        })
    }

    /// A connection of the caller's own, outside of the pool: it is closed when it is dropped.
    ///
    /// For whoever opens transactions by hand: bb8 hands a connection out again as it comes back,
    /// inside an open BEGIN too. Call it on [`Database::runtime`], where its task will live.
    ///
    /// # Errors
    /// As [`Database::client`].
    pub async fn dedicated(&self) -> Result<tokio_postgres::Client> {
        self.pool.dedicated_connection().await
    }

    /// A connection of the caller's own that gives `hint` a permit for every notification; it is
    /// closed when it is dropped. Call it on [`Database::runtime`].
    ///
    /// # Errors
    /// As [`Database::client`].
    pub async fn listening(&self, hint: Arc<Notify>) -> Result<tokio_postgres::Client> {
        connect_listening(&self.connection, hint).await
    }

    /// Runs a future on the connections' runtime; dropping the answer gives it up.
    pub fn run<T, F>(&self, future: F) -> PortFuture<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let task = AbortOnDropHandle::new(self.runtime.spawn(future));
        async move {
            match task.await {
                Ok(result) => result,
                Err(error) => Err(gone("a database task").with_source(error)),
            }
        }
        .boxed()
    }
}

/// What the operator says of the connection stays, but for the settings that values depend on.
fn with_our_options(connection: &Connection) -> Connection {
    let mut connection = connection.clone();
    let config = &mut connection.options;
    if connection.pooler == Pooler::None {
        let given = config.get_options().unwrap_or_default();
        let options = format!("{given} {PINNED} {DIRECT}");
        config.options(options.trim_start());
    }
    if config.get_application_name().is_none() {
        config.application_name("ingestd");
    }
    config
        .keepalives(true)
        .keepalives_idle(Duration::from_secs(30))
        .keepalives_interval(Duration::from_secs(10))
        .keepalives_retries(3)
        .tcp_user_timeout(Duration::from_secs(30));
    connection
}
