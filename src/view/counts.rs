//! How many files are in each state. Where all of them are looked at for it, it is asked seldom.

use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::files::STATES;
use super::{count, time};

/// How many files of a pipeline are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct FileCounts {
    /// SCHEDULED
    pub scheduled: u64,
    /// READING
    pub reading: u64,
    /// COMPLETED
    pub completed: u64,
    /// COMMITTED
    pub committed: u64,
    /// ARCHIVED
    pub archived: u64,
    /// SKIPPED
    pub skipped: u64,
    /// QUARANTINED
    pub quarantined: u64,
    /// FAILED
    pub failed: u64,
}

/// SQL: a list of states.
pub fn among(states: &[&str]) -> String {
    format!("('{}')", states.join("', '"))
}

/// SQL: how many files there are in each of these states, by the state's name.
pub fn counted(states: &[&str]) -> String {
    let one = |state: &&str| format!("count(*) filter (where state = '{state}') as {state}");
    states.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// SQL: the same columns, of a join.
pub fn columns(of: &str, states: &[&str]) -> String {
    let one = |state: &&str| format!("coalesce({of}.{state}, 0) as {state}");
    states.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// SQL: what stands behind `ingestd.pipelines p` to have all of its files counted as `f`: by state, their
/// records, those that were filtered, and when one was committed last. All files are looked at once.
pub fn from() -> String {
    format!(
        "
left join (
    select pipeline, {}, sum(records)::bigint as records, sum(filtered)::bigint as filtered,
           max(committed_at) as last_commit
    from ingestd.files group by pipeline
) f on f.pipeline = p.name",
        counted(&STATES)
    )
}

impl FileCounts {
    /// A row with columns of these states.
    pub fn of(row: &Row, states: &[&str]) -> FileCounts {
        let mut counts = FileCounts::default();
        for state in states {
            if let Some(place) = counts.place(state) {
                // The server writes names in lower case.
                *place = count(row, &state.to_lowercase());
            }
        }
        counts
    }

    /// How many are in a state.
    pub fn in_state(mut self, state: &str) -> u64 {
        self.place(state).map_or(0, |count| *count)
    }

    fn place(&mut self, state: &str) -> Option<&mut u64> {
        Some(match state {
            "SCHEDULED" => &mut self.scheduled,
            "READING" => &mut self.reading,
            "COMPLETED" => &mut self.completed,
            "COMMITTED" => &mut self.committed,
            "ARCHIVED" => &mut self.archived,
            "SKIPPED" => &mut self.skipped,
            "QUARANTINED" => &mut self.quarantined,
            "FAILED" => &mut self.failed,
            _ => return None,
        })
    }
}

/// What was counted of a pipeline.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Its name.
    pub pipeline: String,
    /// Its files.
    pub files: FileCounts,
    /// Its dead letters that nobody has dealt with.
    pub dead_letters: u64,
    /// When a file was committed last.
    pub last_commit_at: Option<String>,
    /// The same, in seconds since 1970.
    pub last_commit: Option<f64>,
}

/// The statement for [`Counted::of`].
pub fn query() -> String {
    format!(
        "select p.name, {}, coalesce(d.letters, 0) as letters,
       {} as last_commit, extract(epoch from f.last_commit)::float8 as last_commit_epoch
from ingestd.pipelines p{}
left join (
    select pipeline, count(*) as letters from ingestd.dead_letters where status = 'NEW'
    group by pipeline
) d on d.pipeline = p.name",
        columns("f", &STATES),
        time("f.last_commit"),
        from()
    )
}

impl Counted {
    /// A row of [`query`].
    pub fn of(row: &Row) -> Counted {
        Counted {
            pipeline: row.get("name"),
            files: FileCounts::of(row, &STATES),
            dead_letters: count(row, "letters"),
            last_commit_at: row.get("last_commit"),
            last_commit: row.get("last_commit_epoch"),
        }
    }
}
