//! `ingestd files show`: one file, and how long each stage of it took.

use ingestd_actors::error::Result;
use postgres::types::Type;
use serde_json::{Value, json};

use super::context::{ConfigArgs, JsonArgs, connect_to_ledger};
use super::find_file::find_file;
use super::output::{harmless, print, print_json, thousands};
use crate::postgres::classify;
use crate::view::file::{FileShown, query};

#[derive(Clone, Debug, clap::Args)]
pub struct ShowArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// The file: its number, or its path
    #[arg(value_name = "FILE")]
    file: String,

    #[command(flatten)]
    form: JsonArgs,
}

/// Runs the subcommand.
pub fn run(args: &ShowArgs) -> Result<()> {
    let mut connection = connect_to_ledger(&args.config.settings_or_defaults()?)?;
    let client = &mut connection.client;
    let file = find_file(client, &args.file)?;
    let row = client
        .query_typed_one(&query(), &[(&file, Type::INT8)])
        .map_err(|error| classify(error, "reading the ledger"))?;
    let shown = json!(FileShown::of(&row));
    match args.form.json {
        true => print_json(&shown),
        false => print(&in_words(&shown)),
    }
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
    let place = match word("state").as_str() {
        "QUARANTINED" => "quarantined at",
        _ => "archived as",
    };
    line(place, &word("archive_path"));
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
