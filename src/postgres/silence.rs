//! Connections over which nothing comes any more, though the server has nothing left to do for them.
//!
//! Where a packet is lost for good, TCP notices within a minute. Where something between here and the server
//! takes what is sent and passes nothing on (a proxy that has forgotten the connection, or hangs), the kernel is
//! told that all is well, and an answer would be waited for for ever. But a server may take hours for an
//! answer. So it is asked, on another connection: where it is at work, that is waited for; where it waits
//! for us, while we wait for it, the connection is given up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::connect::Way;
use super::watched::Traffic;

/// How long a connection may be silent until the server is asked, where nobody says.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that is looked after.
pub struct Silence {
    /// What goes over it.
    pub traffic: Arc<Traffic>,
    /// How to get another one.
    pub way: Way,
    /// The server's end of it, once it is known.
    pub backend: oneshot::Receiver<Option<Backend>>,
    /// How long nothing may come.
    pub patience: Duration,
}

/// A backend, of all that there ever are.
pub struct Backend {
    pid: i32,
    start: String,
}

impl Backend {
    /// The one of a connection; `None` where it can't be told.
    pub async fn of(client: &Client) -> Option<Backend> {
        let sql = "select pid, backend_start::text from pg_stat_activity
                   where pid = pg_backend_pid()";
        let row = client.query_typed_opt(sql, &[]).await.ok()??;
        Some(Backend {
            pid: row.get(0),
            start: row.try_get(1).ok()?,
        })
    }
}

impl Silence {
    /// Comes back once the connection is to be given up.
    pub async fn lasts(self) {
        let Ok(Some(backend)) = self.backend.await else {
            return std::future::pending().await;
        };
        let watch = Look {
            traffic: self.traffic,
            way: self.way,
            patience: self.patience,
            backend,
        };
        // A quarter later than at once is soon enough, and costs nothing.
        let pause = watch.patience / 4;
        loop {
            tokio::time::sleep(pause).await;
            let silent = watch.traffic.waits_for();
            if silent.is_some_and(|silent| silent >= watch.patience) && watch.is_in_vain().await {
                return;
            }
        }
    }
}

/// The same, with its backend.
struct Look {
    traffic: Arc<Traffic>,
    way: Way,
    backend: Backend,
    patience: Duration,
}

impl Look {
    /// Whether the server waits for us, and nothing comes of it.
    async fn is_in_vain(&self) -> bool {
        let since = self.traffic.waits_since();
        // Where the server can't be reached by another connection either, it may come back by this one.
        let Ok(Ok(other)) = tokio::time::timeout(self.way.limit, self.way.connect()).await else {
            return false;
        };
        let asked = tokio::time::timeout(self.way.limit, self.waits_for_us(&other)).await;
        if !matches!(asked, Ok(Ok(true))) {
            return false;
        }
        // It may have answered in this moment.
        tokio::time::sleep((self.patience / 10).min(Duration::from_secs(2))).await;
        if self.traffic.waits_since() != since {
            return false;
        }
        log::warn!(
            "a connection to the database is given up: nothing has come over it for {} s, and the server \
             is not at work for it; something between here and the server loses what is sent",
            self.traffic.waits_for().unwrap_or_default().as_secs()
        );
        // Where it can't be ended, its locks go once the server has waited for long enough.
        let ending = self.end(&other);
        let _ = tokio::time::timeout(self.way.limit, ending).await;
        true
    }

    async fn waits_for_us(&self, other: &Client) -> Result<bool, Error> {
        let sql =
            "select a.state in ('idle', 'idle in transaction', 'idle in transaction (aborted)')
                          or a.state = 'active' and a.wait_event_type = 'Client'
                   from pg_stat_activity a
                   where a.pid = $1 and a.backend_start::text = $2";
        let row = other.query_typed_opt(sql, &self.parameters()).await?;
        Ok(match row {
            // Where the server doesn't tell, it may be at work.
            Some(row) => row.get::<_, Option<bool>>(0).unwrap_or(false),
            None => true,
        })
    }

    async fn end(&self, other: &Client) -> Result<(), Error> {
        let sql = "select pg_terminate_backend(a.pid) from pg_stat_activity a
                   where a.pid = $1 and a.backend_start::text = $2";
        other.query_typed(sql, &self.parameters()).await?;
        Ok(())
    }

    fn parameters(&self) -> [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] {
        let Backend { pid, start } = &self.backend;
        [(pid, Type::INT4), (start, Type::TEXT)]
    }
}
