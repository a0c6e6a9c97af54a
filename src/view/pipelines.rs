//! The pipelines: what they do, what holds them up, how far they are behind.

use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::backlog::{self, Backlog, WAITING};
use super::counts::{self, FileCounts};
use super::files::STATES;
use super::instances::{self, DEGRADED, DEGRADED_AT, Instance};
use super::missing_indexes::MissingIndex;
use super::{count, state, time};
use crate::alerts::Alert;

/// What `ingestd status` shows of a pipeline; all of its files are counted for it.
#[derive(Clone, Debug, Serialize)]
pub struct PipelineStatus {
    /// Its name.
    pub pipeline: String,
    /// What it does, in a word.
    pub state: &'static str,
    /// What it is to do.
    pub wanted: String,
    /// Who wanted that.
    pub wanted_by: Option<String>,
    /// When.
    pub wanted_at: Option<String>,
    /// The processes that load it.
    pub instances: Vec<Instance>,
    /// What keeps it from going on.
    pub degraded: Option<String>,
    /// How many files there are of each kind.
    pub files: StatusFiles,
    /// What is not committed yet: as far as the ledger knows, or, of a pipeline that can't go on, as far as a
    /// service has found.
    pub backlog: BacklogNow,
    /// The age of the oldest file that waits or is being loaded; 0 where none does.
    pub lag_seconds: f64,
    /// The records of all files that are read to their end.
    pub records: u64,
    /// Those of them that a filter has left out.
    pub filtered: u64,
    /// The dead letters that nobody has dealt with.
    pub dead_letters: u64,
    /// When a file was committed last.
    pub last_commit_at: Option<String>,
    /// The indexes that its table still lacks.
    pub missing_indexes: Vec<MissingIndex>,
    /// The alerts about it that fire.
    pub alerts: Vec<Alert>,
}

/// How many files of a pipeline there are of each kind.
#[derive(Clone, Debug, Serialize)]
pub struct StatusFiles {
    /// On their way.
    pub loading: u64,
    /// Committed, archived or not.
    pub committed: u64,
    /// Skipped.
    pub skipped: u64,
    /// Quarantined.
    pub quarantined: u64,
    /// Failed.
    pub failed: u64,
}

/// The statement for [`PipelineStatus::of`].
pub fn status_query() -> String {
    format!(
        "select {},{},
       p.name, {DEGRADED} as degraded, {},
       coalesce(f.records, 0) as records, coalesce(f.filtered, 0) as filtered,
       (select count(*) from ingestd.dead_letters d where d.pipeline = p.name and d.status = 'NEW') as dead_letters,
       {} as last_commit, {}
from ingestd.pipelines p{}{}{}
order by p.name",
        state::COLUMNS,
        instances::COLUMNS,
        counts::columns("f", &STATES),
        time("f.last_commit"),
        backlog::columns(),
        instances::FROM,
        counts::from(),
        backlog::from("")
    )
}

impl PipelineStatus {
    /// A row of [`status_query`]; which indexes are missing is asked apart.
    pub fn of(row: &Row) -> PipelineStatus {
        let files = FileCounts::of(row, &STATES);
        let backlog = Backlog::of(row);
        PipelineStatus {
            pipeline: row.get("name"),
            state: state::word(row),
            wanted: row.get("wanted"),
            wanted_by: row.get("wanted_by"),
            wanted_at: row.get("wanted_at"),
            instances: instances::of(row),
            degraded: row.get("degraded"),
            files: StatusFiles {
                loading: files.scheduled + files.reading + files.completed,
                committed: files.committed + files.archived,
                skipped: files.skipped,
                quarantined: files.quarantined,
                failed: files.failed,
            },
            backlog: backlog.into(),
            lag_seconds: backlog.lag,
            records: count(row, "records"),
            filtered: count(row, "filtered"),
            dead_letters: count(row, "dead_letters"),
            last_commit_at: row.get("last_commit"),
            missing_indexes: Vec::new(),
            alerts: Vec::new(),
        }
    }

    /// Whoever paused it, and what it waits for; `None` where it goes on.
    pub fn held_up_by(&self) -> Option<String> {
        let by_whom = state::by_whom(
            &self.wanted,
            self.wanted_by.as_deref(),
            self.wanted_at.as_deref(),
        );
        joined(by_whom, self.degraded.clone())
    }
}

fn joined(by_whom: Option<String>, degraded: Option<String>) -> Option<String> {
    let reasons: Vec<String> = by_whom.into_iter().chain(degraded).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// What a pipeline does, without its figures.
pub struct PipelineState {
    /// Its name.
    pub pipeline: String,
    /// What it does, in a word.
    pub state: &'static str,
    /// Whoever paused it, and what it waits for; `None` where it goes on.
    pub held_up_by: Option<String>,
}

/// The statement for [`PipelineState::of`].
pub fn states_query() -> String {
    format!(
        "select {}, {}, p.name, {DEGRADED} as degraded from ingestd.pipelines p{}",
        state::COLUMNS,
        instances::COLUMNS,
        instances::FROM
    )
}

impl PipelineState {
    /// A row of [`states_query`].
    pub fn of(row: &Row) -> PipelineState {
        let (wanted_by, wanted_at): (Option<String>, Option<String>) =
            (row.get("wanted_by"), row.get("wanted_at"));
        let by_whom = state::by_whom(
            row.get("wanted"),
            wanted_by.as_deref(),
            wanted_at.as_deref(),
        );
        PipelineState {
            pipeline: row.get("name"),
            state: state::word(row),
            held_up_by: joined(by_whom, row.get("degraded")),
        }
    }
}

/// A pipeline at a moment.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PipelineNow {
    /// Its name.
    pub pipeline: String,
    /// What it does: running, degraded, starting, pausing, paused, draining, drained, stopped,
    /// stopped (paused), stopped (drained).
    #[schema(example = "running")]
    pub state: &'static str,
    /// What it is to do: running, paused or drained.
    pub wanted: String,
    /// Who wanted that.
    pub wanted_by: Option<String>,
    /// When.
    pub wanted_at: Option<String>,
    /// The processes that load it, the oldest first.
    pub instances: Vec<Instance>,
    /// What keeps it from going on, and what to do, where anything does.
    pub degraded: Option<String>,
    /// Since when.
    pub degraded_at: Option<String>,
    /// Whether this very service looks after it.
    pub here: bool,
    /// How fast it is, over the last ten seconds; null where another service loads it.
    pub rates: Option<Rates>,
    /// The age of the oldest file that waits or is being loaded; 0 where none does.
    pub lag_seconds: f64,
    /// What is not committed yet: as far as the ledger knows, or, of a pipeline of this service or one that
    /// can't go on, as far as a service has found.
    pub backlog: BacklogNow,
    /// When a file was committed last.
    pub last_commit_at: Option<String>,
    /// How long ago that is: how fresh the table is.
    pub freshness_seconds: Option<f64>,
    /// How many files are in each state.
    pub files: FileCounts,
    /// The dead letters that nobody has dealt with, as counted at `counted_at`.
    pub dead_letters: u64,
    /// When files and dead letters were counted: seldom, where they are many. Files on their way and
    /// in trouble are counted for each answer.
    pub counted_at: Option<String>,
    /// The indexes that its table still lacks after its first load.
    pub missing_indexes: Vec<MissingIndex>,
}

/// How fast a pipeline is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Rates {
    /// Records read.
    pub records_per_second: f64,
    /// Rows written.
    pub rows_per_second: f64,
    /// Bytes read.
    pub bytes_per_second: f64,
}

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct BacklogNow {
    /// Files.
    pub files: u64,
    /// Their bytes that are not durable yet.
    pub bytes: u64,
}

impl From<Backlog> for BacklogNow {
    fn from(backlog: Backlog) -> BacklogNow {
        BacklogNow {
            files: backlog.files,
            bytes: backlog.bytes,
        }
    }
}

/// The states of a file that is in trouble.
const IN_TROUBLE: [&str; 2] = ["QUARANTINED", "FAILED"];

/// The statement for [`PipelineNow`]: what is on its way or in trouble is counted, by indexes that
/// hold nothing else; and what was committed since the time `$1`.
pub fn now_query() -> String {
    format!(
        "select {},{},
       p.name, {DEGRADED} as degraded, {} as degraded_at, {}, {}, {},
       {} as last_commit, extract(epoch from c.last_commit)::float8 as last_commit_epoch
from ingestd.pipelines p{}{}
left join lateral (
    select {} from ingestd.files where pipeline = p.name and state in {}
) t on true
left join (
    select pipeline, max(committed_at) as last_commit from ingestd.files
    where greatest(discovered_at, started_at, completed_at, committed_at, archived_at)
          >= to_timestamp($1::float8)
    group by pipeline
) c on c.pipeline = p.name
order by p.name",
        state::COLUMNS,
        instances::COLUMNS,
        time(DEGRADED_AT),
        backlog::columns(),
        counts::columns("b", &WAITING),
        counts::columns("t", &IN_TROUBLE),
        time("c.last_commit"),
        instances::FROM,
        backlog::from(&format!(", {}", counts::counted(&WAITING))),
        counts::counted(&IN_TROUBLE),
        counts::among(&IN_TROUBLE),
    )
}

/// What a row of [`now_query`] tells; the rest comes from elsewhere.
#[derive(Clone, Debug)]
pub struct PipelineRow {
    /// What is known without counting all files.
    pub now: PipelineNow,
    /// When a file was committed last, in seconds since 1970, where that was since `$1`.
    pub last_commit: Option<f64>,
}

impl PipelineRow {
    /// A row of [`now_query`].
    pub fn of(row: &Row) -> PipelineRow {
        let backlog = Backlog::of(row);
        let states = [&WAITING[..], &IN_TROUBLE].concat();
        let now = PipelineNow {
            pipeline: row.get("name"),
            state: state::word(row),
            wanted: row.get("wanted"),
            wanted_by: row.get("wanted_by"),
            wanted_at: row.get("wanted_at"),
            instances: instances::of(row),
            degraded: row.get("degraded"),
            degraded_at: row.get("degraded_at"),
            here: false,
            rates: None,
            lag_seconds: backlog.lag,
            backlog: backlog.into(),
            last_commit_at: row.get("last_commit"),
            freshness_seconds: None,
            files: FileCounts::of(row, &states),
            dead_letters: 0,
            counted_at: None,
            missing_indexes: Vec::new(),
        };
        PipelineRow {
            now,
            last_commit: row.get("last_commit_epoch"),
        }
    }
}
