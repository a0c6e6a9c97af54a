//! `ingestd config`: the configuration as it is after merging.

use ingestd_actors::error::Result;

use super::context::{ConfigArgs, JsonArgs};
use super::output::{print, print_json};
use crate::settings::{ConfigFile, Environment, show};

/// Show the configuration
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example:\n  ingestd config show --all")]
pub struct ConfigCommandArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Show what file, environment and flags come to, and where each value is from
    ///
    /// It is TOML, and means the same when it is read again; passwords are not shown.
    #[command(after_help = "Example:\n  ingestd config show --config shop.toml --all")]
    Show(ShowArgs),
}

#[derive(Clone, Debug, clap::Args)]
struct ShowArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// The defaults too
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    form: JsonArgs,
}

/// Runs the subcommand.
pub fn run(args: &ConfigCommandArgs) -> Result<()> {
    let Command::Show(args) = &args.command;
    let environment = Environment::of_process();
    let file = ConfigFile::find_or_none(args.config.config.clone(), &environment);
    let sources = args.config.sources(file, environment);
    let shown = show::show(&sources, args.all)?;
    match args.form.json {
        true => print_json(&show::as_json(&shown)),
        false => print(&show::as_toml(&shown)),
    }
}
