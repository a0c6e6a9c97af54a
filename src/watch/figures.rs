//! Figures of a running pipeline, added up from its events.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ingestd_actors::error::ErrorKind;
use ingestd_actors::model::{Counts, FileId};
use ingestd_actors::port::{Event, IndexEnd, Observer};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// What became of a file in this life.
#[derive(Clone, Debug)]
pub enum FileOutcome {
    /// It is committed, with these counts over all lives.
    Committed {
        /// Its number in the ledger.
        file: FileId,
        /// Where it stood.
        path: PathBuf,
        /// The sum over its lanes.
        counts: Counts,
    },
    /// It was not loaded, because its content was.
    Skipped {
        /// Where it stands.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is loaded, or was before, but could not go to the archive.
    Held {
        /// Its number in the ledger.
        file: FileId,
        /// Why.
        reason: String,
    },
    /// It could not be loaded.
    Quarantined {
        /// Where it stood.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// What keeps a child from going on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldUp {
    /// Whether it passes by itself, or somebody has to change something.
    pub kind: ErrorKind,
    /// What is wrong and what to do.
    pub reason: String,
}

/// Figures at one moment.
#[derive(Clone, Debug, Default)]
pub struct FiguresNow {
    /// What became durable in this life.
    pub durable: Counts,
    /// The bytes read in this life, of no file more than its length: what a compressed file gives
    /// may be any amount of text.
    pub bytes_read: u64,
    /// The files that are being loaded.
    pub files_open: usize,
    /// What became of those that are finished, in order.
    pub outcomes: Vec<FileOutcome>,
    /// What keeps the pipeline from going on, by child.
    pub degraded: BTreeMap<String, HeldUp>,
    /// The index that is being built, and since when.
    pub building: Option<(String, Instant)>,
    /// The indexes that were built in this life after a first load, with how long each took.
    pub indexes: Vec<(String, Duration)>,
    /// Those that were not built, and why.
    pub indexes_given_up: Vec<(String, String)>,
    /// How often the pipeline had nothing left to do.
    pub idle: u64,
    /// When something became durable that left nothing open, or the first file was opened.
    behind_since: Option<Instant>,
    open: HashMap<FileId, Open>,
}

/// A file that is being loaded.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// How far it was read.
    at: u64,
    /// Its length.
    size: u64,
}

/// Figures, shared between the tree and whoever shows them.
#[derive(Clone, Default)]
pub struct Figures {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    now: Mutex<FiguresNow>,
    changed: Notify,
}

impl Figures {
    /// The figures at this moment.
    pub fn now(&self) -> FiguresNow {
        self.lock().clone()
    }

    /// One look at the figures without a copy of them.
    pub fn look<T>(&self, look: impl FnOnce(&FiguresNow) -> T) -> T {
        look(&self.lock())
    }

    /// Waits until the figures are as asked for.
    pub async fn wait_until(&self, reached: impl Fn(&FiguresNow) -> bool) {
        loop {
            let changed = self.shared.changed.notified();
            if self.look(&reached) {
                return;
            }
            changed.await;
        }
    }

    /// The observer that adds them up.
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::new(FiguresObserver(self.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, FiguresNow> {
        self.shared
            .now
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds events up.
pub struct FiguresObserver(Figures);

impl Observer for FiguresObserver {
    fn observe(&self, event: &Event) {
        if matches!(event, Event::Measured(_)) {
            // For whoever counts: nothing that is shown changes with it.
            return;
        }
        self.0.lock().add(event);
        self.0.shared.changed.notify_waiters();
    }
}

impl FiguresNow {
    /// For how long files have been open without a moment when all were done.
    pub fn lag(&self) -> Duration {
        self.behind_since
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Why the pipeline does not go on, where it doesn't.
    pub fn held_up_by(&self) -> Option<&str> {
        let first = self.degraded.values().next();
        first.map(|held_up| held_up.reason.as_str())
    }

    /// What somebody has to change before the pipeline goes on.
    pub fn misconfigured(&self) -> Option<&str> {
        self.degraded
            .values()
            .find(|held_up| held_up.kind == ErrorKind::Configuration)
            .map(|held_up| held_up.reason.as_str())
    }

    fn read_up_to(&mut self, file: FileId, offset: u64) {
        if let Some(open) = self.open.get_mut(&file) {
            let at = offset.min(open.size);
            self.bytes_read += at.saturating_sub(open.at);
            open.at = at;
        }
    }

    fn add(&mut self, event: &Event) {
        match event {
            Event::FileStarted { file, at, size, .. } => {
                let at = at.offset.min(*size);
                self.open.insert(*file, Open { at, size: *size });
            }
            Event::Read { file, to } => self.read_up_to(*file, to.offset),
            Event::Durable { counts, .. } => self.durable += *counts,
            Event::FileCommitted {
                file, path, counts, ..
            } => {
                self.read_up_to(*file, u64::MAX);
                self.open.remove(file);
                self.outcomes.push(FileOutcome::Committed {
                    file: *file,
                    path: path.clone(),
                    counts: *counts,
                });
            }
            Event::FileSkipped { path, reason } => self.outcomes.push(FileOutcome::Skipped {
                path: path.clone(),
                reason: reason.clone(),
            }),
            Event::FileQuarantined { path, reason } => {
                self.outcomes.push(FileOutcome::Quarantined {
                    path: path.clone(),
                    reason: reason.clone(),
                });
            }
            Event::FileHeld { file, reason } => self.outcomes.push(FileOutcome::Held {
                file: *file,
                reason: reason.clone(),
            }),
            Event::FileFinished { .. } | Event::Measured(_) => {}
            Event::IndexStarted { index } => {
                self.building = Some((index.clone(), Instant::now()));
            }
            Event::IndexEnded { index, end, took } => {
                self.building = None;
                match end {
                    IndexEnd::Built => self.indexes.push((index.clone(), *took)),
                    IndexEnd::WasThere => {}
                    IndexEnd::GivenUp(why) => {
                        self.indexes_given_up.push((index.clone(), why.clone()));
                    }
                }
            }
            Event::Idle => self.idle += 1,
            Event::Degraded {
                child,
                kind,
                reason,
            } => {
                let held_up = HeldUp {
                    kind: *kind,
                    reason: reason.clone(),
                };
                self.degraded.insert(child.clone(), held_up);
            }
            Event::Recovered { child } => {
                self.degraded.remove(child);
            }
        }
        self.files_open = self.open.len();
        if self.open.is_empty() {
            self.behind_since = None;
        } else if self.behind_since.is_none() {
            self.behind_since = Some(Instant::now());
        }
    }
}
