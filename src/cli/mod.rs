//! The command line: one file a subcommand.

mod alerts;
mod audit;
mod chaos;
mod check;
mod config;
mod confirm;
mod context;
mod control;
mod dead_letters;
mod demo;
mod files;
mod filters;
mod find_file;
mod forget;
pub mod generate;
mod instances;
mod load;
mod migrate;
mod missing_indexes;
mod output;
mod psql;
mod reset;
mod retry;
mod run;
mod show_file;
mod status;
mod top;
mod undo;
mod watch_status;
mod why;

#[cfg(test)]
mod documents;

use std::error::Error as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use control::Control;
use ingestd_actors::error::{ErrorKind, Result};

use crate::logging::is_unsafe;
use crate::service::block_signals;
use crate::settings::Lines;

pub use output::{harmless, print, thousands};

/// Loads CSV files into PostgreSQL as they arrive: every good row once, every bad row kept with its
/// reason.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Load(load::LoadArgs),
    Check(check::CheckArgs),
    Demo(demo::DemoArgs),
    Chaos(chaos::ChaosArgs),
    Generate(generate::GenerateArgs),
    Files(files::FilesArgs),
    DeadLetters(dead_letters::DeadLettersArgs),
    Status(status::StatusArgs),
    Top(top::TopArgs),
    Why(why::WhyArgs),
    Alerts(alerts::AlertsArgs),
    /// Pause pipelines: nothing more is read, what is in flight is committed
    ///
    /// Waits until the services that run have done it. It survives a restart; `ingestd resume` ends
    /// it. Works from any host, through the database.
    #[command(after_help = "Example:\n  ingestd pause events")]
    Pause(control::ControlArgs),
    /// Let pipelines go on that are paused or drained
    #[command(after_help = "Example:\n  ingestd resume events")]
    Resume(control::ControlArgs),
    /// Drain pipelines: what is in flight is committed, and another instance may take them
    ///
    /// Unlike a paused pipeline, a drained one gives its lease back. It stays drained until `ingestd
    /// resume`, over restarts too.
    #[command(after_help = "Example:\n  ingestd drain events")]
    Drain(control::ControlArgs),
    /// Look through the directories of pipelines now
    #[command(after_help = "Example:\n  ingestd rescan events")]
    Rescan(control::ControlArgs),
    Audit(audit::AuditArgs),
    Config(config::ConfigCommandArgs),
    Retry(retry::RetryArgs),
    Undo(undo::UndoArgs),
    Forget(forget::ForgetArgs),
    Psql(psql::PsqlArgs),
    Migrate(migrate::MigrateArgs),
    Reset(reset::ResetArgs),
}

/// Parses the command line, runs the subcommand, and says how it ended: 0; 1 where something was
/// not loaded or went wrong; 2 for wrong usage or configuration.
pub fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return misused(&error),
    };
    match dispatch(command) {
        Ok(code) => code,
        Err(error) => {
            let has_lines = error.source().is_some_and(|source| source.is::<Lines>());
            match has_lines {
                true => output::complain_in_lines(&error.to_string()),
                false => output::complain(&error.to_string()),
            }
            match error.kind() {
                ErrorKind::Configuration => ExitCode::from(2),
                _ => ExitCode::from(1),
            }
        }
    }
}

/// Says what is wrong with the arguments, or the help that was asked for. A file's name among them may
/// be one that a shell has found (`*`), and is harmless then too.
fn misused(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    match text.chars().any(|c| c != '\n' && is_unsafe(c)) {
        true => output::complain_in_lines(text.trim_start_matches("error: ").trim_end()),
        // With its colours. Where nobody reads it there is nobody to complain to.
        false => drop(error.print()),
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn dispatch(command: Command) -> Result<ExitCode> {
    if matches!(
        command,
        Command::Run(_) | Command::Load(_) | Command::Demo(_)
    ) {
        // Before the first further thread, that of the log.
        block_signals();
    }
    match command {
        Command::Run(args) => run::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Chaos(args) => chaos::run(&args),
        Command::Generate(args) => generate::run(args).map(|()| ExitCode::SUCCESS),
        Command::Files(args) => files::run(&args).map(|()| ExitCode::SUCCESS),
        Command::DeadLetters(args) => dead_letters::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Top(args) => top::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Why(args) => why::run(&args),
        Command::Alerts(args) => alerts::run(&args),
        Command::Pause(args) => control::run(&args, Control::Pause),
        Command::Resume(args) => control::run(&args, Control::Resume),
        Command::Drain(args) => control::run(&args, Control::Drain),
        Command::Rescan(args) => control::run(&args, Control::Rescan),
        Command::Audit(args) => audit::run(&args),
        Command::Config(args) => config::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Retry(args) => retry::run(&args),
        Command::Undo(args) => undo::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Forget(args) => forget::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Psql(args) => psql::run(&args),
        Command::Migrate(args) => migrate::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Reset(args) => reset::run(&args).map(|()| ExitCode::SUCCESS),
    }
}
