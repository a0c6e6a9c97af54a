//! Replays that were asked for in SQL (`ingestd.replay_dead_letters`), carried out by a service that has
//! their pipelines configured.

use std::sync::Arc;
use std::time::Duration;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::failpoint::{ReplayStep, Step, pass};
use ingestd_actors::supervision::Pulse;
use slog::{Logger, info, warn};
use tokio_postgres::types::Type;
use tokio_util::task::AbortOnDropHandle;

use super::filter::LetterFilter;
use super::left_over::end_left_over;
use super::notes::close;
use super::part::Key;
use super::patience::passes;
use super::replay::Replay;
use crate::postgres::{Database, classify};
use crate::service::{Beside, Kept};
use crate::settings::Pipeline;

/// How often it is looked whether there is one.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The same while the database does not answer.
const WAIT: Duration = Duration::from_secs(5);

/// The pipelines that the service has configured by then.
pub type Configured = Arc<dyn Fn() -> Arc<Vec<Pipeline>> + Send + Sync>;

/// Whoever carries them out, for as long as it is held.
pub struct ReplayRequests {
    _running: Kept,
}

/// A replay that was taken up.
struct Request {
    run: (i64, i64),
    at: Option<Key>,
    pipeline: String,
    filter: String,
    overwrite: bool,
    by: String,
}

impl ReplayRequests {
    /// Looks for them on the runtime of the connections, one after the other. Where it ends in the middle
    /// of one, the next service goes on with it.
    pub fn start(beside: &Beside, configured: Configured, log: Logger) -> ReplayRequests {
        let database = beside.database.clone();
        let runtime = beside.database.runtime();
        let running = beside.background.keep(runtime, "replays", move |pulse| {
            look_for_ever(
                database.clone(),
                Arc::clone(&configured),
                log.clone(),
                pulse,
            )
        });
        ReplayRequests { _running: running }
    }
}

async fn look_for_ever(
    database: Database,
    configured: Configured,
    log: Logger,
    pulse: Pulse,
) -> Result<()> {
    let mut told = String::new();
    loop {
        pulse.working();
        pass(Step::ReplaysLook).await?;
        // A replay takes as long as it takes.
        pulse.waiting();
        let wait = match next(database.clone(), Arc::clone(&configured), log.clone()).await {
            Ok(true) => continue,
            Ok(false) => {
                told.clear();
                LOOK_EVERY
            }
            Err(error) => {
                let reason = error.to_string();
                if told != reason {
                    warn!(log, "replays that were asked for have to wait"; "reason" => &reason);
                    told = reason;
                }
                WAIT
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// Carries one out; whether there was one.
async fn next(database: Database, configured: Configured, log: Logger) -> Result<bool> {
    if !is_any(&database).await? {
        return Ok(false);
    }
    let pipelines = configured();
    let names = pipelines.iter().map(|it| it.name.clone()).collect();
    let Some(request) = claim(&database, names).await? else {
        end_left_over(&database, None).await?;
        return Ok(false);
    };
    pass(Step::Replay(ReplayStep::Claimed)).await?;
    let (number, pipeline) = (request.run.0, request.pipeline.clone());
    info!(&log, "replay of dead letters begins";
        "replay" => number, "pipeline" => &pipeline, "by" => &request.by);
    let run = request.run;
    let replay = carry_out(database.clone(), pipelines, request, log.clone());
    // In a task of its own: where it panics, it is noted as failed. It ends with us.
    let done = match AbortOnDropHandle::new(tokio::spawn(replay)).await {
        Ok(done) => done,
        Err(error) => {
            let error = panicked(error);
            close(&database, run, Some(&error)).await?;
            Err(error)
        }
    };
    match done {
        Ok(report) => info!(log, "replay of dead letters is done"; "replay" => number,
            "pipeline" => pipeline, "resolved" => report.tally.resolved(),
            "still_new" => report.tally.still_new()),
        Err(error) if passes(&error) => {
            warn!(log, "replay of dead letters has to wait, and goes on then";
            "replay" => number, "pipeline" => pipeline, "reason" => %error)
        }
        Err(error) => warn!(log, "replay of dead letters has failed"; "replay" => number,
            "pipeline" => pipeline, "reason" => %error),
    }
    Ok(true)
}

fn panicked(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Bug, "the replay has panicked").with_source(error)
}

async fn carry_out(
    database: Database,
    pipelines: Arc<Vec<Pipeline>>,
    request: Request,
    log: Logger,
) -> Result<super::ReplayReport> {
    let filter: LetterFilter = match serde_json::from_str(&request.filter) {
        Ok(filter) => filter,
        Err(error) => {
            let message = "the filter of the replay can't be read";
            let error = Error::new(ErrorKind::Configuration, message)
                .with_advice("ask by ingestd.replay_dead_letters")
                .with_source(error);
            close(&database, request.run, Some(&error)).await?;
            return Err(error);
        }
    };
    let mut configured = pipelines.iter();
    let replay = Replay {
        database,
        settings: configured.find(|it| it.name == request.pipeline).cloned(),
        pipeline: request.pipeline,
        filter,
        mended: None,
        overwrite: request.overwrite,
        dry_run: false,
        by: request.by,
        log,
    };
    replay.go_on(Some(request.run), request.at).await
}

/// One that waits, not given back just now, or whose runner has not been seen for long.
const OPEN: &str = "requested and (state = 'WAITING'
        and (seen_at is null or seen_at < clock_timestamp() - interval '2 s')
    or state = 'RUNNING' and seen_at < clock_timestamp() - interval '30 s')";

async fn is_any(database: &Database) -> Result<bool> {
    let client = database.client().await?;
    let sql = format!(
        "select exists (select from ingestd.replays
         where state in ('WAITING', 'RUNNING') and {OPEN})"
    );
    let row = client.query_typed_one(&sql, &[]).await;
    Ok(row
        .map_err(|error| classify(error, "looking for replays"))?
        .get(0))
}

async fn claim(database: &Database, pipelines: Vec<String>) -> Result<Option<Request>> {
    let client = database.client().await?;
    // One whose part is under way is locked, and so not taken over.
    let sql = format!(
        "update ingestd.replays r
         set state = 'RUNNING', epoch = epoch + 1, seen_at = clock_timestamp(), problem = null,
             started_at = coalesce(started_at, clock_timestamp())
         where replay_id = (select replay_id from ingestd.replays
                            where state in ('WAITING', 'RUNNING') and {OPEN} and pipeline = any($1)
                            order by replay_id limit 1 for update skip locked)
         returning replay_id, epoch, pipeline, filter::text, overwrite, asked_by, at_file, at_record"
    );
    let row = client
        .query_typed_opt(&sql, &[(&pipelines, Type::TEXT_ARRAY)])
        .await
        .map_err(|error| classify(error, "taking a replay up"))?;
    Ok(row.map(|row| Request {
        run: (row.get(0), row.get(1)),
        pipeline: row.get(2),
        filter: row.get(3),
        overwrite: row.get(4),
        by: row.get(5),
        at: row
            .get::<_, Option<i64>>(6)
            .zip(row.get::<_, Option<i64>>(7)),
    }))
}
