//! What the tree needs from the outside: a few object-safe traits.
//!
//! Each returns a future that the adapter has already put where it can't be stalled; dropping such
//! a future gives up what it was doing. A test has its own ports in memory.

mod measured;

use std::collections::HashSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Batch, Candidate, Checkpoint, Claim, Counts, Epoch, FileEnd, FileId, HashMark, Order,
    OverBudget, Plan, Position, Read, RejectBatch, Report, ShareOutcome, Written,
};
use crate::supervision::Pulse;

pub use measured::Measured;

/// The answer of a port, on its way.
pub type PortFuture<T> = BoxFuture<'static, Result<T>>;

/// The directory that files arrive in.
pub trait Inbox: Send + Sync {
    /// The files that are ready now, in the pipeline's order.
    fn scan(&self) -> PortFuture<Scan>;

    /// Resolves once something may have changed since it last resolved: a hint, never the truth.
    fn changed(&self) -> PortFuture<()>;
}

/// What a scan found.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Ready to be loaded, in order.
    pub ready: Vec<Candidate>,
    /// When to look again because a file has not settled yet.
    pub settles_in: Option<Duration>,
    /// Those that came to their place since the last scan, whatever they look like: one that was
    /// taken out and put back unchanged is announced again.
    pub came: HashSet<PathBuf>,
}

/// What is to be done with a file.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Load it, or go on loading it.
    Load(Claim),
    /// Its content is in the database already.
    Skip(Skipped),
    /// It is committed, and still stands in the inbox.
    Archive(Archivable),
    /// It can't be loaded as it is.
    Quarantine(Quarantined),
    /// Nothing is to be done: it was dealt with before, and stays where it is by configuration.
    Ignore(PathBuf),
    /// Nothing can be decided now (an equal file is being loaded, or it vanished): ask again.
    Later {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A file that was skipped.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// Its number in the ledger.
    pub file: FileId,
    /// What it was.
    pub candidate: Candidate,
    /// Why, for people: names the file that it equals.
    pub reason: String,
}

/// A file that was quarantined.
#[derive(Clone, Debug)]
pub struct Quarantined {
    /// Its number in the ledger.
    pub file: FileId,
    /// What it was.
    pub candidate: Candidate,
    /// Why, for people.
    pub reason: String,
}

/// A file that may leave the inbox.
#[derive(Clone, Debug)]
pub struct Archivable {
    /// Its number in the ledger.
    pub file: FileId,
    /// What it was when it was read to its end.
    pub candidate: Candidate,
    /// The open file, where this life has read it.
    pub handle: Option<Arc<File>>,
}

/// How far a file has come, for the ledger; may be written late.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The file.
    pub file: FileId,
    /// The claim.
    pub epoch: Epoch,
    /// Everything up to here is durable in all lanes.
    pub watermark: Position,
    /// Up to where each lane was seen to commit in this life: see [`Completion::seen`]. Where one
    /// stands below it now, the watermark is not true any more.
    pub seen: Vec<Checkpoint>,
    /// The content hash's state at or before the watermark.
    pub hash_mark: Option<HashMark>,
    /// Whether the file was read to its end (COMPLETED), or is still read (READING).
    pub completed: bool,
}

/// A file all of whose lanes are durable up to its end.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The file.
    pub file: FileId,
    /// The claim.
    pub epoch: Epoch,
    /// Up to where each lane was seen to commit in this life. A server that crashes may forget what
    /// it has acknowledged, where it was told not to wait for its disk.
    pub seen: Vec<Checkpoint>,
    /// What was found at its end.
    pub end: FileEnd,
    /// The plan that it was loaded under.
    pub plan: Arc<Plan>,
}

/// What the ledger says of a file that was to be committed.
#[derive(Clone, Debug)]
pub enum Committed {
    /// It is COMMITTED and its identity holds: the counts add up to its records.
    Done {
        /// The file.
        file: FileId,
        /// The sum over its lanes.
        counts: Counts,
    },
    /// Another claim has it, or it does not stand any more where this life has brought it.
    Fenced {
        /// The file.
        file: FileId,
    },
    /// The counts don't add up: it is FAILED and stays where it is.
    Unbalanced {
        /// The file.
        file: FileId,
        /// What was counted and what was read, for people.
        reason: String,
    },
    /// The counts add up, but the file is not what it was to be, or over its budget: it is
    /// QUARANTINED. What is committed of it stays.
    Refused {
        /// The file.
        file: FileId,
        /// Why, for people.
        reason: String,
    },
}

/// The tables that know what became of every file of one pipeline.
pub trait Ledger: Send + Sync {
    /// The files that earlier lives left unfinished, claimed anew, in the order they were started;
    /// and those that are committed but not archived. Called first in every life.
    fn resume(&self) -> PortFuture<Vec<Verdict>>;

    /// What other lives, which loaded beside this one, have left since: as [`Ledger::resume`] has it.
    /// Asked after every scan; mostly there is nothing. `Fenced` where this life was taken for dead.
    fn left_behind(&self) -> PortFuture<Vec<Verdict>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Decides about candidates; those to be loaded are reserved, planned and claimed.
    /// One verdict for each candidate, in order.
    fn admit(&self, candidates: Vec<Candidate>) -> PortFuture<Vec<Verdict>>;

    /// Notes how far files have come.
    fn progress(&self, progress: Vec<Progress>) -> PortFuture<()>;

    /// Commits files: checks that each one's counts add up and are within its error budget, and makes
    /// it COMMITTED.
    /// One answer for each, in order.
    fn commit(&self, completions: Vec<Completion>) -> PortFuture<Vec<Committed>>;

    /// Makes a file QUARANTINED.
    fn quarantine(&self, file: FileId, epoch: Epoch, reason: String) -> PortFuture<()>;

    /// Ends a file whose place another one took: SKIPPED where nothing of it is loaded, else FAILED; the
    /// reason, for people. What stands there now is the next scan's.
    fn replaced(&self, file: FileId, epoch: Epoch) -> PortFuture<String>;

    /// Makes a file QUARANTINED that is over its error budget, and stores its last dead letters in the
    /// same transaction; the reason, for people.
    fn give_up(&self, file: FileId, epoch: Epoch, over: OverBudget) -> PortFuture<String>;

    /// The end of an orderly life: lets go of the pipeline, so that the next life needn't wait.
    fn release(&self) -> PortFuture<()>;
}

/// Where records come from.
pub trait Source: Send + Sync {
    /// Opens a claimed file at its resume position. An error of kind `File` quarantines it.
    ///
    /// The stream tells `pulse` while it waits on the server, where anything may take its time.
    fn open(&self, claim: &Claim, pulse: Pulse) -> PortFuture<Box<dyn RecordStream>>;
}

/// A file that is being read.
pub trait RecordStream: Send {
    /// The next chunk, or the end. An error of kind `File` quarantines the file; after one of kind
    /// `Transient` the same is asked again.
    fn next(&mut self) -> BoxFuture<'_, Result<Read>>;
}

/// Where rows go.
pub trait Sink: Send + Sync {
    /// A writer for one partition, for one generation: it owns its connection.
    ///
    /// It tells `pulse` while it waits on the server, where anything may take its time.
    fn open(&self, partition: u16, pulse: Pulse) -> PortFuture<Box<dyn BatchWriter>>;
}

/// A connection that writes batches.
pub trait BatchWriter: Send {
    /// Writes a batch and moves its checkpoints in one transaction, or does neither.
    ///
    /// `Ok` only once it is durable. After an error of kind `Transient` or `Unknown` the same batch
    /// may be given again, to this writer or another.
    fn write(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<Written>>;
}

/// Where records go that are no rows.
pub trait RejectStore: Send + Sync {
    /// Stores dead letters, counts them and the records that a filter left out, and moves the
    /// rejects' checkpoints, all in one transaction, or does none of it. One outcome for each share,
    /// in order.
    fn store(&self, batch: Arc<RejectBatch>) -> PortFuture<Vec<ShareOutcome>>;
}

/// A file on its way out of the inbox.
#[derive(Clone, Debug)]
pub enum Leaving {
    /// It is committed, or equals one that is.
    Archive(Archivable),
    /// It can't be loaded.
    Quarantine(Quarantined),
}

impl Leaving {
    /// Its number in the ledger.
    pub fn file(&self) -> FileId {
        match self {
            Leaving::Archive(archivable) => archivable.file,
            Leaving::Quarantine(quarantined) => quarantined.file,
        }
    }
}

/// What became of a file that was to leave the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// It stands here now.
    To(PathBuf),
    /// It is gone: it was deleted, as the configuration says, or was missing.
    Gone,
    /// It stays, as the configuration says.
    Stays,
    /// It stays for now, for this reason; the [`Sweep`] tries it again.
    Held(String),
}

/// Where finished files go.
pub trait Archive: Send + Sync {
    /// Takes committed, skipped and quarantined files out of the inbox. One answer for each, in
    /// order: what became of it, or why it could not go; an error of kind `File` leaves it where it
    /// stands. Only what concerns all of them alike is an error of the whole.
    fn take_out(&self, files: Vec<Leaving>) -> PortFuture<Vec<Result<Left>>>;
}

/// What one round of sweeping has come to.
#[derive(Debug)]
pub struct Swept {
    /// Whether there may be more that is due now.
    pub more: bool,
    /// How soon something may be due after that; `None`: nothing can be.
    pub next: Option<Duration>,
    /// What could not be done, where there was such; it is due again later.
    pub trouble: Option<Error>,
}

/// What is due by time: files that are to be deleted, that could not leave, or that the archive has
/// kept for long enough.
pub trait Sweep: Send + Sync {
    /// Does a group of what is due. Nothing is due while the pipeline is paused.
    fn sweep(&self) -> PortFuture<Swept>;
}

/// An index that is still to be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingIndex {
    /// Its number in the list.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its table, for people.
    pub table: String,
}

/// What became of an index that was to be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexEnd {
    /// It was built.
    Built,
    /// An earlier life, or somebody else, has built it.
    WasThere,
    /// It is not built, since what it was to be of is gone: why, for people.
    GivenUp(String),
}

/// The indexes of a table that is loaded for the first time: they are built after that.
pub trait DeferredIndexes: Send + Sync {
    /// Those that are missing, in the order in which they are built.
    fn missing(&self) -> PortFuture<Vec<MissingIndex>>;

    /// Builds one, beside the loading, and strikes it from the list. After an error the same is
    /// asked again: whatever an earlier try has left is cleared away.
    fn build(&self, index: MissingIndex) -> PortFuture<IndexEnd>;
}

/// What happens in a pipeline, for whoever watches: a progress bar, counters, a test.
#[derive(Clone, Debug)]
pub enum Event {
    /// A file's reading starts, or goes on at a position.
    FileStarted {
        /// The file.
        file: FileId,
        /// Where it stands.
        path: PathBuf,
        /// Its length in bytes.
        size: u64,
        /// Where reading starts.
        at: Position,
    },
    /// Records were read.
    Read {
        /// The file.
        file: FileId,
        /// Where reading stands.
        to: Position,
    },
    /// Rows or dead letters of a file became durable.
    Durable {
        /// The file.
        file: FileId,
        /// What became of them.
        counts: Counts,
    },
    /// A file is COMMITTED.
    FileCommitted {
        /// The file.
        file: FileId,
        /// Where it stood.
        path: PathBuf,
        /// The sum over its lanes.
        counts: Counts,
        /// Its length in bytes.
        size: u64,
    },
    /// A file left the inbox, or stays there for good by configuration.
    FileFinished {
        /// The file.
        file: FileId,
    },
    /// A file was skipped.
    FileSkipped {
        /// Where it stands.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file was quarantined, or failed.
    FileQuarantined {
        /// Where it stood.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file that was to leave the inbox stays there for now.
    FileHeld {
        /// The file.
        file: FileId,
        /// Why.
        reason: String,
    },
    /// The building of an index starts.
    IndexStarted {
        /// Its name.
        index: String,
    },
    /// The building of an index has ended.
    IndexEnded {
        /// Its name.
        index: String,
        /// How.
        end: IndexEnd,
        /// How long that took.
        took: Duration,
    },
    /// Everything that the last scan found is finished, nothing is settling, and no index is missing.
    Idle,
    /// Something outside keeps the pipeline from going on; it tries again.
    Degraded {
        /// Which child says so.
        child: String,
        /// Whether it passes by itself, or somebody has to change something.
        kind: ErrorKind,
        /// What is wrong and what to do.
        reason: String,
    },
    /// It goes on.
    Recovered {
        /// Which child says so.
        child: String,
    },
    /// A figure, for whoever counts.
    Measured(Measured),
}

/// Whoever watches a pipeline.
pub trait Observer: Send + Sync {
    /// Called from the tree's thread: must not block.
    fn observe(&self, event: &Event);
}

/// Something outside that has to run as long as the service does: the private server.
pub trait Companion: Send + Sync {
    /// Its name, for logs.
    fn name(&self) -> &str;

    /// Makes sure that it runs, and resolves when it has ended, with the reason.
    fn run(&self) -> PortFuture<()>;
}

/// Where commands to pipelines come from and are kept, whichever way they were given: one state.
pub trait Control: Send + Sync {
    /// Resolves once somebody may have given a command, and after a while without one.
    fn changed(&self) -> PortFuture<()>;

    /// Tells what was commanded and done here, and asks what is wanted of these pipelines now, what
    /// was just told included. One order for each pipeline that the ledger knows; one that is new
    /// gets known.
    fn exchange(&self, reports: Vec<Report>) -> PortFuture<Vec<Order>>;
}

/// The outside of one pipeline.
#[derive(Clone)]
pub struct Ports {
    /// See [`Inbox`].
    pub inbox: Arc<dyn Inbox>,
    /// See [`Ledger`].
    pub ledger: Arc<dyn Ledger>,
    /// See [`Source`].
    pub source: Arc<dyn Source>,
    /// See [`Sink`].
    pub sink: Arc<dyn Sink>,
    /// See [`RejectStore`].
    pub rejects: Arc<dyn RejectStore>,
    /// See [`Archive`].
    pub archive: Arc<dyn Archive>,
    /// See [`Sweep`]; `None` where nothing is to be swept.
    pub sweep: Option<Arc<dyn Sweep>>,
    /// See [`DeferredIndexes`].
    pub indexes: Arc<dyn DeferredIndexes>,
    /// See [`Observer`].
    pub observer: Arc<dyn Observer>,
}

/// An error that stands for a port whose other side is gone.
pub fn gone(what: &str) -> Error {
    Error::new(ErrorKind::Bug, format!("{what} ended without an answer"))
}
