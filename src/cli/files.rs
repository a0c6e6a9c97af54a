//! `ingestd files`: what became of every file.

use ingestd_actors::error::Result;
use serde_json::{Value, json};
use tokio_postgres::types::Type;

use super::context::{ConfigArgs, JsonArgs, connect_to_ledger};
use super::filters::{NamePattern, check_pipeline, moment, name_pattern};
use super::output::{harmless, print, print_csv, print_json, table, thousands};
use super::show_file::{self, ShowArgs};
use crate::postgres::classify;
use crate::view::files::{FileLine, STATES, newest_query};

/// Show what became of every file, the newest last
#[derive(Clone, Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  ingestd files --state QUARANTINED
  ingestd files --name 'events-*.csv' --since 2h --csv
  ingestd files show events-17.csv"
)]
pub struct FilesArgs {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    list: ListArgs,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Show one file: what became of it, and how long each stage took
    #[command(after_help = "Example:\n  ingestd files show 17")]
    Show(ShowArgs),
}

#[derive(Clone, Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Only this pipeline's
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,

    /// Only those in this state, such as COMMITTED or QUARANTINED
    #[arg(long, value_name = "STATE", ignore_case = true, hide_possible_values = true,
          value_parser = STATES)]
    state: Option<String>,

    /// Only those whose name has this in it, or is as a pattern like 'events-*.csv' has it
    #[arg(long, value_name = "NAME", value_parser = name_pattern)]
    name: Option<NamePattern>,

    /// Only those that were found since then: so long ago, like 2h, or a time (UTC)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<String>,

    /// Only those that were found before then
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<String>,

    /// Only those whose reason has this in it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// The most files, the newest ones
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    #[command(flatten)]
    form: JsonArgs,

    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// The columns of the CSV: the keys of the JSON, in this order.
const CSV_COLUMNS: [&str; 18] = [
    "file",
    "pipeline",
    "path",
    "state",
    "reason",
    "verdict",
    "bytes",
    "records",
    "inserted",
    "updated",
    "unchanged",
    "duplicate",
    "deleted",
    "filtered",
    "rejected",
    "archive_path",
    "discovered_at",
    "committed_at",
];

/// Runs the subcommand.
pub fn run(args: &FilesArgs) -> Result<()> {
    match &args.command {
        Some(Command::Show(args)) => show_file::run(args),
        None => list(&args.list),
    }
}

fn list(args: &ListArgs) -> Result<()> {
    let mut connection = connect_to_ledger(&args.config.settings_or_defaults()?)?;
    check_pipeline(&mut connection.client, args.pipeline.as_deref())?;
    let rows = connection
        .client
        .query_typed(
            &newest_query(),
            &[
                (&args.pipeline, Type::TEXT),
                (&args.state, Type::TEXT),
                (&i64::from(args.limit), Type::INT8),
                (&args.name.as_ref().map(|name| &name.regex), Type::TEXT),
                (
                    &args.name.as_ref().is_some_and(|name| name.of_path),
                    Type::BOOL,
                ),
                (&args.since, Type::TEXT),
                (&args.until, Type::TEXT),
                (&args.reason, Type::TEXT),
            ],
        )
        .map_err(|error| classify(error, "reading the ledger"))?;
    let files = rows.iter().map(FileLine::of);
    if args.form.json || args.csv {
        let files: Vec<Value> = files.map(|file| json!(file)).collect();
        return match args.csv {
            true => print_csv(&CSV_COLUMNS, &files),
            false => print_json(&files.into()),
        };
    }
    if rows.is_empty() {
        return print("no files\n");
    }
    let lines: Vec<Vec<String>> = files
        .map(|file| {
            vec![
                file.file.to_string(),
                file.pipeline,
                file.state,
                thousands(file.records),
                thousands(file.inserted),
                thousands(file.updated),
                thousands(file.filtered),
                thousands(file.rejected),
                harmless(&file.path),
                file.verdict.unwrap_or_default(),
                harmless(&file.reason.unwrap_or_default()),
            ]
        })
        .collect();
    let heading = [
        "file", "pipeline", "state", "records", "inserted", "updated", "filtered", "rejected",
        "path", "verdict", "reason",
    ];
    print(&table(&heading, &lines))
}
