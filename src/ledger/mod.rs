//! The ledger on PostgreSQL: what became of every file of one pipeline.
//!
//! Deciding is pure ([`verdict`], [`balance`]); this folder's other files gather what the decisions
//! need and write down what was decided, each in one transaction for many files.

mod admit;
mod answer;
mod archive;
pub mod balance;
mod claim;
mod commit;
mod departures;
mod error;
mod evidence;
mod find;
pub mod known;
mod lease;
mod notes;
mod pause;
mod plans;
mod register;
mod resume;
pub mod retry;
mod taken;
pub mod verdict;

#[cfg(test)]
mod tests;

pub use archive::PostgresArchive;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ingestd_actors::error::Result;
use ingestd_actors::model::{Candidate, Epoch, FileId};
use ingestd_actors::port::{Committed, Completion, Ledger, PortFuture, Progress, Verdict};
use slog::Logger;
use uuid::Uuid;

use crate::fs::path_text;
use crate::plan::{Dialect, LoadPlan};
use crate::postgres::Database;
use crate::settings::Pipeline;
use lease::Lease;
use plans::Plans;
use taken::Taken;
use verdict::Rules;

/// Forgets a pipeline, in one transaction: what it has loaded (with checkpoints and dead letters), its
/// plans, and the pipeline itself; each takes the pipeline's name. Tables that go too are dropped
/// before: the indexes that a table lacks are forgotten with it, and built by the pipeline's next
/// life where it stays.
pub const FORGET: [&str; 4] = [
    "delete from ingestd.deferred_indexes i where pipeline = $1
     and not exists (select from pg_class c where c.oid = i.relation)",
    "delete from ingestd.files where pipeline = $1",
    "delete from ingestd.plans where pipeline = $1",
    "delete from ingestd.pipelines where name = $1",
];

/// Makes the plan for a file: reads its header, and the catalog for its table.
pub trait Planner: Send + Sync {
    /// The plan for the file at a path.
    ///
    /// An error of kind `File` quarantines the file; any other holds the pipeline up.
    fn plan_for(&self, path: &Path) -> PortFuture<LoadPlan>;
}

/// What a ledger does differently for files that somebody has named (`load FILE…`).
#[derive(Clone, Debug, Default)]
pub struct LedgerOptions {
    /// Load what was loaded before once more, as a new file.
    pub again: bool,
    /// Only these files, and an answer for each: one that was loaded before is skipped with a
    /// reason, where a scan of the inbox would ignore it. Absolute paths.
    pub only: Option<Vec<PathBuf>>,
}

/// The [`Ledger`] of one pipeline, for one instance of the service.
#[derive(Clone)]
pub struct PostgresLedger {
    core: Arc<Core>,
}

struct Core {
    database: Database,
    pipeline: String,
    instance: Uuid,
    planner: Arc<dyn Planner>,
    rules: Rules,
    dialect: Dialect,
    only: Option<Vec<String>>,
    /// What the paths of the inbox's files begin with.
    inbox: String,
    taken: Taken,
    lease: Lease,
    plans: Plans,
}

impl PostgresLedger {
    /// A ledger; nothing is asked of the database yet.
    pub fn new(
        database: Database,
        pipeline: Arc<Pipeline>,
        instance: Uuid,
        planner: Arc<dyn Planner>,
        options: LedgerOptions,
        log: Logger,
    ) -> PostgresLedger {
        let rules = Rules {
            keeps: pipeline.archive.is_none(),
            keeps_quarantined: pipeline.quarantine.is_none(),
            again: options.again,
            named: options.only.is_some(),
        };
        let only = options
            .only
            .map(|paths| paths.iter().map(|path| path_text(path)).collect());
        let inbox = std::path::absolute(&pipeline.directory)
            .map(|path| path.canonicalize().unwrap_or(path))
            .unwrap_or_default();
        PostgresLedger {
            core: Arc::new(Core {
                lease: Lease::new(database.clone(), &pipeline.name, instance, log),
                database,
                pipeline: pipeline.name.clone(),
                instance,
                planner,
                rules,
                dialect: pipeline.dialect.clone(),
                only,
                inbox: path_text(&inbox.join("")),
                taken: Taken::default(),
                plans: Plans::default(),
            }),
        }
    }

    /// Takes the pipeline's lease; [`Ledger::resume`] does it too.
    ///
    /// # Errors
    /// `Transient`, saying who has it, where another instance does.
    pub fn acquire(&self) -> PortFuture<()> {
        self.call(|core| async move { core.lease.acquire().await })
    }

    fn call<T, F>(&self, work: impl FnOnce(Arc<Core>) -> F) -> PortFuture<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.core.database.run(work(self.core.clone()))
    }
}

impl Ledger for PostgresLedger {
    fn resume(&self) -> PortFuture<Vec<Verdict>> {
        self.call(|core| async move { core.resume().await })
    }

    fn admit(&self, candidates: Vec<Candidate>) -> PortFuture<Vec<Verdict>> {
        self.call(|core| async move { core.admit(candidates).await })
    }

    fn progress(&self, progress: Vec<Progress>) -> PortFuture<()> {
        self.call(|core| async move { core.progress(progress).await })
    }

    fn commit(&self, completions: Vec<Completion>) -> PortFuture<Vec<Committed>> {
        self.call(|core| async move { core.commit(completions).await })
    }

    fn quarantine(&self, file: FileId, epoch: Epoch, reason: String) -> PortFuture<()> {
        self.call(move |core| async move { core.quarantine(file, epoch, reason).await })
    }

    fn is_paused(&self) -> PortFuture<bool> {
        self.call(|core| async move { core.is_paused().await })
    }

    fn set_paused(&self, paused: bool) -> PortFuture<()> {
        self.call(move |core| async move { core.set_paused(paused).await })
    }

    fn release(&self) -> PortFuture<()> {
        self.call(|core| async move { core.lease.release().await })
    }
}
