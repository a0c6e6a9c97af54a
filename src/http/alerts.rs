//! The alerts of the service itself.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use serde::Deserialize;
use tokio_postgres::types::Type;
use utoipa::IntoParams;

use super::ask::parameter;
use super::desk::Desk;
use super::files::checked_limit;
use super::problem::Problem;
use super::query::Query;
use crate::alerts::{Alert, book};

/// Which alerts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Those that have ended, too, as far back as 30 days: the newest first.
    #[serde(default)]
    all: bool,
    /// How many at most: 1 to 1000, 100 unless said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// The alerts that fire, of every service on this database, the oldest first.
#[utoipa::path(
    tag = "alerts",
    params(Wanted),
    responses(
        (status = 200, description = "The alerts.", body = [Alert]),
        (status = 400, description = "A parameter can't be meant.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[get("/api/v1/alerts")]
pub async fn list_alerts(desk: Data<Desk>, wanted: Query<Wanted>) -> Result<HttpResponse, Problem> {
    let limit = checked_limit(wanted.limit)?;
    let found = match wanted.all {
        true => {
            let parameters = vec![parameter(limit, Type::INT8)];
            desk.ask.rows(book::all_query(), parameters).await?
        }
        false => desk.ask.rows(book::firing_query(), Vec::new()).await?,
    };
    let alerts = found.iter().take(limit as usize).map(book::alert);
    Ok(HttpResponse::Ok().json(alerts.collect::<Vec<Alert>>()))
}
