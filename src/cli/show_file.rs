//! `ingestd files show`: one file, and how long each stage of it took.

use ingestd_actors::error::Result;
use postgres::types::Type;
use serde_json::{Value, json};

use super::context::{ConfigArgs, connect_to_ledger};
use super::find_file::find_file;
use super::output::{harmless, print, print_json, thousands};
use crate::postgres::classify;

#[derive(Clone, Debug, clap::Args)]
pub struct ShowArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// The file: its number, or its path
    #[arg(value_name = "FILE")]
    file: String,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const TIME: &str = "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'";

/// A stage: its name, the column with its moment, and what it comes after.
const STAGES: [(&str, &str, &str); 5] = [
    ("discovered", "discovered_at", "discovered_at"),
    ("started", "started_at", "discovered_at"),
    ("completed", "completed_at", "started_at"),
    ("committed", "committed_at", "completed_at"),
    ("archived", "archived_at", "committed_at"),
];

fn query() -> String {
    let stages = STAGES.map(|(name, at, after)| {
        format!(
            "to_char(f.{at} at time zone 'UTC', {TIME}) as {name},
             extract(epoch from f.{at} - f.{after})::float8 as {name}_after"
        )
    });
    format!(
        "select s.*, {}, encode(f.content_hash, 'hex') as hash, f.plan_id, f.parent_id,
                f.duplicate_of, f.watermark_record, f.watermark_line, f.watermark_offset,
                (select json_object_agg(reason, count)::text from
                    (select reason, count(*) from ingestd.dead_letters d
                     where d.file_id = f.file_id group by 1) letters) as letters,
                (select json_object_agg(lane, record)::text from ingestd.checkpoints c
                 where c.file_id = f.file_id) as checkpoints
         from ingestd.files f
         join (select file_id, pipeline, path, state, reason, size, records, inserted, updated,
                      unchanged, duplicate, deleted, filtered, rejected, archive_path
               from ingestd.file_status) s using (file_id)
         where f.file_id = $1",
        stages.join(", ")
    )
}

/// Runs the subcommand.
pub fn run(args: &ShowArgs) -> Result<()> {
    let mut connection = connect_to_ledger(&args.config.settings_or_defaults()?)?;
    let client = &mut connection.client;
    let file = find_file(client, &args.file)?;
    let row = client
        .query_typed_one(&query(), &[(&file, Type::INT8)])
        .map_err(|error| classify(error, "reading the ledger"))?;
    let shown = as_json(&row);
    match args.json {
        true => print_json(&shown),
        false => print(&in_words(&shown)),
    }
}

fn as_json(row: &postgres::Row) -> Value {
    let count = |column: &str| row.get::<_, i64>(column);
    let number = |column: &str| row.get::<_, Option<i64>>(column);
    let text = |column: &str| row.get::<_, Option<String>>(column);
    let object = |column: &str| {
        let text = text(column).unwrap_or_default();
        serde_json::from_str::<Value>(&text).unwrap_or_else(|_| json!({}))
    };
    let stages: Vec<Value> = STAGES
        .iter()
        .map(|(name, _, _)| {
            let after: Option<f64> = row.get(format!("{name}_after").as_str());
            json!({ "stage": name, "at": text(name), "seconds": after })
        })
        .collect();
    json!({
        "file": count("file_id"), "pipeline": text("pipeline"), "path": text("path"),
        "archive_path": text("archive_path"), "state": text("state"), "reason": text("reason"),
        "bytes": count("size"), "content_hash": text("hash"), "plan": number("plan_id"),
        "parent": number("parent_id"), "duplicate_of": number("duplicate_of"),
        "records": count("records"), "inserted": count("inserted"), "updated": count("updated"),
        "unchanged": count("unchanged"), "duplicate": count("duplicate"),
        "deleted": count("deleted"), "filtered": count("filtered"), "rejected": count("rejected"),
        "watermark": {
            "record": count("watermark_record"), "line": count("watermark_line"),
            "offset": count("watermark_offset"),
        },
        "checkpoints": object("checkpoints"), "dead_letters": object("letters"),
        "stages": stages,
    })
}

fn in_words(shown: &Value) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("{name:<13} {}\n", harmless(value)));
        }
    };
    let word = |key: &str| match &shown[key] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let figure = |key: &str| thousands(shown[key].as_u64().unwrap_or(0));
    line("file", &word("file"));
    line("pipeline", &word("pipeline"));
    line("path", &word("path"));
    line("archived as", &word("archive_path"));
    line("state", &word("state"));
    line("reason", &word("reason"));
    line("bytes", &figure("bytes"));
    let counts = [
        "inserted",
        "updated",
        "unchanged",
        "duplicate",
        "deleted",
        "filtered",
        "rejected",
    ];
    let counts = counts.map(|key| format!("{} {key}", figure(key)));
    line(
        "records",
        &format!("{}: {}", figure("records"), counts.join(", ")),
    );
    for (key, name) in [
        ("dead_letters", "dead letters"),
        ("checkpoints", "checkpoints"),
    ] {
        let pairs = shown[key].as_object().into_iter().flatten();
        let pairs: Vec<String> = pairs
            .map(|(what, count)| match key {
                "checkpoints" => format!("lane {what} at record {count}"),
                _ => format!("{count} {what}"),
            })
            .collect();
        line(name, &pairs.join(", "));
    }
    line("content hash", &word("content_hash"));
    line("plan", &word("plan"));
    line("continues", &word("parent"));
    line("equals", &word("duplicate_of"));
    for stage in shown["stages"].as_array().into_iter().flatten() {
        let Some(at) = stage["at"].as_str() else {
            continue;
        };
        let name = stage["stage"].as_str().unwrap_or_default();
        let after = stage["seconds"].as_f64().filter(|_| name != "discovered");
        let after = after.map_or(String::new(), |it| {
            format!(", {it:.3} s after the stage before")
        });
        line(name, &format!("{at}{after}"));
    }
    text
}
