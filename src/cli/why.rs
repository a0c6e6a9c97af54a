//! `ingestd why`: what holds a file up.

use std::process::ExitCode;

use ingestd_actors::error::{Error, ErrorKind, Result};
use serde_json::json;

use super::context::{ConfigArgs, JsonArgs, connect_to_ledger};
use super::output::{complain, harmless, print, print_json};
use crate::why::{Answer, why};

/// Say why a file is not loaded: what holds it up, since when, what to do
///
/// The file may be one that no service has seen yet. Looks at the configuration, the directory, the
/// ledger and the server's locks, changes nothing, and takes no lock that loading needs.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  ingestd why /srv/drop/events/2026-11-21.csv
  ingestd why 17 --json

Exit code: 0; 1 where nobody knows the file; 2 for wrong usage.")]
pub struct WhyArgs {
    /// The file: its path, its number, or its name
    #[arg(value_name = "FILE")]
    file: String,

    #[command(flatten)]
    form: JsonArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the subcommand.
pub fn run(args: &WhyArgs) -> Result<ExitCode> {
    let settings = args.config.settings_or_defaults()?;
    let mut connection = connect_to_ledger(&settings)?;
    let found = why(&mut connection.client, &settings.pipelines, &args.file)?;
    let Some(answer) = found else {
        if args.form.json {
            print_json(&json!(null))?;
        }
        complain(&format!(
            "nobody knows a file {:?}: nothing stands there, and the ledger has none of that name; `ingestd files` shows those that it has",
            args.file
        ));
        return Ok(ExitCode::FAILURE);
    };
    match args.form.json {
        true => print_json(&as_json(&answer)?)?,
        false => print(&in_words(&answer))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(answer: &Answer) -> Result<serde_json::Value> {
    serde_json::to_value(answer).map_err(|error| {
        Error::new(ErrorKind::Bug, "an answer can't be written as JSON").with_source(error)
    })
}

fn in_words(answer: &Answer) -> String {
    let lines = answer.lines().into_iter();
    let lines = lines.map(|(name, value)| {
        let line = format!("{name:<13} {}", harmless(&value));
        format!("{}\n", line.trim_end())
    });
    lines.collect()
}
