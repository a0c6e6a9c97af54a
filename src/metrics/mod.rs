//! Metrics in the form of Prometheus: what a pipeline does, told by its tree, and what the ledger, the
//! pool and the system say as they are asked.
//!
//! A pipeline's counters are looked up once, as it is composed; in its way they are atomics that are
//! added to for a chunk, a batch or a file, never for a record. All else is read as it is scraped, of
//! the ledger no more often than [`LOOK_EVERY`].
//!
//! The crate `prometheus`, and not the Prometheus project's own `prometheus-client`: that one writes
//! OpenMetrics alone, where a counter's `# TYPE` line lacks its `_total`, and what reads the plain text
//! form (`promtool check metrics`, for one) takes its counters for untyped.

mod backlog;
mod classes;
mod families;
mod ledger;
mod meter;
mod process;
mod scrape;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ingestd_actors::error::Result;
use ingestd_actors::port::Observer;
use tokio::sync::{Notify, watch};

use crate::postgres::Database;
use families::Families;
use ledger::LedgerView;
use meter::{Counters, PipelineMeter, ServiceMeter};

pub use ledger::LOOK_EVERY;
pub use tree::{ChildFigures, PipelineTree, Times, Waiting, WriterFigures};

/// The metrics of a process: made once, and handed to the tree and to whoever serves them. Clones are
/// the same metrics.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

struct Shared {
    families: Families,
    pipelines: Mutex<BTreeMap<String, Arc<Counters>>>,
    ledger: Mutex<LedgerView>,
    database: Mutex<Option<Database>>,
    /// Wakes whoever asks the ledger, and says that it was asked.
    wanted: Notify,
    looks: watch::Sender<()>,
    /// One scrape after the other: what is read for one is not taken away by the next.
    scrape: Mutex<()>,
    /// What belongs to the service itself, of [`classes::OWN`].
    own: Mutex<Vec<&'static str>>,
}

/// What a pipeline has done in this process, for whoever computes rates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PipelineFigures {
    /// Its name.
    pub name: String,
    /// Records that were read and decoded.
    pub records_read: u64,
    /// Rows that were inserted, updated, unchanged, superseded by a later one (`duplicate`) or that
    /// deleted one.
    pub rows_written: u64,
    /// Bytes of CSV text that were read, after decompression.
    pub bytes_read: u64,
    /// Records that became dead letters.
    pub dead_letters: u64,
    /// Batches that were committed.
    pub batches: u64,
    /// Bytes of rows between the reader and the commit, now.
    pub in_flight_bytes: u64,
    /// Children that ended and were started again.
    pub restarts: u64,
}

impl Metrics {
    /// The type that [`Metrics::encode`]'s text has over HTTP.
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// Metrics that have counted nothing.
    ///
    /// # Errors
    /// Of kind `Bug` where a metric's name is bad or is there twice.
    pub fn new() -> Result<Metrics> {
        Ok(Metrics {
            shared: Arc::new(Shared {
                families: Families::new()?,
                pipelines: Mutex::default(),
                ledger: Mutex::default(),
                database: Mutex::default(),
                wanted: Notify::new(),
                looks: watch::channel(()).0,
                scrape: Mutex::default(),
                own: Mutex::default(),
            }),
        })
    }

    /// The observer that counts what a pipeline does. One that is composed anew goes on counting; what
    /// stands for this moment (its backlog, what is in flight) is told until the last observer of its
    /// name is gone.
    pub fn pipeline(&self, name: &str) -> Arc<dyn Observer> {
        let families = &self.shared.families;
        let mut pipelines = lock(&self.shared.pipelines);
        let counters = pipelines
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(Counters::of(name, families)));
        PipelineMeter::observer(counters)
    }

    /// The observer that counts what becomes of the service's own children.
    pub fn service(&self) -> Arc<dyn Observer> {
        self.add_service_child("control");
        Arc::new(ServiceMeter(self.clone()))
    }

    /// The database whose ledger and whose pool are asked as the metrics are, by whoever runs
    /// [`Metrics::look_for_ever`].
    pub fn ask(&self, database: &Database) {
        *lock(&self.shared.database) = Some(database.clone());
    }

    /// What each pipeline of this process has done.
    pub fn pipelines(&self) -> Vec<PipelineFigures> {
        let pipelines = lock(&self.shared.pipelines);
        let living = pipelines.values().filter(|counters| counters.is_alive());
        living.map(|counters| counters.figures()).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
