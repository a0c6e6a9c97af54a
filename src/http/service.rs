//! The service itself: its configuration, and the description of this API.

use std::sync::OnceLock;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, post};
use serde::Serialize;
use tokio::time::timeout_at;
use utoipa::ToSchema;

use super::control::{Empty, Patience};
use super::desk::Desk;
use super::problem::Problem;
use super::query::Query;
use super::routes;
use crate::service::ReloadOutcome;

/// What came of a reload so far.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reloading {
    /// Whether it has ended.
    done: bool,
    /// How, where it has.
    outcome: Option<ReloadOutcome>,
}

/// Has this service read its configuration again, as SIGHUP does.
#[utoipa::path(
    tag = "control",
    params(Patience),
    responses(
        (status = 200, description = "It was asked for; the body says whether it has ended, and how.",
         body = Reloading),
    )
)]
#[post("/api/v1/service/reload")]
pub async fn reload_service(
    desk: Data<Desk>,
    patience: Query<Patience>,
    request: HttpRequest,
    _: Empty,
) -> Result<HttpResponse, Problem> {
    let deadline = patience.deadline()?;
    let by = request.peer_addr().map(|it| it.ip().to_string());
    slog::info!(desk.parts.log, "reload asked for over http"; "by" => by);
    let asked = desk.parts.reload.ask();
    let outcome = timeout_at(deadline.into(), asked).await.ok().flatten();
    Ok(HttpResponse::Ok().json(Reloading {
        done: outcome.is_some(),
        outcome,
    }))
}

/// The description of this API, OpenAPI 3.1.
#[utoipa::path(tag = "service", responses((status = 200, description = "The document.")))]
#[get("/api/v1/openapi.json")]
pub async fn show_openapi() -> HttpResponse {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| {
        let document = routes::document().to_pretty_json();
        document.unwrap_or_default()
    });
    HttpResponse::Ok()
        .content_type("application/json")
        .body(text.as_str())
}
