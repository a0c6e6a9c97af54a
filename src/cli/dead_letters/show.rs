//! `ingestd dead-letters show`.

use ingestd_actors::error::{Error, ErrorKind, Result};
use serde_json::json;

use super::super::context::{ConfigArgs, JsonArgs};
use super::super::find_file::find_file;
use super::super::output::{harmless, print, print_json, thousands};
use super::meant::wrong;
use super::{asking, with_ledger};
use crate::dead_letters::{self, Expected, Letter, Shown, marked, sqlstate_name};

/// Show one: its record with the column at fault marked, and what would have been right
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples, for record 17 of file 3:
  ingestd dead-letters show 3 17
  ingestd dead-letters show events-17.csv 17")]
pub struct ShowArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// The file: its number, or its path; or both numbers in one, as `stats` shows them: 3/17
    #[arg(value_name = "FILE")]
    file: String,

    /// The record's number in it
    #[arg(value_name = "RECORD")]
    record: Option<i64>,

    #[command(flatten)]
    form: JsonArgs,
}

/// Runs the subcommand.
pub fn run(args: &ShowArgs) -> Result<()> {
    let settings = args.config.settings_or_defaults()?;
    let (file, record) = place(&args.file, args.record)?;
    let shown = with_ledger(
        &settings,
        |client| find_file(client, file),
        async |database, file| look(&asking(database).await?, file, record).await,
    )?;
    match args.form.json {
        true => print_json(&shown.json()),
        false => print(&shown.in_words(args)),
    }
}

/// The file and the record, whichever way they are written.
fn place(file: &str, record: Option<i64>) -> Result<(&str, i64)> {
    if let Some(record) = record {
        return Ok((file, record));
    }
    let numbers = file.rsplit_once('/').and_then(|(file, record)| {
        file.parse::<i64>().ok()?;
        Some((file, record.parse().ok()?))
    });
    numbers.ok_or_else(|| {
        wrong(format!(
            "which record of {file:?}? write its number behind it, as in `dead-letters show 3 17`"
        ))
    })
}

async fn look(client: &tokio_postgres::Client, file: i64, record: i64) -> Result<Shown> {
    let shown = dead_letters::look(client, file, record).await?;
    shown.ok_or_else(|| {
        let message = format!("record {record} of file {file} is no dead letter");
        Error::new(ErrorKind::Configuration, message)
            .with_advice("`ingestd dead-letters list` shows those there are")
    })
}

impl Shown {
    fn json(&self) -> serde_json::Value {
        let mut value = json!(self.letter);
        value["raw"] = json!(String::from_utf8_lossy(&self.raw.bytes));
        value["raw_is_whole"] = json!(!self.raw.is_cut());
        value["sqlstate_name"] = json!(self.letter.sqlstate.as_deref().and_then(sqlstate_name));
        value["fields"] = json!(self.fields.as_ref().map(|fields| {
            let pairs = fields.iter();
            let pairs = pairs.map(|it| json!({ "name": it.name, "text": it.text }));
            pairs.collect::<Vec<_>>()
        }));
        value["expected"] = json!(self.expected);
        value
    }

    fn in_words(&self, args: &ShowArgs) -> String {
        let letter = &self.letter;
        let mut lines = vec![
            format!("file      {} {}", letter.file, harmless(&letter.path)),
            format!(
                "record    {}, line {}, byte {}, {} bytes",
                letter.record, letter.line, letter.byte_offset, letter.length
            ),
            format!("reason    {}{}", letter.reason, code(letter)),
        ];
        if let Some(column) = &letter.column {
            lines.push(format!("column    {}", harmless(column)));
        }
        lines.push(format!("message   {}", harmless(&letter.message)));
        if let (Some(replay), "NEW") = (letter.replay, letter.status.as_str()) {
            lines.push(format!(
                "          of try {}, in replay {replay}: where that had a mended record, of that one; below is the file's",
                letter.attempts
            ));
        }
        lines.extend(self.wanted());
        lines.push(self.state());
        lines.push(String::new());
        let record = marked(&self.raw.bytes, self.bad);
        for (text, marks) in &record.lines {
            lines.push(format!("  {text}"));
            lines.extend(marks.as_ref().map(|marks| format!("  {marks}")));
        }
        if self.raw.is_cut() {
            lines.push(format!(
                "only the first {} of its {} bytes were kept",
                thousands(self.raw.bytes.len() as u64),
                thousands(self.raw.length)
            ));
        } else if record.is_cut {
            lines.push("… stands for what is left out; --json shows all of it".to_owned());
        }
        lines.extend(self.advice(args));
        lines.join("\n") + "\n"
    }

    /// What would have been right.
    fn wanted(&self) -> Vec<String> {
        let Expected {
            sql_type,
            example,
            not_null,
            labels,
            constraints,
            rules,
            ..
        } = &self.expected;
        let mut wanted = Vec::new();
        if let Some(name) = sql_type {
            let null = if *not_null { ", not NULL" } else { "" };
            let example = example.as_ref().map(|it| format!(", such as {it}"));
            wanted.push(format!("{name}{null}{}", example.unwrap_or_default()));
        }
        if !labels.is_empty() {
            wanted.push(format!("one of {}", labels.join(", ")));
        }
        wanted.extend(rules.iter().cloned());
        wanted.extend(constraints.iter().cloned());
        let line = |(index, text): (usize, String)| {
            let word = if index == 0 { "wanted" } else { "" };
            format!("{word:<9} {}", harmless(&text))
        };
        wanted.into_iter().enumerate().map(line).collect()
    }

    fn state(&self) -> String {
        let letter = &self.letter;
        let times = match letter.attempts {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        let mut state = format!(
            "status    {}, tried {times}, found {}",
            letter.status, letter.created_at
        );
        if let (Some(at), Some(by)) = (&letter.resolved_at, &letter.resolved_by) {
            let how = harmless(letter.resolution.as_deref().unwrap_or(""));
            state.push_str(&format!("\n          {at} by {}: {how}", harmless(by)));
        } else if let Some(at) = &letter.tried_at {
            state.push_str(&format!(", last tried {at}"));
        }
        state
    }

    /// What can be done next.
    fn advice(&self, args: &ShowArgs) -> Vec<String> {
        if self.letter.status != "NEW" {
            return Vec::new();
        }
        let command = |what: &str| args.config.command(&format!("dead-letters {what}"));
        let these = format!("{} {}", self.letter.file, self.letter.record);
        let mut next = vec![String::new()];
        if !self.raw.is_cut() {
            next.push("once the mapping or the table takes it:".to_owned());
            next.push(format!("  {} {these}", command("replay")));
        }
        next.push("to mend its values:".to_owned());
        let export = command("export");
        next.push(format!("  {export} {these} --out mended.csv"));
        next.push(format!("  {} --file mended.csv", command("replay")));
        next.push("where nobody needs it:".to_owned());
        next.push(format!("  {} {these} --because \"…\"", command("discard")));
        next
    }
}

fn code(letter: &Letter) -> String {
    match &letter.sqlstate {
        None => String::new(),
        Some(code) => match sqlstate_name(code) {
            Some(name) => format!(" (SQLSTATE {code}, {name})"),
            None => format!(" (SQLSTATE {code})"),
        },
    }
}
