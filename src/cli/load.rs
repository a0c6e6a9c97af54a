//! `ingestd load`: the named files, once.

use std::collections::HashSet;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ingestd_actors::error::{Error, ErrorKind, Result};
use tokio::runtime::Handle;
use tokio_postgres::types::Type;

use super::context::ConfigArgs;
use super::output::{complain, count_of, harmless, print, thousands};
use crate::logging;
use crate::plan::TableName;
use crate::postgres::{Database, classify};
use crate::service::{
    Beside, CatalogPlanner, Ended, FirstLoad, Loading, Signals, Tree, block_on, open_database,
    pipeline_spec,
};
use crate::settings::{Finished, LogLevel, Pipeline, Settings};
use crate::watch::{Figures, FiguresNow, FileOutcome, Progress};

/// Load the named files and end
///
/// With --table, no configuration is needed: columns by the header, types from the table. The files
/// stay where they are, unless told --archive. Files that are compressed with gzip or zstd are taken as
/// they are. A file that was loaded before is skipped. A table that it creates for more than 16 MiB gets
/// its further indexes at the end.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  ingestd load events.csv --table public.events --key event_id
  ingestd load *.csv --config shop.toml --pipeline events

Exit code: 0; 1 where a file was quarantined, or with --strict where any record was refused; 2 for
wrong usage or configuration.")]
pub struct LoadArgs {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The table, with its schema where needed
    #[arg(long, value_name = "TABLE", conflicts_with = "pipeline")]
    table: Option<String>,

    /// The key: a row replaces the one that has it already. Without a key rows are only added
    #[arg(
        long,
        value_name = "COLUMN,…",
        value_delimiter = ',',
        requires = "table"
    )]
    key: Vec<String>,

    /// The pipeline of the configuration, where it has several
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,

    /// Load files again that were loaded before
    #[arg(long)]
    again: bool,

    /// Move loaded and quarantined files to where the pipeline's configuration says
    #[arg(long, conflicts_with = "table")]
    archive: bool,

    /// Exit code 1 where any record was refused
    #[arg(long)]
    strict: bool,

    /// Log what the service does, too
    #[arg(long, short)]
    verbose: bool,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the subcommand.
pub fn run(args: &LoadArgs) -> Result<ExitCode> {
    let (mut settings, pipeline) = choose(args)?;
    if !args.verbose {
        settings.service.log.level = LogLevel::Error;
    }
    let (log, flush) = logging::for_stderr(&settings.service.log)?;
    let started = Instant::now();
    let loaded = block_on(|runtime| load(args, &settings, pipeline, runtime, &log));
    drop(flush);
    let (ended, figures) = loaded?;
    print(&summary(args, &figures, started))?;
    match ended {
        Ended::Drained => {}
        Ended::GaveUp(error) => return Err(error),
        Ended::Cut => return Ok(interrupted(&figures)),
    }
    if figures.idle == 0 {
        return Ok(interrupted(&figures));
    }
    let quarantined = figures
        .outcomes
        .iter()
        .any(|outcome| matches!(outcome, FileOutcome::Quarantined { .. }));
    let refused = figures.outcomes.iter().any(
        |outcome| matches!(outcome, FileOutcome::Committed { counts, .. } if counts.rejected > 0),
    );
    if quarantined || (args.strict && refused) {
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what to do about an end before the end.
fn interrupted(figures: &FiguresNow) -> ExitCode {
    let why = match (figures.held_up_by(), &figures.building) {
        (Some(reason), _) => format!(" while waiting: {}", harmless(reason)),
        (None, Some((index, _))) => format!(" while building index {}", harmless(index)),
        (None, None) => String::new(),
    };
    complain(&format!(
        "interrupted{why}; the same command goes on where this one ended"
    ));
    ExitCode::FAILURE
}

/// The settings, and the pipeline that loads the files.
fn choose(args: &LoadArgs) -> Result<(Settings, Pipeline)> {
    if let Some(table) = &args.table {
        let settings = args.config.settings_or_defaults()?;
        let wrong = |reason| Error::new(ErrorKind::Configuration, reason);
        let table =
            TableName::parse(table).map_err(|reason| wrong(format!("--table: {reason}")))?;
        check_key_names(&args.key).map_err(wrong)?;
        return Ok((settings, Pipeline::ad_hoc(table, args.key.clone())));
    }
    let settings = args.config.settings()?;
    let pipeline = match &args.pipeline {
        Some(name) => settings.pipeline(name)?,
        None => match settings.some_pipelines()? {
            [only] => only,
            several => {
                let names: Vec<&str> = several.iter().map(|one| one.name.as_str()).collect();
                return Err(Error::new(
                    ErrorKind::Configuration,
                    "the configuration has several pipelines",
                )
                .with_advice(format!("say --pipeline with one of {}", names.join(", "))));
            }
        },
    };
    let mut pipeline = pipeline.clone();
    // What was named by hand is never deleted.
    if let Finished::Delete { .. } = pipeline.archive_rules.finished {
        pipeline.archive_rules.finished = Finished::Keep;
    }
    if !args.archive {
        pipeline.archive = None;
        pipeline.quarantine = None;
    }
    Ok((settings, pipeline))
}

fn check_key_names(key: &[String]) -> Result<(), String> {
    for (index, name) in key.iter().enumerate() {
        if name.is_empty() {
            return Err("--key: a column's name is empty".to_owned());
        }
        if key[..index].contains(name) {
            return Err(format!("--key: column {name:?} is named twice"));
        }
    }
    Ok(())
}

async fn load(
    args: &LoadArgs,
    settings: &Settings,
    pipeline: Pipeline,
    runtime: Handle,
    log: &slog::Logger,
) -> Result<(Ended, FiguresNow)> {
    let mut signals = Signals::catch()?;
    let opened = open_database(&settings.service, &runtime, log, &mut signals, &|waits| {
        complain(waits)
    })
    .await?;
    let Some(opened) = opened else {
        return Ok((Ended::Cut, FiguresNow::default()));
    };
    let total: u64 = args
        .files
        .iter()
        .filter_map(|path| std::fs::metadata(path).ok())
        .map(|metadata| metadata.len())
        .sum();
    // A table that can't be loaded is the user's to mend: say so at once, instead of waiting.
    let planner = CatalogPlanner::new(
        opened.database.clone(),
        pipeline.clone().into(),
        FirstLoad::of_files(total),
    );
    let table = planner.table().await?;
    crate::plan::check_key(&pipeline, &table)?;
    not_held_back(&opened.database, &pipeline.name).await?;

    let figures = Figures::default();
    let loading = Loading::Files {
        paths: args.files.clone(),
        again: args.again,
    };
    let (beside, notes) = Beside::start(&opened.database, None, settings.service.stuck_after, log);
    let spec = pipeline_spec(
        &beside,
        &settings.service,
        pipeline,
        loading,
        figures.observer(),
        log,
    )?;
    let progress = Progress::start(figures.clone(), total, std::io::stderr().is_terminal());
    let tree = Tree::start(vec![spec], &opened, &settings.service, signals, None, log);
    // Whoever typed the command is there to mend what is wrong, and to type it again: nothing that
    // is not committed is lost by ending at once.
    let ended = tokio::select! {
        ended = tree.run_until(figures.wait_until(|now| now.idle > 0)) => Some(ended),
        () = figures.wait_until(|now| now.misconfigured().is_some()) => None,
    };
    progress.finish();
    notes.finish(log).await;
    if let Some(private) = opened.private {
        private.stop().await?;
    }
    let figures = figures.now();
    let ended = ended.unwrap_or_else(|| {
        let reason = figures
            .misconfigured()
            .unwrap_or("the configuration is wrong");
        Ended::GaveUp(Error::new(ErrorKind::Configuration, reason))
    });
    Ok((ended, figures))
}

/// Whoever loads by hand does not want to wait until somebody lets the pipeline go on.
async fn not_held_back(database: &Database, pipeline: &str) -> Result<()> {
    let (asked, name) = (database.clone(), pipeline.to_owned());
    let held_back = database.run(async move {
        let client = asked.client().await?;
        let found = client
            .query_typed_opt(
                "select wanted || coalesce(' by ' || wanted_by, '') from ingestd.pipelines
                 where name = $1 and wanted <> 'running'",
                &[(&name, Type::TEXT)],
            )
            .await
            .map_err(|error| classify(error, "asking whether the pipeline is paused"))?;
        Ok(found.map(|row| row.get::<_, String>(0)))
    });
    match held_back.await? {
        None => Ok(()),
        Some(how) => {
            let message = format!("pipeline {pipeline} is {how}");
            let error = Error::new(ErrorKind::Configuration, message);
            Err(error.with_advice(format!("`ingestd resume {pipeline}` lets it go on")))
        }
    }
}

/// One line for each file, then the sum.
fn summary(args: &LoadArgs, figures: &FiguresNow, started: Instant) -> String {
    let mut text = String::new();
    let mut hints = Vec::new();
    let committed: HashSet<&PathBuf> = figures
        .outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            FileOutcome::Committed { path, .. } => Some(path),
            _ => None,
        })
        .collect();
    for outcome in &figures.outcomes {
        match outcome {
            FileOutcome::Committed { file, path, counts } => {
                let mut parts = vec![format!("{} inserted", thousands(counts.inserted))];
                for (count, what) in [
                    (counts.updated, "updated"),
                    (counts.unchanged, "unchanged"),
                    (counts.duplicate, "superseded within the file"),
                    (counts.deleted, "deleted"),
                    (counts.filtered, "filtered"),
                    (counts.rejected, "refused"),
                ] {
                    if count > 0 {
                        parts.push(format!("{} {what}", thousands(count)));
                    }
                }
                text.push_str(&format!(
                    "{}: {}: {}\n",
                    harmless(&path.display().to_string()),
                    count_of(counts.total(), "record"),
                    parts.join(", ")
                ));
                if counts.rejected > 0 {
                    let command = args.config.command("dead-letters list");
                    hints.push(format!("{command} --file {}", file.0));
                }
            }
            // A file that an earlier life left unfinished is found once more when it is done.
            FileOutcome::Skipped { path, .. } if committed.contains(path) => {}
            FileOutcome::Skipped { path, reason } => text.push_str(&format!(
                "{}: skipped: {}; --again loads it once more\n",
                harmless(&path.display().to_string()),
                harmless(reason)
            )),
            FileOutcome::Held { reason, .. } => {
                text.push_str(&format!("not archived: {}\n", harmless(reason)));
            }
            FileOutcome::Quarantined { path, reason } => text.push_str(&format!(
                "{}: quarantined: {}\n",
                harmless(&path.display().to_string()),
                harmless(reason)
            )),
        }
    }
    text.push_str(&built(&figures.indexes));
    for (index, why) in &figures.indexes_given_up {
        text.push_str(&format!(
            "index {} was not built: {}\n",
            harmless(index),
            harmless(why)
        ));
    }
    let seconds = started.elapsed().as_secs_f64();
    let records = figures.durable.total();
    if records > 0 {
        text.push_str(&format!(
            "{} in {seconds:.1} s, {} a second\n",
            count_of(records, "record"),
            thousands((records as f64 / seconds) as u64)
        ));
    }
    for hint in hints {
        text.push_str(&format!("the refused records: {hint}\n"));
    }
    text
}

/// A line for the indexes that were built after the load, where there were any.
fn built(indexes: &[(String, Duration)]) -> String {
    if indexes.is_empty() {
        return String::new();
    }
    let took: Duration = indexes.iter().map(|(_, took)| *took).sum();
    let names: Vec<String> = indexes.iter().map(|(name, _)| harmless(name)).collect();
    let what = if indexes.len() == 1 {
        "1 index was".to_owned()
    } else {
        format!("{} indexes were", indexes.len())
    };
    format!(
        "{what} built after the load, in {:.1} s: {}\n",
        took.as_secs_f64(),
        names.join(", ")
    )
}
