//! What files were when their reading began: written down once, and the same after a resume.

use std::path::PathBuf;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{Epoch, FileId};
use ingestd_actors::port::PortFuture;
use tokio_postgres::types::Type;

use super::Database;
use super::error::classify_ledger;
use crate::fs::{path_from_text, path_text};

/// The ledger's memory of it.
#[derive(Clone)]
pub struct Origins {
    database: Database,
}

impl Origins {
    /// On a database whose ledger is there.
    pub fn new(database: Database) -> Origins {
        Origins { database }
    }

    /// The path that a file was first read from, and when, as PostgreSQL writes the time in UTC; where
    /// it is read for the first time, it is read from `path`, now.
    ///
    /// # Errors
    /// `Fenced` where the file has a newer claim; what the server says otherwise.
    pub fn of(&self, file: FileId, epoch: Epoch, path: PathBuf) -> PortFuture<(PathBuf, String)> {
        let database = self.database.clone();
        self.database
            .run(async move { first_reading(&database, file, epoch, path).await })
    }
}

async fn first_reading(
    database: &Database,
    file: FileId,
    epoch: Epoch,
    path: PathBuf,
) -> Result<(PathBuf, String)> {
    let client = database.client().await?;
    let path = path_text(&path);
    let rows = client
        .query_typed(
            "update ingestd.files
             set load_time = coalesce(load_time, clock_timestamp()),
                 load_path = coalesce(load_path, $3)
             where file_id = $1 and epoch = $2
             returning load_path,
                       to_char(load_time at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"')",
            &[
                (&file.0, Type::INT8),
                (&epoch.0, Type::INT8),
                (&path, Type::TEXT),
            ],
        )
        .await
        .map_err(|error| classify_ledger(error, "noting when a file's reading began"))?;
    let Some(row) = rows.first() else {
        let message = format!("file {} has a newer claim", file.0);
        return Err(Error::new(ErrorKind::Fenced, message));
    };
    Ok((path_from_text(row.get(0)), row.get(1)))
}
