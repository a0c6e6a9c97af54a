//! What all answers are made of.

use std::sync::Arc;

use slog::Logger;
use tokio::sync::Semaphore;
use tokio_postgres::types::Type;
use tokio_util::sync::CancellationToken;

use super::ask::{Ask, parameter};
use super::files::unknown_file;
use super::problem::Problem;
use super::snapshots::Snapshots;
use crate::metrics::Metrics;
use crate::postgres::Connection;
use crate::service::{Beside, ReloadDesk};
use crate::view::commands::KNOWN;

/// The most streams at a time.
pub const STREAMS: usize = 64;

/// What the listener is given by the service that it is a part of.
#[derive(Clone)]
pub struct Parts {
    /// How the database is reached.
    pub connection: Connection,
    /// What this process counts of itself.
    pub metrics: Metrics,
    /// Looks after what the listener does.
    pub beside: Beside,
    /// Cancelled as the service begins to end.
    pub stopping: CancellationToken,
    /// Where a reload is asked for; it knows what is configured, too.
    pub reload: ReloadDesk,
    /// The log.
    pub log: Logger,
}

/// What all answers are made of.
#[derive(Clone)]
pub struct Desk {
    /// What the service gave.
    pub parts: Parts,
    /// The way to the database.
    pub ask: Ask,
    /// What is read once for all.
    pub snapshots: Snapshots,
    /// A place for each stream.
    pub streams: Arc<Semaphore>,
    /// One retry after the other: each moves files.
    pub retries: Arc<Semaphore>,
    /// One question after the other that has a connection of its own.
    pub questions: Arc<Semaphore>,
    /// Ends streams.
    pub end: CancellationToken,
}

impl Desk {
    /// A pipeline's name, where the ledger knows it.
    ///
    /// # Errors
    /// A problem that names the ones that it knows.
    pub async fn known_pipeline(&self, name: &str) -> Result<(), Problem> {
        let taken = self.snapshots.get().await?;
        let mut pipelines = taken.state()?.pipelines.iter();
        if pipelines.any(|known| known.pipeline == name) {
            return Ok(());
        }
        // It may be newer than what was read for all.
        let found = self.ask.rows(KNOWN.to_owned(), Vec::new()).await?;
        let known: Vec<String> = found.iter().map(|row| row.get(0)).collect();
        match known.iter().any(|known| known == name) {
            true => Ok(()),
            false => Err(unknown_pipeline(name, known.iter().map(String::as_str))),
        }
    }

    /// The pipeline and the file that somebody names, where the ledger knows both.
    ///
    /// # Errors
    /// A problem that says which one it does not know.
    pub async fn known_names(
        &self,
        pipeline: Option<&str>,
        file: Option<i64>,
    ) -> Result<(), Problem> {
        if let Some(pipeline) = pipeline {
            self.known_pipeline(pipeline).await?;
        }
        let Some(file) = file else {
            return Ok(());
        };
        let there = "select from ingestd.files where file_id = $1".to_owned();
        let found = self.ask.rows(there, vec![parameter(file, Type::INT8)]);
        match found.await?.is_empty() {
            true => Err(unknown_file(file)),
            false => Ok(()),
        }
    }
}

/// Nobody knows a pipeline of this name.
pub fn unknown_pipeline<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Problem {
    let advice = match crate::settings::nearest(name, known.clone()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => {
            let all: Vec<&str> = known.filter(|it| !it.starts_with("load_")).collect();
            match all.is_empty() {
                true => "none has run into this database yet".to_owned(),
                false => format!("there are {}", all.join(", ")),
            }
        }
    };
    let detail = format!("there is no pipeline {name:?}");
    let status = actix_web::http::StatusCode::NOT_FOUND;
    Problem::new(status, "unknown-pipeline", "No such pipeline", detail).with_advice(advice)
}
