//! The way to the database: a pool of its own, of two connections, none of which waits for long.

use std::future::Future;
use std::time::Duration;

use futures_util::future::BoxFuture;
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::port::PortFuture;
use tokio::runtime::Handle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, Transaction};

use crate::postgres::{Connection, Database, Pooler, classify};

/// The most connections.
const CONNECTIONS: u32 = 2;

/// How long the server works on a statement.
const STATEMENT: &str = "4s";

/// How long an answer is waited for in all.
const PATIENCE: Duration = Duration::from_secs(5);

/// The way to the database.
#[derive(Clone)]
pub struct Ask {
    database: Database,
}

impl Ask {
    /// A way that has not been gone yet; connections live on this runtime.
    ///
    /// # Errors
    /// `Configuration` where no host is named.
    pub fn new(connection: &Connection, runtime: Handle) -> Result<Ask> {
        let mut connection = connection.clone();
        if connection.pooler == Pooler::None {
            let given = connection.options.get_options().unwrap_or_default();
            let options = format!("{given} -c statement_timeout={STATEMENT}");
            connection.options.options(options.trim_start());
        }
        let database = Database::with_pool(&connection, runtime, CONNECTIONS)?;
        Ok(Ask { database })
    }

    /// Does something in a transaction, which is committed; on the connections' own runtime.
    ///
    /// # Errors
    /// `Transient` where the database does not answer in time; what `work` says.
    pub fn transact<T, W>(&self, work: W) -> PortFuture<T>
    where
        T: Send + 'static,
        W: for<'a> FnOnce(&'a Transaction<'a>) -> BoxFuture<'a, Result<T>> + Send + 'static,
    {
        let database = self.database.clone();
        self.within(PATIENCE, async move {
            let mut client = database.client().await?;
            let transaction = database.begin(&mut client).await?;
            if database.is_pooled() {
                let limit = format!("set local statement_timeout = '{STATEMENT}'");
                let set = transaction.batch_execute(&limit).await;
                set.map_err(|error| classify(error, "opening a transaction"))?;
            }
            let done = work(&transaction).await?;
            let committed = transaction.commit().await;
            committed.map_err(|error| classify(error, "ending a transaction"))?;
            Ok(done)
        })
    }

    /// The rows of one statement.
    ///
    /// # Errors
    /// As [`Ask::transact`].
    pub fn rows(&self, statement: String, parameters: Vec<Parameter>) -> PortFuture<Vec<Row>> {
        self.transact(move |transaction| {
            Box::pin(async move { rows(transaction, &statement, &parameters).await })
        })
    }

    /// Does something that asks on a connection of the pool.
    ///
    /// # Errors
    /// `Transient` where the database does not answer in time; what `work` says.
    pub fn with<T, W>(&self, work: W) -> PortFuture<T>
    where
        T: Send + 'static,
        W: for<'a> FnOnce(&'a Client) -> BoxFuture<'a, Result<T>> + Send + 'static,
    {
        let database = self.database.clone();
        self.within(PATIENCE, async move {
            let client = database.client().await?;
            work(&client).await
        })
    }

    /// Does something that may take a while, on a connection of its own: it has so long, and nobody else
    /// waits for it.
    ///
    /// # Errors
    /// As [`Ask::with`].
    pub fn with_own<T, W>(&self, patience: Duration, work: W) -> PortFuture<T>
    where
        T: Send + 'static,
        W: for<'a> FnOnce(&'a Client) -> BoxFuture<'a, Result<T>> + Send + 'static,
    {
        let database = self.database.clone();
        self.within(patience, async move {
            let client = database.dedicated().await?;
            // A pooler takes its sessions away by the transaction: there, the end of the wait has to do.
            if !database.is_pooled() {
                let limit = format!("set statement_timeout = '{}s'", patience.as_secs());
                let set = client.batch_execute(&limit).await;
                set.map_err(|error| classify(error, "setting up a connection"))?;
            }
            work(&client).await
        })
    }

    fn within<T, F>(&self, patience: Duration, work: F) -> PortFuture<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.database.run(async move {
            let done = tokio::time::timeout(patience, work).await;
            done.unwrap_or_else(|_| {
                let message = format!(
                    "the database has not answered within {} s",
                    patience.as_secs()
                );
                Err(Error::new(ErrorKind::Transient, message)
                    .with_advice("is it running, and does it answer others?"))
            })
        })
    }
}

/// A value of a statement, and its type there.
pub type Parameter = (Box<dyn ToSql + Sync + Send>, Type);

/// A value of a statement.
pub fn parameter(value: impl ToSql + Sync + Send + 'static, kind: Type) -> Parameter {
    (Box::new(value), kind)
}

/// The rows of one statement of a transaction.
///
/// # Errors
/// What the server says.
pub async fn rows(
    transaction: &Transaction<'_>,
    statement: &str,
    parameters: &[Parameter],
) -> Result<Vec<Row>> {
    let parameters: Vec<(&(dyn ToSql + Sync), Type)> = parameters
        .iter()
        .map(|(value, kind)| (value.as_ref() as &(dyn ToSql + Sync), kind.clone()))
        .collect();
    transaction
        .query_typed(statement, &parameters)
        .await
        .map_err(|error| classify(error, "asking the ledger"))
}
