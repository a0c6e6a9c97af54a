//! Files that are decoded against the live table, and written to nothing that stays.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{Counts, FileId, Position, Read, Rows};
use serde_json::{Value, json};

use super::groups::{Group, Groups};
use crate::fs::{file_error, matcher, open_regular, path_text};
use crate::plan::{LoadPlan, build};
use crate::postgres::sink::dry_run::dry_run;
use crate::postgres::{Database, catalog, ddl};
use crate::settings::Pipeline;
use crate::source::{Eyes, Looking, Origin, read_file_header};

/// The time that columns with `from = "load_time"` get: any will do.
const LOAD_TIME: &str = "2000-01-01 00:00:00+00";

/// No chunk has more records than this.
const CHUNK: usize = 50_000;

/// How a file is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// How many records are looked at; `None`: all.
    pub records: Option<u64>,
    /// How many rows are tried on the server, in a transaction that is rolled back.
    pub tried: Option<u64>,
}

/// What looking at a file has shown.
#[derive(Clone, Debug)]
pub struct FileLook {
    /// The file.
    pub path: PathBuf,
    /// Its pipeline.
    pub pipeline: String,
    /// Records that would be rows.
    pub good: u64,
    /// Records that would be dead letters.
    pub bad: u64,
    /// Records that a filter leaves out.
    pub filtered: u64,
    /// How long the decoding took.
    pub took: Duration,
    /// Whether it was looked at to its end.
    pub whole: bool,
    /// Why records are refused.
    pub groups: Vec<Group>,
    /// What the server made of the rows that were tried, and of how many.
    pub tried: Option<(u64, Counts)>,
    /// Why the rows could not be tried.
    pub untried: Option<String>,
}

/// The pipeline that a file belongs to: the one that is named, or whose directory and pattern it
/// has, or the only one.
///
/// # Errors
/// `Configuration` where none is the one.
pub fn pipeline_of<'a>(path: &Path, pipelines: &[&'a Pipeline]) -> Result<&'a Pipeline> {
    if let [only] = pipelines {
        return Ok(only);
    }
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let whole = whole.canonicalize().unwrap_or(whole);
    let name = whole.file_name().unwrap_or_default();
    let takes = |pipeline: &&&Pipeline| {
        let directory = &pipeline.directory;
        let directory = directory
            .canonicalize()
            .unwrap_or_else(|_| directory.clone());
        whole.starts_with(directory)
            && matcher(pipeline).is_ok_and(|pattern| pattern.is_match(Path::new(name)))
    };
    let mut found = pipelines.iter().filter(takes);
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        _ => {
            let names: Vec<&str> = pipelines.iter().map(|it| it.name.as_str()).collect();
            let message = format!("{}: no pipeline is known by its place", path_text(path));
            Err(Error::new(ErrorKind::Configuration, message)
                .with_advice(format!("say --pipeline with one of {}", names.join(", "))))
        }
    }
}

/// Decodes a file as its pipeline would load it.
///
/// # Errors
/// `File` where all of it would be quarantined; what is wrong beside the file otherwise.
pub async fn look_through(
    database: &Database,
    eyes: &Eyes,
    pipeline: &Pipeline,
    path: &Path,
    sample: Sample,
) -> Result<FileLook> {
    let file = open_regular(path).map_err(|error| {
        let message = format!("{} can't be read: {error}", path_text(path));
        Error::new(ErrorKind::File, message).with_source(file_error(error, "opening"))
    })?;
    let header = match pipeline.dialect.header {
        true => read_file_header(&file, &pipeline.dialect)?.names,
        false => Vec::new(),
    };
    let (plan, exists) = plan(database, pipeline, &header).await?;
    let started = Instant::now();
    let mut stream = eyes
        .open(Looking {
            file,
            plan: plan.clone(),
            base: Position::START,
            origin: Origin::new(FileId(0), path, LOAD_TIME.to_owned()),
            most_records: CHUNK.min(most(sample)),
        })
        .await?;
    let mut look = FileLook {
        path: path.to_owned(),
        pipeline: pipeline.name.clone(),
        good: 0,
        bad: 0,
        filtered: 0,
        took: Duration::ZERO,
        whole: false,
        groups: Vec::new(),
        tried: None,
        untried: None,
    };
    let mut groups = Groups::default();
    let mut rows: Vec<Arc<Rows>> = Vec::new();
    let mut room = sample.tried.unwrap_or(0);
    let most = sample.records.unwrap_or(u64::MAX);
    while look.good + look.bad + look.filtered < most {
        let chunk = match stream.next().await? {
            Read::Chunk(chunk) => chunk,
            Read::End(_) => {
                look.whole = true;
                break;
            }
        };
        let bad = chunk.rejects.len() as u64;
        look.bad += bad;
        look.filtered += chunk.filtered.count_after(0);
        chunk.rejects.iter().for_each(|letter| groups.add(letter));
        for (_, of_partition) in chunk.partitions {
            look.good += of_partition.len() as u64;
            if let Some(kept) = first_of(of_partition, room) {
                room -= kept.len() as u64;
                rows.push(Arc::new(kept));
            }
        }
    }
    look.took = started.elapsed();
    if sample.tried.is_some() && !exists {
        look.untried = Some("the table is not there yet; its rows can be tried once it is".into());
    } else if sample.tried.is_some() && !rows.is_empty() {
        try_rows(database, &plan, rows, &mut look, &mut groups).await;
    }
    look.groups = groups.into_groups();
    Ok(look)
}

fn most(sample: Sample) -> usize {
    let most = sample.records.unwrap_or(u64::MAX);
    usize::try_from(most).unwrap_or(usize::MAX).max(1)
}

/// At most `room` of these rows.
fn first_of(mut rows: Rows, room: u64) -> Option<Rows> {
    rows.index
        .truncate(usize::try_from(room).unwrap_or(usize::MAX));
    (!rows.is_empty()).then_some(rows)
}

async fn plan(
    database: &Database,
    pipeline: &Pipeline,
    header: &[String],
) -> Result<(LoadPlan, bool)> {
    let mut client = database.client().await?;
    if let Some(table) = catalog::read_table(&client, &pipeline.table).await? {
        return Ok((build(pipeline, &table, header)?, true));
    }
    if pipeline.create
        && let Some(table) = ddl::would_create(database, &mut client, pipeline).await?
    {
        return Ok((build(pipeline, &table, header)?, false));
    }
    let message = format!("there is no table {}", pipeline.table);
    Err(Error::new(ErrorKind::Configuration, message)
        .with_advice("create it, or list its columns with types and set create = true"))
}

/// Lets the server see the rows; what it refuses is bad after all.
async fn try_rows(
    database: &Database,
    plan: &LoadPlan,
    rows: Vec<Arc<Rows>>,
    look: &mut FileLook,
    groups: &mut Groups,
) {
    let count = rows.iter().map(|rows| rows.len() as u64).sum();
    match dry_run(database, plan, rows).await {
        Ok(done) => {
            let refused = done.refused.len() as u64;
            look.good -= refused.min(look.good);
            look.bad += refused;
            done.refused.iter().for_each(|letter| groups.add(letter));
            look.tried = Some((count, done.counts));
        }
        Err(error) => look.untried = Some(error.to_string()),
    }
}

impl FileLook {
    /// Records a second.
    pub fn rate(&self) -> u64 {
        let records = (self.good + self.bad + self.filtered) as f64;
        (records / self.took.as_secs_f64().max(1e-6)) as u64
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let tried = self.tried.map(|(rows, counts)| {
            json!({
                "rows": rows, "inserted": counts.inserted, "updated": counts.updated,
                "unchanged": counts.unchanged, "duplicate": counts.duplicate,
                "deleted": counts.deleted,
            })
        });
        json!({
            "path": path_text(&self.path), "pipeline": self.pipeline, "good": self.good,
            "bad": self.bad, "filtered": self.filtered, "whole": self.whole,
            "seconds": self.took.as_secs_f64(), "records_per_second": self.rate(),
            "rejects": self.groups.iter().map(Group::json).collect::<Vec<_>>(),
            "dry_run": tried, "not_tried": self.untried,
        })
    }
}
