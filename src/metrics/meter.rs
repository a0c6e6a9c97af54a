//! Counts what a tree tells.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ingestd_actors::model::{Counts, FileState, Reason};
use ingestd_actors::port::{Event, Measured, Observer};
use prometheus::{Counter, Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::backlog::Backlog;
use super::classes::{CHILDREN, CLASSES, OUTCOMES, child_of, class_of, is_lock};
use super::families::Families;
use super::tree::{ChildFigures, PipelineTree, Times, Waiting, WriterFigures};
use super::{Metrics, PipelineFigures, lock};

/// The most partitions that a configuration may ask for.
const PARTITIONS: usize = 256;

/// Every state that a file may have.
pub(super) const STATES: [FileState; 8] = [
    FileState::Scheduled,
    FileState::Reading,
    FileState::Completed,
    FileState::Committed,
    FileState::Archived,
    FileState::Skipped,
    FileState::Quarantined,
    FileState::Failed,
];

/// Every reason that a dead letter may have.
const REASONS: [Reason; 13] = [
    Reason::FieldCount,
    Reason::BadQuoting,
    Reason::InvalidEncoding,
    Reason::NulByte,
    Reason::RecordTooLarge,
    Reason::InvalidValue,
    Reason::MissingValue,
    Reason::TooLong,
    Reason::PatternMismatch,
    Reason::WrongFormat,
    Reason::NotAllowed,
    Reason::OutOfRange,
    Reason::Refused,
];

/// What one pipeline counts, over all lives in this process.
pub(super) struct Counters {
    name: String,
    records_read: IntCounter,
    bytes_read: IntCounter,
    rows_written: [IntCounter; OUTCOMES.len()],
    dead_letters: [IntCounter; REASONS.len()],
    files_seen: [IntCounter; STATES.len()],
    retries: [IntCounter; CLASSES.len()],
    restarts: [IntCounter; CHILDREN.len()],
    lock_wait: Counter,
    drop_to_commit: Histogram,
    /// Those that have committed a batch.
    partitions: Vec<OnceLock<Partition>>,
    batch_rows: HistogramVec,
    batch_commit: HistogramVec,
    batches: AtomicU64,
    in_flight: AtomicU64,
    paused: AtomicBool,
    /// In milliseconds since 1970; 0: none.
    last_commit: AtomicU64,
    backlog: Mutex<Backlog>,
    /// The observers that are not gone.
    alive: AtomicUsize,
}

/// What one partition counts.
struct Partition {
    rows: Histogram,
    commit: Histogram,
}

/// What stands for this moment.
pub(super) struct Now {
    pub in_flight: u64,
    pub paused: bool,
    /// In seconds since 1970.
    pub last_commit: Option<f64>,
    pub backlog_files: usize,
    pub backlog_bytes: u64,
    pub lag: f64,
}

impl Counters {
    /// Looks all of them up, so that each is exported from the start.
    pub fn of(name: &str, families: &Families) -> Counters {
        fn one<const N: usize>(
            family: &IntCounterVec,
            name: &str,
            labels: [&str; N],
        ) -> [IntCounter; N] {
            labels.map(|label| family.with_label_values(&[name, label]))
        }
        Counters {
            name: name.to_owned(),
            records_read: families.records_read.with_label_values(&[name]),
            bytes_read: families.bytes_read.with_label_values(&[name]),
            rows_written: one(&families.rows_written, name, OUTCOMES),
            dead_letters: one(&families.dead_letters, name, REASONS.map(Reason::code)),
            files_seen: one(&families.files_seen, name, STATES.map(FileState::name)),
            retries: one(&families.retries, name, CLASSES),
            restarts: one(&families.restarts, name, CHILDREN),
            lock_wait: families.lock_wait.with_label_values(&[name]),
            drop_to_commit: families.drop_to_commit.with_label_values(&[name]),
            partitions: (0..PARTITIONS).map(|_| OnceLock::new()).collect(),
            batch_rows: families.batch_rows.clone(),
            batch_commit: families.batch_commit.clone(),
            batches: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            last_commit: AtomicU64::new(0),
            backlog: Mutex::default(),
            alive: AtomicUsize::new(0),
        }
    }

    pub fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed) > 0
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn figures(&self) -> PipelineFigures {
        let sum = |counters: &[IntCounter]| counters.iter().map(IntCounter::get).sum();
        PipelineFigures {
            name: self.name.clone(),
            records_read: self.records_read.get(),
            // What was filtered is the last of the outcomes, and no row.
            rows_written: sum(&self.rows_written[..OUTCOMES.len() - 1]),
            bytes_read: self.bytes_read.get(),
            dead_letters: sum(&self.dead_letters),
            batches: self.batches.load(Ordering::Relaxed),
            in_flight_bytes: self.in_flight.load(Ordering::Relaxed),
            restarts: sum(&self.restarts),
        }
    }

    /// What became of its children, and how long they took.
    pub fn tree(&self) -> PipelineTree {
        let children = CHILDREN.iter().zip(&self.restarts);
        let partitions = self.partitions.iter().enumerate();
        PipelineTree {
            pipeline: self.name.clone(),
            children: children
                .map(|(child, restarts)| ChildFigures {
                    child,
                    restarts: restarts.get(),
                })
                .collect(),
            writers: partitions
                .filter_map(|(number, partition)| Some((number, partition.get()?)))
                .map(|(number, partition)| WriterFigures {
                    partition: number,
                    batches: partition.commit.get_sample_count(),
                    commit_seconds: partition.commit.get_sample_sum(),
                })
                .collect(),
            drop_to_commit: Times {
                count: self.drop_to_commit.get_sample_count(),
                seconds: self.drop_to_commit.get_sample_sum(),
            },
            in_flight_bytes: self.in_flight.load(Ordering::Relaxed),
            waiting: self.waiting(),
        }
    }

    /// The files that wait.
    pub fn waiting(&self) -> Waiting {
        let backlog = lock(&self.backlog);
        Waiting {
            files: backlog.files(),
            bytes: backlog.bytes(),
            seconds: backlog.lag(Instant::now()).as_secs_f64(),
        }
    }

    /// The one that has waited for longest, and for how long, in seconds.
    pub fn oldest(&self) -> Option<(f64, PathBuf)> {
        let backlog = lock(&self.backlog);
        let oldest = backlog.oldest()?;
        let lag = backlog.lag(Instant::now());
        Some((lag.as_secs_f64(), oldest.to_owned()))
    }

    pub fn now(&self) -> Now {
        let backlog = lock(&self.backlog);
        let last_commit = self.last_commit.load(Ordering::Relaxed);
        Now {
            in_flight: self.in_flight.load(Ordering::Relaxed),
            paused: self.paused.load(Ordering::Relaxed),
            last_commit: (last_commit > 0).then_some(last_commit as f64 / 1e3),
            backlog_files: backlog.files(),
            backlog_bytes: backlog.bytes(),
            lag: backlog.lag(Instant::now()).as_secs_f64(),
        }
    }

    fn observe(&self, event: &Event) {
        match event {
            Event::Durable { counts, .. } => self.written(counts),
            // A file of an earlier life was not found by a scan of this one.
            Event::FileStarted { path, size, .. } => {
                lock(&self.backlog).add(path, *size, Instant::now());
            }
            Event::FileCommitted { path, .. } => {
                self.committed_now();
                lock(&self.backlog).remove(path);
            }
            Event::FileSkipped { path, .. } | Event::FileQuarantined { path, .. } => {
                lock(&self.backlog).remove(path);
            }
            Event::Idle => lock(&self.backlog).clear(),
            Event::Measured(measured) => self.measure(measured),
            Event::Read { .. }
            | Event::FileFinished { .. }
            | Event::FileHeld { .. }
            | Event::IndexStarted { .. }
            | Event::IndexEnded { .. }
            | Event::Degraded { .. }
            | Event::Recovered { .. } => {}
        }
    }

    fn measure(&self, measured: &Measured) {
        match measured {
            Measured::Read { records, bytes } => {
                self.records_read.inc_by(*records);
                self.bytes_read.inc_by(*bytes);
            }
            Measured::InFlight { bytes } => self.in_flight.store(*bytes as u64, Ordering::Relaxed),
            Measured::Batch {
                partition,
                rows,
                took,
                fence,
            } => {
                self.batches.fetch_add(1, Ordering::Relaxed);
                self.lock_wait.inc_by(fence.as_secs_f64());
                if let Some(partition) = self.partition(*partition) {
                    partition.rows.observe(*rows as f64);
                    partition.commit.observe(took.as_secs_f64());
                }
            }
            Measured::Unwritten { took, code } => {
                if is_lock(code.as_deref()) {
                    self.lock_wait.inc_by(took.as_secs_f64());
                }
            }
            Measured::DeadLetters { reason, count } => {
                count_in(&REASONS, &self.dead_letters, reason, *count);
            }
            Measured::Moved { counts } => self.written(counts),
            Measured::Found { path, size } => {
                lock(&self.backlog).add(path, *size, Instant::now());
            }
            Measured::LetGo { path } => {
                lock(&self.backlog).remove(path);
            }
            Measured::State(state) => count_in(&STATES, &self.files_seen, state, 1),
            Measured::Arrived { at } => {
                // A file server's clock may be ahead of ours.
                let way = SystemTime::now().duration_since(*at).unwrap_or_default();
                self.drop_to_commit.observe(way.as_secs_f64());
            }
            Measured::Retried { code, .. } => {
                count_in(&CLASSES, &self.retries, &class_of(code.as_deref()), 1);
            }
            Measured::Restarted { child } => {
                count_in(&CHILDREN, &self.restarts, &child_of(child), 1);
            }
            Measured::Paused(paused) => self.paused.store(*paused, Ordering::Relaxed),
        }
    }

    /// Dead letters are counted by their reasons, and what is staged once it is moved.
    fn written(&self, counts: &Counts) {
        let by_outcome = [
            counts.inserted,
            counts.updated,
            counts.unchanged,
            counts.duplicate,
            counts.deleted,
            counts.filtered,
        ];
        for (counter, count) in self.rows_written.iter().zip(by_outcome) {
            counter.inc_by(count);
        }
        if by_outcome.iter().sum::<u64>() > 0 {
            self.committed_now();
        }
    }

    fn committed_now(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_millis() as u64);
        self.last_commit.store(now, Ordering::Relaxed);
    }

    fn partition(&self, number: u16) -> Option<&Partition> {
        let partition = self.partitions.get(usize::from(number))?;
        Some(partition.get_or_init(|| {
            let labels = [self.name.clone(), number.to_string()];
            Partition {
                rows: self.batch_rows.with_label_values(&labels),
                commit: self.batch_commit.with_label_values(&labels),
            }
        }))
    }
}

/// The counter that stands where its label does.
fn count_in<T: PartialEq>(labels: &[T], counters: &[IntCounter], label: &T, count: u64) {
    let at = labels.iter().position(|known| known == label);
    if let Some(counter) = at.and_then(|at| counters.get(at)) {
        counter.inc_by(count);
    }
}

/// What a pipeline's tree is given.
pub(super) struct PipelineMeter(Arc<Counters>);

impl PipelineMeter {
    pub fn observer(counters: &Arc<Counters>) -> Arc<dyn Observer> {
        counters.alive.fetch_add(1, Ordering::Relaxed);
        Arc::new(PipelineMeter(Arc::clone(counters)))
    }
}

impl Observer for PipelineMeter {
    fn observe(&self, event: &Event) {
        self.0.observe(event);
    }
}

impl Drop for PipelineMeter {
    fn drop(&mut self) {
        if self.0.alive.fetch_sub(1, Ordering::Relaxed) == 1 {
            // Whoever comes under this name begins with nothing.
            self.0.in_flight.store(0, Ordering::Relaxed);
            lock(&self.0.backlog).clear();
        }
    }
}

/// What the root of the tree is given: its own children are no pipeline's.
pub(super) struct ServiceMeter(pub Metrics);

impl Observer for ServiceMeter {
    fn observe(&self, event: &Event) {
        if let Event::Measured(Measured::Restarted { child }) = event {
            self.0.service_child_restarts(child);
        }
    }
}
