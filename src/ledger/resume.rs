//! What earlier lives left: unfinished files, claimed anew, and finished ones still to be moved.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{MutexGuard, PoisonError};

use ingestd_actors::error::Result;
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::model::{Candidate, FileId, FileState};
use ingestd_actors::port::{Archivable, Quarantined, Skipped, Verdict};
use slog::warn;
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;

use super::Core;
use super::admit::blocking;
use super::claim::Wanted;
use super::error::ledger_error;
use super::known::{COLUMNS, Known};
use super::notes::lock_files;
use super::others::takeable;
use super::verdict::same_metadata;
use crate::fs::{candidate_at, open_regular};
use crate::postgres::Client;
use crate::postgres::stages::clear_away;

/// What stands at the path of a known file.
enum There {
    /// The file.
    Same(Candidate),
    /// Another one, or a changed one.
    Other,
    /// The file, but it may not be read.
    Unreadable,
    /// Nothing, or nothing that can be looked at.
    Nothing,
}

/// Which files are wanted, of those that lives have left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// All that this instance may take into its hands.
    All,
    /// Those of instances that have died while this one lived.
    ByTheDead,
}

impl Core {
    pub(super) async fn resume(&self) -> Result<Vec<Verdict>> {
        self.lease.acquire().await?;
        self.take_up(Left::All).await
    }

    /// What instances have left that shared the pipeline with this one.
    pub(super) async fn left_behind(&self) -> Result<Vec<Verdict>> {
        self.take_up(Left::ByTheDead).await
    }

    async fn take_up(&self, left: Left) -> Result<Vec<Verdict>> {
        let alone = !self.lease.check().await?;
        let mut client = self.database.client().await?;
        clear_away(&client).await?;
        let known = self.find_left(&client, left, alone).await?;
        // Where the answer to what follows is lost, they are this instance's by then, and no more those of
        // the dead: they would not be found again.
        *self.taking_over() = known.iter().map(|known| known.file.0).collect();
        let looked = blocking(move || {
            let look = |known: Known| {
                let there = look_at(&known);
                (known, there)
            };
            known.into_iter().map(look).collect::<Vec<_>>()
        })
        .await?;

        let mut wanted = Vec::new();
        let mut unseen = Vec::new();
        let mut finished_files = Vec::new();
        for (known, there) in &looked {
            match there {
                _ if !known.is_unfinished() => finished_files.push(known.file.0),
                There::Same(now) => wanted.push(Wanted {
                    file: known.file,
                    candidate: now.clone(),
                    fingerprint: None,
                }),
                _ => unseen.push(known.file),
            }
        }
        let mut claims = HashMap::new();
        let mut ours = HashSet::new();
        if !looked.is_empty() {
            let failed = |error| ledger_error(error, "taking up what is unfinished");
            let transaction = self.database.begin(&mut client).await?;
            self.lease.hold(&transaction).await?;
            claims = self.claim(&transaction, &wanted, alone).await?;
            self.fence_unseen(&transaction, &unseen, alone).await?;
            ours = self.own(&transaction, &finished_files, alone).await?;
            pass(Step::ResumeCommit).await?;
            transaction.commit().await.map_err(failed)?;
            pass(Step::ResumeCommitted).await?;
        }
        if left == Left::ByTheDead
            && let Err(error) = self.bury_the_dead(&client).await
        {
            // They are seen again, and buried then.
            warn!(self.log, "dead instances can't be forgotten yet"; "error" => %error);
        }
        let verdicts = looked.into_iter().filter_map(|(known, there)| {
            if known.is_unfinished() {
                return Some(match claims.remove(&known.file) {
                    Some(claim) => Verdict::Load(claim),
                    None => waits(known, there),
                });
            }
            match ours.contains(&known.file) {
                true => finished(known, there),
                false => None,
            }
        });
        let verdicts: Vec<Verdict> = verdicts.collect();
        if self.rules.named {
            self.taken.note(&verdicts);
        }
        self.taking_over().clear();
        Ok(verdicts)
    }

    /// The files whose taking over has begun, and has not been answered.
    pub(super) fn taking_over(&self) -> MutexGuard<'_, Vec<i64>> {
        self.taking_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn find_left(&self, client: &Client, left: Left, alone: bool) -> Result<Vec<Known>> {
        let begun = self.taking_over().clone();
        let rows = client
            .query_typed(
                &format!(
                    "select {COLUMNS} from ingestd.files f
                     where f.pipeline = $1 and f.archived_at is null
                       and (f.state in ('SCHEDULED', 'READING', 'COMPLETED')
                            or f.state = 'COMMITTED' and not $2
                               -- What is held waits for its own time.
                               and ($3::text[] is not null or f.leave_again_at is null)
                               -- What was loaded by its name stays where it stands.
                               and ($3::text[] is not null or starts_with(f.path, $4)
                                    or starts_with(f.load_path, $4))
                            or f.state in ('COMMITTED', 'SKIPPED', 'QUARANTINED')
                               and f.archive_path is not null)
                       and ($3::text[] is null or f.path = any($3))
                       and {}
                       and ($7 or f.owner <> $5::uuid or f.file_id = any($8))
                     order by f.file_id",
                    takeable("$5", "$6")
                ),
                &[
                    (&self.pipeline, Type::TEXT),
                    (&self.rules.keeps, Type::BOOL),
                    (&self.only, Type::TEXT_ARRAY),
                    (&self.inbox, Type::TEXT),
                    (&self.instance, Type::TEXT),
                    (&alone, Type::BOOL),
                    (&(left == Left::All), Type::BOOL),
                    (&begun, Type::INT8_ARRAY),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "reading what is unfinished"))?;
        rows.iter().map(Known::read).collect()
    }

    /// Takes finished files into this instance's hands that are still to be moved; those that it got.
    async fn own(
        &self,
        transaction: &Transaction<'_>,
        files: &[i64],
        alone: bool,
    ) -> Result<HashSet<FileId>> {
        if files.is_empty() {
            return Ok(HashSet::new());
        }
        lock_files(transaction, files).await?;
        let statement = format!(
            "update ingestd.files f set owner = $2::uuid
             where f.file_id = any($1) and f.archived_at is null and {}
             returning f.file_id",
            takeable("$2", "$3")
        );
        let rows = transaction
            .query_typed(
                &statement,
                &[
                    (&files, Type::INT8_ARRAY),
                    (&self.instance, Type::TEXT),
                    (&alone, Type::BOOL),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "taking over files that are to be moved"))?;
        Ok(rows.iter().map(|row| FileId(row.get("file_id"))).collect())
    }

    /// Forgets instances that are dead, now that somebody else has what they left: one that comes
    /// back to life begins anew.
    async fn bury_the_dead(&self, client: &Client) -> Result<()> {
        client
            .execute_typed(
                "delete from ingestd.instances i
                 where i.pipeline = $1 and i.instance <> $2::uuid
                   and not exists (select from ingestd.live_instances l
                                   where l.instance = i.instance)",
                &[(&self.pipeline, Type::TEXT), (&self.instance, Type::TEXT)],
            )
            .await
            .map_err(|error| ledger_error(error, "forgetting dead instances"))?;
        Ok(())
    }
}

fn look_at(known: &Known) -> There {
    match candidate_at(&known.candidate.path) {
        Ok(Some(now)) if !same_metadata(&now, &known.candidate) => There::Other,
        Ok(Some(now)) if known.is_unfinished() && is_locked_away(&now) => There::Unreadable,
        Ok(Some(now)) => There::Same(now),
        Ok(None) | Err(_) => There::Nothing,
    }
}

/// Whether it may not be read: it would hold up the files after it for as long as that lasts.
fn is_locked_away(candidate: &Candidate) -> bool {
    let opened = open_regular(&candidate.path);
    opened.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

fn waits(known: Known, there: There) -> Verdict {
    let reason = match there {
        There::Same(_) => "its state has just changed",
        There::Other => "it has changed since it was begun; the next scan decides",
        There::Unreadable => {
            "it was begun, but can't be read any more; give the service's user the right to, and its loading goes on"
        }
        There::Nothing => {
            "it was begun, but is gone; put it back, anywhere in the inbox, and its loading goes on (an interrupted `ingestd retry` does so when it is typed again)"
        }
    };
    Verdict::Later {
        path: known.candidate.path,
        reason: format!("file {}: {reason}", known.file.0),
    }
}

/// A move that was begun is always ended; one that was not begun starts only if the file is there,
/// or gone for good.
fn finished(known: Known, there: There) -> Option<Verdict> {
    let begun = known.archive_path.is_some();
    let candidate = match there {
        There::Same(now) => now,
        There::Other if !begun => return None,
        There::Other | There::Unreadable | There::Nothing => known.candidate,
    };
    let file = known.file;
    let reason = known.reason.unwrap_or_default();
    Some(match known.state {
        FileState::Skipped => Verdict::Skip(Skipped {
            file,
            candidate,
            reason,
        }),
        FileState::Quarantined => Verdict::Quarantine(Quarantined {
            file,
            candidate,
            reason,
        }),
        _ => Verdict::Archive(Archivable {
            file,
            candidate,
            handle: None,
        }),
    })
}
