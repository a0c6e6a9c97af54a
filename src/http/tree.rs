//! The supervision tree of this process.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;

use super::desk::Desk;
use crate::metrics::{ChildFigures, PipelineTree};

/// The supervision tree of a process.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProcessTree {
    /// The machine.
    host: String,
    /// The process there.
    process: u32,
    /// The service's own children, and what runs beside the tree; a private server there is only where no
    /// database is configured.
    children: Vec<ChildFigures>,
    /// The pipelines that it runs.
    pipelines: Vec<PipelineTree>,
}

/// The supervision tree of this process: its parts, how often each had to be started again, and how
/// long writing took. Nobody else is asked for it: it costs next to nothing.
#[utoipa::path(
    tag = "service",
    responses((status = 200, description = "The tree.", body = ProcessTree))
)]
#[get("/api/v1/tree")]
pub async fn show_tree(desk: Data<Desk>) -> HttpResponse {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    HttpResponse::Ok().json(ProcessTree {
        host: host.trim().to_owned(),
        process: std::process::id(),
        children: desk.parts.metrics.service_children(),
        pipelines: desk.parts.metrics.tree(),
    })
}
