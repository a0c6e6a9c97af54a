//! What the ledger says, for whoever asks for metrics: one question for all, seldom.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ingestd_actors::error::Result;
use tokio_postgres::types::Type;

use crate::postgres::{Database, classify};
use crate::view::backlog;
use crate::view::counts::{self, FileCounts};
use crate::view::files::STATES;

/// The ledger is asked no more often than this.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);
/// It never spends more than one part of so many of its time on this: a ledger of many millions of files
/// takes a while to count.
const PART: u32 = 50;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the ledger said last.
#[derive(Debug, Default)]
pub(super) struct LedgerView {
    /// When it may be asked again; `None` where it never was.
    next: Option<Instant>,
    /// Whether it answered the last time; `None` where it was never asked.
    pub answers: Option<bool>,
    pub pipelines: BTreeMap<String, Seen>,
}

/// What it says of a pipeline.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// How many files are in each state.
    pub files: FileCounts,
    /// When a file was last committed, in seconds since 1970.
    pub last_commit: Option<f64>,
    /// For how long the oldest unfinished file had been known when it was asked, and when that was.
    pub oldest: Option<(f64, Instant)>,
}

impl LedgerView {
    /// Whether it is to be asked now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| next <= now)
    }

    /// What has come of asking, which took so long. What it said before counts no more where it does
    /// not answer.
    pub fn note(&mut self, answer: Result<BTreeMap<String, Seen>>, took: Duration, now: Instant) {
        self.next = Some(now + LOOK_EVERY.max(took.saturating_mul(PART)));
        self.answers = Some(answer.is_ok());
        self.pipelines = answer.unwrap_or_default();
    }
}

fn query() -> String {
    format!(
        "select p.name, {}, extract(epoch from f.last_commit)::float8 as last_commit,
                case when o.path is not null then {} end as lag
         from ingestd.pipelines p{}{}
         where p.name = any ($1)",
        counts::columns("f", &STATES),
        backlog::seconds_since("o.discovered_at"),
        counts::from(),
        backlog::oldest(),
    )
}

/// Asks for all of these pipelines at once.
pub(super) async fn look(database: Database, names: Vec<String>) -> Result<BTreeMap<String, Seen>> {
    let asking = async {
        let mut client = database.client().await?;
        let transaction = database.begin(&mut client).await?;
        let failed = |error| classify(error, "counting files for the metrics");
        // Whatever becomes of whoever asks, the server does not go on for long.
        let limit = format!("set local statement_timeout = {}", PATIENCE.as_millis());
        transaction.batch_execute(&limit).await.map_err(failed)?;
        let rows = transaction
            .query_typed(&query(), &[(&names, Type::TEXT_ARRAY)])
            .await
            .map_err(failed)?;
        transaction.rollback().await.map_err(failed)?;
        let asked = Instant::now();
        let mut seen: BTreeMap<String, Seen> = names
            .iter()
            .map(|name| (name.clone(), Seen::default()))
            .collect();
        for row in rows {
            let Some(seen) = seen.get_mut(row.get::<_, &str>("name")) else {
                continue;
            };
            *seen = Seen {
                files: FileCounts::of(&row, &STATES),
                last_commit: row.get("last_commit"),
                oldest: row.get::<_, Option<f64>>("lag").map(|lag| (lag, asked)),
            };
        }
        Ok(seen)
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(answer) => answer,
        Err(_) => Err(ingestd_actors::error::Error::new(
            ingestd_actors::error::ErrorKind::Transient,
            "the ledger did not answer in time",
        )),
    }
}

/// The greater one.
pub(super) fn latest(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_is_asked_seldom() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut view = LedgerView::default();
        assert!(view.is_due(at(0)));
        view.note(Ok(BTreeMap::new()), Duration::from_millis(2), at(60));
        assert!(!view.is_due(at(64)));
        assert!(view.is_due(at(65)));
        view.note(Ok(BTreeMap::new()), Duration::from_secs(1), at(70));
        assert!(!view.is_due(at(119)), "it takes long to count");
        assert!(view.is_due(at(120)));
    }

    #[test]
    fn what_was_said_is_forgotten_where_nothing_is_said_any_more() {
        let mut view = LedgerView::default();
        let seen = BTreeMap::from([("events".to_owned(), Seen::default())]);
        view.note(Ok(seen), Duration::ZERO, Instant::now());
        assert_eq!((view.answers, view.pipelines.len()), (Some(true), 1));
        let gone = ingestd_actors::port::gone("the ledger");
        view.note(Err(gone), Duration::ZERO, Instant::now());
        assert_eq!((view.answers, view.pipelines.len()), (Some(false), 0));
    }
}
