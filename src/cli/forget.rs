//! `ingestd forget`: the ledger forgets a file.

use ingestd_actors::error::{Error, ErrorKind, Result};
use serde_json::json;

use super::confirm::confirmed;
use super::context::{ConfigArgs, JsonArgs, connect_to_ledger, may_not_write};
use super::find_file::find_file;
use super::output::{count_of, harmless, print, print_json};
use super::undo::of_duplicates;
use crate::undo::{Forgotten, forget, forgettable};

/// Make the ledger forget a file, so that it may be loaded again
///
/// Its rows stay in the table (`ingestd undo` takes them out); its dead letters are forgotten with it,
/// and so is what was added to it and could not be loaded. A file that still stands in the inbox is loaded again at once, where a service runs.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example:
  ingestd forget 17

Exit code: 0; 1 where it can't be forgotten just now; 2 where it can't be.")]
pub struct ForgetArgs {
    /// The file: its number, its path, or its name
    #[arg(value_name = "FILE")]
    file: String,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    form: JsonArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the subcommand.
pub fn run(args: &ForgetArgs) -> Result<()> {
    let mut connection = connect_to_ledger(&args.config.settings_or_defaults()?)?;
    let client = &mut connection.client;
    let file = find_file(client, &args.file)?;
    if !args.yes {
        print(&warnings(&forgettable(client, file)?))?;
        if !confirmed(&format!("forget file {file}?"), "forget")? {
            return print("nothing was changed\n");
        }
    }
    let forgotten = forget(client, file).map_err(may_not_write)?;
    if args.form.json {
        let mut value = serde_json::to_value(&forgotten).map_err(|error| {
            Error::new(ErrorKind::Bug, "the outcome can't be written as JSON").with_source(error)
        })?;
        value["outcome"] = json!("forgotten");
        return print_json(&value);
    }
    let warnings = match args.yes {
        true => warnings(&forgotten),
        false => String::new(),
    };
    print(&format!("{warnings}file {file} is forgotten\n"))
}

/// What there is to know before, or after.
fn warnings(forgotten: &Forgotten) -> String {
    let mut text = format!(
        "file {} ({}), pipeline {}, {}\n",
        forgotten.file,
        harmless(&forgotten.path),
        harmless(&forgotten.pipeline),
        forgotten.state
    );
    if let Some(table) = forgotten.table.as_ref().filter(|_| forgotten.loaded > 0) {
        let again = match forgotten.would_double {
            true => "loaded again, they are there twice",
            false => "loaded again, they meet themselves by their key",
        };
        text.push_str(&format!(
            "  {} of it are loaded, and stay in {}: {again}; `ingestd undo {}` takes them out\n",
            count_of(forgotten.loaded, "record"),
            harmless(table),
            forgotten.file
        ));
    }
    if forgotten.dead_letters > 0 {
        text.push_str(&format!(
            "  {} forgotten with it\n",
            count_of(forgotten.dead_letters, "dead letter")
        ));
    }
    for tail in &forgotten.tails {
        text.push_str(&format!(
            "  file {} ({}, {}), which was added to it, is forgotten with it, and so are its {}\n",
            tail.file,
            harmless(&tail.path),
            tail.state,
            count_of(tail.dead_letters, "dead letter")
        ));
    }
    text.push_str(&of_duplicates(&forgotten.duplicates));
    if let Some(path) = &forgotten.left_at {
        let reason = match forgotten.state.as_str() {
            "QUARANTINED" => ", with its .reason",
            _ => "",
        };
        text.push_str(&format!(
            "  it stays at {}{reason}, where nothing looks after it any more: remove it, or move it into the inbox to have it loaded\n",
            harmless(path)
        ));
    }
    if forgotten.stands {
        text.push_str("  it stands in the inbox: a service that runs loads it again at once\n");
    }
    text
}
