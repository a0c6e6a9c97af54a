//! `ingestd audit`: the proof that a file is loaded exactly once.

use std::process::ExitCode;

use ingestd_actors::error::Result;
use ingestd_actors::model::FileId;

use super::context::{ConfigArgs, connect_to_ledger, database};
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
/// letters are held against what the ledger has counted. Of one whose content was removed as its
/// pipeline says (a retention, `finished = "delete"`), the ledger's figures alone. Nothing is changed.
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

    /// Print JSON
    #[arg(long)]
    json: bool,

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
            if !args.json {
                print(&in_words(&verdict, files.len() > 1))?;
            }
            verdicts.push(verdict);
        }
        Ok::<_, ingestd_actors::error::Error>(verdicts)
    })?;
    let bad = verdicts.iter().filter(|verdict| !verdict.holds()).count();
    if args.json {
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
        .query(
            "select file_id from ingestd.files
             where state in ('COMMITTED', 'ARCHIVED') and ($1::text is null or pipeline = $1)
             order by file_id",
            &[&args.pipeline],
        )
        .map_err(|error| classify(error, "reading the ledger"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// All figures of one file; of many, only those that don't hold get more than a line.
fn in_words(verdict: &Verdict, many: bool) -> String {
    let name = format!("file {} ({})", verdict.file, harmless(&verdict.path));
    if many && verdict.holds() {
        return match verdict.removed {
            true => format!("{name}: the ledger's figures hold; its content was removed\n"),
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
        "dead letters  {}, with a SQLSTATE {}\n",
        thousands(verdict.letters.0),
        thousands(verdict.letters.1)
    ));
    if verdict.removed {
        text.push_str("content       removed, as its pipeline says: it can't be read again\n");
    }
    for problem in &verdict.problems {
        text.push_str(&format!("problem       {}\n", harmless(problem)));
    }
    text.push_str(match (verdict.holds(), verdict.state) {
        (true, _) if verdict.removed => "verdict       the ledger's figures hold\n",
        (true, "SKIPPED") => "verdict       it was skipped: nothing of it was to be loaded\n",
        (true, _) => "verdict       holds: every record is accounted for, once\n",
        (false, _) => "verdict       does not hold\n",
    });
    text
}
