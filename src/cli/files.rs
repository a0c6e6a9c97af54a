//! `ingestd files`: what became of every file.

use ingestd_actors::error::Result;
use serde_json::json;
use tokio_postgres::types::Type;

use super::context::{ConfigArgs, connect_to_ledger};
use super::output::{harmless, print, print_json, table, thousands};
use crate::postgres::classify;

/// Show what became of every file, the newest last
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example:\n  ingestd files --state QUARANTINED")]
pub struct FilesArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Only this pipeline's
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,

    /// Only those in this state, such as COMMITTED or QUARANTINED
    #[arg(long, value_name = "STATE", ignore_case = true, hide_possible_values = true,
          value_parser = STATES)]
    state: Option<String>,

    /// The most files, the newest ones
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const STATES: [&str; 8] = [
    "SCHEDULED",
    "READING",
    "COMPLETED",
    "COMMITTED",
    "ARCHIVED",
    "SKIPPED",
    "QUARANTINED",
    "FAILED",
];

const QUERY: &str = "
select * from (
    select file_id, pipeline, path, state, reason, size, records, inserted, updated, unchanged,
           duplicate, deleted, filtered, rejected, archive_path, verdict,
           to_char(discovered_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') as discovered,
           to_char(committed_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') as committed
    from ingestd.file_status
    where ($1::text is null or pipeline = $1) and ($2::text is null or state = upper($2))
    order by file_id desc limit $3::bigint
) newest order by file_id";

/// Runs the subcommand.
pub fn run(args: &FilesArgs) -> Result<()> {
    let mut connection = connect_to_ledger(&args.config.settings_or_defaults()?)?;
    let rows = connection
        .client
        .query_typed(
            QUERY,
            &[
                (&args.pipeline, Type::TEXT),
                (&args.state, Type::TEXT),
                (&i64::from(args.limit), Type::INT8),
            ],
        )
        .map_err(|error| classify(error, "reading the ledger"))?;
    let count = |row: &postgres::Row, column: &str| row.get::<_, i64>(column).cast_unsigned();
    if args.json {
        let files = rows.iter().map(|row| {
            json!({
                "file": row.get::<_, i64>("file_id"), "pipeline": row.get::<_, String>("pipeline"),
                "path": row.get::<_, String>("path"), "state": row.get::<_, String>("state"),
                "reason": row.get::<_, Option<String>>("reason"),
                "verdict": row.get::<_, Option<String>>("verdict"), "bytes": count(row, "size"),
                "records": count(row, "records"), "inserted": count(row, "inserted"),
                "updated": count(row, "updated"), "unchanged": count(row, "unchanged"),
                "duplicate": count(row, "duplicate"), "deleted": count(row, "deleted"),
                "filtered": count(row, "filtered"), "rejected": count(row, "rejected"),
                "archive_path": row.get::<_, Option<String>>("archive_path"),
                "discovered_at": row.get::<_, String>("discovered"),
                "committed_at": row.get::<_, Option<String>>("committed"),
            })
        });
        return print_json(&files.collect());
    }
    if rows.is_empty() {
        return print("no files\n");
    }
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.get::<_, i64>("file_id").to_string(),
                row.get("pipeline"),
                row.get("state"),
                thousands(count(row, "records")),
                thousands(count(row, "inserted")),
                thousands(count(row, "updated")),
                thousands(count(row, "filtered")),
                thousands(count(row, "rejected")),
                harmless(&row.get::<_, String>("path")),
                row.get::<_, Option<String>>("verdict").unwrap_or_default(),
                harmless(&row.get::<_, Option<String>>("reason").unwrap_or_default()),
            ]
        })
        .collect();
    let heading = [
        "file", "pipeline", "state", "records", "inserted", "updated", "filtered", "rejected",
        "path", "verdict", "reason",
    ];
    print(&table(&heading, &lines))
}
