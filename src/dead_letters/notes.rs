//! A replay's row in the ledger: its beginning and its end.

use std::time::Duration;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::failpoint::{ReplayStep, Step, pass};
use ingestd_actors::supervision::Pulse;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::filter::LetterFilter;
use super::patience;
use super::replay::Replay;
use crate::plan::{LoadPlan, WriteMode};
use crate::postgres::{Database, classify};

/// How often a replay is seen: six times before anybody takes it for dead.
const SEEN_EVERY: Duration = Duration::from_secs(5);
/// One that has no part done for so long does not come on.
const STUCK: Duration = Duration::from_secs(600);

/// Writes a replay down that begins now.
pub async fn open(replay: &Replay) -> Result<i64> {
    let client = replay.database.client().await?;
    let filter = serde_json::to_string(&LetterFilter {
        pipeline: None,
        status: None,
        ..replay.filter.clone()
    })
    .map_err(|error| Error::new(ErrorKind::Bug, "a filter is no JSON").with_source(error))?;
    let row = client
        .query_typed_one(
            "with cut as (
                 update ingestd.replays
                 set state = 'FAILED', ended_at = clock_timestamp(),
                     problem = 'whoever ran it ended before it was done'
                 where not requested and state = 'RUNNING'
                   and seen_at < clock_timestamp() - interval '1 hour')
             insert into ingestd.replays (pipeline, filter, overwrite, requested, asked_by, state,
                 epoch, seen_at, started_at)
             values ($1, $2::text::jsonb, $3, false, $4, 'RUNNING', 1, clock_timestamp(),
                 clock_timestamp())
             returning replay_id",
            &[
                (&replay.pipeline, Type::TEXT),
                (&filter, Type::TEXT),
                (&replay.overwrite, Type::BOOL),
                (&replay.by, Type::TEXT),
            ],
        )
        .await
        .map_err(|error| classify(error, "noting a replay"))?;
    Ok(row.get(0))
}

/// The mode under which a pipeline's newest plan writes; `None` where it has none.
pub async fn newest_mode(database: &Database, pipeline: &str) -> Result<Option<WriteMode>> {
    let client = database.client().await?;
    let row = client
        .query_typed_opt(
            "select definition::text from ingestd.plans where pipeline = $1
             order by plan_id desc limit 1",
            &[(&pipeline, Type::TEXT)],
        )
        .await
        .map_err(|error| classify(error, "reading the pipeline's plans"))?;
    let plan = row.and_then(|row| serde_json::from_str::<LoadPlan>(row.get(0)).ok());
    Ok(plan.map(|plan| plan.mode))
}

/// Notes in which direction a replay goes, or reads it where that was decided before; `None` where
/// another runner has it.
pub async fn note_direction(
    database: &Database,
    (replay, epoch): (i64, i64),
    descending: bool,
) -> Result<Option<bool>> {
    let client = database.client().await?;
    let row = client
        .query_typed_opt(
            "update ingestd.replays set descending = coalesce(descending, $3)
             where replay_id = $1 and epoch = $2 returning descending",
            &[
                (&replay, Type::INT8),
                (&epoch, Type::INT8),
                (&descending, Type::BOOL),
            ],
        )
        .await
        .map_err(|error| classify(error, "noting how a replay goes"))?;
    Ok(row.map(|row| row.get(0)))
}

/// Notes a plan under which a replay is about to write rows: whoever takes a file's rows back has to know.
pub async fn note_plan(client: &Client, (replay, _): (i64, i64), plan: &LoadPlan) -> Result<()> {
    let plan = serde_json::to_string(plan)
        .map_err(|error| Error::new(ErrorKind::Bug, "a plan is no JSON").with_source(error))?;
    client
        .execute_typed(
            "update ingestd.replays set plans = plans || jsonb_build_array($2::text::jsonb)
             where replay_id = $1",
            &[(&replay, Type::INT8), (&plan, Type::TEXT)],
        )
        .await
        .map_err(|error| classify(error, "noting how a replay writes"))?;
    Ok(())
}

/// Says again and again that whoever runs a replay lives, as long as it comes on: a part may take longer
/// than others wait before they take it for dead. Behind the part's own lock, which says so too, it does
/// not wait.
pub async fn keep_alive(database: Database, (replay, epoch): (i64, i64), pulse: Pulse) {
    loop {
        tokio::time::sleep(SEEN_EVERY).await;
        if pulse.is_stuck(STUCK) {
            continue;
        }
        let Ok(client) = database.client().await else {
            continue;
        };
        // Where the server does not answer, nobody else takes it over there either.
        let _ = client
            .execute_typed(
                "update ingestd.replays set seen_at = clock_timestamp()
                 where replay_id = (select replay_id from ingestd.replays
                                    where replay_id = $1 and epoch = $2 and state = 'RUNNING'
                                    for update skip locked)",
                &[(&replay, Type::INT8), (&epoch, Type::INT8)],
            )
            .await;
    }
}

/// Notes how a replay ended; nothing where another runner has it. One that was asked for and met what
/// passes waits to be taken up again, behind its last part.
pub async fn close(
    database: &Database,
    (replay, epoch): (i64, i64),
    error: Option<&Error>,
) -> Result<()> {
    if error.is_some_and(|error| error.kind() == ErrorKind::Fenced) {
        return Ok(());
    }
    pass(Step::Replay(ReplayStep::Close)).await?;
    let client = database.client().await?;
    let problem = error.map(ToString::to_string);
    let passes = error.is_some_and(patience::passes);
    client
        .execute_typed(
            "update ingestd.replays
             set state = case when $3::text is null then 'DONE' when requested and $4 then 'WAITING'
                              else 'FAILED' end,
                 problem = $3, seen_at = clock_timestamp(),
                 ended_at = case when $3 is null or not (requested and $4) then clock_timestamp() end
             where replay_id = $1 and epoch = $2",
            &[
                (&replay, Type::INT8),
                (&epoch, Type::INT8),
                (&problem, Type::TEXT),
                (&passes, Type::BOOL),
            ],
        )
        .await
        .map_err(|error| classify(error, "noting how a replay ended"))?;
    Ok(())
}
