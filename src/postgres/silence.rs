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
    /// When its server started, which tells it from others behind the same address.
    server_start: String,
}

impl Backend {
    /// The one of a connection; `None` where it can't be told.
    pub async fn of(client: &Client) -> Option<Backend> {
        let sql = "select pid, backend_start::text, pg_postmaster_start_time()::text
                   from pg_stat_activity where pid = pg_backend_pid()";
        let row = client.query_typed_opt(sql, &[]).await.ok()??;
        Some(Backend {
            pid: row.get(0),
            start: row.try_get(1).ok()?,
            server_start: row.try_get(2).ok()?,
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

/// Whether a backend waits for its client. One that is not there does so in vain, unless another server
/// answers behind the same address: then nothing is known (NULL), but where the one that was there has
/// started anew since.
const WAITS_FOR_US: &str = "
    select case
        when a.pid is not null
            then a.state in ('idle', 'idle in transaction', 'idle in transaction (aborted)')
                 or a.state = 'active' and a.wait_event_type = 'Client'
        when s.started::text = $3 or s.started > $2::text::timestamptz then true
        end
    from (select pg_postmaster_start_time() as started) s
    left join pg_stat_activity a on a.pid = $1 and a.backend_start::text = $2";

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
        let Ok(Ok((other, _task))) = tokio::time::timeout(self.way.limit, self.way.connect()).await
        else {
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
        let found = other
            .query_typed_one(WAITS_FOR_US, &self.parameters())
            .await?;
        // Where the server doesn't tell, it may be at work.
        Ok(found.get::<_, Option<bool>>(0).unwrap_or(false))
    }

    async fn end(&self, other: &Client) -> Result<(), Error> {
        let sql = "select pg_terminate_backend(a.pid) from pg_stat_activity a
                   where a.pid = $1 and a.backend_start::text = $2";
        other.query_typed(sql, &self.parameters()[..2]).await?;
        Ok(())
    }

    fn parameters(&self) -> [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] {
        let backend = &self.backend;
        [
            (&backend.pid, Type::INT4),
            (&backend.start, Type::TEXT),
            (&backend.server_start, Type::TEXT),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::tests::fixture::{connect, new_database};

    /// What is said of a backend that has gone, or stands on another server.
    async fn answer(client: &Client, backend: Backend) -> Option<bool> {
        let row = client
            .query_typed_one(
                WAITS_FOR_US,
                &[
                    (&backend.pid, Type::INT4),
                    (&backend.start, Type::TEXT),
                    (&backend.server_start, Type::TEXT),
                ],
            )
            .await;
        row.expect("an answer").get(0)
    }

    #[tokio::test]
    async fn a_backend_is_not_gone_because_another_server_does_not_know_it() {
        let place = new_database().await;
        let (client, other) = (connect(&place.url).await, connect(&place.url).await);
        let of_it = || async { Backend::of(&client).await.expect("its backend") };
        assert_eq!(
            answer(&other, of_it().await).await,
            Some(true),
            "it is idle"
        );
        let gone = Backend {
            pid: -1,
            ..of_it().await
        };
        assert_eq!(answer(&other, gone).await, Some(true));
        let elsewhere = Backend {
            pid: -1,
            server_start: "2020-01-01 00:00:00+00".to_owned(),
            ..of_it().await
        };
        assert_eq!(answer(&other, elsewhere).await, None);
        let before_a_restart = Backend {
            pid: -1,
            start: "2020-01-01 00:00:00+00".to_owned(),
            server_start: "2020-01-01 00:00:00+00".to_owned(),
        };
        assert_eq!(answer(&other, before_a_restart).await, Some(true));
    }
}
