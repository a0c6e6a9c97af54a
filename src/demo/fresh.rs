//! Starting over: nothing of earlier demos stays.

use std::fs;
use std::path::Path;

use ingestd_actors::error::{Error, ErrorKind, Result};
use tokio_postgres::types::Type;

use super::{PIPELINE, Story, TABLE};
use crate::ledger::FORGET;
use crate::postgres::{Client, Database, classify};
use crate::settings::Pipeline;

/// Drops the table, forgets the ledger, the story and the files of earlier demos.
///
/// # Errors
/// Where the database or the file system refuses.
pub async fn start_over(database: &Database, data_dir: &Path, pipeline: &Pipeline) -> Result<()> {
    let forgetting = {
        let database = database.clone();
        database.clone().run(async move {
            let mut client = database.client().await?;
            forget(&database, &mut client).await
        })
    };
    forgetting.await?;
    Story::forget(data_dir)?;
    let directories = [
        Some(&pipeline.directory),
        pipeline.archive.as_ref(),
        pipeline.quarantine.as_ref(),
    ];
    for directory in directories.into_iter().flatten() {
        remove_events(directory)?;
    }
    Ok(())
}

async fn forget(database: &Database, client: &mut Client) -> Result<()> {
    let failed = |error| classify(error, "starting over");
    let transaction = database.begin(client).await?;
    transaction
        .batch_execute(&format!("drop table if exists {TABLE}"))
        .await
        .map_err(failed)?;
    for statement in FORGET {
        transaction
            .execute_typed(statement, &[(&PIPELINE, Type::TEXT)])
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

/// Removes what the generator has written into a directory, and nothing else.
fn remove_events(directory: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.trim_start_matches('.').starts_with("events-") && entry.path().is_file() {
            fs::remove_file(entry.path()).map_err(|error| {
                Error::new(
                    ErrorKind::Configuration,
                    format!("{} can't be removed: {error}", entry.path().display()),
                )
            })?;
        }
    }
    Ok(())
}
