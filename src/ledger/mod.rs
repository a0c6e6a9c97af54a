//! The ledger on PostgreSQL: what became of every file of one pipeline.
//!
//! Deciding is pure ([`verdict`], [`balance`]); this folder's other files gather what the decisions
//! need and write down what was decided, each in one transaction for many files.

mod admit;
mod answer;
mod archive;
pub mod balance;
mod budget;
mod by_name;
mod claim;
pub mod comes_again;
mod commit;
mod control;
mod departures;
mod error;
mod evidence;
pub mod examined;
mod expect;
mod find;
mod headers;
mod holding;
pub mod known;
mod lease;
mod manifest;
mod notes;
mod originals;
mod others;
mod plans;
mod register;
mod resume;
mod retention;
pub mod retry;
mod sweep;
mod taken;
mod untold;
pub mod verdict;
mod waits;
mod whole;

#[cfg(test)]
mod tests;

pub use archive::{DELETED, PostgresArchive};
pub use by_name::by_name;
pub use control::PostgresControl;
pub use lease::{LENGTH as LEASE, host};
pub use sweep::PostgresSweep;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ingestd_actors::error::Result;
use ingestd_actors::flow::Budget;
use ingestd_actors::model::{Candidate, Epoch, FileId, OverBudget};
use ingestd_actors::port::{Committed, Completion, Ledger, PortFuture, Progress, Verdict};
use slog::Logger;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::fs::{inbox_root, path_text};
use crate::plan::{Dialect, LoadPlan};
use crate::postgres::link::{Link, Owner};
use crate::postgres::{Database, Notes};
use crate::settings::{Companions, Pipeline};
use lease::Lease;
use plans::Plans;
use taken::Taken;
use untold::Untold;
use verdict::Rules;
use waits::Waits;

/// Forgets a pipeline, in one transaction: what it has loaded (with checkpoints and dead letters), its
/// plans, and the pipeline itself; each takes the pipeline's name. Tables that go too are dropped
/// before: the indexes that a table lacks are forgotten with it, and built by the pipeline's next
/// life where it stays.
pub const FORGET: [&str; 5] = [
    "delete from ingestd.deferred_indexes i where pipeline = $1
     and not exists (select from pg_class c where c.oid = i.relation)",
    // Before the files: as a replay locks them.
    "delete from ingestd.replays where pipeline = $1",
    "delete from ingestd.files where pipeline = $1",
    "delete from ingestd.plans where pipeline = $1",
    "delete from ingestd.pipelines where name = $1",
];

/// Makes the plan for a file: reads its header, and the catalog for its table.
pub trait Planner: Send + Sync {
    /// The plan for a file, as it was found: for no other that has its path by now.
    ///
    /// An error of kind `File` quarantines the file; any other holds the pipeline up.
    fn plan_for(&self, file: &Candidate) -> PortFuture<Planned>;
}

/// How a file is to be loaded.
pub struct Planned {
    /// The plan.
    pub plan: LoadPlan,
    /// The names of its fields; none where it has no header.
    pub header: Vec<String>,
}

/// What a ledger does differently for files that somebody has named (`load FILE…`).
#[derive(Clone, Debug)]
pub struct LedgerOptions {
    /// Load what was loaded before once more, as a new file.
    pub again: bool,
    /// Only these files, and an answer for each: one that was loaded before is skipped with a
    /// reason, where a scan of the inbox would ignore it. Absolute paths.
    pub only: Option<Vec<PathBuf>>,
    /// How long an instance that does not answer any more keeps what it has in hand.
    pub lease: Duration,
    /// Where it is noted what happens.
    pub notes: Notes,
}

impl Default for LedgerOptions {
    fn default() -> LedgerOptions {
        LedgerOptions {
            again: false,
            only: None,
            lease: lease::LENGTH,
            notes: Notes::default(),
        }
    }
}

/// The [`Ledger`] of one pipeline, for one instance of the service.
#[derive(Clone)]
pub struct PostgresLedger {
    core: Arc<Core>,
}

struct Core {
    database: Database,
    pipeline: String,
    instance: String,
    planner: Arc<dyn Planner>,
    rules: Rules,
    dialect: Dialect,
    budget: Budget,
    only: Option<Vec<String>>,
    /// What the paths of the inbox's files begin with.
    inbox: String,
    taken: Taken,
    untold: Untold,
    /// Files of dead instances that this one is taking over, until it has said what becomes of them.
    taking_over: std::sync::Mutex<Vec<i64>>,
    companions: Companions,
    waits: Waits,
    log: Logger,
    lease: Lease,
    plans: Plans,
    /// The connection that moves the rows of files that are loaded as a whole, between two of them.
    mover: Mutex<Option<Link>>,
    mover_owner: Owner,
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
            keeps: !pipeline.leaves_at_once(),
            keeps_quarantined: pipeline.quarantine.is_none(),
            again: options.again,
            named: options.only.is_some(),
            redropped: pipeline.redropped,
        };
        let only = options
            .only
            .map(|paths| paths.iter().map(|path| path_text(path)).collect());
        let inbox = inbox_root(&pipeline.directory);
        PostgresLedger {
            core: Arc::new(Core {
                lease: Lease::new(
                    database.clone(),
                    &pipeline,
                    instance,
                    options.lease,
                    options.notes,
                    log.clone(),
                ),
                mover_owner: whole::mover_owner(database.clone(), &pipeline.name, instance),
                companions: pipeline.companions.clone(),
                waits: Waits::default(),
                log,
                database,
                pipeline: pipeline.name.clone(),
                instance: instance.to_string(),
                planner,
                rules,
                dialect: pipeline.dialect.clone(),
                budget: pipeline.tolerance.budget,
                only,
                inbox: path_text(&inbox.join("")),
                taken: Taken::default(),
                untold: Untold::default(),
                taking_over: std::sync::Mutex::default(),
                plans: Plans::default(),
                mover: Mutex::default(),
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

    fn left_behind(&self) -> PortFuture<Vec<Verdict>> {
        if !self.core.lease.sees_left_behind() && self.core.taking_over().is_empty() {
            return Box::pin(std::future::ready(Ok(Vec::new())));
        }
        self.call(|core| async move { core.left_behind().await })
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

    fn replaced(&self, file: FileId, epoch: Epoch) -> PortFuture<String> {
        self.call(move |core| async move { core.replaced(file, epoch).await })
    }

    fn give_up(&self, file: FileId, epoch: Epoch, over: OverBudget) -> PortFuture<String> {
        self.call(move |core| async move { core.give_up_over_budget(file, epoch, over).await })
    }

    fn release(&self) -> PortFuture<()> {
        self.call(|core| async move { core.lease.release().await })
    }
}
