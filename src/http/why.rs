//! What holds a file up.

use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get};

use super::desk::Desk;
use super::files::unknown_file;
use super::problem::Problem;
use crate::postgres::connect_blocking;
use crate::why::{Answer, why};

/// Why a file is not loaded: the stage that holds it up, since when, what to do, and for how long still.
#[utoipa::path(
    tag = "files",
    params(("id" = i64, Path, description = "The file's number.")),
    responses(
        (status = 200, description = "The answer.", body = Answer),
        (status = 404, description = "There is no such file.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[get("/api/v1/files/{id}/why")]
pub async fn explain_file(desk: Data<Desk>, id: Path<i64>) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    // One after the other: each has a connection of its own, and looks twice.
    let _one = desk.questions.acquire().await.map_err(|_| Problem::bug())?;
    let connection = desk.parts.connection.clone();
    let pipelines = desk.parts.reload.pipelines();
    let answered = actix_web::web::block(move || {
        let mut client = connect_blocking(&connection)?;
        why(&mut client, &pipelines, &id.to_string())
    });
    let answered = answered.await.map_err(|_| Problem::bug())??;
    let answer = answered.ok_or_else(|| unknown_file(id))?;
    Ok(HttpResponse::Ok().json(answer))
}
