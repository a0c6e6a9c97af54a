//! The pipelines and the services, as they were read last.

use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpResponse, get};

use super::desk::{Desk, unknown_pipeline};
use super::problem::Problem;
use super::snapshots::{StateNow, Taken};
use crate::view::pipelines::PipelineNow;
use crate::view::services::ServiceNow;

fn answer(taken: &Taken, json: &Bytes) -> Result<HttpResponse, Problem> {
    taken.state()?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(json.clone()))
}

/// All pipelines that have ever run into this database, by name. Read at most once a second.
#[utoipa::path(
    tag = "pipelines",
    responses(
        (status = 200, description = "The pipelines.", body = [PipelineNow]),
        (status = 503, description = "The database does not answer.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[get("/api/v1/pipelines")]
pub async fn list_pipelines(desk: Data<Desk>) -> Result<HttpResponse, Problem> {
    let taken = desk.snapshots.get().await?;
    answer(&taken, &taken.pipelines)
}

/// One pipeline.
#[utoipa::path(
    tag = "pipelines",
    params(("name" = String, Path, description = "The pipeline's name.")),
    responses(
        (status = 200, description = "The pipeline.", body = PipelineNow),
        (status = 404, description = "There is none of this name.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[get("/api/v1/pipelines/{name}")]
pub async fn show_pipeline(desk: Data<Desk>, name: Path<String>) -> Result<HttpResponse, Problem> {
    let taken = desk.snapshots.get().await?;
    let state = taken.state()?;
    let found = state.pipelines.iter().find(|it| it.pipeline == *name);
    let found = found.ok_or_else(|| {
        let known = state.pipelines.iter().map(|it| it.pipeline.as_str());
        unknown_pipeline(&name, known)
    })?;
    Ok(HttpResponse::Ok().json(found))
}

/// The services that run, on whatever host, and what each has in hand.
#[utoipa::path(
    tag = "pipelines",
    responses((status = 200, description = "The services, the oldest first.", body = [ServiceNow]))
)]
#[get("/api/v1/instances")]
pub async fn list_instances(desk: Data<Desk>) -> Result<HttpResponse, Problem> {
    let taken = desk.snapshots.get().await?;
    answer(&taken, &taken.services)
}

/// The state of all pipelines and services: what the stream sends each second.
#[utoipa::path(
    tag = "pipelines",
    responses((status = 200, description = "The state.", body = StateNow))
)]
#[get("/api/v1/state")]
pub async fn show_state(desk: Data<Desk>) -> Result<HttpResponse, Problem> {
    let taken = desk.snapshots.get().await?;
    answer(&taken, &taken.json)
}
