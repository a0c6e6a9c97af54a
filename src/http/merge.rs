//! PURE: what is known of pipelines from several places, put together.

use std::collections::BTreeMap;

use crate::metrics::Waiting;
use crate::view::backlog::Backlog;
use crate::view::counts::{Counted, FileCounts};
use crate::view::missing_indexes::{MissingIndex, of_pipeline};
use crate::view::pipelines::{PipelineNow, PipelineRow, Rates};

/// What was counted, and when.
#[derive(Debug, Default)]
pub struct Counts {
    /// When, by the server's clock, in seconds since 1970.
    pub epoch: f64,
    /// The same as text.
    pub at: Option<String>,
    /// Of each pipeline.
    pub by_pipeline: BTreeMap<String, Counted>,
}

/// What this process knows of its own pipelines.
#[derive(Debug, Default)]
pub struct Own {
    /// Those that it looks after.
    pub here: Vec<String>,
    /// How fast they are.
    pub rates: BTreeMap<String, Rates>,
    /// What it has found for them.
    pub waiting: BTreeMap<String, Waiting>,
}

/// All that is known of each pipeline at `now`, by the server's clock.
pub fn merge(
    rows: Vec<PipelineRow>,
    counts: &Counts,
    own: &Own,
    missing: &[MissingIndex],
    now: f64,
) -> Vec<PipelineNow> {
    let one = |row: PipelineRow| {
        let pipeline = row.now;
        let name = pipeline.pipeline.clone();
        let counted = counts.by_pipeline.get(&name);
        // What was committed since all were counted is later than what was counted.
        let (last, at) = match (row.last_commit, counted) {
            (Some(last), _) => (Some(last), pipeline.last_commit_at.clone()),
            (None, Some(counted)) => (counted.last_commit, counted.last_commit_at.clone()),
            (None, None) => (None, None),
        };
        let all = counted.map(|it| it.files).unwrap_or_default();
        let known = Backlog {
            files: pipeline.backlog.files,
            bytes: pipeline.backlog.bytes,
            lag: pipeline.lag_seconds,
        };
        let found = own.waiting.get(&name);
        let backlog = found.map_or(known, |found| known.with(found));
        PipelineNow {
            here: own.here.contains(&name),
            rates: own.rates.get(&name).copied(),
            backlog: backlog.into(),
            last_commit_at: at,
            freshness_seconds: last.map(|last| rounded((now - last).max(0.0))),
            lag_seconds: rounded(backlog.lag),
            files: FileCounts {
                committed: all.committed,
                archived: all.archived,
                skipped: all.skipped,
                ..pipeline.files
            },
            dead_letters: counted.map_or(0, |it| it.dead_letters),
            counted_at: counts.at.clone(),
            missing_indexes: of_pipeline(missing, &name),
            ..pipeline
        }
    };
    rows.into_iter().map(one).collect()
}

/// To the millisecond.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
