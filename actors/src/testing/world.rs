//! Everything outside, under one lock.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::fault::{Armed, Fault, Step};
use super::{TestFile, TestRecord};
use crate::error::{Error, Result};
use crate::flow::Budget;
use crate::model::{
    Candidate, Counts, Epoch, FileId, FileState, HashMark, Lane, Order, Position, Report,
};
use crate::port::{Event, Observer, Ports};
use crate::supervision::Pulse;

/// An outside in memory; clones are the same world.
#[derive(Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    changed: Arc<watch::Sender<u64>>,
    /// The last hint that the inbox gave.
    pub(super) hint: Arc<watch::Sender<u64>>,
    /// The last command that was given.
    pub(super) commands: Arc<watch::Sender<u64>>,
}

/// What is in the world.
#[derive(Default)]
pub struct State {
    /// What stands in the inbox, in order.
    pub inbox: BTreeMap<PathBuf, TestFile>,
    /// The ledger's files.
    pub files: BTreeMap<FileId, FileEntry>,
    /// How many partitions the plans have.
    pub partitions: u16,
    /// What the ledger says to be wanted of pipelines.
    pub orders: BTreeMap<String, Order>,
    /// What was last told of each pipeline.
    pub reports: BTreeMap<String, Report>,
    /// Whether plans say that files are committed one by one, in order.
    pub all_or_nothing: bool,
    /// How many dead letters a file may have; for lives that begin after it was set.
    pub budget: Budget,
    /// How often the pipeline was let go.
    pub released: u64,
    /// The append-only table: every row in the order of its insertion.
    pub rows: Vec<(u64, u64)>,
    /// The keyed table: the last one wins.
    pub table: BTreeMap<u64, u64>,
    /// The dead letters.
    pub dead_letters: BTreeMap<(FileId, u64), String>,
    /// How many records were counted as filtered.
    pub filtered: usize,
    /// What left the inbox after it was loaded or skipped.
    pub archived: Vec<PathBuf>,
    /// What left it since it can't be loaded.
    pub quarantined: Vec<PathBuf>,
    /// What is to be swept, with the time when it is due.
    pub due: Vec<(tokio::time::Instant, &'static str)>,
    /// What was swept, in order.
    pub swept: Vec<&'static str>,
    /// The indexes that are still to be built, in order.
    pub missing_indexes: Vec<String>,
    /// What the tree told, in order.
    pub events: Vec<Event>,
    /// Promises that the tree broke.
    pub violations: Vec<String>,
    /// How many calls a step has seen.
    pub calls: HashMap<Step, u64>,
    /// The chunks that the source has handed out.
    pub chunks_read: u64,
    /// What was put into the inbox since the last scan.
    pub(super) came: HashSet<PathBuf>,
    /// The inodes of names that share one.
    pub(super) links: HashMap<PathBuf, u64>,
    /// Files that the archive refused for good: the next life tries again.
    pub(super) left_in_place: HashSet<FileId>,
    pub(super) armed: Vec<Armed>,
    pub(super) applied: HashSet<(FileId, u64)>,
    pub(super) last_of_key: HashMap<u64, (FileId, u64)>,
}

/// A file in the ledger.
#[derive(Clone, Debug)]
pub struct FileEntry {
    /// Where it stands, or stood.
    pub candidate: Candidate,
    /// What is in it.
    pub content: TestFile,
    /// What has become of it.
    pub state: FileState,
    /// How often it was claimed.
    pub epoch: Epoch,
    /// The checkpoints with their counters; gone once it is committed.
    pub lanes: BTreeMap<Lane, (Position, Counts)>,
    /// What was noted of its progress.
    pub watermark: Position,
    /// See `watermark`.
    pub hash_mark: Option<HashMark>,
    /// The sum of the counters, once it is committed.
    pub counts: Counts,
    /// It was to leave the inbox, and could not.
    pub stays: bool,
}

impl FileEntry {
    /// Whether a life still has to load it.
    pub fn is_unfinished(&self) -> bool {
        matches!(
            self.state,
            FileState::Scheduled | FileState::Reading | FileState::Completed
        )
    }
}

impl World {
    /// An empty inbox and an empty database, for plans of so many partitions.
    pub fn new(partitions: u16) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                partitions,
                ..State::default()
            })),
            changed: Arc::new(watch::Sender::new(0)),
            hint: Arc::new(watch::Sender::new(0)),
            commands: Arc::new(watch::Sender::new(0)),
        }
    }

    /// The ports into this world.
    pub fn ports(&self) -> Ports {
        let world = Arc::new(self.clone());
        Ports {
            inbox: world.clone(),
            ledger: world.clone(),
            source: world.clone(),
            sink: world.clone(),
            rejects: world.clone(),
            archive: world.clone(),
            sweep: Some(world.clone()),
            indexes: world.clone(),
            observer: world,
        }
    }

    /// Looks at the state, or changes it.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a file into the inbox and gives a hint.
    pub fn put(&self, path: impl AsRef<Path>, file: TestFile) {
        {
            let mut state = self.state();
            state.inbox.insert(path.as_ref().to_owned(), file);
            state.came.insert(path.as_ref().to_owned());
        }
        self.hint.send_modify(|hint| *hint += 1);
    }

    /// Gives a file in the inbox a second name, and gives a hint: one inode has both.
    pub fn put_link(&self, path: impl AsRef<Path>, link: impl AsRef<Path>) {
        {
            let mut state = self.state();
            let Some(file) = state.inbox.get(path.as_ref()).cloned() else {
                return;
            };
            state.inbox.insert(link.as_ref().to_owned(), file);
            let inode = super::inbox::inode_of(&state, path.as_ref());
            state.links.insert(link.as_ref().to_owned(), inode);
        }
        self.hint.send_modify(|hint| *hint += 1);
    }

    /// Makes the next `times` calls of `step` go wrong.
    pub fn fail(&self, step: Step, times: u64, fault: Fault) {
        self.fail_after(step, 0, times, fault);
    }

    /// Makes `times` calls of `step` go wrong, after `skip` more that go right.
    pub fn fail_after(&self, step: Step, skip: u64, times: u64, fault: Fault) {
        self.state().armed.push(Armed {
            step,
            skip,
            times,
            fault,
        });
    }

    /// Ends all faults that are armed; what hangs or is held goes on hanging.
    pub fn heal(&self) {
        self.state().armed.clear();
    }

    /// Waits until `condition` holds; panics with the state of things after an hour of the
    /// runtime's time and ten real seconds.
    pub async fn until(&self, what: &str, mut condition: impl FnMut(&State) -> bool) {
        let mut changes = self.changed.subscribe();
        let wait = async {
            loop {
                changes.borrow_and_update();
                if condition(&self.state()) {
                    return;
                }
                // The sender lives in `self`.
                let _ = changes.changed().await;
            }
        };
        // Whether a child is stuck is measured in real time, which a paused runtime's outruns.
        let started = std::time::Instant::now();
        let patience = async {
            while started.elapsed() < Duration::from_secs(10) {
                tokio::time::sleep(Duration::from_secs(3600)).await;
            }
        };
        let waited = tokio::select! {
            () = wait => true,
            () = patience => false,
        };
        if !waited {
            let state = self.state();
            let tail = state.events.len().saturating_sub(12);
            panic!(
                "waited in vain for: {what}\nviolations: {:?}\nfiles: {:#?}\ncalls: {:?}\nlast events: {:#?}",
                state.violations,
                state
                    .files
                    .values()
                    .map(|file| (&file.candidate.path, file.state, file.epoch, &file.lanes))
                    .collect::<Vec<_>>(),
                state.calls,
                &state.events[tail..]
            );
        }
    }

    /// Waits until `step` has been called `count` times.
    pub async fn until_called(&self, step: Step, count: u64) {
        self.until(&format!("call {count} of {step:?}"), |state| {
            state.called(step) >= count
        })
        .await;
    }

    pub(super) fn bump(&self) {
        self.changed.send_modify(|change| *change += 1);
    }

    /// A call of a port: goes wrong where a fault waits for it, else does `work`.
    ///
    /// It runs in a task of its own, which goes on where the caller goes away.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        step: Step,
        pulse: Option<Pulse>,
        work: impl FnOnce(&mut State) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let world = self.clone();
        let call = tokio::spawn(async move {
            let fault = world.state().enter(step);
            world.bump();
            let result = match fault {
                None => work(&mut world.state()),
                Some(Fault::Error(kind)) => Err(injected(step, kind)),
                Some(Fault::Panic) => panic!("injected at {step:?}"),
                Some(Fault::Hang) => std::future::pending().await,
                Some(Fault::Hold(hold)) => {
                    if let Some(pulse) = pulse {
                        pulse.waiting();
                    }
                    hold.passed().await;
                    work(&mut world.state())
                }
                Some(Fault::LostAnswer(kind)) => {
                    let done = work(&mut world.state());
                    done.and_then(|_| Err(injected(step, kind)))
                }
                Some(Fault::Poison) => unreachable!("not a fault of a call"),
            };
            world.bump();
            result
        });
        match call.await {
            Ok(result) => result,
            Err(error) => resume_unwind(error.into_panic()),
        }
    }
}

fn injected(step: Step, kind: crate::error::ErrorKind) -> Error {
    Error::new(kind, format!("injected at {step:?}"))
}

impl State {
    pub(super) fn enter(&mut self, step: Step) -> Option<Fault> {
        *self.calls.entry(step).or_default() += 1;
        let mut fault = None;
        // A poisoned chunk is a good answer of the port: see `State::take_poison`.
        let armed = self.armed.iter_mut();
        for armed in armed.filter(|it| it.step == step && !matches!(it.fault, Fault::Poison)) {
            if armed.skip > 0 {
                armed.skip -= 1;
            } else if fault.is_none() && armed.times > 0 {
                armed.times -= 1;
                fault = Some(armed.fault.clone());
            }
        }
        self.armed.retain(|armed| armed.times > 0);
        fault
    }

    /// How often a step was called.
    pub fn called(&self, step: Step) -> u64 {
        self.calls.get(&step).copied().unwrap_or(0)
    }

    /// The ledger's newest file of this path.
    pub fn file(&self, path: &str) -> Option<&FileEntry> {
        let mut files = self.files.values().rev();
        files.find(|file| file.candidate.path == Path::new(path))
    }

    /// Whether every file in the ledger has come to its end, and none stands in the inbox that has
    /// to leave it.
    pub fn is_finished(&self) -> bool {
        self.inbox.is_empty() && self.files.values().all(|file| !file.is_unfinished())
    }

    /// How many events match.
    pub fn count(&self, matches: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| matches(event)).count()
    }

    pub(super) fn violation(&mut self, what: String) {
        self.violations.push(what);
    }

    /// A row arrives in the table, inside a transaction.
    pub(super) fn apply(&mut self, file: FileId, record: u64, key: u64, value: u64) -> bool {
        if !self.applied.insert((file, record)) {
            self.violation(format!("record {record} of file {} twice", file.0));
        }
        if let Some(&last) = self.last_of_key.get(&key)
            && last > (file, record)
        {
            self.violation(format!("key {key}: {last:?} before {:?}", (file, record)));
        }
        self.last_of_key.insert(key, (file, record));
        self.rows.push((key, value));
        self.table.insert(key, value).is_none()
    }

    /// A dead letter arrives, inside a transaction.
    pub(super) fn bury(&mut self, file: FileId, record: u64, reason: String) {
        if !self.applied.insert((file, record)) {
            self.violation(format!("record {record} of file {} twice", file.0));
        }
        self.dead_letters.insert((file, record), reason);
    }

    /// A record is counted as filtered, inside a transaction.
    pub(super) fn leave_out(&mut self, file: FileId, record: u64) {
        if !self.applied.insert((file, record)) {
            self.violation(format!("record {record} of file {} twice", file.0));
        }
        self.filtered += 1;
    }

    /// Checks that every record of `expected` has arrived exactly once, in its order.
    pub fn check_loaded<'a>(&self, expected: impl IntoIterator<Item = &'a TestFile>) {
        assert!(self.violations.is_empty(), "{:?}", self.violations);
        let mut rows = Vec::new();
        let mut table = BTreeMap::new();
        let (mut dead_letters, mut filtered) = (0, 0);
        for record in expected.into_iter().flat_map(|file| &file.records) {
            match *record {
                TestRecord::Row { key, value } => {
                    rows.push((key, value));
                    table.insert(key, value);
                }
                TestRecord::Refused { .. } | TestRecord::Malformed => dead_letters += 1,
                TestRecord::Filtered => filtered += 1,
            }
        }
        assert_eq!(self.table, table, "the keyed table: the last one wins");
        let mut loaded = self.rows.clone();
        loaded.sort_unstable();
        rows.sort_unstable();
        assert_eq!(loaded, rows, "every row once");
        assert_eq!(self.dead_letters.len(), dead_letters, "every dead letter");
        assert_eq!(self.filtered, filtered, "every filtered record");
    }
}

impl Observer for World {
    fn observe(&self, event: &Event) {
        let mut state = self.state();
        if matches!(event, Event::Idle) {
            let open: Vec<_> = state
                .files
                .iter()
                .filter(|(id, file)| {
                    let leaves = !file.stays && !state.left_in_place.contains(id);
                    file.is_unfinished() || (file.state == FileState::Committed && leaves)
                })
                .map(|(id, _)| *id)
                .collect();
            if !open.is_empty() {
                state.violation(format!("idle, but {open:?} are not finished"));
            }
            let missing = state.missing_indexes.clone();
            if !missing.is_empty() {
                state.violation(format!("idle, but indexes {missing:?} are missing"));
            }
        }
        state.events.push(event.clone());
        drop(state);
        self.bump();
    }
}
