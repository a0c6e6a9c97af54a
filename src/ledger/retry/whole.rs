//! The whole retry of one file, by its number: what a command and the API do.

use std::path::Path;

use ingestd_actors::error::{Error, ErrorKind, Result};
use postgres::Client;
use postgres::types::Type;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Retried, Retry};
use crate::fs::path_text;
use crate::postgres::classify;
use crate::settings::Pipeline;

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetriedFile {
    /// Its number.
    pub file: i64,
    /// Where it stands now.
    pub path: String,
    /// How it goes on.
    pub outcome: Retried,
    /// Whether a service is there to take it up.
    pub running: bool,
    /// Whether it stands where a service looks.
    pub in_inbox: bool,
}

/// The same for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RetryDescribed {
    /// Its number.
    pub file: i64,
    /// goes_on (from its checkpoints), afresh (as a new file) or on_its_way (as it was before).
    #[schema(example = "goes_on")]
    pub outcome: &'static str,
    /// How many of its records were accounted for before.
    pub records_before: Option<u64>,
    /// Where it stands now.
    pub path: String,
    /// Whether a service is there to take it up, and it stands where that one looks.
    pub taken_up: bool,
}

impl RetriedFile {
    /// For programs.
    pub fn described(&self) -> RetryDescribed {
        let (outcome, records_before) = match &self.outcome {
            Retried::GoesOn(records) => ("goes_on", Some(*records)),
            Retried::Afresh => ("afresh", None),
            Retried::OnItsWay => ("on_its_way", None),
        };
        RetryDescribed {
            file: self.file,
            outcome,
            records_before,
            path: self.path.clone(),
            taken_up: self.running && self.in_inbox,
        }
    }
}

/// Lets a file of one of these pipelines go on.
///
/// # Errors
/// `Configuration` where it can't, with what to do.
pub fn retry_file(client: &mut Client, pipelines: &[Pipeline], file: i64) -> Result<RetriedFile> {
    let failed = |error| classify(error, "reading the ledger");
    let row = client
        .query_typed_one(
            "select f.pipeline,
                    exists (select from ingestd.live_instances i where i.pipeline = f.pipeline)
                        or exists (select from ingestd.service_pipelines s
                                   join ingestd.live_services l using (service)
                                   where s.pipeline = f.pipeline),
                    has_table_privilege('ingestd.files', 'UPDATE')
             from ingestd.files f where f.file_id = $1",
            &[(&file, Type::INT8)],
        )
        .map_err(failed)?;
    let (name, running): (String, bool) = (row.get(0), row.get(1));
    // Before anything is moved.
    if !row.get::<_, bool>(2) {
        let message = "retrying a file: this role may not write the tables of the schema ingestd";
        return Err(Error::new(ErrorKind::Configuration, message).with_code("42501"));
    }
    let known = pipelines.iter().find(|it| it.name == name);
    let Some(pipeline) = known else {
        let message = format!("file {file} is of pipeline {name}, which is not configured");
        return Err(Error::new(ErrorKind::Configuration, message)
            .with_advice("configure it again; or load the file by `ingestd load --again`"));
    };
    let mut retry = Retry::new(file, pipeline);
    let outcome = retry.run(client)?;
    let place = retry.place().unwrap_or(Path::new(""));
    let inbox = &pipeline.directory;
    let inbox = inbox.canonicalize().unwrap_or_else(|_| inbox.clone());
    Ok(RetriedFile {
        file,
        in_inbox: place.starts_with(inbox),
        path: path_text(place),
        outcome,
        running,
    })
}
