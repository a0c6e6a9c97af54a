//! The lease: which lives of the service load a pipeline.
//!
//! Where the order of files matters, one at a time: it holds the pipeline alone. Where it does not,
//! several share it, and each file has one of them as its owner. Either way a life has a row in
//! `ingestd.instances`, which it renews, and counts as dead once the backend that renews it is gone,
//! or once it was not renewed for the lease's time by the server's clock. What makes it safe is not
//! the time: whoever takes a file over raises its epoch, and every transaction that claims looks at
//! the lease under a lock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::failpoint::{Step, pass};
use slog::{Logger, error, info, warn};
use tokio::sync::Mutex;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::error::{fenced, ledger_error};
use super::holding::{Holding, Taken, take};
use crate::postgres::{Database, Note, Notes};
use crate::settings::Pipeline;

/// How long a lease lasts without being renewed, unless it is told; it is renewed at a third of it.
pub const LENGTH: Duration = Duration::from_secs(15);

/// The lease of one pipeline for one instance.
pub struct Lease {
    database: Database,
    who: Arc<Who>,
    held: Mutex<Option<Held>>,
    log: Logger,
}

/// Whose lease it is, and of what.
pub(super) struct Who {
    pub pipeline: String,
    /// The table that the pipeline loads, quoted.
    pub table: String,
    pub instance: String,
    pub host: String,
    pub process: i32,
    pub length: Duration,
    /// Whether the pipeline, as it is configured, can be shared.
    pub may_share: bool,
    notes: Notes,
}

struct Held {
    state: Arc<State>,
    renewing: AbortOnDropHandle<()>,
}

/// What the one that renews it has seen last.
struct State {
    /// When it was taken or renewed last.
    renewed: std::sync::Mutex<Instant>,
    lost: AtomicBool,
    shared: AtomicBool,
    /// Another instance died, and has left something.
    left_behind: AtomicBool,
}

impl Lease {
    /// A lease that nobody holds yet.
    pub fn new(
        database: Database,
        pipeline: &Pipeline,
        instance: Uuid,
        length: Duration,
        notes: Notes,
        log: Logger,
    ) -> Lease {
        let who = Who {
            pipeline: pipeline.name.clone(),
            table: crate::postgres::quote::table(&pipeline.table),
            instance: instance.to_string(),
            host: host(),
            process: i32::try_from(std::process::id()).unwrap_or(0),
            length,
            may_share: pipeline.is_unordered(),
            notes,
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
        // Where the renewing hangs, another instance may have taken it over, and nobody here knows.
        let is_good = |held: &Held| !held.is_lost() && !held.state.is_overdue(self.who.length);
        if held.as_ref().is_some_and(is_good) {
            return Ok(());
        }
        *held = None;
        pass(Step::LeaseTake).await?;
        // Of its own, and closed once it is given up: the pool would hand one on that does not answer
        // any more, and those of many pipelines would be all that it has.
        let mut client = self.database.dedicated().await?;
        let state = Arc::new(State::new());
        match take(&self.database, &mut client, &self.who, true).await? {
            Taken::Ours(holding) => {
                state.note(&holding);
                self.who.remember("lease.taken", None);
            }
            Taken::Theirs(holder) => {
                let message = format!("pipeline {} is loaded by {holder}", self.who.pipeline);
                return Err(Error::new(ErrorKind::Transient, message).with_advice(
                    "stop that one, or wait: this one goes on once the other has ended",
                ));
            }
        }
        let renewing = self.database.runtime().spawn(keep(
            self.database.clone(),
            self.who.clone(),
            client,
            state.clone(),
            self.log.clone(),
        ));
        *held = Some(Held {
            state,
            renewing: AbortOnDropHandle::new(renewing),
        });
        Ok(())
    }

    /// Gives the lease back.
    ///
    /// # Errors
    /// Where the server can't be told; the lease then ends with the connection, or its time.
    pub async fn release(&self) -> Result<()> {
        if self.held.lock().await.take().is_none() {
            return Ok(());
        }
        let client = self.database.client().await?;
        client
            .execute_typed(
                "with gone as (delete from ingestd.instances where instance = $2::uuid)
                 update ingestd.pipelines set lease_instance = null, lease_host = null,
                        lease_process = null, lease_backend = null, lease_backend_start = null,
                        lease_expires = null
                 where name = $1 and lease_instance = $2::uuid",
                &[
                    (&self.who.pipeline, Type::TEXT),
                    (&self.who.instance, Type::TEXT),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "giving the lease back"))?;
        Ok(())
    }

    /// Whether the lease is held, as far as this life knows, and if so, whether it is shared.
    ///
    /// # Errors
    /// `Fenced` where it is not held.
    pub async fn check(&self) -> Result<bool> {
        match self.held.lock().await.as_ref() {
            Some(held) if !held.is_lost() => Ok(held.state.shared.load(Ordering::Acquire)),
            _ => Err(self.lost()),
        }
    }

    /// Whether there is something to be looked at: another instance has died since this was last asked,
    /// and has left something, or this one was taken for dead.
    pub fn sees_left_behind(&self) -> bool {
        // Where the lease is just being taken or given back, the next question finds it.
        let Ok(held) = self.held.try_lock() else {
            return false;
        };
        held.as_ref().is_some_and(|held| {
            held.is_lost() || held.state.left_behind.swap(false, Ordering::AcqRel)
        })
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
                 where p.name = $1
                   and (p.lease_instance = $2::uuid
                        or p.lease_instance is null
                           and exists (select from ingestd.instances where instance = $2::uuid))
                 for share of p",
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

    pub(super) fn lost(&self) -> Error {
        fenced(format!(
            "this instance does not hold the lease of pipeline {}",
            self.who.pipeline
        ))
    }
}

impl Who {
    /// For whoever asks later what has happened.
    fn remember(&self, kind: &'static str, message: Option<String>) {
        let happened = Note {
            kind,
            pipeline: Some(self.pipeline.clone()),
            subject: Some(format!("process {} on {}", self.process, self.host)),
            message,
        };
        self.notes.note(happened);
    }
}

impl Held {
    /// Also where the renewing has ended for whatever reason: then it will be.
    fn is_lost(&self) -> bool {
        self.state.lost.load(Ordering::Acquire) || self.renewing.is_finished()
    }
}

/// This machine's name, as the ledger has it.
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

impl State {
    /// As it is taken now.
    fn new() -> State {
        State {
            renewed: std::sync::Mutex::new(Instant::now()),
            lost: AtomicBool::new(false),
            shared: AtomicBool::new(false),
            left_behind: AtomicBool::new(false),
        }
    }

    fn is_overdue(&self, length: Duration) -> bool {
        let renewed = self.renewed.lock();
        renewed.unwrap_or_else(PoisonError::into_inner).elapsed() > length
    }

    fn note(&self, holding: &Holding) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.shared.store(holding.shared, Ordering::Release);
        if holding.sees_dead {
            self.left_behind.store(true, Ordering::Release);
        }
    }
}

/// Renews until another instance has the lease. A server that can't be reached takes nothing away:
/// nobody else can take the lease there either.
async fn keep(
    database: Database,
    who: Arc<Who>,
    mut client: Client,
    state: Arc<State>,
    log: Logger,
) {
    let regular = who.length / 3;
    let mut pause = regular;
    // Of the backend that the ledger knows, until the next one is written down.
    let mut before = None;
    loop {
        tokio::time::sleep(pause).await;
        let renewed = match pass(Step::LeaseRenew).await {
            Ok(()) => {
                tokio::time::timeout(regular, take(&database, &mut client, &who, false)).await
            }
            Err(error) => Ok(Err(error)),
        };
        pause = match renewed {
            Ok(Ok(Taken::Ours(holding))) => {
                if holding.shared && !state.shared.load(Ordering::Acquire) {
                    info!(log, "the pipeline can be shared with other instances now");
                }
                state.note(&holding);
                before = None;
                regular
            }
            Ok(Ok(Taken::Theirs(holder))) => {
                error!(
                    log,
                    "the lease is lost: pipeline {} was taken over by {}", who.pipeline, holder
                );
                state.lost.store(true, Ordering::Release);
                let by = format!("by {holder}");
                who.remember("lease.lost", Some(by));
                return;
            }
            Ok(Err(error)) => {
                warn!(log, "the lease can't be renewed"; "error" => %error);
                if client.is_closed() {
                    renew_by_another(&database, &mut client, &mut before).await;
                }
                // Where the backend that stood for this life is gone: the sooner there is a new one, the
                // less is taken over in vain.
                regular / 10
            }
            Err(_) => {
                warn!(
                    log,
                    "the lease can't be renewed: the server does not answer"
                );
                // One more at the most: what is not answered keeps its connection.
                if before.is_none() || client.is_closed() {
                    renew_by_another(&database, &mut client, &mut before).await;
                }
                regular / 10
            }
        };
    }
}

async fn renew_by_another(database: &Database, client: &mut Client, before: &mut Option<Client>) {
    if let Ok(other) = database.dedicated().await {
        *before = Some(std::mem::replace(client, other));
    }
}
