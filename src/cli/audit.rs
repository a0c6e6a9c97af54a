//! `ingestd audit`: the proof that a file is loaded exactly once.

use std::process::ExitCode;

use ingestd_actors::error::Result;
use ingestd_actors::model::FileId;
use postgres::types::Type;

use super::context::{ConfigArgs, JsonArgs, connect_to_ledger, database};
use super::find_file::find_file;
use super::output::{count_of, harmless, print, print_json, thousands};
use crate::audit::{Verdict, audit};
use crate::postgres::{Database, classify};
use crate::service::database_runtime;
use crate::source::Eyes;

/// Prove that files are loaded exactly once
///
/// The file is hashed, and read again under the plan that it was loaded with, wherever it is now:
/// in the inbox, in the archive, compressed there. Its content, its length, its records and its dead
/// letters are held against what the ledger has counted. Where the configuration had the content removed
/// (`finished = "delete"`, a retention, `archive_collision = "replace"`), the ledger's own figures are held
/// against each other. Nothing is changed.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  ingestd audit events-17.csv
  ingestd audit --all --json

Exit code: 0; 1 where it does not hold of some file; 2 for wrong usage.")]
pub struct AuditArgs {
    /// The file: its number, or its path
    #[arg(value_name = "FILE", required_unless_present = "all")]
    files: Vec<String>,

    /// All that are committed
    #[arg(long, conflicts_with = "files")]
    all: bool,

    /// Only this pipeline's
    #[arg(long, value_name = "NAME", requires = "all")]
    pipeline: Option<String>,

    #[command(flatten)]
    form: JsonArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the subcommand.
pub fn run(args: &AuditArgs) -> Result<ExitCode> {
    let settings = args.config.settings_or_defaults()?;
    let mut connection = connect_to_ledger(&settings)?;
    let client = &mut connection.client;
    let files = match args.all {
        true => all(client, args)?,
        false => {
            let found = args.files.iter().map(|named| find_file(client, named));
            found.collect::<Result<Vec<i64>>>()?
        }
    };
    let (connection, _server) = database(&settings)?;
    let runtime = database_runtime()?;
    let verdicts = runtime.block_on(async {
        let database = Database::new(&connection, runtime.handle().clone()).await?;
        let eyes = Eyes::new(&database, slog::Logger::root(slog::Discard, slog::o!()));
        let mut verdicts = Vec::new();
        for file in &files {
            let verdict = audit(&database, &eyes, FileId(*file)).await?;
            if !args.form.json {
                print(&in_words(&verdict, files.len() > 1))?;
            }
            verdicts.push(verdict);
        }
        Ok::<_, ingestd_actors::error::Error>(verdicts)
    })?;
    let bad = verdicts.iter().filter(|verdict| !verdict.holds()).count();
    if args.form.json {
        print_json(&verdicts.iter().map(Verdict::json).collect())?;
    } else if files.len() != 1 {
        print(&format!(
            "{} audited, {} of which it does not hold\n",
            count_of(files.len() as u64, "file"),
            thousands(bad as u64)
        ))?;
    }
    Ok(match bad {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn all(client: &mut postgres::Client, args: &AuditArgs) -> Result<Vec<i64>> {
    let rows = client
        .query_typed(
            "select file_id from ingestd.files
             where state in ('COMMITTED', 'ARCHIVED') and ($1::text is null or pipeline = $1)
             order by file_id",
            &[(&args.pipeline, Type::TEXT)],
        )
        .map_err(|error| classify(error, "reading the ledger"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// All figures of one file; of many, only those that don't hold get more than a line.
fn in_words(verdict: &Verdict, many: bool) -> String {
    let name = format!("file {} ({})", verdict.file, harmless(&verdict.path));
    if many && verdict.holds() {
        return match verdict.removed {
            true => format!("{name}: holds by the ledger; its content is removed\n"),
            false => format!("{name}: holds\n"),
        };
    }
    let counts = &verdict.counts;
    let parts = [
        (counts.inserted, "inserted"),
        (counts.updated, "updated"),
        (counts.unchanged, "unchanged"),
        (counts.duplicate, "duplicate"),
        (counts.deleted, "deleted"),
        (counts.filtered, "filtered"),
        (counts.rejected, "rejected"),
    ];
    let parts = parts.map(|(count, what)| format!("{} {what}", thousands(count)));
    let mut text = format!(
        "{name}, pipeline {}, {}\nbytes         {}\nrecords       {} = {}\n",
        verdict.pipeline,
        verdict.state,
        thousands(verdict.bytes),
        thousands(verdict.records),
        parts.join(" + "),
    );
    if let Some(reading) = &verdict.reading {
        text.push_str(&format!(
            "read again    {}: {} filtered, {} dead letters\n",
            count_of(reading.records, "record"),
            thousands(reading.filtered),
            thousands(reading.letters.len() as u64),
        ));
    }
    text.push_str(&format!(
        "dead letters  {}, with a SQLSTATE {}{}\n",
        thousands(verdict.letters.0),
        thousands(verdict.letters.1),
        settled(verdict.settled),
    ));
    if verdict.removed {
        text.push_str("content       removed, as the configuration says: it can't be read again\n");
    }
    if let Some(undone) = &verdict.undone {
        text.push_str(&format!("undone        {}\n", harmless(undone)));
    }
    for problem in &verdict.problems {
        text.push_str(&format!("problem       {}\n", harmless(problem)));
    }
    text.push_str(match (verdict.holds(), verdict.state) {
        (true, _) if verdict.undone.is_some() => {
            "verdict       it was taken back: nothing of it is to be in the table\n"
        }
        (true, _) if verdict.removed => {
            "verdict       holds by the ledger: every record is accounted for, once\n"
        }
        (true, "SKIPPED") => "verdict       it was skipped: nothing of it was to be loaded\n",
        (true, _) => "verdict       holds: every record is accounted for, once\n",
        (false, _) => "verdict       does not hold\n",
    });
    text
}

/// What has become of dead letters since.
fn settled((resolved, discarded, forgotten): (u64, u64, u64)) -> String {
    let parts = [
        (resolved, "replayed since"),
        (discarded, "discarded"),
        (forgotten, "more forgotten by their age"),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    parts
        .map(|(count, what)| format!("; {} {what}", thousands(count)))
        .collect()
}
