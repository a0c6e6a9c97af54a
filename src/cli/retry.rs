//! `ingestd retry`: quarantined files go on.

use std::process::ExitCode;

use ingestd_actors::error::Result;
use postgres::types::Type;
use serde_json::json;

use super::context::{ConfigArgs, JsonArgs, connect_to_ledger, may_not_write};
use super::find_file::find_file;
use super::output::{complain, harmless, print, print_json, thousands};
use crate::fs::path_from_text;
use crate::ledger::retry::{RETRIED, Retried, RetriedFile, retry_file};
use crate::postgres::classify;
use crate::settings::Settings;

/// Let a quarantined file go on
///
/// A file of which rows were loaded goes on from its checkpoints, under the plan that it began with: no
/// row is loaded twice. One of which nothing was loaded is looked at afresh, under the configuration
/// of today; the dead letters it had are forgotten, since they come again. The file is moved back to its place in the inbox, and never replaces another one; a
/// running service takes it up at its next scan. Type it again where it was interrupted.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  ingestd retry 17
  ingestd retry --all --pipeline events

Exit code: 0; 1 where a file of several can't go on; 2 for wrong usage, or where the only one can't.")]
pub struct RetryArgs {
    /// The file: its number, or its path
    #[arg(value_name = "FILE", required_unless_present = "all")]
    files: Vec<String>,

    /// All that are quarantined
    #[arg(long, conflicts_with = "files")]
    all: bool,

    /// Only this pipeline's
    #[arg(long, value_name = "NAME", requires = "all")]
    pipeline: Option<String>,

    /// Those in this state: QUARANTINED or FAILED
    #[arg(long, value_name = "STATE", requires = "all", ignore_case = true,
          default_value = "QUARANTINED", value_parser = ["QUARANTINED", "FAILED"])]
    state: String,

    #[command(flatten)]
    form: JsonArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the subcommand.
pub fn run(args: &RetryArgs) -> Result<ExitCode> {
    let settings = args.config.settings()?;
    if let Some(name) = &args.pipeline {
        settings.pipeline(name)?;
    }
    let mut connection = connect_to_ledger(&settings)?;
    let client = &mut connection.client;
    let files = match args.all {
        true => all(client, args, &settings)?,
        false => {
            let found = args.files.iter().map(|named| find_file(client, named));
            found.collect::<Result<Vec<i64>>>()?
        }
    };
    let mut said = Vec::new();
    let mut refused = 0;
    for file in &files {
        match retry_file(client, &settings.pipelines, *file).map_err(may_not_write) {
            Err(error) if files.len() == 1 && !args.form.json => return Err(error),
            outcome => {
                refused += usize::from(outcome.is_err());
                said.push(Said {
                    file: *file,
                    outcome,
                });
            }
        }
    }
    if args.form.json {
        print_json(&said.iter().map(Said::json).collect())?;
    } else if files.is_empty() {
        print(&format!("no file is {}\n", args.state.to_uppercase()))?;
    } else {
        for one in &said {
            one.print()?;
        }
    }
    Ok(match refused {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// What became of one file.
struct Said {
    file: i64,
    outcome: Result<RetriedFile>,
}

/// The files in the state, and those that an interrupted retry has left half-way.
fn all(client: &mut postgres::Client, args: &RetryArgs, settings: &Settings) -> Result<Vec<i64>> {
    let rows = client
        .query_typed(
            "select file_id, pipeline, path, load_path,
                    state in ('SCHEDULED', 'READING', 'COMPLETED') as goes_on
             from ingestd.files
             where ($1::text is null or pipeline = $1)
               and (state = upper($2)
                    or state = 'SKIPPED' and archive_path is not null and reason = $3
                    or state in ('SCHEDULED', 'READING', 'COMPLETED') and load_path <> path)
             order by file_id",
            &[
                (&args.pipeline, Type::TEXT),
                (&args.state, Type::TEXT),
                (&RETRIED, Type::TEXT),
            ],
        )
        .map_err(|error| classify(error, "reading the ledger"))?;
    // Of those that go on, the ones that are still to be moved back; others may have been renamed.
    let is_half_way = |row: &postgres::Row| {
        let name: &str = row.get("pipeline");
        let inbox = settings.pipelines.iter().find(|it| it.name == name);
        inbox.is_some_and(|pipeline| {
            let inbox = pipeline.directory.canonicalize();
            let inbox = inbox.unwrap_or_else(|_| pipeline.directory.clone());
            let is_inside = |column| path_from_text(row.get(column)).starts_with(&inbox);
            !is_inside("path") && is_inside("load_path")
        })
    };
    let rows = rows.iter();
    let rows = rows.filter(|row| !row.get::<_, bool>("goes_on") || is_half_way(row));
    Ok(rows.map(|row| row.get("file_id")).collect())
}

impl Said {
    fn json(&self) -> serde_json::Value {
        let (outcome, records) = match &self.outcome {
            Ok(retried) => {
                let described = retried.described();
                (described.outcome, described.records_before)
            }
            Err(_) => ("refused", None),
        };
        json!({
            "file": self.file, "outcome": outcome, "records_before": records,
            "reason": self.outcome.as_ref().err().map(ToString::to_string),
        })
    }

    fn print(&self) -> Result<()> {
        let retried = match &self.outcome {
            Ok(retried) => retried,
            Err(error) => {
                complain(&error.to_string());
                return Ok(());
            }
        };
        let how = match &retried.outcome {
            Retried::GoesOn(records) => format!(
                "goes on from its checkpoints; {} of its records are accounted for",
                thousands(*records)
            ),
            Retried::Afresh => "is looked at afresh, as a new file".to_owned(),
            Retried::OnItsWay => "is on its way already".to_owned(),
        };
        let service = match (retried.in_inbox, retried.running) {
            (false, _) => "; it does not stand in the inbox: `ingestd load` takes it up",
            (true, true) => "",
            (true, false) => "; no service runs: `ingestd run` takes it up",
        };
        let path = harmless(&retried.path);
        print(&format!("file {} ({path}) {how}{service}\n", self.file))
    }
}
