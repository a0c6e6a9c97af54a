//! The [`Sweep`] port: what is due by the server's clock, in groups.

use std::path::PathBuf;
use std::time::Duration;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::model::{Candidate, FileId};
use ingestd_actors::port::{Archivable, Leaving, Left, PortFuture, Sweep, Swept};
use slog::{debug, warn};
use tokio_postgres::types::Type;

use super::PostgresArchive;
use super::departures::{HeldIn, hold};
use super::error::ledger_error;
use super::known::unsigned;
use super::others::takeable;
use super::retention::{Retention, in_archive};
use crate::dead_letters::forget;
use crate::fs::{path_from_text, path_text};
use crate::postgres::Client;
use crate::settings::{Collision, Finished, Pipeline};

/// How many files are dealt with in one group at most.
pub const GROUP: i64 = 256;
/// How soon a pipeline is asked again that is paused, or loaded by another instance.
const IDLE: Duration = Duration::from_secs(5);
/// How soon it is looked again at the earliest.
const SOON: Duration = Duration::from_secs(1);
/// How soon files that could not leave are looked for.
const HELD: Duration = Duration::from_secs(15);

/// What is due by time in one pipeline.
#[derive(Clone)]
pub struct PostgresSweep {
    archive: PostgresArchive,
}

impl PostgresSweep {
    /// What is due in the pipeline of an archive, for the same instance of the service.
    pub fn new(archive: PostgresArchive) -> PostgresSweep {
        PostgresSweep { archive }
    }

    async fn sweep(&self) -> Result<Swept> {
        let mut client = self.archive.database.client().await?;
        if !self.is_ours(&client).await? {
            return Ok(Swept {
                more: false,
                next: Some(IDLE),
                trouble: None,
            });
        }
        let pipeline = &self.archive.pipeline;
        let left = self.let_leave(&client).await?;
        let mut more = left.more;
        let mut trouble = left.trouble;
        for retention in Retention::of(pipeline)? {
            let database = &self.archive.database;
            let removed = retention
                .remove(database, &mut client, &self.archive.log)
                .await?;
            more |= removed.more;
            trouble = trouble.or(removed.trouble);
        }
        let letters = forget(&client, &pipeline.name, &pipeline.letters).await?;
        if letters.letters > 0 {
            slog::info!(self.archive.log, "dead letters are forgotten"; "letters" => letters.letters);
        }
        more |= letters.more;
        let due = self.next_due(&client).await?;
        // What is due and in another instance's hands is not waited for in a hurry.
        let due = due.map(|due| due.max(SOON));
        let next = match (due, longest_sleep(pipeline)) {
            (Some(due), Some(longest)) => Some(due.min(longest)),
            (due, longest) => due.or(longest),
        };
        let next = next.into_iter().chain(letters.next).min();
        Ok(Swept {
            more,
            next,
            trouble,
        })
    }

    /// Whether the pipeline is neither paused nor another instance's.
    async fn is_ours(&self, client: &Client) -> Result<bool> {
        let row = client
            .query_typed_opt(
                "select from ingestd.pipelines
                 where name = $1 and not paused
                   and (lease_instance is null or lease_instance = $2::uuid)",
                &[
                    (&self.archive.pipeline.name, Type::TEXT),
                    (&self.archive.instance, Type::TEXT),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "looking whether the pipeline may be swept"))?;
        Ok(row.is_some())
    }

    /// Lets a group of files leave whose time has come.
    async fn let_leave(&self, client: &Client) -> Result<Swept> {
        let mut swept = Swept {
            more: false,
            next: None,
            trouble: None,
        };
        let Some(after) = leaves(&self.archive.pipeline) else {
            return Ok(swept);
        };
        let files = self.due(client, after).await?;
        swept.more = files.len() == GROUP as usize;
        if !files.is_empty() {
            pass(Step::SweepLeave).await?;
        }
        let leaving = files.iter().cloned().map(Leaving::Archive).collect();
        let answers = self
            .archive
            .take_out_all(Some(client), leaving, true)
            .await?;
        let mut parked = Vec::new();
        for (file, answer) in files.iter().zip(answers) {
            let log = &self.archive.log;
            let path = path_text(&file.candidate.path);
            match answer {
                Ok(Left::To(target)) => slog::info!(log, "file has followed to the archive";
                    "file" => file.file.0, "path" => path, "target" => path_text(&target)),
                Ok(Left::Held(reason)) => debug!(log, "file still stays in the inbox";
                    "file" => file.file.0, "reason" => reason),
                Ok(Left::Gone) => {}
                // The configuration says so by now: there is nothing to be tried again.
                Ok(Left::Stays) => parked.push((file.file, None)),
                Err(error) => {
                    warn!(log, "file stays in the inbox for now";
                        "file" => file.file.0, "path" => path, "reason" => %error);
                    parked.push((file.file, None));
                    swept.trouble = swept.trouble.or(telling(error));
                }
            }
        }
        hold(client, HeldIn::Inbox, &parked).await?;
        Ok(swept)
    }

    /// The files whose time has come: `after` is how long they wait for their deletion; without,
    /// only those that could not leave before.
    async fn due(&self, client: &Client, after: Option<Duration>) -> Result<Vec<Archivable>> {
        let rows = client
            .query_typed(
                &format!(
                    "select f.file_id, f.path, f.size, f.modified, f.device, f.inode
                 from ingestd.files f
                 where f.pipeline = $1 and f.archived_at is null
                   and f.state in ('COMMITTED', 'SKIPPED')
                   and (starts_with(f.path, $2) or starts_with(f.load_path, $2))
                   and coalesce(f.leave_again_at, '-infinity') <= now()
                   and coalesce(f.committed_at, f.discovered_at)
                       <= now() - make_interval(secs => coalesce($3, 0))
                   and ($3 is not null or f.leave_again_at is not null) and {}
                 order by coalesce(f.committed_at, f.discovered_at) limit $4",
                    takeable("$5", "false")
                ),
                &[
                    (&self.archive.pipeline.name, Type::TEXT),
                    (&self.inbox(), Type::TEXT),
                    (&after.map(|after| after.as_secs_f64()), Type::FLOAT8),
                    (&GROUP, Type::INT8),
                    (&self.archive.instance, Type::TEXT),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "reading which files are to leave"))?;
        let bits = |row: &tokio_postgres::Row, column| row.get::<_, i64>(column).cast_unsigned();
        let file = |row: &tokio_postgres::Row| Archivable {
            file: FileId(row.get("file_id")),
            candidate: Candidate {
                path: path_from_text(row.get("path")),
                size: unsigned(row, "size"),
                modified: row.get("modified"),
                device: bits(row, "device"),
                inode: bits(row, "inode"),
            },
            handle: None,
        };
        Ok(rows.iter().map(file).collect())
    }

    /// How soon the next is due.
    async fn next_due(&self, client: &Client) -> Result<Option<Duration>> {
        let pipeline = &self.archive.pipeline;
        let rules = &pipeline.archive_rules;
        let after = leaves(pipeline);
        let seconds = |period: Option<Duration>| period.map(|period| period.as_secs_f64());
        let row = client
            .query_typed_one(
                &format!(
                    "select extract(epoch from least(
                     case when $3 then (
                         select min(f.leave_again_at) from ingestd.files f
                         where f.pipeline = $1 and f.leave_again_at is not null
                           and f.archived_at is null and f.state in ('COMMITTED', 'SKIPPED')
                           and (starts_with(f.path, $2)
                                or starts_with(f.load_path, $2))) end,
                     case when $4 is not null then (
                         select min(coalesce(f.committed_at, f.discovered_at))
                         from ingestd.files f
                         where f.pipeline = $1 and f.archived_at is null
                           and f.state in ('COMMITTED', 'SKIPPED') and f.leave_again_at is null
                           and (starts_with(f.path, $2)
                                or starts_with(f.load_path, $2))) + make_interval(secs => $4) end,
                     case when $5 is not null then (
                         select min(f.archived_at) from ingestd.files f
                         where f.pipeline = $1 and {}
                           and f.archive_path is not null and f.archived_at is not null
                           and f.archive_removed_at is null and f.leave_again_at is null)
                         + make_interval(secs => $5) end,
                     case when $6 is not null then (
                         select min(f.archived_at) from ingestd.files f
                         where f.pipeline = $1 and f.state = 'QUARANTINED'
                           and f.archive_path is not null and f.archived_at is not null
                           and f.archive_removed_at is null and f.leave_again_at is null)
                         + make_interval(secs => $6) end,
                     case when $5 is not null or $6 is not null then (
                         select min(f.leave_again_at) from ingestd.files f
                         where f.pipeline = $1 and f.leave_again_at is not null
                           and f.archived_at is not null and f.archive_removed_at is null) end
                     ) - now())::float8 as seconds",
                    in_archive()
                ),
                &[
                    (&pipeline.name, Type::TEXT),
                    (&self.inbox(), Type::TEXT),
                    (&after.is_some(), Type::BOOL),
                    (&seconds(after.flatten()), Type::FLOAT8),
                    (&seconds(rules.archive_retention), Type::FLOAT8),
                    (&seconds(rules.quarantine_retention), Type::FLOAT8),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "reading what is due next"))?;
        let seconds: Option<f64> = row.get("seconds");
        // Beyond what a duration holds, it is far enough away to be nothing.
        Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok()))
    }

    fn inbox(&self) -> String {
        path_text(&self.archive.inbox.directory().join(PathBuf::new()))
    }
}

/// PURE: whether files leave at all; inside, how long they wait for it, where they wait.
fn leaves(pipeline: &Pipeline) -> Option<Option<Duration>> {
    match pipeline.archive_rules.finished {
        Finished::Keep => None,
        Finished::Move => pipeline.archive.is_some().then_some(None),
        // Those that are deleted at once leave like those that move.
        Finished::Delete { after } => Some(Some(after).filter(|after| !after.is_zero())),
    }
}

/// PURE: for how long nothing can become due that was not there when it was asked; `None`: for ever.
fn longest_sleep(pipeline: &Pipeline) -> Option<Duration> {
    let rules = &pipeline.archive_rules;
    let may_hold = pipeline.archive.is_some() && rules.collision != Collision::Rename;
    [
        leaves(pipeline).flatten(),
        rules.archive_retention,
        rules.quarantine_retention,
        may_hold.then_some(HELD),
    ]
    .into_iter()
    .flatten()
    .min()
}

/// What of an error is told as what holds the pipeline up: not what is one file's own.
pub(super) fn telling(error: Error) -> Option<Error> {
    (error.kind() != ErrorKind::File).then_some(error)
}

impl Sweep for PostgresSweep {
    fn sweep(&self) -> PortFuture<Swept> {
        let this = self.clone();
        self.archive.database.run(async move { this.sweep().await })
    }
}
