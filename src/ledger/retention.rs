//! Removing from the archive, and from quarantine, what has been there for long enough.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ingestd_actors::error::Result;
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::model::FileId;
use ingestd_actors::port::Swept;
use slog::{Logger, debug, info, warn};
use tokio_postgres::types::Type;
use tokio_postgres::{Row, Transaction};

use super::admit::blocking;
use super::archive::absolute;
use super::departures::{HeldIn, hold};
use super::error::ledger_error;
use super::known::unsigned;
use super::retry::RETRIED;
use super::sweep::{GROUP, telling};
use crate::fs::archive::{
    Archived, Due, Form, Removal, is_compressed, move_error, reason_path, remove_due,
};
use crate::fs::{path_from_text, path_text};
use crate::postgres::{Client, Database};
use crate::settings::Pipeline;

/// How long one of the two directories keeps its files.
pub struct Retention<'a> {
    pipeline: &'a Pipeline,
    quarantined: bool,
    period: Duration,
    /// The directory; empty where it is not configured any more.
    root: PathBuf,
}

/// An SQL condition on a file `f` that has left: it went to the archive, not to the quarantine; nor is it
/// still there on its way back into the inbox, with nothing of it loaded.
pub(super) fn in_archive() -> String {
    format!(
        "not (f.state = 'QUARANTINED')
         and not (f.state = 'SKIPPED' and coalesce(f.reason, '') = '{RETRIED}')"
    )
}

impl<'a> Retention<'a> {
    /// Those that a pipeline has.
    ///
    /// # Errors
    /// Where the working directory is gone.
    pub fn of(pipeline: &'a Pipeline) -> Result<Vec<Retention<'a>>> {
        let rules = &pipeline.archive_rules;
        let mut all = Vec::new();
        for (quarantined, period, root) in [
            (false, rules.archive_retention, &pipeline.archive),
            (true, rules.quarantine_retention, &pipeline.quarantine),
        ] {
            let Some(period) = period else { continue };
            let root = root.as_deref().map(absolute).transpose()?;
            all.push(Retention {
                pipeline,
                quarantined,
                period,
                root: root.unwrap_or_default(),
            });
        }
        Ok(all)
    }

    /// Removes a group of what is due. Only what the ledger has put there, and as it has.
    pub async fn remove(
        &self,
        database: &Database,
        client: &mut Client,
        log: &Logger,
    ) -> Result<Swept> {
        // Its rows are locked until that is noted: whoever retries a quarantined file meanwhile is told
        // that it is gone, or has it.
        let transaction = database.begin(client).await?;
        // Files are worked on under these locks, which takes its time.
        transaction
            .batch_execute("set local idle_in_transaction_session_timeout = '1h'")
            .await
            .map_err(|error| ledger_error(error, "beginning to clear the archive"))?;
        let rows = self.due(&transaction).await?;
        let mut swept = Swept {
            more: rows.len() == GROUP as usize,
            next: None,
            trouble: None,
        };
        let (places, ids) = self.places(&rows);
        let removed = blocking(move || {
            let remove = |due: Due| {
                let removal = remove_due(&due);
                (due.path, removal)
            };
            places.into_iter().map(remove).collect::<Vec<_>>()
        })
        .await?;

        let (mut done, mut parked) = (Vec::new(), Vec::new());
        for ((path, removal), files) in removed.into_iter().zip(ids) {
            let text = path_text(&path);
            match removal {
                Ok(Removal::Removed) => {
                    info!(log, "file removed from the archive"; "path" => text);
                }
                Ok(Removal::Gone) => {
                    debug!(log, "file was not in the archive any more"; "path" => text);
                }
                Ok(Removal::NotOurs) => {
                    warn!(log, "file of the archive stays: it is not the one that was put there";
                        "path" => text);
                }
                Err(error) => {
                    let error = move_error(error, &format!("removing {text}"));
                    warn!(log, "file stays in the archive for now"; "reason" => %error);
                    swept.trouble = swept.trouble.or(telling(error));
                    parked.extend(files.into_iter().map(|file| (file, None)));
                    continue;
                }
            }
            done.extend(files.into_iter().map(|file| file.0));
        }
        hold(transaction.client(), HeldIn::Archive, &parked).await?;
        note_removed(transaction.client(), &done).await?;
        if !done.is_empty() {
            pass(Step::SweepCommit).await?;
        }
        let noted = transaction.commit().await;
        noted.map_err(|error| ledger_error(error, "noting what the archive has lost"))?;
        if !done.is_empty() {
            pass(Step::SweepCommitted).await?;
        }
        Ok(swept)
    }

    async fn due(&self, transaction: &Transaction<'_>) -> Result<Vec<Row>> {
        let class = match self.quarantined {
            true => "f.state = 'QUARANTINED'".to_owned(),
            false => in_archive(),
        };
        transaction
            .query_typed(
                &format!(
                    "select f.file_id, f.path, f.archive_path, f.size, f.modified, f.content_hash,
                            p.tag
                     from ingestd.files f join ingestd.pipelines p on p.name = f.pipeline
                     where f.pipeline = $1 and {class} and f.archive_path is not null
                       and f.archived_at is not null and f.archive_removed_at is null
                       and f.archived_at <= now() - make_interval(secs => $2)
                       and coalesce(f.leave_again_at, '-infinity') <= now()
                     order by f.archived_at limit $3 for no key update of f skip locked"
                ),
                &[
                    (&self.pipeline.name, Type::TEXT),
                    (&self.period.as_secs_f64(), Type::FLOAT8),
                    (&GROUP, Type::INT8),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "reading what the archive has kept long enough"))
    }

    /// The places where files are due, each with the files that went there.
    fn places(&self, rows: &[Row]) -> (Vec<Due>, Vec<Vec<FileId>>) {
        let mut places: BTreeMap<PathBuf, (Due, Vec<FileId>)> = BTreeMap::new();
        for row in rows {
            let path = path_from_text(row.get("archive_path"));
            let file = FileId(row.get("file_id"));
            let source = path_from_text(row.get("path"));
            let compressed = !self.quarantined && is_compressed(&source, file, &path);
            let (due, files) = places.entry(path.clone()).or_insert_with(|| {
                let mut with = self.pipeline.companions.beside(&path);
                with.extend(self.quarantined.then(|| reason_path(&path)));
                let due = Due {
                    may_be: Vec::new(),
                    tag: row.get("tag"),
                    with,
                    root: self.root.clone(),
                    path,
                };
                (due, Vec::new())
            });
            due.may_be.push(Archived {
                size: unsigned(row, "size"),
                modified: row.get("modified"),
                content: row.get("content_hash"),
                form: if compressed { Form::Zstd } else { Form::Plain },
            });
            files.push(file);
        }
        places.into_values().unzip()
    }
}

async fn note_removed(client: &tokio_postgres::Client, files: &[i64]) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    client
        .execute_typed(
            "with locked as (
                 select f.file_id from ingestd.files f where f.file_id = any($1)
                 order by f.file_id for no key update)
             update ingestd.files f
             set archive_removed_at = clock_timestamp(), leave_again_at = null
             from locked where f.file_id = locked.file_id",
            &[(&files, Type::INT8_ARRAY)],
        )
        .await
        .map_err(|error| ledger_error(error, "noting what the archive has lost"))?;
    Ok(())
}
