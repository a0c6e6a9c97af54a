//! What is to become of dead letters: they are replayed, or nobody needs them.

use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse, get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::control::{Patience, who};
use super::super::desk::Desk;
use super::super::problem::Problem;
use super::super::query::Query;
use super::meant::Meant;
use crate::dead_letters::{ReplayNow, discard, pipelines_of, replay_now, wish};

/// How often it is looked how far a replay is.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long many may take to be marked.
const LONG: Duration = Duration::from_secs(50);

/// Which dead letters to replay, of those that are new.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToReplay {
    /// Which.
    #[serde(default)]
    meant: Meant,
    /// Whether all are meant where nothing is said.
    #[serde(default)]
    all: bool,
    /// Whether rows of keys that are in the table may be replaced, and deletions carried out.
    #[serde(default)]
    overwrite: bool,
}

/// Asks for a replay of dead letters, one for each pipeline that has any that are meant: their rows are
/// loaded by the configuration and the table of now, each exactly once. A service that has the pipeline
/// configured takes it up within a second; the answer says what came of it within `wait` seconds.
#[utoipa::path(
    tag = "dead letters",
    params(Patience),
    request_body = ToReplay,
    responses(
        (status = 200, description = "It was asked for.", body = [ReplayNow]),
        (status = 400, description = "Nothing is said of which are meant.", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "There is no such pipeline or file.", body = Problem,
         content_type = "application/problem+json"),
        (status = 415, description = "The body is not application/json.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[post("/api/v1/dead-letters/replay")]
pub async fn replay_letters(
    desk: Data<Desk>,
    patience: Query<Patience>,
    asked: Json<ToReplay>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let deadline = patience.deadline()?;
    let asked = asked.into_inner();
    let filter = asked.meant.some_that_are_new(asked.all)?;
    desk.known_names(filter.pipeline.as_deref(), filter.file)
        .await?;
    let (overwrite, by) = (asked.overwrite, who(&request));
    slog::info!(desk.parts.log, "replay asked for over http"; "by" => &by);
    let wishes = desk.ask.with(move |client| {
        Box::pin(async move {
            let mut wishes = Vec::new();
            for pipeline in pipelines_of(client, &filter).await? {
                wishes.push(wish(client, &pipeline, &filter, overwrite, &by).await?);
            }
            Ok(wishes)
        })
    });
    let mut replays = Vec::new();
    for number in wishes.await? {
        replays.push(outcome(&desk, number, deadline).await?);
    }
    Ok(HttpResponse::Ok().json(replays))
}

/// What came of a replay by the deadline.
async fn outcome(desk: &Desk, number: i64, deadline: Instant) -> Result<ReplayNow, Problem> {
    loop {
        let now = look_at(desk, number).await?;
        if now.is_over() || Instant::now() >= deadline {
            return Ok(now);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn look_at(desk: &Desk, number: i64) -> Result<ReplayNow, Problem> {
    let found = desk
        .ask
        .with(move |client| Box::pin(async move { replay_now(client, number).await }));
    found.await?.ok_or_else(|| {
        let detail = format!("there is no replay {number}");
        let status = StatusCode::NOT_FOUND;
        Problem::new(status, "unknown-replay", "No such replay", detail)
    })
}

/// How far a replay is, and what came of it.
#[utoipa::path(
    tag = "dead letters",
    params(("id" = i64, Path, description = "The replay's number.")),
    responses(
        (status = 200, description = "The replay.", body = ReplayNow),
        (status = 404, description = "There is none of this number.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[get("/api/v1/replays/{id}")]
pub async fn show_replay(desk: Data<Desk>, id: Path<i64>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(look_at(&desk, id.into_inner()).await?))
}

/// Which dead letters to discard, of those that are new.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToDiscard {
    /// Which.
    #[serde(default)]
    meant: Meant,
    /// Whether all are meant where nothing is said.
    #[serde(default)]
    all: bool,
    /// Why nobody needs them.
    because: String,
}

/// How many dead letters were discarded.
#[derive(Debug, Serialize, ToSchema)]
pub struct Discarded {
    /// How many.
    discarded: u64,
}

/// Marks dead letters as DISCARDED: nobody will load them. They stay, with who has discarded them, when,
/// and why.
#[utoipa::path(
    tag = "dead letters",
    request_body = ToDiscard,
    responses(
        (status = 200, description = "They are marked.", body = Discarded),
        (status = 400, description = "Nothing is said of which are meant, or why.", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "There is no such pipeline or file.", body = Problem,
         content_type = "application/problem+json"),
        (status = 415, description = "The body is not application/json.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[post("/api/v1/dead-letters/discard")]
pub async fn discard_letters(
    desk: Data<Desk>,
    asked: Json<ToDiscard>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked = asked.into_inner();
    let filter = asked.meant.some_that_are_new(asked.all)?;
    desk.known_names(filter.pipeline.as_deref(), filter.file)
        .await?;
    let because = asked.because.trim().to_owned();
    if because.is_empty() {
        let detail = "because is empty; say why nobody needs them";
        return Err(Problem::bad_request(detail));
    }
    let by = who(&request);
    slog::info!(desk.parts.log, "dead letters discarded over http"; "by" => &by);
    let discarded = desk.ask.with_own(LONG, move |client| {
        Box::pin(async move { discard(client, &filter, &by, &because).await })
    });
    Ok(HttpResponse::Ok().json(Discarded {
        discarded: discarded.await?,
    }))
}
