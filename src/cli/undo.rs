//! `ingestd undo`: a file's rows leave the table.

use ingestd_actors::error::{Error, ErrorKind, Result};
use serde_json::json;

use super::confirm::confirmed;
use super::context::{ConfigArgs, JsonArgs, connect_to_ledger, may_not_write};
use super::find_file::find_file;
use super::output::{count_of, harmless, print, print_json, thousands};
use crate::undo::{Prospect, Relative, Undone, undo, undoable};

/// Take a file back: remove exactly its rows from the table, so that it may be loaded again
///
/// For pipelines with a column of `from = "file_id"` (or with `load_time` and the file's name). In one
/// transaction its rows are deleted, its dead letters discarded, and the ledger notes it as taken back.
/// Rows that it has overwritten or deleted don't come back, and rows of its that later files have
/// overwritten are theirs, and stay. While it takes, nobody else writes to the table.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  ingestd undo 17 --dry-run
  ingestd undo /srv/drop/events/2026-11-21.csv --yes

Exit code: 0, where it was taken back before too; 1 where it can't be just now; 2 where it can't be.")]
pub struct UndoArgs {
    /// The file: its number, its path, or its name
    #[arg(value_name = "FILE")]
    file: String,

    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    form: JsonArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the subcommand.
pub fn run(args: &UndoArgs) -> Result<()> {
    let mut connection = connect_to_ledger(&args.config.settings_or_defaults()?)?;
    let client = &mut connection.client;
    let file = find_file(client, &args.file)?;
    let before = match undoable(client, file)? {
        Undone::Undone(before) => before,
        done => return say(&done, args),
    };
    if args.dry_run {
        return say(&Undone::Undone(before), args);
    }
    if !args.yes {
        print(&in_words(&before, true))?;
        let question = format!("take file {} back?", before.file);
        if !confirmed(&question, "undo")? {
            return print("nothing was changed\n");
        }
    }
    say(&undo(client, file).map_err(may_not_write)?, args)
}

fn say(outcome: &Undone, args: &UndoArgs) -> Result<()> {
    if args.form.json {
        let mut value = serde_json::to_value(outcome).map_err(|error| {
            Error::new(ErrorKind::Bug, "the outcome can't be written as JSON").with_source(error)
        })?;
        value["dry_run"] = json!(args.dry_run);
        return print_json(&value);
    }
    match outcome {
        Undone::Before { file, at } => {
            print(&format!("file {file} was taken back before, at {at}\n"))
        }
        Undone::Undone(prospect) => print(&in_words(prospect, args.dry_run)),
    }
}

fn in_words(prospect: &Prospect, to_come: bool) -> String {
    let is = |number: u64| match (to_come, number) {
        (true, _) => "would be",
        (false, 1) => "was",
        (false, _) => "were",
    };
    let Prospect {
        file, rows, table, ..
    } = prospect;
    let mut text = format!(
        "file {file} ({}): {} {} removed from {}, by {}\n",
        harmless(&prospect.path),
        count_of(*rows, "row"),
        is(*rows),
        harmless(table),
        told_by(&prospect.told_by),
    );
    let mut note = |number: u64, one: &str, more: &str| {
        if number > 0 {
            let words = if number == 1 { one } else { more };
            text.push_str(&format!("  {} {words}\n", thousands(number)));
        }
    };
    note(
        prospect.no_longer_its,
        "that it has written is its no more (overwritten by a later file, or deleted): it stays as it is",
        "that it has written are its no more (overwritten by a later file, or deleted): they stay as they are",
    );
    note(
        prospect.updated,
        "time it has overwritten a row: what stood there before is not known, and does not come back",
        "times it has overwritten a row: what stood there before is not known, and does not come back",
    );
    note(
        prospect.deleted,
        "row it has deleted: it doesn't come back",
        "rows it has deleted: they don't come back",
    );
    let letters = prospect.dead_letters;
    if letters > 0 {
        let count = count_of(letters, "dead letter");
        text.push_str(&format!("  {count} of it {} discarded\n", is(letters)));
    }
    text.push_str(&of_duplicates(&prospect.duplicates));
    if prospect.in_inbox {
        text.push_str(&format!(
            "  it stands at {}: it is loaded again once it is touched or dropped again\n",
            harmless(&prospect.path)
        ));
    }
    text
}

/// The columns by which its rows are told.
fn told_by(columns: &[String]) -> String {
    let quoted: Vec<String> = columns
        .iter()
        .map(|it| format!("\"{}\"", harmless(it)))
        .collect();
    match quoted.len() {
        1 => format!("its column {}", quoted[0]),
        _ => format!("its columns {}", quoted.join(" and ")),
    }
}

/// What was skipped on account of it.
pub fn of_duplicates(duplicates: &[Relative]) -> String {
    let lines = duplicates.iter().map(|one| {
        format!(
            "  file {} ({}) was skipped as its duplicate: it is loaded once it is dropped again\n",
            one.file,
            harmless(&one.path)
        )
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_quoted() {
        let told = |columns: &[&str]| {
            let columns: Vec<String> = columns.iter().map(|&it| it.to_owned()).collect();
            told_by(&columns)
        };
        assert_eq!(told(&["file"]), "its column \"file\"");
        assert_eq!(told(&["at", "name"]), "its columns \"at\" and \"name\"");
    }
}
