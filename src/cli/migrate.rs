//! `ingestd migrate`: the ledger's tables.

use ingestd_actors::error::Result;

use super::context::{ConfigArgs, JsonArgs, database};
use super::output::{complain, print, print_json};
use crate::postgres::{Database, migrations};
use crate::service::{database_runtime, unusable_database};

/// Create or update the ledger's tables
///
/// They are in the schema `ingestd`. `run` and `load` make them by themselves; this is for a database
/// whose loading role may not.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example:\n  ingestd migrate --database-url postgresql://admin@db/shop")]
pub struct MigrateArgs {
    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    form: JsonArgs,
}

/// Runs the subcommand.
pub fn run(args: &MigrateArgs) -> Result<()> {
    let settings = args.config.settings_or_defaults()?;
    let (connection, _server) = database(&settings)?;
    let runtime = database_runtime()?;
    let applied = runtime.block_on(async {
        let database = Database::new(&connection, runtime.handle().clone()).await?;
        let mut client = database.client().await?;
        database.check_session(&client).await?;
        migrations::migrate_telling(&mut client, &complain).await
    });
    let applied = applied.map_err(|error| unusable_database(&settings.service, error))?;
    let names: Vec<String> = applied
        .into_iter()
        .map(|migration| migration.name)
        .collect();
    if args.form.json {
        return print_json(&serde_json::json!({ "applied": names }));
    }
    if names.is_empty() {
        return print("the ledger is up to date\n");
    }
    print(&format!("applied {}\n", names.join(", ")))
}
