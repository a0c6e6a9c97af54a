//! The pool of connections, and the runtime that its connections live on.

use std::future::{Future, poll_fn};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bb8_postgres::PostgresConnectionManager;
use futures_util::FutureExt;
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::port::{PortFuture, gone};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_postgres::{AsyncMessage, NoTls};
use tokio_util::task::AbortOnDropHandle;

/// The pool.
pub type Pool = bb8::Pool<PostgresConnectionManager<NoTls>>;

/// A connection on loan from the pool, without a borrow of it.
pub type Client = bb8::PooledConnection<'static, PostgresConnectionManager<NoTls>>;

/// The most connections of the pool; the writers' own are not among them.
const CONNECTIONS: u32 = 32;

/// What a session must be set to for values to mean the same everywhere.
const PINNED: &str = "-c timezone=UTC -c datestyle=ISO,YMD -c intervalstyle=postgres \
                      -c default_transaction_isolation=read\\ committed";

/// A database: a pool of connections and the runtime they live on.
///
/// The runtime is not the one of the actors: a connection's task must not wait behind them.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    config: Arc<tokio_postgres::Config>,
    runtime: Handle,
}

impl Database {
    /// A database by its URL or key-value string; connections are made when they are needed.
    ///
    /// # Errors
    /// `Configuration` where the string is no connection string.
    pub async fn new(url: &str, runtime: Handle) -> Result<Database> {
        let mut config = tokio_postgres::Config::from_str(url).map_err(|error| {
            Error::new(
                ErrorKind::Configuration,
                "the database's URL can't be read",
            )
            .with_advice("write it as postgresql://user:password@host:5432/name, or as host=… dbname=… user=…")
            .with_source(error)
        })?;
        // What the operator writes in the URL stays, but for the settings that values depend on.
        let options = match config.get_options() {
            Some(options) => format!("{options} {PINNED}"),
            None => PINNED.to_owned(),
        };
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(10));
        }
        if config.get_application_name().is_none() {
            config.application_name("ingestd");
        }
        config
            .keepalives(true)
            .keepalives_idle(Duration::from_secs(30))
            .keepalives_interval(Duration::from_secs(10))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(30))
            .options(options);
        let manager = PostgresConnectionManager::new(config.clone(), NoTls);
        let pool = bb8::Pool::builder()
            .max_size(CONNECTIONS)
            // A connection that is closed is known to be; one that is broken unnoticed fails what it
            // is used for, and that is tried again. A question before each use would cost as much as
            // the use.
            .test_on_check_out(false)
            .connection_timeout(Duration::from_secs(10))
            .build_unchecked(manager);
        Ok(Database {
            pool,
            config: Arc::new(config),
            runtime,
        })
    }

    /// The runtime of the connections.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// A connection from the pool.
    ///
    /// # Errors
    /// `Transient` where the server can't be reached, and what the server says otherwise.
    pub async fn client(&self) -> Result<Client> {
        // The pool keeps to itself why it can't connect, and only times out: a wrong password would
        // look like a server that is slow. So the connection that it lacks is made here.
        let state = self.pool.state();
        if state.idle_connections == 0 && state.connections < CONNECTIONS {
            // Where others were faster and the pool is full now, one of theirs will do.
            let _ = self.pool.add(self.dedicated().await?);
        }
        self.pool.get_owned().await.map_err(|error| match error {
            bb8::RunError::User(error) => super::classify(error, "connecting to the database"),
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
        self.pool
            .dedicated_connection()
            .await
            .map_err(|error| super::classify(error, "connecting to the database"))
    }

    /// A connection of the caller's own that gives `hint` a permit for every notification; it is
    /// closed when either part of the answer is dropped.
    ///
    /// # Errors
    /// As [`Database::client`].
    pub async fn listening(
        &self,
        hint: Arc<Notify>,
    ) -> Result<(tokio_postgres::Client, AbortOnDropHandle<()>)> {
        let connected = self.config.connect(NoTls).await;
        let (client, mut connection) =
            connected.map_err(|error| super::classify(error, "connecting to the database"))?;
        let pump = self.runtime.spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await
            {
                if matches!(message, AsyncMessage::Notification(_)) {
                    hint.notify_one();
                }
            }
        });
        Ok((client, AbortOnDropHandle::new(pump)))
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
