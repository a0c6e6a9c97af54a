//! The files of the ledger.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get};
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;
use utoipa::{IntoParams, ToSchema};

use super::ask::{parameter, rows};
use super::desk::Desk;
use super::problem::Problem;
use super::query::Query;
use crate::view;
use crate::view::file::FileShown;
use crate::view::files::{FileLine, HIGHEST, IS_MORE, STATES, is_indexed, page_query};
use crate::view::filters::{like_pattern, moment, name_pattern};

/// How many files a page has unless it is told.
pub const LIMIT: u32 = 100;
/// The most that a page has.
pub const MOST: u32 = 1000;
/// How many files of the ledger are looked through for one page: what is rare among them takes several.
const SPAN: i64 = 20_000;

/// Which files, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Only this pipeline's.
    pipeline: Option<String>,
    /// Only those in this state.
    #[param(example = "QUARANTINED")]
    state: Option<String>,
    /// Only those whose name has this in it, or is as a pattern with `*`, `?` or `[…]` has it; with a
    /// slash it is about paths.
    #[param(example = "events-*.csv")]
    name: Option<String>,
    /// Only those that were found since then: so long ago, or a time.
    #[param(example = "2h")]
    since: Option<String>,
    /// How many files at most: 1 to 1000, 100 unless said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<i64>,
}

/// A page of files, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct FilePage {
    /// The files. Where what is wanted is rare, a page may have fewer than the limit, or none, and there
    /// is a next one all the same.
    files: Vec<FileLine>,
    /// The cursor of the next page; null at the end.
    next: Option<i64>,
}

/// How many a page has.
///
/// # Errors
/// What would be right.
pub fn checked_limit(limit: Option<u32>) -> Result<i64, Problem> {
    let limit = limit.unwrap_or(LIMIT);
    match (1..=MOST).contains(&limit) {
        true => Ok(i64::from(limit)),
        false => {
            let detail = format!("limit: {limit} can't be; write 1 to {MOST}");
            Err(Problem::bad_request(detail))
        }
    }
}

fn named(key: &str, text: &str) -> impl Fn(String) -> Problem {
    let start = format!("{key}: {text:?}: ");
    move |advice| Problem::bad_request(format!("{start}{advice}"))
}

/// Files, the newest first, page by page: while files arrive, none comes twice, and none that was there
/// is missed.
#[utoipa::path(
    tag = "files",
    params(Wanted),
    responses(
        (status = 200, description = "A page.", body = FilePage),
        (status = 400, description = "A parameter can't be meant.", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "There is no such pipeline.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[get("/api/v1/files")]
pub async fn list_files(desk: Data<Desk>, wanted: Query<Wanted>) -> Result<HttpResponse, Problem> {
    let wanted = wanted.into_inner();
    let limit = checked_limit(wanted.limit)?;
    let state = wanted.state.map(|state| state.to_uppercase());
    if let Some(state) = state.as_ref().filter(|it| !STATES.contains(&it.as_str())) {
        let detail = format!(
            "state: {state:?} is none; write one of {}",
            STATES.join(", ")
        );
        return Err(Problem::bad_request(detail));
    }
    if let Some(pipeline) = &wanted.pipeline {
        desk.known_pipeline(pipeline).await?;
    }
    let name = wanted.name.as_deref();
    let pattern = name.map(|name| name_pattern(name).map_err(named("name", name)));
    let pattern = pattern.transpose()?;
    let since = wanted.since.as_deref();
    let since = since.map(|text| moment(text).map_err(named("since", text)));
    let since = since.transpose()?;
    let like = name.and_then(like_pattern);
    let is_indexed = state.as_deref().is_some_and(is_indexed);
    let page = desk.ask.transact(move |transaction| {
        Box::pin(async move {
            let from = match wanted.cursor {
                Some(cursor) => cursor,
                None => {
                    let highest = rows(transaction, HIGHEST, &[]).await?;
                    highest.first().map_or(0, |row| row.get::<_, i64>(0)) + 1
                }
            };
            let down_to = match is_indexed {
                true => 0,
                false => from.saturating_sub(SPAN).max(0),
            };
            let of_path = pattern.as_ref().is_some_and(|it| it.of_path);
            let parameters = [
                parameter(wanted.pipeline, Type::TEXT),
                parameter(state, Type::TEXT),
                parameter(limit, Type::INT8),
                parameter(pattern.map(|it| it.regex), Type::TEXT),
                parameter(of_path, Type::BOOL),
                parameter(since.clone(), Type::TEXT),
                parameter(from, Type::INT8),
                parameter(down_to, Type::INT8),
                parameter(like, Type::TEXT),
            ];
            let found = rows(transaction, &page_query(), &parameters).await?;
            let files: Vec<FileLine> = found.iter().map(FileLine::of).collect();
            let is_full = files.len() as i64 == limit;
            let end = match (is_full, files.last()) {
                (true, Some(last)) => last.file,
                _ => down_to,
            };
            let further = [parameter(end, Type::INT8), parameter(since, Type::TEXT)];
            let is_more = end > 0
                && rows(transaction, IS_MORE, &further)
                    .await?
                    .first()
                    .is_some_and(|row| row.get(0));
            Ok(FilePage {
                files,
                next: is_more.then_some(end),
            })
        })
    });
    Ok(HttpResponse::Ok().json(page.await?))
}

/// A file, and how far it has come.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileNow {
    /// All that the ledger knows.
    #[serde(flatten)]
    file: FileShown,
    /// How far it has come.
    progress: FileProgress,
}

/// How far a file has come.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct FileProgress {
    /// Its bytes that are durable. Of a compressed file they are bytes of its text.
    bytes: u64,
    /// Its length.
    of: u64,
    /// The share of it, 0 to 1; null where its text is longer than it is.
    share: Option<f64>,
}

/// One file, with the times of its stages, its counters and checkpoints.
#[utoipa::path(
    tag = "files",
    params(("id" = i64, Path, description = "The file's number.")),
    responses(
        (status = 200, description = "The file.", body = FileNow),
        (status = 404, description = "There is none of this number.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[get("/api/v1/files/{id}")]
pub async fn show_file(desk: Data<Desk>, id: Path<i64>) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    let found = desk
        .ask
        .rows(view::file::query(), vec![parameter(id, Type::INT8)])
        .await?;
    let file = found
        .first()
        .map(FileShown::of)
        .ok_or_else(|| unknown_file(id))?;
    let progress = progress(&file);
    Ok(HttpResponse::Ok().json(FileNow { file, progress }))
}

/// The ledger has no file of this number.
pub fn unknown_file(id: i64) -> Problem {
    let detail = format!("there is no file {id} in the ledger");
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown-file",
        "No such file",
        detail,
    )
    .with_advice("GET /api/v1/files lists those that there are")
}

/// PURE: how far it has come.
fn progress(file: &FileShown) -> FileProgress {
    let of = file.bytes.cast_unsigned();
    let is_whole = matches!(file.state.as_str(), "COMMITTED" | "ARCHIVED");
    let bytes = match is_whole {
        true => of,
        false => file.watermark.offset.cast_unsigned(),
    };
    let share = match (is_whole, bytes <= of && of > 0) {
        (true, _) => Some(1.0),
        (false, true) => Some((bytes as f64 / of as f64 * 10_000.0).round() / 10_000.0),
        (false, false) => None,
    };
    FileProgress { bytes, of, share }
}
