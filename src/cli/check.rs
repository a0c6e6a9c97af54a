//! `ingestd check`: is everything as it has to be?

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use ingestd_actors::error::{ErrorKind, Result};
use serde_json::json;

use super::context::{ConfigArgs, JsonArgs};
use super::output::{count_of, harmless, print, print_json, table, thousands};
use crate::check::{self, FileLook, Finding, Level, Sample};
use crate::fs::path_text;
use crate::local_server::{Borrowed, find_binaries, use_if_there};
use crate::postgres::{Connection, Database};
use crate::service::{database_runtime, unusable_database};
use crate::settings::{Pipeline, Settings};
use crate::source::Eyes;

/// Look whether everything is as it has to be, and change nothing
///
/// The configuration, the directories and the rights in them, the database, the ledger, the tables
/// and what this role may do with them. Named files are decoded as their pipeline would load them, and
/// nothing of them is written; with --dry-run their first rows are written into the real table in a
/// transaction that is rolled back, so that constraints and triggers have their say too.
///
/// A dry run takes the locks of an INSERT for as long as it lasts: other writers of the same keys wait
/// for it. Sequences that defaults draw from go on, as with any transaction that is rolled back.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  ingestd check --config shop.toml
  ingestd check --pipeline events --dry-run new.csv

Exit code: 0; 1 where an error was found, or a record of a file would be refused; 2 for wrong usage
or configuration.")]
pub struct CheckArgs {
    /// Files to decode against the live table
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Only this pipeline; the files are its own
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,

    /// Try rows of the files on the server, and roll back
    #[arg(long, requires = "files")]
    dry_run: bool,

    /// How many records of each file are looked at [default: all; with --dry-run 10000]
    #[arg(long, value_name = "N", requires = "files",
          value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    #[command(flatten)]
    form: JsonArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

/// How many rows a dry run tries unless told.
const TRIED: u64 = 10_000;

/// What was found, and whether the configuration could be read at all.
#[derive(Default)]
struct Report {
    findings: Vec<Finding>,
    files: Vec<FileLook>,
}

/// Runs the subcommand.
pub fn run(args: &CheckArgs) -> Result<ExitCode> {
    let settings = match args.config.settings() {
        Ok(settings) => settings,
        Err(error) if args.form.json && error.kind() == ErrorKind::Configuration => {
            let lines = error.message().lines();
            let findings = lines.map(|line| match line.split_once(": ") {
                Some((place, what)) => Finding::error(place, what, "change the configuration"),
                None => Finding::error("configuration", line, "change the configuration"),
            });
            let report = Report {
                findings: findings.collect(),
                ..Report::default()
            };
            print_json(&report.json())?;
            return Ok(ExitCode::from(2));
        }
        Err(error) => return Err(error),
    };
    let pipelines: Vec<&Pipeline> = match &args.pipeline {
        Some(name) => vec![settings.pipeline(name)?],
        None => settings.some_pipelines()?.iter().collect(),
    };
    let wanted = wanted_files(args, &pipelines)?;
    let mut report = Report::default();
    let names: Vec<&str> = pipelines.iter().map(|it| it.name.as_str()).collect();
    let text = format!(
        "{}: {}",
        count_of(names.len() as u64, "pipeline"),
        names.join(", ")
    );
    report.findings.push(Finding::ok("configuration", text));
    report
        .findings
        .extend(check::directories(&settings, &pipelines));
    look_at_database(args, &settings, &pipelines, &wanted, &mut report)?;
    match args.form.json {
        true => print_json(&report.json())?,
        false => print(&report.in_words(std::io::stdout().is_terminal()))?,
    }
    Ok(match report.is_good() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn wanted_files<'a>(
    args: &CheckArgs,
    pipelines: &[&'a Pipeline],
) -> Result<Vec<(PathBuf, &'a Pipeline)>> {
    let pair = |path: &PathBuf| Ok((path.clone(), check::pipeline_of(path, pipelines)?));
    args.files.iter().map(pair).collect()
}

/// Everything that the server has to be asked.
fn look_at_database(
    args: &CheckArgs,
    settings: &Settings,
    pipelines: &[&Pipeline],
    wanted: &[(PathBuf, &Pipeline)],
    report: &mut Report,
) -> Result<()> {
    let (connection, _server) = match server(settings, report) {
        Some(found) => found,
        None => return Ok(()),
    };
    let runtime = database_runtime()?;
    let looked = runtime.block_on(async {
        let database = Database::new(&connection, runtime.handle().clone()).await?;
        let found = check::database(settings, pipelines, &database).await?;
        Ok((database, found))
    });
    let database = match looked {
        Ok((database, findings)) => {
            report.findings.extend(findings);
            database
        }
        Err(error) => {
            let error = unusable_database(&settings.service, error);
            report.findings.push(Finding::of("database", &error));
            return Ok(());
        }
    };
    let eyes = Eyes::new(&database, slog::Logger::root(slog::Discard, slog::o!()));
    let sample = match args.dry_run {
        true => Sample {
            records: args.limit.or(Some(TRIED)),
            tried: Some(args.limit.unwrap_or(TRIED)),
        },
        false => Sample {
            records: args.limit,
            tried: None,
        },
    };
    for (path, pipeline) in wanted {
        let look = check::look_through(&database, &eyes, pipeline, path, sample);
        match runtime.block_on(look) {
            Ok(look) => report.files.push(look),
            Err(error) => {
                let place = path_text(path);
                let error = match error.code() {
                    // Values that only the server can read take a function of the ledger's.
                    Some("3F000" | "42883") => error
                        .with_advice("run `ingestd migrate` first, which reading this file takes"),
                    _ => error,
                };
                report.findings.push(Finding::of(place, &error));
            }
        }
    }
    Ok(())
}

/// The database's URL; `None` where there is no server to be asked, which is noted.
fn server(settings: &Settings, report: &mut Report) -> Option<(Connection, Option<Borrowed>)> {
    const PLACE: &str = "database (private server)";
    if let Some(database) = &settings.service.database {
        return Some((database.connection.clone(), None));
    }
    match use_if_there(&settings.service.data_dir) {
        Ok(Some(server)) => match server.url().parse() {
            Ok(connection) => return Some((connection, Some(server))),
            Err(error) => report.findings.push(Finding::of(PLACE, &error)),
        },
        Ok(None) => {
            let found = find_binaries();
            report.findings.push(match found {
                Ok(_) => Finding::ok(PLACE, "there is none yet; `ingestd run` would make it"),
                Err(error) => Finding::of(PLACE, &error),
            });
        }
        Err(error) => report.findings.push(Finding::of(PLACE, &error)),
    }
    None
}

impl Report {
    fn count(&self, level: Level) -> u64 {
        let of_level = self.findings.iter().filter(|it| it.level == level);
        of_level.count() as u64
    }

    fn is_good(&self) -> bool {
        let bad_file = |look: &FileLook| look.bad > 0 || look.untried.is_some();
        self.count(Level::Error) == 0 && !self.files.iter().any(bad_file)
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "findings": self.findings.iter().map(Finding::json).collect::<Vec<_>>(),
            "files": self.files.iter().map(FileLook::json).collect::<Vec<_>>(),
            "errors": self.count(Level::Error), "warnings": self.count(Level::Warning),
            "good": self.is_good(),
        })
    }

    /// On a terminal what is wrong stands out.
    fn in_words(&self, on_terminal: bool) -> String {
        let cells = |finding: &Finding| {
            vec![
                finding.level.name().to_owned(),
                harmless(&finding.place),
                harmless(&finding.in_words()),
            ]
        };
        let rows: Vec<Vec<String>> = self.findings.iter().map(cells).collect();
        let mut text = table(&["level", "where", "what"], &rows);
        if on_terminal {
            text = coloured(&text);
        }
        for look in &self.files {
            text.push('\n');
            text.push_str(&file_in_words(look));
        }
        text.push_str(&format!(
            "\n{}, {}\n",
            count_of(self.count(Level::Error), "error"),
            count_of(self.count(Level::Warning), "warning"),
        ));
        text
    }
}

fn coloured(text: &str) -> String {
    let paint = |line: &str| match line.split_once(' ') {
        Some(("error", rest)) => format!("\u{1b}[31merror\u{1b}[0m {rest}\n"),
        Some(("warning", rest)) => format!("\u{1b}[33mwarning\u{1b}[0m {rest}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(paint).collect()
}

fn file_in_words(look: &FileLook) -> String {
    let part = if look.whole { "" } else { "the first " };
    let mut text = format!(
        "{}: pipeline {}: {part}{}: {} good, {} bad, {} filtered, {} a second\n",
        harmless(&path_text(&look.path)),
        look.pipeline,
        count_of(look.good + look.bad + look.filtered, "record"),
        thousands(look.good),
        thousands(look.bad),
        thousands(look.filtered),
        thousands(look.rate()),
    );
    if let Some((rows, counts)) = &look.tried {
        text.push_str(&format!(
            "dry run of {}, rolled back: {} would be inserted, {} updated, {} unchanged, {} superseded, {} deleted\n",
            count_of(*rows, "row"),
            thousands(counts.inserted),
            thousands(counts.updated),
            thousands(counts.unchanged),
            thousands(counts.duplicate),
            thousands(counts.deleted),
        ));
    }
    if let Some(why) = &look.untried {
        text.push_str(&format!("no dry run: {}\n", harmless(why)));
    }
    if look.groups.is_empty() {
        return text;
    }
    let rows: Vec<Vec<String>> = look
        .groups
        .iter()
        .map(|group| {
            vec![
                thousands(group.count),
                group.reason.to_owned(),
                group.column.clone().unwrap_or_default(),
                format!("line {}, record {}", group.line, group.record),
                harmless(group.message.as_deref().unwrap_or_default()),
            ]
        })
        .collect();
    text.push_str(&table(
        &["records", "reason", "column", "first", "message"],
        &rows,
    ));
    text
}
