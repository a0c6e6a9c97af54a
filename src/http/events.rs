//! What has happened.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;
use utoipa::{IntoParams, ToSchema};

use super::ask::parameter;
use super::desk::Desk;
use super::files::checked_limit;
use super::problem::Problem;
use super::query::Query;
use crate::view::events::{Cursor, Happened, before, before_query};

/// Which events, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Only this pipeline's.
    pipeline: Option<String>,
    /// How many at most: 1 to 1000, 100 unless said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A page of events, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventPage {
    /// The events: a file comes once, with its newest change.
    events: Vec<Happened>,
    /// The cursor of the next page; null at the end.
    next: Option<String>,
}

/// A place in the order of events.
///
/// # Errors
/// What would be right.
pub fn cursor(text: &str) -> Result<Cursor, Problem> {
    Cursor::parse(text).ok_or_else(|| {
        let detail = format!("cursor: {text:?} is none; take the next of the page before");
        Problem::bad_request(detail)
    })
}

/// What has happened, the newest first, page by page: the state that each file has come to, and what
/// pipelines and services have gone through (the latter is kept for 30 days, and 10,000 of it).
#[utoipa::path(
    tag = "events",
    params(Wanted),
    responses(
        (status = 200, description = "A page.", body = EventPage),
        (status = 400, description = "A parameter can't be meant.", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "There is no such pipeline.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[get("/api/v1/events")]
pub async fn list_events(desk: Data<Desk>, wanted: Query<Wanted>) -> Result<HttpResponse, Problem> {
    let wanted = wanted.into_inner();
    let limit = checked_limit(wanted.limit)?;
    if let Some(pipeline) = &wanted.pipeline {
        desk.known_pipeline(pipeline).await?;
    }
    let from = wanted.cursor.as_deref().map(cursor).transpose()?;
    let (micros, file, note) = before(from.unwrap_or(Cursor::NEWEST));
    let parameters = vec![
        parameter(micros, Type::INT8),
        parameter(file, Type::INT8),
        parameter(note, Type::INT8),
        parameter(limit, Type::INT8),
        parameter(wanted.pipeline, Type::TEXT),
    ];
    let found = desk.ask.rows(before_query(), parameters).await?;
    let events: Vec<Happened> = found.iter().map(|row| Happened::of(row).1).collect();
    let is_full = events.len() as i64 == limit;
    let next = events.last().filter(|_| is_full).map(|it| it.id.clone());
    Ok(HttpResponse::Ok().json(EventPage { events, next }))
}
