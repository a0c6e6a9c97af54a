//! What earlier lives left: unfinished files, claimed anew, and finished ones still to be moved.

use std::collections::HashMap;
use std::io;

use ingestd_actors::error::Result;
use ingestd_actors::model::{Candidate, FileState};
use ingestd_actors::port::{Archivable, Quarantined, Skipped, Verdict};

use super::Core;
use super::admit::blocking;
use super::claim::Wanted;
use super::error::ledger_error;
use super::known::{COLUMNS, Known};
use super::verdict::same_metadata;
use crate::fs::{candidate_at, open_regular};

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

impl Core {
    pub(super) async fn resume(&self) -> Result<Vec<Verdict>> {
        self.lease.acquire().await?;
        let failed = |error| ledger_error(error, "reading what is unfinished");
        let mut client = self.database.client().await?;
        let rows = client
            .query(
                &format!(
                    "select {COLUMNS} from ingestd.files f
                     where f.pipeline = $1 and f.archived_at is null
                       and (f.state in ('SCHEDULED', 'READING', 'COMPLETED')
                            or f.state = 'COMMITTED' and not $2
                               -- What was loaded by its name stays where it stands.
                               and ($3::text[] is not null or starts_with(f.path, $4))
                            or f.state in ('COMMITTED', 'SKIPPED', 'QUARANTINED')
                               and f.archive_path is not null)
                       and ($3::text[] is null or f.path = any($3))
                     order by f.file_id"
                ),
                &[&self.pipeline, &self.rules.keeps, &self.only, &self.inbox],
            )
            .await
            .map_err(failed)?;
        let known: Vec<Known> = rows.iter().map(Known::read).collect::<Result<_>>()?;
        let looked = blocking(move || {
            let look = |known: Known| {
                let there = look_at(&known);
                (known, there)
            };
            known.into_iter().map(look).collect::<Vec<_>>()
        })
        .await?;

        let wanted: Vec<Wanted> = looked
            .iter()
            .filter_map(|(known, there)| match there {
                There::Same(now) if known.is_unfinished() => Some(Wanted {
                    file: known.file,
                    candidate: now.clone(),
                    fingerprint: None,
                }),
                _ => None,
            })
            .collect();
        let mut claims = HashMap::new();
        if !wanted.is_empty() {
            let transaction = client.transaction().await.map_err(failed)?;
            self.lease.hold(&transaction).await?;
            claims = self.claim(&transaction, &wanted).await?;
            transaction.commit().await.map_err(failed)?;
        }
        let verdicts = looked.into_iter().filter_map(|(known, there)| {
            if known.is_unfinished() {
                return Some(match claims.remove(&known.file) {
                    Some(claim) => Verdict::Load(claim),
                    None => waits(known, there),
                });
            }
            finished(known, there)
        });
        let verdicts: Vec<Verdict> = verdicts.collect();
        if self.rules.named {
            self.taken.note(&verdicts);
        }
        Ok(verdicts)
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
