//! `ingestd dead-letters list`.

use ingestd_actors::error::Result;
use serde_json::{Value, json};

use super::super::context::{ConfigArgs, JsonArgs};
use super::super::output::{
    count_of, harmless, print, print_csv, print_json, shell_word, table, thousands,
};
use super::meant::MeantArgs;
use super::{asking, with_ledger};
use crate::dead_letters::{self, Group, Letter, LetterFilter};
use crate::settings::nearest;

/// List them, a line each
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  ingestd dead-letters list --reason invalid_value
  ingestd dead-letters list --by reason --since 1day
  ingestd dead-letters list --status resolved --file events-17.csv")]
pub struct ListArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Only those of this file, by its number or its path
    #[arg(long, value_name = "FILE", alias = "file-id")]
    file: Option<String>,

    #[command(flatten)]
    meant: MeantArgs,

    /// Those in this state: NEW, RESOLVED, DISCARDED, or all
    #[arg(long, value_name = "STATUS", ignore_case = true, default_value = "NEW",
          value_parser = ["NEW", "RESOLVED", "DISCARDED", "ALL"])]
    status: String,

    /// Count them, for each reason, column, SQLSTATE or file
    #[arg(long, value_name = "WHAT", value_parser = ["reason", "column", "sqlstate", "file"])]
    by: Option<String>,

    /// The most dead letters
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    #[command(flatten)]
    form: JsonArgs,

    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// What was found.
enum Found {
    Groups(Vec<Group>),
    Letters(Vec<Letter>),
    None(String),
}

/// Runs the subcommand.
pub fn run(args: &ListArgs) -> Result<()> {
    let settings = args.config.settings_or_defaults()?;
    let found = with_ledger(
        &settings,
        |client| args.meant.filter(client, args.file.as_deref(), None),
        async |database, mut filter| {
            let client = asking(database).await?;
            let status = args.status.to_uppercase();
            filter.status = (status != "ALL").then_some(status);
            // One more than is shown tells whether there are more.
            let limit = i64::from(args.limit) + 1;
            if let Some(by) = &args.by {
                let groups = dead_letters::groups(&client, &filter, by, limit).await?;
                return Ok(Found::Groups(groups));
            }
            let letters = dead_letters::list(&client, &filter, (0, 0), limit).await?;
            match letters.is_empty() {
                true => none(&client, &filter, &args.config).await.map(Found::None),
                false => Ok(Found::Letters(letters)),
            }
        },
    )?;
    match found {
        Found::Groups(groups) => {
            let by = args.by.as_deref().unwrap_or("reason");
            print_groups(args, by, &groups)
        }
        Found::Letters(letters) => print_letters(args, &letters),
        Found::None(_) if args.form.json || args.csv => print_letters(args, &[]),
        Found::None(text) => print(&text),
    }
}

fn print_letters(args: &ListArgs, letters: &[Letter]) -> Result<()> {
    let more = letters.len() > args.limit as usize;
    let letters = &letters[..letters.len().min(args.limit as usize)];
    if args.csv || args.form.json {
        let values: Vec<Value> = letters.iter().map(|letter| json!(letter)).collect();
        return match args.csv {
            true => print_csv(&CSV_COLUMNS, &values),
            false => print_json(&values.into_iter().collect()),
        };
    }
    let with_status = args.status != "NEW";
    let line = |letter: &Letter| {
        let mut cells = vec![
            letter.file.to_string(),
            letter.record.to_string(),
            letter.line.to_string(),
            letter.reason.clone(),
            harmless(letter.column.as_deref().unwrap_or("")),
        ];
        if with_status {
            cells.push(letter.status.clone());
        }
        cells.push(harmless(&letter.message));
        cells
    };
    let lines: Vec<Vec<String>> = letters.iter().map(line).collect();
    let mut heading = vec!["file", "record", "line", "reason", "column"];
    heading.extend(with_status.then_some("status"));
    heading.push("message");
    let mut text = table(&heading, &lines);
    if more {
        text.push_str(&format!(
            "the first {}; --limit shows more\n",
            thousands(u64::from(args.limit))
        ));
    }
    print(&text)
}

/// The columns of the CSV: the keys of the JSON, in this order.
const CSV_COLUMNS: [&str; 18] = [
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
    "tried_at",
    "resolved_at",
    "resolved_by",
    "resolution",
];

/// How many there are of each kind, and the first of each.
fn print_groups(args: &ListArgs, by: &str, groups: &[Group]) -> Result<()> {
    let groups = &groups[..groups.len().min(args.limit as usize)];
    let value = |group: &Group| {
        json!({
            by: group.what, "count": group.count, "first_file": group.first_file,
            "first_record": group.first_record,
        })
    };
    let groups: Vec<Value> = groups.iter().map(value).collect();
    let columns = [by, "count", "first_file", "first_record"];
    if args.form.json {
        return print_json(&groups.into_iter().collect());
    }
    if args.csv {
        return print_csv(&columns, &groups);
    }
    if groups.is_empty() {
        return print("no dead letters\n");
    }
    let text = |value: &Value| match value {
        Value::String(text) => harmless(text),
        other => thousands(other.as_u64().unwrap_or(0)),
    };
    let lines: Vec<Vec<String>> = groups
        .iter()
        .map(|group| columns.iter().map(|column| text(&group[*column])).collect())
        .collect();
    print(&table(&columns, &lines))
}

/// The flags of `list` that mean the same letters, in whatever state.
fn flags(filter: &LetterFilter) -> String {
    let said = [
        ("--pipeline", filter.pipeline.clone()),
        ("--file", filter.file.map(|it| it.to_string())),
        ("--where", filter.record.map(|it| format!("record={it}"))),
        ("--reason", filter.reason.clone()),
        ("--column", filter.column.clone()),
        ("--sqlstate", filter.sqlstate.clone()),
        ("--since", filter.since.clone()),
    ];
    let said = said
        .into_iter()
        .filter_map(|(flag, value)| Some((flag, value?)));
    said.map(|(flag, value)| format!(" {flag} {}", shell_word(&value)))
        .collect()
}

/// Says that there are none: whether there are any in another state, or which reasons there would be
/// where another one was asked for.
pub(super) async fn none(
    client: &tokio_postgres::Client,
    filter: &LetterFilter,
    config: &ConfigArgs,
) -> Result<String> {
    let in_any_state = LetterFilter {
        status: None,
        ..filter.clone()
    };
    let others = dead_letters::count(client, &in_any_state).await?;
    if let Some(status) = filter.status.as_ref().filter(|_| others > 0) {
        return Ok(format!(
            "no dead letters that are {status}; {} in other states: `{}{} --status all`\n",
            count_of(others, "dead letter"),
            config.command("dead-letters list"),
            flags(filter)
        ));
    }
    let Some(wanted) = &filter.reason else {
        return Ok("no dead letters\n".to_owned());
    };
    let all = LetterFilter::default();
    let reasons = dead_letters::groups(client, &all, "reason", 100).await?;
    let mut reasons: Vec<String> = reasons.into_iter().map(|group| group.what).collect();
    reasons.sort();
    let near = nearest(wanted, reasons.iter().map(String::as_str));
    Ok(match near {
        Some(near) if near != wanted => {
            format!("no dead letters; did you mean the reason {near:?}?\n")
        }
        _ if reasons.is_empty() || reasons.contains(wanted) => "no dead letters\n".to_owned(),
        _ => format!("no dead letters; the reasons are {}\n", reasons.join(", ")),
    })
}
