//! `ingestd dead-letters discard`.

use ingestd_actors::error::Result;
use serde_json::json;

use super::super::confirm::confirmed;
use super::super::context::{ConfigArgs, JsonArgs};
use super::super::output::{count_of, harmless, print, print_json};
use super::meant::{FileArgs, MeantArgs, wrong};
use super::{asking, check_rights, who, with_ledger};
use crate::dead_letters::{self, LetterFilter};

/// Mark them as DISCARDED: nobody will load them
///
/// They stay in the ledger, with who has discarded them, when and why, until they are forgotten by their
/// age (`dead_letter_retention`).
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  ingestd dead-letters discard 3 17 --because \"a test order\"
  ingestd dead-letters discard --where reason=field_count --because \"sent again as events-18.csv\" --yes")]
pub struct DiscardArgs {
    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    of: FileArgs,

    #[command(flatten)]
    meant: MeantArgs,

    /// All that are NEW
    #[arg(long)]
    all: bool,

    /// Why
    #[arg(long, value_name = "TEXT")]
    because: String,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    form: JsonArgs,
}

/// Runs the subcommand.
pub fn run(args: &DiscardArgs) -> Result<()> {
    let settings = args.config.settings_or_defaults()?;
    let file = args.of.named();
    if args.because.trim().is_empty() {
        return Err(wrong(
            "--because is empty; say why nobody needs them".to_owned(),
        ));
    }
    let (discarded, said) = with_ledger(
        &settings,
        |client| args.meant.filter(client, file, args.of.record),
        async |database, mut filter| {
            if filter.is_open() && !args.all {
                return Err(wrong(
                    "say which dead letters: by a file, --reason and so on, or --all".to_owned(),
                ));
            }
            filter.status = Some("NEW".to_owned());
            let client = asking(database).await?;
            check_rights(&client).await?;
            let count = dead_letters::count(&client, &filter).await?;
            if count == 0 {
                return Ok((0, why_none(args, &client, &filter).await?));
            }
            if !(args.yes || confirmed(&question(count), "discard")?) {
                return Ok((0, "nothing was changed\n".to_owned()));
            }
            // Many take longer than anybody asks for.
            let client = database.dedicated().await?;
            let because = args.because.trim();
            let discarded = dead_letters::discard(&client, &filter, &who(), because).await?;
            let said = format!("{} DISCARDED\n", count_of(discarded, "dead letter"));
            Ok((discarded, said))
        },
    )?;
    match args.form.json {
        true => print_json(&json!({ "discarded": discarded })),
        false => print(&said),
    }
}

/// Why there is nothing to be discarded.
async fn why_none(
    args: &DiscardArgs,
    client: &tokio_postgres::Client,
    filter: &LetterFilter,
) -> Result<String> {
    let (Some(file), Some(record)) = (filter.file, filter.record) else {
        let none = super::list::none(client, filter, &args.config).await?;
        return Ok(format!("nothing was changed: {none}"));
    };
    let letter = dead_letters::find(client, file, record).await?;
    Ok(match letter {
        None => format!("nothing was changed: record {record} of file {file} is no dead letter\n"),
        Some(letter) if letter.status == "NEW" => {
            "nothing was changed: it is none of those that are meant\n".to_owned()
        }
        Some(letter) => format!(
            "nothing was changed: it is {} already{}\n",
            letter.status,
            match (&letter.resolved_by, &letter.resolved_at) {
                (Some(by), Some(at)) => format!(", by {} at {at}", harmless(by)),
                _ => String::new(),
            }
        ),
    })
}

fn question(count: u64) -> String {
    format!("discard {}?", count_of(count, "dead letter"))
}
