//! `ingestd dead-letters replay`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use ingestd_actors::error::{Error, ErrorKind, Result};
use serde_json::json;

use super::super::context::{ConfigArgs, JsonArgs};
use super::super::output::{complain, count_of, harmless, print, print_json};
use super::meant::{MeantArgs, wrong};
use super::{asking, check_rights, who, with_ledger};
use crate::dead_letters::{
    self, Failing, LetterFilter, Mended, Replay, ReplayReport, Tally, pipelines_of,
};
use crate::postgres::Database;
use crate::settings::Settings;

/// Load them after all: under the mapping and the table of now, or as they were mended
///
/// The rows and the marks of their dead letters commit together: nothing is loaded twice, whatever dies
/// meanwhile. A key that is in the table already stays as it is, unless --overwrite is said; in `newest`
/// the version decides. What fails again stays NEW, with its new reason. A running service may go on
/// loading.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  ingestd dead-letters replay --where reason=invalid_value
  ingestd dead-letters replay --pipeline events --all --dry-run
  ingestd dead-letters replay --file mended.csv

Exit code: 0; 1 where some of them are still NEW; 2 for wrong usage or configuration.")]
pub struct ReplayArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Only those of this file, by its number or its path
    #[arg(value_name = "FILE")]
    of: Option<String>,

    /// Only this record of it
    #[arg(value_name = "RECORD")]
    record: Option<i64>,

    /// The same as FILE
    #[arg(long, value_name = "FILE", conflicts_with = "of")]
    file_id: Option<String>,

    #[command(flatten)]
    meant: MeantArgs,

    /// All that are NEW
    #[arg(long)]
    all: bool,

    /// An export that was mended: its records
    #[arg(long, value_name = "MENDED.CSV", conflicts_with_all = ["of", "file_id", "all", "pipeline",
          "reason", "column", "sqlstate", "since", "conditions"])]
    file: Option<PathBuf>,

    /// Replace the rows of keys that are in the table already, and carry out deletions
    #[arg(long)]
    overwrite: bool,

    /// Say what would happen, and change nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    form: JsonArgs,
}

/// Runs the subcommand.
pub fn run(args: &ReplayArgs) -> Result<ExitCode> {
    let settings = args.config.settings_or_defaults()?;
    let mended = args.file.as_ref().map(read_mended).transpose()?;
    let file = args.of.as_deref().or(args.file_id.as_deref());
    let reports = with_ledger(
        &settings,
        |client| args.meant.filter(client, file, args.record),
        async |database, filter| {
            if filter.is_open() && !args.all && mended.is_none() {
                return Err(wrong("say which dead letters: by a file, --reason and so on, --file MENDED.CSV, or --all".to_owned()));
            }
            replay_all(args, &settings, database, filter, mended).await
        },
    )?;
    let mut tally = Tally::default();
    reports.iter().for_each(|report| tally.add(&report.tally));
    if args.form.json {
        print_json(&json!(reports))?;
    } else if reports.is_empty() {
        print("no dead letters that are NEW\n")?;
    } else {
        for report in &reports {
            print(&in_words(report))?;
        }
    }
    Ok(match tally.still_new() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn read_mended(path: &PathBuf) -> Result<Mended> {
    let shown = path.display();
    let bytes =
        std::fs::read(path).map_err(|error| wrong(format!("{shown} can't be read: {error}")))?;
    Mended::read(&bytes).map_err(|what| wrong(format!("{shown}: {what}")))
}

/// One replay for each pipeline.
async fn replay_all(
    args: &ReplayArgs,
    settings: &Settings,
    database: &Database,
    filter: LetterFilter,
    mended: Option<Mended>,
) -> Result<Vec<ReplayReport>> {
    let client = asking(database).await?;
    check_rights(&client).await?;
    let mut reports = Vec::new();
    let parts: Vec<(String, Option<Mended>)> = match mended {
        Some(mended) => mended.by_pipeline(&client).await?,
        None => {
            let named: BTreeSet<String> = pipelines_of(&client, &filter).await?;
            named.into_iter().map(|name| (name, None)).collect()
        }
    };
    if parts.is_empty() && !args.dry_run {
        // Those that wait for letters that are settled: each replay looks for its pipeline's.
        dead_letters::end_left_over(database, filter.pipeline.as_deref()).await?;
    }
    for (pipeline, mended) in parts {
        let known = settings.pipelines.iter().find(|it| it.name == pipeline);
        if known.is_none() && !pipeline.starts_with("load_") {
            complain(&format!(
                "pipeline {pipeline} is not configured: its dead letters are replayed under the plans that their files were loaded with"
            ));
        }
        let replay = Replay {
            database: database.clone(),
            settings: known.cloned(),
            pipeline,
            filter: filter.clone(),
            mended,
            overwrite: args.overwrite,
            dry_run: args.dry_run,
            by: who(),
            log: slog::Logger::root(slog::Discard, slog::o!()),
        };
        reports.push(replay.run().await.map_err(super::may_not_write)?);
    }
    Ok(reports)
}

fn in_words(report: &ReplayReport) -> String {
    let tally = &report.tally;
    let what = [
        (tally.inserted, "inserted"),
        (tally.updated, "updated"),
        (tally.deleted, "deleted"),
        (tally.unchanged, "there already, and unchanged"),
        (tally.duplicate, "superseded by a later one of them"),
        (tally.filtered, "left out by a filter"),
    ];
    let what = what.into_iter().filter(|(count, _)| *count > 0);
    let what: Vec<String> = what
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let what = match what.is_empty() {
        true => String::new(),
        false => format!(" ({})", what.join(", ")),
    };
    let mut text = format!(
        "pipeline {}: {} {}{what}\n",
        report.pipeline,
        count_of(tally.resolved(), "dead letter"),
        if report.dry_run {
            "would be RESOLVED"
        } else {
            "RESOLVED"
        },
    );
    let stays = [
        (
            tally.failed,
            "failed again: mend them, or the mapping or the table",
        ),
        (
            tally.there,
            "have a key that is in the table: --overwrite replaces the rows there, `discard` leaves them",
        ),
        (tally.deletions, "delete a row: --overwrite does it"),
        (tally.not_ready, "are of files that are not COMMITTED"),
    ];
    for (count, why) in stays.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!("  {count} still NEW: {why}\n"));
    }
    if tally.settled > 0 {
        let were = if tally.settled == 1 { "was" } else { "were" };
        text.push_str(&format!("  {} {were} not NEW any more\n", tally.settled));
    }
    for failing in &report.still_new {
        text.push_str(&line(failing));
    }
    let more = tally
        .still_new()
        .saturating_sub(report.still_new.len() as u64);
    if more > 0 {
        text.push_str(&format!(
            "    and {more} more: `ingestd dead-letters list`\n"
        ));
    }
    if report.dry_run {
        text.push_str("  nothing was changed: a dry run\n");
    }
    text
}

fn line(failing: &Failing) -> String {
    let reason = match failing.why {
        "failed" => format!("{}: ", failing.reason),
        _ => String::new(),
    };
    format!(
        "    file {} record {}: {reason}{}\n",
        failing.file,
        failing.record,
        harmless(&failing.message)
    )
}

impl Mended {
    /// Its rows by pipeline.
    ///
    /// # Errors
    /// `Configuration` where the ledger does not know one of them.
    async fn by_pipeline(
        self,
        client: &tokio_postgres::Client,
    ) -> Result<Vec<(String, Option<Mended>)>> {
        let keys = self.rows.iter().map(|row| (row.file, row.record)).collect();
        let known = dead_letters::pipelines_of_letters(client, keys).await?;
        let mut parts: Vec<(String, Option<Mended>)> = Vec::new();
        for row in self.rows {
            let Some(pipeline) = known.get(&(row.file, row.record)) else {
                let message = format!(
                    "the mended file, line {}: record {} of file {} is no dead letter of this ledger",
                    row.line, row.record, row.file
                );
                return Err(Error::new(ErrorKind::Configuration, message).with_advice(
                    "was it exported from another database, or is its file forgotten?",
                ));
            };
            let part = parts.iter_mut().find(|(name, _)| name == pipeline);
            match part {
                Some((_, Some(mended))) => mended.rows.push(row),
                _ => parts.push((
                    pipeline.clone(),
                    Some(Mended {
                        names: self.names.clone(),
                        rows: vec![row],
                    }),
                )),
            }
        }
        Ok(parts)
    }
}
