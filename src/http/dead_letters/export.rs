//! Dead letters as files.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use ingestd_actors::error::Result as Done;
use tokio_postgres::Client;

use super::super::desk::Desk;
use super::super::problem::Problem;
use super::super::query::Query;
use super::meant::Meant;
use crate::dead_letters::{
    Layout, LetterFilter, count, export_layouts, list, raw_of, write_layout,
};

/// The most letters of a download.
const MOST: u64 = 20_000;
/// How long it may take to read them.
const LONG: Duration = Duration::from_secs(50);
/// How many are read at once.
const PAGE: i64 = 500;

/// Why there is no export.
enum Refused {
    TooMany(u64),
    SeveralLayouts(Vec<Layout>),
}

/// Dead letters that are new as a CSV that can be mended, each row tied to its letter, for
/// `ingestd dead-letters replay --file`.
#[utoipa::path(
    tag = "dead letters",
    params(Meant),
    responses(
        (status = 200, description = "The CSV.", body = String, content_type = "text/csv"),
        (status = 400, description = "A parameter can't be meant.", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "There is no such pipeline or file.", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "Their files have different headers, or they are too many.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[get("/api/v1/dead-letters/export.csv")]
pub async fn export_csv(desk: Data<Desk>, meant: Query<Meant>) -> Result<HttpResponse, Problem> {
    export(&desk, meant.into_inner(), Form::Csv).await
}

/// Dead letters that are new, one JSON object a line: each as in `/api/v1/dead-letters`, with its record
/// (`raw`; bytes that are no text are U+FFFD).
#[utoipa::path(
    tag = "dead letters",
    params(Meant),
    responses(
        (status = 200, description = "The lines.", body = String, content_type = "application/x-ndjson"),
        (status = 400, description = "A parameter can't be meant.", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "There is no such pipeline or file.", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "They are too many.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[get("/api/v1/dead-letters/export.ndjson")]
pub async fn export_ndjson(desk: Data<Desk>, meant: Query<Meant>) -> Result<HttpResponse, Problem> {
    export(&desk, meant.into_inner(), Form::Ndjson).await
}

/// What the file is to be.
#[derive(Clone, Copy)]
enum Form {
    Csv,
    Ndjson,
}

async fn export(desk: &Desk, meant: Meant, form: Form) -> Result<HttpResponse, Problem> {
    let filter = meant.filter(Some("NEW"))?;
    desk.known_names(filter.pipeline.as_deref(), filter.file)
        .await?;
    let made = desk.ask.with_own(LONG, move |client| {
        Box::pin(async move {
            let count = count(client, &filter).await?;
            if count > MOST {
                return Ok(Err(Refused::TooMany(count)));
            }
            match form {
                Form::Csv => csv(client, &filter).await,
                Form::Ndjson => ndjson(client, &filter).await.map(Ok),
            }
        })
    });
    match form {
        Form::Csv => file(made.await?, "text/csv; charset=utf-8", "csv"),
        Form::Ndjson => file(made.await?, "application/x-ndjson", "ndjson"),
    }
}

fn file(
    made: Result<Vec<u8>, Refused>,
    kind: &'static str,
    suffix: &str,
) -> Result<HttpResponse, Problem> {
    let bytes = made.map_err(|refused| {
        let (detail, advice) = match refused {
            Refused::TooMany(count) => (
                format!("{count} dead letters are meant, and a download has at most {MOST}"),
                "narrow it by file, reason or since; or use `ingestd dead-letters export`".to_owned(),
            ),
            Refused::SeveralLayouts(layouts) => {
                let samples = layouts.iter().take(5);
                let samples = samples.map(|it| format!("{} of {}", it.letters, it.sample));
                (
                    format!("they are of files with {} different headers", layouts.len()),
                    format!(
                        "narrow it by file or pipeline ({}); or export into a directory: `ingestd dead-letters export --out DIR/`",
                        samples.collect::<Vec<_>>().join("; ")
                    ),
                )
            }
        };
        Problem::new(StatusCode::CONFLICT, "refused", "That can't be done", detail)
            .with_advice(advice)
    })?;
    let name = format!("attachment; filename=\"dead-letters.{suffix}\"");
    Ok(HttpResponse::Ok()
        .content_type(kind)
        .insert_header((CONTENT_DISPOSITION, name))
        .body(bytes))
}

async fn csv(client: &Client, filter: &LetterFilter) -> Done<Result<Vec<u8>, Refused>> {
    let mut layouts = export_layouts(client, filter).await?;
    if layouts.len() > 1 {
        return Ok(Err(Refused::SeveralLayouts(layouts)));
    }
    let mut bytes = Vec::new();
    if let Some(layout) = layouts.pop() {
        write_layout(client, filter, &layout, &mut bytes).await?;
    }
    Ok(Ok(bytes))
}

async fn ndjson(client: &Client, filter: &LetterFilter) -> Done<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut from = (0, 0);
    loop {
        let page = list(client, filter, from, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(bytes);
        };
        from = (last.file, last.record);
        for letter in &page {
            let raw = raw_of(client, letter.file, letter.record).await?;
            let mut value = serde_json::json!(letter);
            value["raw"] = String::from_utf8_lossy(&raw.bytes).into();
            value["raw_is_whole"] = (!raw.is_cut()).into();
            bytes.extend_from_slice(value.to_string().as_bytes());
            bytes.push(b'\n');
        }
    }
}
