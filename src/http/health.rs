//! Whether the service lives, whether it does its work, and its figures.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::app::may_ask_for_more;
use super::desk::Desk;
use super::snapshots::StateNow;
use crate::metrics::Metrics;

/// Whoever asks for the health waits no longer than this for the database.
const PATIENCE: Duration = Duration::from_secs(2);

/// That the process answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    /// true
    live: bool,
    /// Of ingestd.
    version: &'static str,
}

/// Whether the process answers at all: where it doesn't, it is to be started again.
#[utoipa::path(tag = "health", responses((status = 200, description = "It lives.", body = Alive)))]
#[get("/health/live")]
pub async fn is_live() -> HttpResponse {
    HttpResponse::Ok().json(Alive {
        live: true,
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Whether the service does its work.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Readiness {
    /// Whether all parts are.
    ready: bool,
    /// The database, the ledger, and each pipeline that is configured here.
    /// Told to those alone who may ask for everything else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Part>,
}

/// A part of a service.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Part {
    /// `database`, `ledger`, or `pipeline` and its name; of one that is stopping, `service` alone.
    part: String,
    /// Whether it is as it has to be.
    ready: bool,
    /// What it is like, or what is wrong.
    says: String,
}

/// Whether the database answers, the ledger is up to date, and each pipeline runs or was told not to; not
/// ready is a service, too, whose orderly end has begun.
/// The body says which part is not as it has to be.
#[utoipa::path(
    tag = "health",
    responses(
        (status = 200, description = "All is as it has to be.", body = Readiness),
        (status = 503, description = "Something is not.", body = Readiness),
    )
)]
#[get("/health/ready")]
pub async fn is_ready(request: HttpRequest, desk: web::Data<Desk>) -> HttpResponse {
    if desk.parts.stopping.is_cancelled() {
        return HttpResponse::ServiceUnavailable().json(stopping());
    }
    let taken = timeout(PATIENCE, desk.snapshots.get()).await;
    let state = match &taken {
        Ok(Ok(taken)) => taken.state.as_ref().map_err(|it| it.detail.as_str()),
        Ok(Err(problem)) => Err(problem.detail.as_str()),
        Err(_) => Err("it does not answer in time"),
    };
    let configured = desk.parts.reload.pipelines();
    let names: Vec<&str> = configured.iter().map(|it| it.name.as_str()).collect();
    let mut readiness = judge(state, &names);
    let status = match readiness.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    if !may_ask_for_more(&request) {
        readiness.parts.clear();
    }
    HttpResponse::build(status).json(readiness)
}

/// PURE: what a service says that is about to end: to whomever, since it is no secret.
fn stopping() -> Readiness {
    Readiness {
        ready: false,
        parts: vec![Part {
            part: "service".to_owned(),
            ready: false,
            says: "is stopping".to_owned(),
        }],
    }
}

/// PURE: whether a service is ready that has these pipelines.
fn judge(state: Result<&StateNow, &str>, configured: &[&str]) -> Readiness {
    let part = |part: &str, ready: bool, says: &str| Part {
        part: part.to_owned(),
        ready,
        says: says.to_owned(),
    };
    let mut parts = Vec::new();
    match state {
        Err(why) => parts.push(part("database", false, why)),
        Ok(state) => {
            parts.push(part("database", true, "answers"));
            let missing = &state.missing_migrations;
            let says = match &missing[..] {
                [] => "is up to date".to_owned(),
                missing => {
                    format!("lacks the migrations {missing:?}; run ingestd migrate")
                }
            };
            parts.push(part("ledger", missing.is_empty(), &says));
            for name in configured {
                let found = state.pipelines.iter().find(|it| it.pipeline == *name);
                let (ready, says) = match found {
                    None => (false, "is starting".to_owned()),
                    Some(found) => {
                        let ready = matches!(
                            found.state,
                            "running" | "pausing" | "paused" | "draining" | "drained"
                        );
                        let why = found.degraded.as_ref().filter(|_| !ready);
                        let why = why.map_or(String::new(), |why| format!(": {why}"));
                        (ready, format!("is {}{why}", found.state))
                    }
                };
                parts.push(part(&format!("pipeline {name}"), ready, &says));
            }
        }
    }
    Readiness {
        ready: parts.iter().all(|part| part.ready),
        parts,
    }
}

/// The figures of this process, in the text format of Prometheus.
#[utoipa::path(
    tag = "health",
    responses((status = 200, description = "The figures.", body = String, content_type = "text/plain"))
)]
#[get("/metrics")]
pub async fn show_metrics(desk: web::Data<Desk>) -> HttpResponse {
    let metrics = desk.parts.metrics.clone();
    HttpResponse::Ok()
        .content_type(Metrics::CONTENT_TYPE)
        .body(metrics.scrape().await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_not_ready_without_its_database() {
        let readiness = judge(Err("connection refused"), &["events"]);
        assert!(!readiness.ready);
        assert_eq!(readiness.parts.len(), 1);
        assert_eq!(readiness.parts[0].says, "connection refused");
    }

    #[test]
    fn a_pipeline_that_is_not_known_and_a_ledger_that_is_old_are_named() {
        let mut state = StateNow {
            at: String::new(),
            pipelines: Vec::new(),
            services: Vec::new(),
            in_flight: Vec::new(),
            missing_migrations: Vec::new(),
        };
        assert!(judge(Ok(&state), &[]).ready);
        let readiness = judge(Ok(&state), &["events"]);
        assert!(!readiness.ready);
        assert_eq!(readiness.parts[2].part, "pipeline events");
        assert_eq!(readiness.parts[2].says, "is starting");
        state.missing_migrations = vec![9];
        let readiness = judge(Ok(&state), &[]);
        assert!(!readiness.ready && !readiness.parts[1].ready);
        assert!(readiness.parts[1].says.contains("[9]"));
    }
}
