//! `ingestd dead-letters stats`.

use ingestd_actors::error::Result;
use serde_json::{Value, json};

use super::super::context::{ConfigArgs, JsonArgs};
use super::super::output::{harmless, print, print_csv, print_json, table, thousands};
use super::meant::MeantArgs;
use super::{asking, with_ledger};
use crate::dead_letters::{Stats, stats};

/// Count them by pipeline, reason and column
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  ingestd dead-letters stats
  ingestd dead-letters stats --pipeline events --since 1day --csv")]
pub struct StatsArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Only those of this file, by its number or its path
    #[arg(long, value_name = "FILE", alias = "file-id")]
    file: Option<String>,

    #[command(flatten)]
    meant: MeantArgs,

    #[command(flatten)]
    form: JsonArgs,

    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

const COLUMNS: [&str; 11] = [
    "pipeline",
    "reason",
    "column",
    "new",
    "resolved",
    "discarded",
    "oldest",
    "newest",
    "sample_file",
    "sample_record",
    "sample",
];

/// So many characters of a sample are shown.
const LONGEST: usize = 60;

/// Runs the subcommand.
pub fn run(args: &StatsArgs) -> Result<()> {
    let settings = args.config.settings_or_defaults()?;
    let found = with_ledger(
        &settings,
        |client| args.meant.filter(client, args.file.as_deref(), None),
        async |database, filter| stats(&asking(database).await?, &filter).await,
    )?;
    let values: Vec<Value> = found.iter().map(|it| json!(it)).collect();
    if args.form.json {
        return print_json(&values.into_iter().collect());
    }
    if args.csv {
        return print_csv(&COLUMNS, &values);
    }
    if found.is_empty() {
        return print("no dead letters\n");
    }
    let lines: Vec<Vec<String>> = found.iter().map(line).collect();
    let heading = [
        "pipeline",
        "reason",
        "column",
        "new",
        "resolved",
        "discarded",
        "oldest",
        "newest",
        "sample",
    ];
    print(&table(&heading, &lines))
}

/// The beginning of a text; `…` stands for the rest.
fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn line(stats: &Stats) -> Vec<String> {
    let number = |number: i64| thousands(number.unsigned_abs());
    // To the minute.
    let time = |time: &str| time.get(..16).unwrap_or(time).replace('T', " ");
    let sample = cut(&harmless(&stats.sample));
    vec![
        stats.pipeline.clone(),
        stats.reason.clone(),
        harmless(stats.column.as_deref().unwrap_or("")),
        number(stats.new),
        number(stats.resolved),
        number(stats.discarded),
        time(&stats.oldest),
        time(&stats.newest),
        format!("{}/{} {sample}", stats.sample_file, stats.sample_record),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_of_a_sample_shows() {
        assert_eq!(cut(&"é".repeat(60)), "é".repeat(60));
        assert_eq!(cut(&"é".repeat(61)), format!("{}…", "é".repeat(60)));
    }
}
