//! Commands: given through the ledger, as those of the command line are.

use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, post};
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;
use utoipa::{IntoParams, ToSchema};

use super::ask::{parameter, rows};
use super::desk::Desk;
use super::files::unknown_file;
use super::problem::Problem;
use super::query::Query;
use crate::ledger::retry::{RetryDescribed, retry_file};
use crate::postgres::{classify, connect_blocking};
use crate::view::commands::{COMMAND, DONE, KNOWN, Obeying, RESCAN};

/// How often services are asked whether they have done it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is commanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// Read nothing more, and keep the lease.
    Pause,
    /// Go on.
    Resume,
    /// Read nothing more, and let go of the lease.
    Drain,
    /// Look through the directory.
    Rescan,
}

/// How long an answer may take.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Patience {
    /// How many seconds to wait until it has come about: 0 to 30, 1 unless said. The command stands
    /// either way.
    #[param(minimum = 0, maximum = 30)]
    wait: Option<f64>,
}

impl Patience {
    /// Until when.
    ///
    /// # Errors
    /// What would be right.
    pub fn deadline(self) -> Result<Instant, Problem> {
        let wait = self.wait.unwrap_or(1.0);
        match (0.0..=30.0).contains(&wait) {
            true => Ok(Instant::now() + Duration::from_secs_f64(wait)),
            false => Err(Problem::bad_request(format!(
                "wait: {wait} can't be; write 0 to 30 seconds"
            ))),
        }
    }
}

/// What was commanded of a pipeline, and what came of it so far.
#[derive(Debug, Serialize, ToSchema)]
pub struct Commanded {
    /// The pipeline.
    pipeline: String,
    /// What is wanted of it now: a pause leaves a pipeline drained that is.
    wanted: String,
    /// Whether every service that runs it has done it; where none runs, one that starts will. A drained
    /// pipeline is looked through once it is resumed.
    obeyed: bool,
    /// The services that run it.
    services: Vec<Obeying>,
}

/// Commands a pipeline; works from any service, for any that runs it.
#[utoipa::path(
    tag = "control",
    params(
        ("name" = String, Path, description = "The pipeline's name."),
        ("command" = inline(Command), Path, description = "pause, resume, drain or rescan."),
        Patience,
    ),
    responses(
        (status = 200, description = "It was commanded.", body = Commanded),
        (status = 404, description = "There is no such pipeline, or no such command.", body = Problem,
         content_type = "application/problem+json"),
        (status = 415, description = "The body is not application/json.", body = Problem,
         content_type = "application/problem+json"),
        (status = 503, description = "It was not commanded: the database does not answer.",
         body = Problem, content_type = "application/problem+json"),
    )
)]
#[post("/api/v1/pipelines/{name}/{command}")]
pub async fn command_one(
    desk: Data<Desk>,
    path: Path<(String, Command)>,
    patience: Query<Patience>,
    request: HttpRequest,
    _: Empty,
) -> Result<HttpResponse, Problem> {
    let (name, command) = path.into_inner();
    let known = known(&desk).await?;
    if !known.contains(&name) {
        let known = known.iter().map(String::as_str);
        return Err(super::desk::unknown_pipeline(&name, known));
    }
    let done = give(&desk, vec![name], command, *patience, &request).await?;
    Ok(HttpResponse::Ok().json(done.into_iter().next()))
}

/// Pauses all pipelines, but for those of `ingestd load`.
#[utoipa::path(tag = "control", params(Patience),
    responses((status = 200, description = "It was commanded.", body = [Commanded])))]
#[post("/api/v1/pipelines/pause")]
pub async fn pause_all(
    desk: Data<Desk>,
    patience: Query<Patience>,
    request: HttpRequest,
    _: Empty,
) -> Result<HttpResponse, Problem> {
    all(&desk, Command::Pause, *patience, &request).await
}

/// Lets all pipelines go on.
#[utoipa::path(tag = "control", params(Patience),
    responses((status = 200, description = "It was commanded.", body = [Commanded])))]
#[post("/api/v1/pipelines/resume")]
pub async fn resume_all(
    desk: Data<Desk>,
    patience: Query<Patience>,
    request: HttpRequest,
    _: Empty,
) -> Result<HttpResponse, Problem> {
    all(&desk, Command::Resume, *patience, &request).await
}

/// Drains all pipelines.
#[utoipa::path(tag = "control", params(Patience),
    responses((status = 200, description = "It was commanded.", body = [Commanded])))]
#[post("/api/v1/pipelines/drain")]
pub async fn drain_all(
    desk: Data<Desk>,
    patience: Query<Patience>,
    request: HttpRequest,
    _: Empty,
) -> Result<HttpResponse, Problem> {
    all(&desk, Command::Drain, *patience, &request).await
}

/// Has the directories of all pipelines looked through.
#[utoipa::path(tag = "control", params(Patience),
    responses((status = 200, description = "It was commanded.", body = [Commanded])))]
#[post("/api/v1/pipelines/rescan")]
pub async fn rescan_all(
    desk: Data<Desk>,
    patience: Query<Patience>,
    request: HttpRequest,
    _: Empty,
) -> Result<HttpResponse, Problem> {
    all(&desk, Command::Rescan, *patience, &request).await
}

async fn all(
    desk: &Desk,
    command: Command,
    patience: Patience,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    // Nobody who asks for all means the tables that were loaded without a configuration.
    let mut names = known(desk).await?;
    names.retain(|name| !name.starts_with("load_"));
    let done = give(desk, names, command, patience, request).await?;
    Ok(HttpResponse::Ok().json(done))
}

/// A body with nothing in it: whoever sends something means something by it.
pub struct Empty;

impl FromRequest for Empty {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Empty, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = Bytes::from_request(request, payload);
        Box::pin(async move {
            let body = body.await?;
            let text = body.trim_ascii();
            if text.is_empty() || text == b"{}" {
                return Ok(Empty);
            }
            let text = "this takes no body; send none, or {} as application/json";
            Err(Problem::bad_request(text).into())
        })
    }
}

async fn known(desk: &Desk) -> Result<Vec<String>, Problem> {
    let found = desk.ask.rows(KNOWN.to_owned(), Vec::new()).await?;
    Ok(found.iter().map(|row| row.get(0)).collect())
}

/// Who asks, for the ledger.
pub fn who(request: &HttpRequest) -> String {
    let address = request.peer_addr();
    let address = address.map_or_else(|| "?".to_owned(), |it| it.ip().to_string());
    format!("http {address}")
}

/// A command that was given: its pipeline, what is wanted now, and its number.
type Given = (String, String, i64);

async fn give(
    desk: &Desk,
    names: Vec<String>,
    command: Command,
    patience: Patience,
    request: &HttpRequest,
) -> Result<Vec<Commanded>, Problem> {
    let deadline = patience.deadline()?;
    let mut given = Vec::new();
    for name in names {
        given.push(give_one(desk, name, command, who(request)).await?);
    }
    slog::info!(desk.parts.log, "commanded over http"; "command" => ?command,
        "pipelines" => given.iter().map(|it| it.0.as_str()).collect::<Vec<_>>().join(", "),
        "by" => who(request));
    let mut done = Vec::new();
    for given in given {
        done.push(outcome(desk, given, command, deadline).await?);
    }
    Ok(done)
}

async fn give_one(
    desk: &Desk,
    name: String,
    command: Command,
    who: String,
) -> Result<Given, Problem> {
    let given = desk.ask.transact(move |transaction| {
        Box::pin(async move {
            // A service that is stopped in the middle of a transaction may hold the pipeline's row.
            transaction
                .batch_execute("set local lock_timeout = '3s'")
                .await
                .map_err(|error| classify(error, "giving the command"))?;
            let wanted = match command {
                Command::Pause => "paused",
                Command::Resume => "running",
                Command::Drain => "drained",
                Command::Rescan => "",
            };
            let mut parameters = vec![parameter(name.clone(), Type::TEXT)];
            let statement = match command {
                Command::Rescan => RESCAN,
                _ => {
                    parameters.push(parameter(wanted, Type::TEXT));
                    parameters.push(parameter(who, Type::TEXT));
                    COMMAND
                }
            };
            let found = rows(transaction, statement, &parameters).await?;
            let found = found.first();
            let wanted = found.map_or_else(String::new, |row| row.get(0));
            Ok((name, wanted, found.map_or(0, |row| row.get(1))))
        })
    });
    given.await.map_err(|error| {
        let is_locked = error.code() == Some("55P03");
        let is_forbidden = error.code() == Some("42501");
        let problem = Problem::from(error);
        if is_locked {
            return problem.with_advice("another transaction holds the pipeline's row: look for a service that is stopped or cut off, and end it");
        }
        match is_forbidden {
            true => problem.with_advice("make the role a member of ingestd_load (sql/roles.sql makes it)"),
            false => problem,
        }
    })
}

/// What has come about by the deadline.
async fn outcome(
    desk: &Desk,
    (pipeline, wanted, number): Given,
    command: Command,
    deadline: Instant,
) -> Result<Commanded, Problem> {
    loop {
        let parameters = vec![
            parameter(pipeline.clone(), Type::TEXT),
            parameter(command == Command::Rescan, Type::BOOL),
            parameter(number, Type::INT8),
        ];
        let found = desk.ask.rows(DONE.to_owned(), parameters).await?;
        let mut services: Vec<Obeying> = found.iter().map(Obeying::of).collect();
        let obeyed = services.iter().all(|service| service.done);
        if obeyed && command == Command::Rescan && wanted == "drained" {
            // They have heard of it, and none looks.
            services.iter_mut().for_each(|service| service.done = false);
            return Ok(Commanded {
                pipeline,
                wanted,
                obeyed: false,
                services,
            });
        }
        if obeyed || Instant::now() >= deadline {
            return Ok(Commanded {
                pipeline,
                wanted,
                obeyed: obeyed && !services.is_empty(),
                services,
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Lets a quarantined file go on: from its checkpoints, or afresh where nothing of it was loaded.
#[utoipa::path(
    tag = "control",
    params(("id" = i64, Path, description = "The file's number.")),
    responses(
        (status = 200, description = "It goes on.", body = RetryDescribed),
        (status = 404, description = "There is no such file.", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "It can't go on, and why.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[post("/api/v1/files/{id}/retry")]
pub async fn retry_one_file(
    desk: Data<Desk>,
    id: Path<i64>,
    request: HttpRequest,
    _: Empty,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    let there = "select from ingestd.files where file_id = $1".to_owned();
    let found = desk
        .ask
        .rows(there, vec![parameter(id, Type::INT8)])
        .await?;
    if found.is_empty() {
        return Err(unknown_file(id));
    }
    let _one = desk.retries.acquire().await.map_err(|_| Problem::bug())?;
    let connection = desk.parts.connection.clone();
    let pipelines = desk.parts.reload.pipelines();
    let retried = actix_web::web::block(move || {
        let mut client = connect_blocking(&connection)?;
        retry_file(&mut client, &pipelines, id)
    });
    let retried = retried.await.map_err(|_| Problem::bug())??;
    slog::info!(desk.parts.log, "file retried over http"; "file" => id, "by" => who(&request));
    Ok(HttpResponse::Ok().json(retried.described()))
}
