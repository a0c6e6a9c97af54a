//! Which dead letters there are, and one of them.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::desk::Desk;
use super::super::files::checked_limit;
use super::super::problem::Problem;
use super::super::query::Query;
use super::meant::{Meant, status};
use crate::dead_letters::{
    Expected, Letter, NamedField, Piece, Stats, list, look, pieces, sqlstate_name, stats,
};

/// Which dead letters, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Only this pipeline's.
    pipeline: Option<String>,
    /// Only those of the file of this number.
    file: Option<i64>,
    /// Only this record of it.
    record: Option<i64>,
    /// Only those with this reason.
    reason: Option<String>,
    /// Only those of this column; the empty text stands for none.
    column: Option<String>,
    /// Only those that the server has refused with this code.
    sqlstate: Option<String>,
    /// Only those that were found since then: so long ago, or a time.
    since: Option<String>,
    /// Those that are new (unless said otherwise), resolved, discarded, or all.
    status: Option<String>,
    /// How many at most: 1 to 1000, 100 unless said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A page of dead letters, by file and record.
#[derive(Debug, Serialize, ToSchema)]
pub struct LetterPage {
    /// The letters, without their records.
    letters: Vec<Letter>,
    /// The cursor of the next page; null at the end.
    next: Option<String>,
}

/// Dead letters, by file and record, page by page.
#[utoipa::path(
    tag = "dead letters",
    params(Wanted),
    responses(
        (status = 200, description = "A page.", body = LetterPage),
        (status = 400, description = "A parameter can't be meant.", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "There is no such pipeline or file.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[get("/api/v1/dead-letters")]
pub async fn list_letters(
    desk: Data<Desk>,
    wanted: Query<Wanted>,
) -> Result<HttpResponse, Problem> {
    let wanted = wanted.into_inner();
    let limit = checked_limit(wanted.limit)?;
    let status = status(wanted.status.as_deref())?;
    let from = wanted.cursor.as_deref().map(cursor).transpose()?;
    let meant = Meant {
        pipeline: wanted.pipeline,
        file: wanted.file,
        record: wanted.record,
        reason: wanted.reason,
        column: wanted.column,
        sqlstate: wanted.sqlstate,
        since: wanted.since,
    };
    let filter = meant.filter(status)?;
    desk.known_names(filter.pipeline.as_deref(), filter.file)
        .await?;
    let from = from.unwrap_or_default();
    let letters = desk
        .ask
        .with(move |client| Box::pin(async move { list(client, &filter, from, limit).await }));
    let letters = letters.await?;
    let is_full = letters.len() as i64 == limit;
    let last = letters.last().filter(|_| is_full);
    let next = last.map(|last| format!("{}.{}", last.file, last.record));
    Ok(HttpResponse::Ok().json(LetterPage { letters, next }))
}

fn cursor(text: &str) -> Result<(i64, i64), Problem> {
    let parts = text.split_once('.');
    let numbers = parts.and_then(|(file, record)| Some((file.parse().ok()?, record.parse().ok()?)));
    numbers.ok_or_else(|| {
        let detail = format!("cursor: {text:?} is none; take the next of the page before");
        Problem::bad_request(detail)
    })
}

/// Dead letters by pipeline, reason and column, with how many of them are new, resolved and discarded, and
/// what the newest is told; the most new ones first.
#[utoipa::path(
    tag = "dead letters",
    params(Meant),
    responses(
        (status = 200, description = "The groups.", body = [Stats]),
        (status = 400, description = "A parameter can't be meant.", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "There is no such pipeline or file.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[get("/api/v1/dead-letters/groups")]
pub async fn list_groups(desk: Data<Desk>, meant: Query<Meant>) -> Result<HttpResponse, Problem> {
    let filter = meant.into_inner().filter(None)?;
    desk.known_names(filter.pipeline.as_deref(), filter.file)
        .await?;
    let groups = desk
        .ask
        .with(move |client| Box::pin(async move { stats(client, &filter).await }));
    Ok(HttpResponse::Ok().json(groups.await?))
}

/// A dead letter and its record.
#[derive(Debug, Serialize, ToSchema)]
pub struct LetterShown {
    /// The letter.
    #[serde(flatten)]
    letter: Letter,
    /// The name of the server's code.
    sqlstate_name: Option<&'static str>,
    /// Its record as text; bytes that are none are U+FFFD.
    raw: String,
    /// Whether that is all of it.
    raw_is_whole: bool,
    /// The record for people, what is at fault apart from the rest; of a long one, what is near that.
    record_shown: Vec<Piece>,
    /// Its fields, where it can be split into those of its header.
    fields: Option<Vec<NamedField>>,
    /// What would have been right.
    expected: Expected,
}

/// One dead letter, with its record and what would have been right.
#[utoipa::path(
    tag = "dead letters",
    params(
        ("file" = i64, Path, description = "The file's number."),
        ("record" = i64, Path, description = "The record's number in it."),
    ),
    responses(
        (status = 200, description = "The letter.", body = LetterShown),
        (status = 404, description = "That record is none.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[get("/api/v1/dead-letters/{file}/{record}")]
pub async fn show_letter(
    desk: Data<Desk>,
    path: Path<(i64, i64)>,
) -> Result<HttpResponse, Problem> {
    let (file, record) = path.into_inner();
    let found = desk
        .ask
        .with(move |client| Box::pin(async move { look(client, file, record).await }));
    let shown = found.await?.ok_or_else(|| unknown(file, record))?;
    Ok(HttpResponse::Ok().json(LetterShown {
        sqlstate_name: shown.letter.sqlstate.as_deref().and_then(sqlstate_name),
        raw: String::from_utf8_lossy(&shown.raw.bytes).into_owned(),
        raw_is_whole: !shown.raw.is_cut(),
        record_shown: pieces(&shown.raw.bytes, shown.bad),
        letter: shown.letter,
        fields: shown.fields,
        expected: shown.expected,
    }))
}

fn unknown(file: i64, record: i64) -> Problem {
    let detail = format!("record {record} of file {file} is no dead letter");
    let status = StatusCode::NOT_FOUND;
    Problem::new(status, "unknown-dead-letter", "No such dead letter", detail)
        .with_advice("GET /api/v1/dead-letters lists those that there are")
}
