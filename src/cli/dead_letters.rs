//! `ingestd dead-letters`: the records that could not be loaded, from inspection to replay.

mod discard;
mod export;
mod list;
mod meant;
mod replay;
mod show;
mod stats;

use std::process::ExitCode;

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::context::{connect_to_ledger, database, may_not_write};
use crate::local_server::user_name;
use crate::postgres::{Database, classify};
use crate::service::database_runtime;
use crate::settings::Settings;

/// Show, export, replay and discard the records that could not be loaded
///
/// A record that can't be loaded becomes a dead letter: it is NEW until a replay has loaded its row
/// (RESOLVED), or somebody has said that nobody will (DISCARDED).
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  ingestd dead-letters list --reason field_count
  ingestd dead-letters show 3 17")]
pub struct DeadLettersArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Stats(stats::StatsArgs),
    Export(export::ExportArgs),
    Replay(replay::ReplayArgs),
    Discard(discard::DiscardArgs),
}

/// Runs the subcommand.
pub fn run(args: &DeadLettersArgs) -> Result<ExitCode> {
    match &args.command {
        Command::List(args) => list::run(args).map(|()| ExitCode::SUCCESS),
        Command::Show(args) => show::run(args).map(|()| ExitCode::SUCCESS),
        Command::Stats(args) => stats::run(args).map(|()| ExitCode::SUCCESS),
        Command::Export(args) => export::run(args).map(|()| ExitCode::SUCCESS),
        Command::Replay(args) => replay::run(args),
        Command::Discard(args) => discard::run(args).map(|()| ExitCode::SUCCESS),
    }
}

/// The longest that a question of somebody who waits may take.
const PATIENCE: &str = "set statement_timeout = '60s'";

/// Works with the ledger: first what finds names in it, then with what that found.
fn with_ledger<F, T>(
    settings: &Settings,
    find: impl FnOnce(&mut postgres::Client) -> Result<F>,
    work: impl AsyncFnOnce(&Database, F) -> Result<T>,
) -> Result<T> {
    // Held, so that a private server goes on until the end.
    let mut connected = connect_to_ledger(settings)?;
    let found = find(&mut connected.client)?;
    let (connection, _server) = database(settings)?;
    let runtime = database_runtime()?;
    let result = runtime.block_on(async {
        let database = Database::new(&connection, runtime.handle().clone()).await?;
        work(&database, found).await
    });
    runtime.shutdown_background();
    result
}

/// A connection for questions alone.
async fn asking(database: &Database) -> Result<tokio_postgres::Client> {
    let client = database.dedicated().await?;
    if !database.is_pooled() {
        let set = client.batch_execute(PATIENCE).await;
        set.map_err(|error| classify(error, "setting up a connection"))?;
    }
    Ok(client)
}

/// Makes sure that this role may change what the ledger says, before anything is.
async fn check_rights(client: &tokio_postgres::Client) -> Result<()> {
    let sql = "select has_table_privilege('ingestd.dead_letters', 'UPDATE')
                  and has_table_privilege('ingestd.replays', 'INSERT')";
    let row = client.query_typed_one(sql, &[]).await;
    let row = row.map_err(|error| classify(error, "looking at the role's rights"))?;
    match row.get(0) {
        true => Ok(()),
        false => {
            let message = "this role may not write the tables of the schema ingestd";
            Err(may_not_write(
                Error::new(ErrorKind::Configuration, message).with_code("42501"),
            ))
        }
    }
}

/// Who is at the terminal, for the ledger.
fn who() -> String {
    let name = ["SUDO_USER", "USER", "LOGNAME"];
    let name = name.into_iter().find_map(|it| std::env::var(it).ok());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let uid = rustix::process::getuid().as_raw();
    let name = name.or_else(|| user_name(uid));
    let name = name.unwrap_or_else(|| format!("user {uid}"));
    format!("{name}@{}", host.trim())
}
