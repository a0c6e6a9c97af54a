//! A replay that a service is asked for, and how far it is.

use ingestd_actors::error::{Error, ErrorKind, Result};
use serde::Serialize;
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use utoipa::ToSchema;

use super::filter::LetterFilter;
use crate::postgres::classify;

/// A replay as `ingestd.replays` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReplayNow {
    /// Its number.
    pub replay: i64,
    /// The pipeline.
    pub pipeline: String,
    /// WAITING for a service that has the pipeline configured, RUNNING, DONE or FAILED.
    #[schema(example = "DONE")]
    pub state: String,
    /// Why it could not go on, or what it waits for where no service has the pipeline configured, or that nothing is left
    /// to be done then; what its parts have committed stays.
    pub problem: Option<String>,
    /// RESOLVED: their rows are in the table now, or were rightly left out.
    pub resolved: i64,
    /// Those of them whose rows are new in the table.
    pub inserted: i64,
    /// Those of them whose rows changed others.
    pub updated: i64,
    /// Still NEW: they failed again.
    pub failed: i64,
    /// Still NEW: their keys are in the table already.
    pub there: i64,
    /// Still NEW: they delete rows.
    pub deletions: i64,
    /// Still NEW: their files are not COMMITTED.
    pub not_ready: i64,
}

impl ReplayNow {
    /// Whether there is nothing more to come.
    pub fn is_over(&self) -> bool {
        matches!(self.state.as_str(), "DONE" | "FAILED")
    }
}

/// Asks for a replay, in somebody's name; its number. A service that has the pipeline configured takes it
/// up.
///
/// # Errors
/// What the server says.
pub async fn wish(
    client: &Client,
    pipeline: &str,
    filter: &LetterFilter,
    overwrite: bool,
    by: &str,
) -> Result<i64> {
    let filter = serde_json::to_string(filter).map_err(|error| {
        Error::new(ErrorKind::Bug, "a filter can't be written as JSON").with_source(error)
    })?;
    let row = client
        .query_typed_one(
            "with wish as (
                 insert into ingestd.replays (pipeline, filter, overwrite, requested, asked_by, problem)
                 values ($1, $2::jsonb, $3, true, $4, ingestd.why_no_replay($1)) returning replay_id)
             select replay_id, pg_notify('ingestd', '') from wish",
            &[
                (&pipeline, Type::TEXT),
                (&filter, Type::TEXT),
                (&overwrite, Type::BOOL),
                (&by, Type::TEXT),
            ],
        )
        .await;
    let row = row.map_err(|error| classify(error, "asking for a replay"))?;
    Ok(row.get(0))
}

/// How far a replay is; `None` where there is none of this number.
///
/// # Errors
/// What the server says.
pub async fn replay_now(client: &Client, replay: i64) -> Result<Option<ReplayNow>> {
    let row = client
        .query_typed_opt(
            "select replay_id, pipeline, state, problem,
                    inserted + updated + unchanged + duplicate + deleted + filtered as resolved,
                    inserted, updated, failed, there, deletions, not_ready
             from ingestd.replays where replay_id = $1",
            &[(&replay, Type::INT8)],
        )
        .await;
    let row = row.map_err(|error| classify(error, "looking at a replay"))?;
    Ok(row.map(|row| ReplayNow {
        replay: row.get("replay_id"),
        pipeline: row.get("pipeline"),
        state: row.get("state"),
        problem: row.get("problem"),
        resolved: row.get("resolved"),
        inserted: row.get("inserted"),
        updated: row.get("updated"),
        failed: row.get("failed"),
        there: row.get("there"),
        deletions: row.get("deletions"),
        not_ready: row.get("not_ready"),
    }))
}
