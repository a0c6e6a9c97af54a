//! The [`Archive`] port: the target is in the ledger before the file moves, the state follows it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::FileId;
use ingestd_actors::port::{Archivable, Archive, PortFuture, Quarantined};
use slog::{Logger, warn};

use super::admit::blocking;
use super::error::ledger_error;
use crate::fs::archive::{Move, Outcome, run, target, write_reason};
use crate::fs::{file_error, path_from_text, path_text};
use crate::postgres::{Client, Database};
use crate::settings::Pipeline;

/// So many names are tried where the archive has files of the same name.
const ATTEMPTS: u32 = 100;

/// Moves finished files of one pipeline, and notes where they went.
#[derive(Clone)]
pub struct PostgresArchive {
    database: Database,
    pipeline: Arc<Pipeline>,
    log: Logger,
}

impl PostgresArchive {
    /// The archive of a pipeline.
    pub fn new(database: Database, pipeline: Arc<Pipeline>, log: Logger) -> PostgresArchive {
        PostgresArchive {
            database,
            pipeline,
            log,
        }
    }

    async fn move_out(
        self,
        into: PathBuf,
        file: Archivable,
        reason: Option<String>,
    ) -> Result<Option<PathBuf>> {
        let into = std::path::absolute(&into)
            .map_err(|error| file_error(error, &format!("finding {}", path_text(&into))))?;
        let inbox = std::path::absolute(&self.pipeline.directory)
            .map(|path| path.canonicalize().unwrap_or(path))
            .unwrap_or_default();
        let id = file.file;
        let client = self.database.client().await?;
        let mut chosen = match stored(&client, id).await? {
            Stored::Done(path) => return Ok(path),
            Stored::Begun(path) => Some(path),
            Stored::No => None,
        };
        for attempt in 0..ATTEMPTS {
            let name = target(&into, &inbox, &file.candidate.path, id, attempt);
            let target = match chosen.take() {
                Some(path) => path,
                // Free as far as one can see; the rename makes sure.
                None if std::fs::symlink_metadata(&name).is_ok() => continue,
                None => {
                    store(&client, id, Some(&name)).await?;
                    name
                }
            };
            let step = Move {
                file: id,
                candidate: file.candidate.clone(),
                handle: file.handle.clone(),
                target: target.clone(),
            };
            match blocking(move || run(&step)).await? {
                Ok(Outcome::Moved) => {
                    self.explain(&target, reason).await?;
                    finish(&client, id, Some(&target)).await?;
                    return Ok(Some(target));
                }
                Ok(Outcome::Missing) => {
                    warn!(self.log, "file {} is missing: it is neither in the inbox nor in the archive", id.0;
                        "path" => path_text(&file.candidate.path));
                    finish(&client, id, None).await?;
                    return Ok(None);
                }
                Ok(Outcome::Collides) => {}
                Err(error) if error.kind() == ErrorKind::File => {
                    // It stands where it stood: the next scan looks at it afresh.
                    store(&client, id, None).await?;
                    return Err(error);
                }
                Err(error) => return Err(error),
            }
        }
        let message = format!(
            "file {}: no free name for it below {}",
            id.0,
            path_text(&into)
        );
        Err(Error::new(ErrorKind::Configuration, message)
            .with_advice("move what is there somewhere else"))
    }

    async fn explain(&self, target: &Path, reason: Option<String>) -> Result<()> {
        let Some(reason) = reason else {
            return Ok(());
        };
        let target = target.to_owned();
        blocking(move || {
            let doing = format!("writing the reason beside {}", path_text(&target));
            write_reason(&target, &reason).map_err(|error| file_error(error, &doing))
        })
        .await?
    }
}

impl Archive for PostgresArchive {
    fn archive(&self, file: Archivable) -> PortFuture<Option<PathBuf>> {
        let this = self.clone();
        self.database.run(async move {
            match this.pipeline.archive.clone() {
                Some(into) => this.move_out(into, file, None).await,
                None => Ok(None),
            }
        })
    }

    fn quarantine(&self, file: Quarantined) -> PortFuture<Option<PathBuf>> {
        let this = self.clone();
        self.database.run(async move {
            let Some(into) = this.pipeline.quarantine.clone() else {
                return Ok(None);
            };
            let moved = Archivable {
                file: file.file,
                candidate: file.candidate,
                handle: None,
            };
            this.move_out(into, moved, Some(file.reason)).await
        })
    }
}

enum Stored {
    No,
    Begun(PathBuf),
    Done(Option<PathBuf>),
}

async fn stored(client: &Client, file: FileId) -> Result<Stored> {
    let row = client
        .query_opt(
            "select archive_path, archived_at is not null as archived
             from ingestd.files where file_id = $1",
            &[&file.0],
        )
        .await
        .map_err(|error| ledger_error(error, "reading where a file goes"))?;
    let Some(row) = row else {
        let message = format!("file {} is not in the ledger", file.0);
        return Err(Error::new(ErrorKind::Fenced, message));
    };
    let path = row
        .get::<_, Option<&str>>("archive_path")
        .map(path_from_text);
    Ok(match (path, row.get("archived")) {
        (path, true) => Stored::Done(path),
        (Some(path), false) => Stored::Begun(path),
        (None, false) => Stored::No,
    })
}

async fn store(client: &Client, file: FileId, target: Option<&Path>) -> Result<()> {
    let target = target.map(path_text);
    client
        .execute(
            "update ingestd.files set archive_path = $2
             where file_id = $1 and archived_at is null",
            &[&file.0, &target],
        )
        .await
        .map_err(|error| ledger_error(error, "noting where a file goes"))?;
    Ok(())
}

/// A tail takes the files that it continues with it: they stood at the same path.
async fn finish(client: &Client, file: FileId, target: Option<&Path>) -> Result<()> {
    let target = target.map(path_text);
    client
        .execute(
            "with recursive family as (
                 select file_id, parent_id from ingestd.files where file_id = $1
                 union all
                 select p.file_id, p.parent_id
                 from ingestd.files p join family on p.file_id = family.parent_id)
             update ingestd.files f
             set state = case when f.state = 'COMMITTED' then 'ARCHIVED' else f.state end,
                 archived_at = clock_timestamp(), archive_path = $2,
                 reason = case when $2::text is null and f.state = 'COMMITTED'
                               then 'missing: it was gone before it could be archived'
                               else f.reason end
             where f.file_id in (select file_id from family) and f.archived_at is null",
            &[&file.0, &target],
        )
        .await
        .map_err(|error| ledger_error(error, "noting that a file is archived"))?;
    Ok(())
}
