//! `ingestd dead-letters`: the records that could not be loaded.

use ingestd_actors::error::{Error, ErrorKind, Result};
use serde_json::json;
use tokio_postgres::types::Type;

use super::context::{ConfigArgs, connect_to_ledger};
use super::filters::{check_pipeline, moment};
use super::find_file::find_file;
use super::output::{harmless, print, print_csv, print_json, table, thousands};
use crate::postgres::classify;
use crate::settings::nearest;

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
    #[command(after_help = "Examples:
  ingestd dead-letters list --reason invalid_value
  ingestd dead-letters list --by reason --since 1day")]
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

    /// Only those of this file, by its number or its path
    #[arg(long, value_name = "FILE")]
    file: Option<String>,

    /// Only those with this reason, such as field_count
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,

    /// Only those of this column
    #[arg(long, value_name = "COLUMN")]
    column: Option<String>,

    /// Only those that the server refused with this code, such as 23514
    #[arg(long, value_name = "CODE")]
    sqlstate: Option<String>,

    /// Only those that were found since then: so long ago, like 2h, or a time (UTC)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<String>,

    /// Count them, for each reason, column, SQLSTATE or file
    #[arg(long, value_name = "WHAT", value_parser = ["reason", "column", "sqlstate", "file"])]
    by: Option<String>,

    /// The most dead letters
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
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
    let client = &mut connection.client;
    check_pipeline(client, args.pipeline.as_deref())?;
    let file = args.file.as_deref().map(|named| find_file(client, named));
    let file = file.transpose()?;
    // One more than is shown tells whether there are more.
    let limit = i64::from(args.limit);
    let one_more = limit + 1;
    let failed = |error| classify(error, "reading the dead letters");
    if let Some(by) = &args.by {
        let what = match by.as_str() {
            "column" => "coalesce(d.column_name, '')",
            "sqlstate" => "coalesce(d.sqlstate, '')",
            "file" => "d.file_id || ' ' || f.path",
            _ => "d.reason",
        };
        let query = format!(
            "select {what} as what, count(*) as count, min(d.file_id) as file_id,
                    (array_agg(d.record order by d.file_id, d.record))[1] as record
             from ingestd.dead_letters d join ingestd.files f using (file_id) {FILTER}
             group by 1 order by 2 desc, 1 limit $7::bigint"
        );
        let rows = client
            .query_typed(&query, &parameters(args, &file, &one_more))
            .map_err(failed)?;
        return print_groups(args, by, &rows);
    }
    let query = format!("select {COLUMNS} {FILTER} order by d.file_id, d.record limit $7::bigint");
    let rows = client
        .query_typed(&query, &parameters(args, &file, &one_more))
        .map_err(failed)?;
    let more = rows.len() as i64 > limit;
    let rows = &rows[..rows.len().min(args.limit as usize)];
    if args.csv {
        let letters: Vec<_> = rows.iter().map(as_json).collect();
        return print_csv(&CSV_COLUMNS, &letters);
    }
    if args.json {
        return print_json(&rows.iter().map(as_json).collect());
    }
    if rows.is_empty() {
        return print(&none(client, args)?);
    }
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.get::<_, i64>("file_id").to_string(),
                row.get::<_, i64>("record").to_string(),
                row.get::<_, i64>("line").to_string(),
                row.get("reason"),
                harmless(
                    &row.get::<_, Option<String>>("column_name")
                        .unwrap_or_default(),
                ),
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

/// What narrows the list; the limit follows as `$7`.
const FILTER: &str = "where ($1::text is null or d.pipeline = $1)
    and ($2::bigint is null or d.file_id = $2) and ($3::text is null or d.reason = $3)
    and ($4::text is null or d.column_name = $4) and ($5::text is null or d.sqlstate = upper($5))
    and ($6::text is null or d.created_at >= $6::text::timestamptz)";

fn parameters<'a>(
    args: &'a ListArgs,
    file: &'a Option<i64>,
    limit: &'a i64,
) -> [(&'a (dyn postgres::types::ToSql + Sync), Type); 7] {
    [
        (&args.pipeline, Type::TEXT),
        (file, Type::INT8),
        (&args.reason, Type::TEXT),
        (&args.column, Type::TEXT),
        (&args.sqlstate, Type::TEXT),
        (&args.since, Type::TEXT),
        (limit, Type::INT8),
    ]
}

/// The columns of the CSV: the keys of the JSON, in this order.
const CSV_COLUMNS: [&str; 14] = [
    "pipeline",
    "file",
    "path",
    "record",
    "line",
    "byte_offset",
    "length",
    "column",
    "reason",
    "message",
    "sqlstate",
    "attempts",
    "status",
    "created_at",
];

/// How many there are of each kind, and the first of each.
fn print_groups(args: &ListArgs, by: &str, rows: &[postgres::Row]) -> Result<()> {
    let rows = &rows[..rows.len().min(args.limit as usize)];
    let groups: Vec<serde_json::Value> = rows
        .iter()
        .map(|row| {
            json!({
                by: row.get::<_, String>("what"), "count": row.get::<_, i64>("count"),
                "first_file": row.get::<_, i64>("file_id"),
                "first_record": row.get::<_, i64>("record"),
            })
        })
        .collect();
    let columns = [by, "count", "first_file", "first_record"];
    if args.json {
        return print_json(&groups.into_iter().collect());
    }
    if args.csv {
        return print_csv(&columns, &groups);
    }
    if groups.is_empty() {
        return print("no dead letters\n");
    }
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => harmless(text),
        other => thousands(other.as_u64().unwrap_or(0)),
    };
    let lines: Vec<Vec<String>> = groups
        .iter()
        .map(|group| columns.iter().map(|column| text(&group[*column])).collect())
        .collect();
    print(&table(&columns, &lines))
}

/// Says that there are none, and which reasons there would be where another one was asked for.
fn none(client: &mut postgres::Client, args: &ListArgs) -> Result<String> {
    let Some(wanted) = &args.reason else {
        return Ok("no dead letters\n".to_owned());
    };
    let rows = client
        .query_typed(
            "select distinct reason from ingestd.dead_letters order by 1",
            &[],
        )
        .map_err(|error| classify(error, "reading the dead letters"))?;
    let reasons: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let near = nearest(wanted, reasons.iter().map(String::as_str));
    Ok(match near {
        Some(near) if near != wanted => {
            format!("no dead letters; did you mean the reason {near:?}?\n")
        }
        _ if reasons.is_empty() || reasons.contains(wanted) => "no dead letters\n".to_owned(),
        _ => format!("no dead letters; the reasons are {}\n", reasons.join(", ")),
    })
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
