//! The lease: one life of one service loads a pipeline at a time.
//!
//! It is kept by a connection of its own, and is free once that backend is gone, or once it was not
//! renewed for [`LENGTH`] by the server's clock. What makes it safe is not the time: whoever takes
//! it raises the epochs, and every transaction that claims looks at the lease under a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ingestd_actors::error::{Error, ErrorKind, Result};
use slog::{Logger, error, warn};
use tokio::sync::Mutex;
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::error::{fenced, ledger_error};
use crate::postgres::{Client, Database};

/// How long a lease lasts without being renewed; it is renewed at a third of it.
pub const LENGTH: Duration = Duration::from_secs(15);

/// The lease of one pipeline for one instance.
pub struct Lease {
    database: Database,
    who: Arc<Who>,
    held: Mutex<Option<Held>>,
    log: Logger,
}

struct Who {
    pipeline: String,
    instance: String,
    host: String,
    process: i32,
}

struct Held {
    lost: Arc<AtomicBool>,
    _renewing: AbortOnDropHandle<()>,
}

impl Lease {
    /// A lease that nobody holds yet.
    pub fn new(database: Database, pipeline: &str, instance: Uuid, log: Logger) -> Lease {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let who = Who {
            pipeline: pipeline.to_owned(),
            instance: instance.to_string(),
            host: host.trim().to_owned(),
            process: i32::try_from(std::process::id()).unwrap_or(0),
        };
        Lease {
            database,
            who: Arc::new(who),
            held: Mutex::new(None),
            log,
        }
    }

    /// Takes the lease, unless it is held already, and keeps it renewed from then on.
    ///
    /// # Errors
    /// `Transient`, saying who has it, where another instance does.
    pub async fn acquire(&self) -> Result<()> {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|held| !held.is_lost()) {
            return Ok(());
        }
        *held = None;
        let client = self.database.client().await?;
        if let Some(holder) = take(&client, &self.who).await? {
            let message = format!("pipeline {} is loaded by {holder}", self.who.pipeline);
            return Err(Error::new(ErrorKind::Transient, message)
                .with_advice("stop that one, or wait: this one goes on once the other has ended"));
        }
        let lost = Arc::new(AtomicBool::new(false));
        let renewing = self.database.runtime().spawn(keep(
            self.database.clone(),
            self.who.clone(),
            client,
            lost.clone(),
            self.log.clone(),
        ));
        *held = Some(Held {
            lost,
            _renewing: AbortOnDropHandle::new(renewing),
        });
        Ok(())
    }

    /// Gives the lease back.
    ///
    /// # Errors
    /// Where the server can't be told; the lease then ends with the connection.
    pub async fn release(&self) -> Result<()> {
        if self.held.lock().await.take().is_none() {
            return Ok(());
        }
        let client = self.database.client().await?;
        client
            .execute(
                "update ingestd.pipelines set lease_instance = null, lease_host = null,
                        lease_process = null, lease_backend = null, lease_backend_start = null,
                        lease_expires = null
                 where name = $1 and lease_instance = $2::text::uuid",
                &[&self.who.pipeline, &self.who.instance],
            )
            .await
            .map_err(|error| ledger_error(error, "giving the lease back"))?;
        Ok(())
    }

    /// Whether the lease is held, as far as this life knows.
    ///
    /// # Errors
    /// `Fenced` where it is not.
    pub async fn check(&self) -> Result<()> {
        match self.held.lock().await.as_ref() {
            Some(held) if !held.is_lost() => Ok(()),
            _ => Err(self.lost()),
        }
    }

    /// Makes sure in a transaction that the lease is held until its end, and that its commit waits for
    /// the disk, whatever the session has set: a server that forgets in a crash which number or which
    /// epoch it gave out gives it out once more, and what an earlier holder still sends would be
    /// written as what it is not.
    ///
    /// # Errors
    /// `Fenced` where it is not.
    pub async fn hold(&self, transaction: &Transaction<'_>) -> Result<()> {
        let held = transaction
            .query_typed_opt(
                "with durable as materialized (
                     select set_config('synchronous_commit', 'on', true))
                 select from ingestd.pipelines p, durable
                 where p.name = $1 and p.lease_instance = $2::uuid for share of p",
                &[
                    (&self.who.pipeline, Type::TEXT),
                    (&self.who.instance, Type::TEXT),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "looking at the lease"))?;
        match held {
            Some(_) => Ok(()),
            None => Err(self.lost()),
        }
    }

    fn lost(&self) -> Error {
        fenced(format!(
            "this instance does not hold the lease of pipeline {}",
            self.who.pipeline
        ))
    }
}

impl Held {
    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }
}

/// Takes the lease where it is free or ours; otherwise says who has it.
async fn take(client: &Client, who: &Who) -> Result<Option<String>> {
    let failed = |error| ledger_error(error, "taking the lease");
    client
        .execute(
            "insert into ingestd.pipelines (name) values ($1) on conflict do nothing",
            &[&who.pipeline],
        )
        .await
        .map_err(failed)?;
    // A backend of another role shows its process but not its start: then only the time counts.
    let taken = client
        .execute(
            "update ingestd.pipelines set lease_instance = $2::text::uuid, lease_host = $3,
                    lease_process = $4, lease_backend = pg_backend_pid(),
                    lease_backend_start = (select backend_start from pg_stat_activity
                                           where pid = pg_backend_pid()),
                    lease_expires = clock_timestamp() + $5 * interval '1 second',
                    -- What held an earlier life up is not what holds this one up.
                    degraded = case when lease_instance = $2::text::uuid then degraded end,
                    degraded_at = case when lease_instance = $2::text::uuid then degraded_at end
             where name = $1
               and (lease_instance is null or lease_instance = $2::text::uuid
                    or lease_expires < clock_timestamp()
                    or not exists (select from pg_stat_activity a where a.pid = lease_backend
                                   and (a.backend_start = lease_backend_start
                                        or a.backend_start is null)))",
            &[
                &who.pipeline,
                &who.instance,
                &who.host,
                &who.process,
                &LENGTH.as_secs_f64(),
            ],
        )
        .await
        .map_err(failed)?;
    if taken > 0 {
        return Ok(None);
    }
    let holder = client
        .query_opt(
            "select coalesce(lease_host, '?') as host, coalesce(lease_process, 0) as process
             from ingestd.pipelines where name = $1",
            &[&who.pipeline],
        )
        .await
        .map_err(failed)?;
    Ok(Some(match holder {
        Some(row) => format!(
            "process {} on host {}",
            row.get::<_, i32>("process"),
            row.get::<_, &str>("host")
        ),
        None => "another instance".to_owned(),
    }))
}

/// Renews until another instance has the lease. A server that can't be reached takes nothing away:
/// nobody else can take the lease there either.
async fn keep(
    database: Database,
    who: Arc<Who>,
    mut client: Client,
    lost: Arc<AtomicBool>,
    log: Logger,
) {
    loop {
        tokio::time::sleep(LENGTH / 3).await;
        let renewed = tokio::time::timeout(LENGTH / 3, take(&client, &who)).await;
        match renewed {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(holder))) => {
                error!(
                    log,
                    "the lease is lost: pipeline {} is loaded by {}", who.pipeline, holder
                );
                lost.store(true, Ordering::Release);
                return;
            }
            Ok(Err(error)) => {
                warn!(log, "the lease can't be renewed"; "error" => %error);
                client = again(&database, client).await;
            }
            Err(_) => {
                warn!(
                    log,
                    "the lease can't be renewed: the server does not answer"
                );
                client = again(&database, client).await;
            }
        }
    }
}

async fn again(database: &Database, old: Client) -> Client {
    database.client().await.unwrap_or(old)
}
