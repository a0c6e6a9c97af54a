//! Every metric with its name, its labels and what it says: docs/metrics.md explains them.

use ingestd_actors::error::{Error, ErrorKind, Result};
use prometheus::core::Collector;
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
};

use super::process;

/// A single row, up to the most that a batch may be configured to.
const ROWS: [f64; 11] = [1.0, 10.0, 100.0, 500.0, 1e3, 5e3, 1e4, 2.5e4, 5e4, 1e5, 1e6];
/// A transaction of a few rows on a fast disk, up to one that has to wait.
const TRANSACTION: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
];
/// A small file that is loaded at once, up to one of a backlog of hours.
const WHOLE_WAY: [f64; 15] = [
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 14400.0,
];

/// The metrics, all of them known to the registry.
///
/// What a pipeline counts as it works is looked up once, by `super::meter`; what is set as it is
/// asked for is looked up then, by `super::scrape`.
pub(super) struct Families {
    pub registry: Registry,
    pub records_read: IntCounterVec,
    pub bytes_read: IntCounterVec,
    pub rows_written: IntCounterVec,
    pub dead_letters: IntCounterVec,
    pub files_seen: IntCounterVec,
    pub retries: IntCounterVec,
    pub restarts: IntCounterVec,
    pub batch_rows: HistogramVec,
    pub batch_commit: HistogramVec,
    pub drop_to_commit: HistogramVec,
    pub lock_wait: prometheus::CounterVec,
    pub in_flight: IntGaugeVec,
    pub backlog_files: IntGaugeVec,
    pub backlog_bytes: IntGaugeVec,
    pub lag: GaugeVec,
    pub last_commit: GaugeVec,
    pub paused: IntGaugeVec,
    pub files: IntGaugeVec,
    pub database_up: IntGaugeVec,
    pub pool_connections: IntGaugeVec,
}

impl Families {
    pub fn new() -> Result<Families> {
        Families::register().map_err(|error| {
            Error::new(ErrorKind::Bug, "a metric can't be registered").with_source(error)
        })
    }

    fn register() -> prometheus::Result<Families> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            known(
                &registry,
                IntCounterVec::new(Opts::new(name, help), labels)?,
            )
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            known(&registry, IntGaugeVec::new(Opts::new(name, help), labels)?)
        };
        let fractions = |name: &str, help: &str, labels: &[&str]| {
            known(&registry, GaugeVec::new(Opts::new(name, help), labels)?)
        };
        let histograms = |name: &str, help: &str, labels: &[&str], buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            known(&registry, HistogramVec::new(options, labels)?)
        };
        let build = gauges(
            "ingestd_build_info",
            "Always 1: which ingestd it is.",
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register(Box::new(process::Process::new()?))?;
        let seconds = "ingestd_lock_wait_seconds_total";
        let lock_wait = prometheus::CounterVec::new(
            Opts::new(
                seconds,
                "Time that batches spent on moving their checkpoints, and in tries that ended since a lock was not to be had in time.",
            ),
            &["pipeline"],
        )?;
        Ok(Families {
            records_read: counters(
                "ingestd_records_read_total",
                "Records that were read and decoded; those that were read again after a restart count again.",
                &["pipeline"],
            )?,
            bytes_read: counters(
                "ingestd_bytes_read_total",
                "Bytes of records that were read, after decompression.",
                &["pipeline"],
            )?,
            rows_written: counters(
                "ingestd_rows_written_total",
                "Records that are durable, by what became of their rows.",
                &["pipeline", "outcome"],
            )?,
            dead_letters: counters(
                "ingestd_dead_letters_total",
                "Records that became dead letters, by reason.",
                &["pipeline", "reason"],
            )?,
            files_seen: counters(
                "ingestd_files_total",
                "Times that a file came into a state in this process.",
                &["pipeline", "state"],
            )?,
            retries: counters(
                "ingestd_retries_total",
                "Tries that did not go, by the class of the server's SQLSTATE; each is made again.",
                &["pipeline", "sqlstate_class"],
            )?,
            restarts: counters(
                "ingestd_restarts_total",
                "Children of the supervision tree that ended and were started again.",
                &["pipeline", "child"],
            )?,
            batch_rows: histograms(
                "ingestd_batch_rows",
                "Rows of a batch that was committed.",
                &["pipeline", "partition"],
                &ROWS,
            )?,
            batch_commit: histograms(
                "ingestd_batch_commit_seconds",
                "From a batch's being handed to its connection to the answer to its COMMIT.",
                &["pipeline", "partition"],
                &TRANSACTION,
            )?,
            drop_to_commit: histograms(
                "ingestd_drop_to_commit_seconds",
                "From a file's being written to its end or moved to its place, until it is COMMITTED.",
                &["pipeline"],
                &WHOLE_WAY,
            )?,
            in_flight: gauges(
                "ingestd_in_flight_bytes",
                "Bytes of rows between the reader and the commit.",
                &["pipeline"],
            )?,
            backlog_files: gauges(
                "ingestd_backlog_files",
                "Files that were found and are not yet COMMITTED, skipped or quarantined.",
                &["pipeline"],
            )?,
            backlog_bytes: gauges(
                "ingestd_backlog_bytes",
                "The length of the files of the backlog, as they stand on the disk.",
                &["pipeline"],
            )?,
            lag: fractions(
                "ingestd_lag_seconds",
                "Since when the oldest file of the backlog was found; 0 without a backlog.",
                &["pipeline"],
            )?,
            last_commit: fractions(
                "ingestd_last_commit_timestamp_seconds",
                "When rows of the pipeline were last committed.",
                &["pipeline"],
            )?,
            paused: gauges(
                "ingestd_paused",
                "Whether the pipeline is paused or drained by a command.",
                &["pipeline"],
            )?,
            files: gauges(
                "ingestd_files",
                "Files in the ledger by state.",
                &["pipeline", "state"],
            )?,
            database_up: gauges(
                "ingestd_database_up",
                "Whether the ledger answered when it was last asked for these figures.",
                &[],
            )?,
            pool_connections: gauges(
                "ingestd_pool_connections",
                "Connections of the pool; the writers' own are not among them.",
                &["state"],
            )?,
            lock_wait: known(&registry, lock_wait)?,
            registry,
        })
    }
}

/// The same metric, which the registry knows too.
fn known<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> prometheus::Result<C> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
