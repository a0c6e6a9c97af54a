//! `ingestd dead-letters`: the records that could not be loaded.

use ingestd_actors::error::{Error, ErrorKind, Result};
use serde_json::json;
use tokio_postgres::types::Type;

use super::context::{ConfigArgs, connect_to_ledger};
use super::output::{harmless, print, print_json, table, thousands};
use crate::postgres::classify;

/// Show the records that could not be loaded, where they stood and why
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example:\n  ingestd dead-letters list --reason field_count")]
pub struct DeadLettersArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// List them, a line each
    #[command(after_help = "Example:\n  ingestd dead-letters list --reason invalid_value")]
    List(ListArgs),
    /// Show one, with its raw bytes
    #[command(after_help = "Example, for record 17 of file 3:\n  ingestd dead-letters show 3 17")]
    Show(ShowArgs),
}

#[derive(Clone, Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Only this pipeline's
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,

    /// Only those of this file, by its number
    #[arg(long, value_name = "FILE")]
    file: Option<i64>,

    /// Only those with this reason, such as field_count
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,

    /// The most dead letters
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, clap::Args)]
struct ShowArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// The file's number
    file: i64,

    /// The record's number in it
    record: i64,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub fn run(args: &DeadLettersArgs) -> Result<()> {
    match &args.command {
        Command::List(args) => list(args),
        Command::Show(args) => show(args),
    }
}

const COLUMNS: &str = "
    d.pipeline, d.file_id, f.path, d.record, d.line, d.byte_offset, d.length, d.column_name, d.reason,
    d.message, d.sqlstate, d.attempts, d.status,
    to_char(d.created_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') as created
    from ingestd.dead_letters d join ingestd.files f using (file_id)";

fn list(args: &ListArgs) -> Result<()> {
    let mut connection = connect_to_ledger(&args.config.settings_or_defaults()?)?;
    let filter =
        "where ($1::text is null or d.pipeline = $1) and ($2::bigint is null or d.file_id = $2)
        and ($3::text is null or d.reason = $3)";
    // One more than is shown tells whether there are more.
    let limit = i64::from(args.limit);
    let one_more = limit + 1;
    let rows = connection
        .client
        .query_typed(
            &format!("select {COLUMNS} {filter} order by d.file_id, d.record limit $4::bigint"),
            &[
                (&args.pipeline, Type::TEXT),
                (&args.file, Type::INT8),
                (&args.reason, Type::TEXT),
                (&one_more, Type::INT8),
            ],
        )
        .map_err(|error| classify(error, "reading the dead letters"))?;
    let more = rows.len() as i64 > limit;
    let rows = &rows[..rows.len().min(args.limit as usize)];
    if args.json {
        return print_json(&rows.iter().map(as_json).collect());
    }
    if rows.is_empty() {
        return print("no dead letters\n");
    }
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.get::<_, i64>("file_id").to_string(),
                row.get::<_, i64>("record").to_string(),
                row.get::<_, i64>("line").to_string(),
                row.get("reason"),
                row.get::<_, Option<String>>("column_name")
                    .unwrap_or_default(),
                harmless(&row.get::<_, String>("message")),
            ]
        })
        .collect();
    let heading = ["file", "record", "line", "reason", "column", "message"];
    let mut text = table(&heading, &lines);
    if more {
        text.push_str(&format!(
            "the first {}; --limit shows more\n",
            thousands(u64::from(args.limit))
        ));
    }
    print(&text)
}

fn as_json(row: &postgres::Row) -> serde_json::Value {
    json!({
        "pipeline": row.get::<_, String>("pipeline"), "file": row.get::<_, i64>("file_id"),
        "path": row.get::<_, String>("path"), "record": row.get::<_, i64>("record"),
        "line": row.get::<_, i64>("line"), "byte_offset": row.get::<_, i64>("byte_offset"),
        "length": row.get::<_, i64>("length"), "column": row.get::<_, Option<String>>("column_name"),
        "reason": row.get::<_, String>("reason"), "message": row.get::<_, String>("message"),
        "sqlstate": row.get::<_, Option<String>>("sqlstate"), "attempts": row.get::<_, i32>("attempts"),
        "status": row.get::<_, String>("status"), "created_at": row.get::<_, String>("created"),
    })
}

fn show(args: &ShowArgs) -> Result<()> {
    let mut connection = connect_to_ledger(&args.config.settings_or_defaults()?)?;
    let found = connection
        .client
        .query_typed_opt(
            &format!("select d.raw, {COLUMNS} where d.file_id = $1 and d.record = $2"),
            &[(&args.file, Type::INT8), (&args.record, Type::INT8)],
        )
        .map_err(|error| classify(error, "reading the dead letters"))?;
    let Some(row) = found else {
        return Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "record {} of file {} is no dead letter",
                args.record, args.file
            ),
        )
        .with_advice("`ingestd dead-letters list` shows those there are"));
    };
    let raw = row.get::<_, Option<Vec<u8>>>("raw").unwrap_or_default();
    if args.json {
        let mut value = as_json(&row);
        value["raw"] = json!(String::from_utf8_lossy(&raw));
        return print_json(&value);
    }
    let optional = |column: &str| row.get::<_, Option<String>>(column).unwrap_or_default();
    let sqlstate = match optional("sqlstate") {
        code if code.is_empty() => code,
        code => format!(" (SQLSTATE {code})"),
    };
    let column = match optional("column_name") {
        name if name.is_empty() => name,
        name => format!("\ncolumn    {}", harmless(&name)),
    };
    print(&format!(
        "file      {} {}\nrecord    {}, line {}, byte {}, {} bytes\nreason    {}{}{}\nmessage   {}\nstatus    {}, {} attempt(s), {}\nraw       {}\n",
        row.get::<_, i64>("file_id"),
        harmless(&row.get::<_, String>("path")),
        row.get::<_, i64>("record"),
        row.get::<_, i64>("line"),
        row.get::<_, i64>("byte_offset"),
        row.get::<_, i64>("length"),
        row.get::<_, String>("reason"),
        sqlstate,
        column,
        harmless(&row.get::<_, String>("message")),
        row.get::<_, String>("status"),
        row.get::<_, i32>("attempts"),
        row.get::<_, String>("created"),
        raw.escape_ascii(),
    ))
}
