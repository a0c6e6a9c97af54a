//! A quarantined file goes on: from its checkpoints, or afresh where nothing of it was loaded.
//!
//! As the archive does: look, decide, do one step, until nothing is left to do, so that going on
//! after a crash is the same as starting. The order of the steps is what makes them safe:
//!
//! 1. the note beside the file is taken away;
//! 2. the ledger: a file that goes on is READING at the place where it still stands; one that is
//!    looked at afresh has ended as SKIPPED, and its dead letters are forgotten, since they come again;
//! 3. the file is moved back, never replacing another one. A running service finds it there; where
//!    this step never came, its next life finds it where the ledger says.

mod moving;
mod read;
mod whole;

pub use moving::freshen;

use std::path::{Path, PathBuf};

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::FileState;
use postgres::Client;
use postgres::types::Type;

use super::known::to_signed;
use crate::fs::{candidate_at, open_regular, path_text, shell_word};
use crate::postgres::classify;
use crate::settings::Pipeline;
use read::Seen;

pub use whole::{RetriedFile, RetryDescribed, retry_file};

/// Why a file that is looked at afresh has ended.
pub const RETRIED: &str = "retried: it is looked at afresh, as a new file";

/// How a file goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retried {
    /// From its checkpoints; so many of its records are accounted for.
    GoesOn(u64),
    /// As a new file.
    Afresh,
    /// It was on its way before.
    OnItsWay,
}

/// What is done with one file.
pub struct Retry<'a> {
    /// Its number.
    pub file: i64,
    /// Its pipeline, as it is configured now.
    pub pipeline: &'a Pipeline,
    /// What the ledger was told, once it was.
    begun: Option<Retried>,
    /// Where it is to be taken up, once that is known.
    place: Option<PathBuf>,
}

impl<'a> Retry<'a> {
    /// Nothing is done yet.
    pub fn new(file: i64, pipeline: &'a Pipeline) -> Retry<'a> {
        Retry {
            file,
            pipeline,
            begun: None,
            place: None,
        }
    }

    /// Where it stands after the last step, for a service or a `load` to take it up.
    pub fn place(&self) -> Option<&Path> {
        self.place.as_deref()
    }

    /// Does all steps that are left.
    ///
    /// # Errors
    /// As [`Retry::advance`].
    pub fn run(&mut self, client: &mut Client) -> Result<Retried> {
        loop {
            if let Some(retried) = self.advance(client)? {
                return Ok(retried);
            }
        }
    }

    /// Does one step; says how the file goes on once there is none left.
    ///
    /// # Errors
    /// `Configuration` where it can't go on, with what to do.
    pub fn advance(&mut self, client: &mut Client) -> Result<Option<Retried>> {
        let seen = read::look(client, self.file, self.pipeline)?;
        // The first look tells: later ones see it on its way, or where a service has taken it.
        self.place
            .get_or_insert_with(|| seen.will_stand().to_owned());
        match seen.known.state {
            FileState::Quarantined => self.begin(client, &seen).map(|()| None),
            FileState::Skipped if seen.known.reason.as_deref() == Some(RETRIED) => {
                if let Some(from) = &seen.known.archive_path {
                    moving::back(&seen, from)?;
                    moving::note(client, self.file)?;
                }
                Ok(Some(self.end(Retried::Afresh)))
            }
            FileState::Scheduled | FileState::Reading | FileState::Completed => {
                if seen.moves_back {
                    moving::back(&seen, &seen.known.candidate.path)?;
                }
                Ok(Some(self.end(Retried::OnItsWay)))
            }
            _ => Err(refusal(&seen, self.pipeline)),
        }
    }

    fn changed(&self) -> Error {
        let message = format!("file {} has just changed its state", self.file);
        Error::new(ErrorKind::Transient, message).with_advice("look again")
    }

    fn end(&mut self, otherwise: Retried) -> Retried {
        self.begun.take().unwrap_or(otherwise)
    }

    /// The first two steps.
    fn begin(&mut self, client: &mut Client, seen: &Seen) -> Result<()> {
        let goes_on = seen.known.loaded > 0;
        seen.check_that_it_can(goes_on, self.pipeline)?;
        if moving::drop_reason(&seen.stands)? {
            return Ok(());
        }
        let failed = |error| classify(error, "retrying a file");
        let mut transaction = client.transaction().map_err(failed)?;
        let same = transaction
            .query_typed_opt(
                AS_SEEN,
                &[
                    (&self.file, Type::INT8),
                    (&seen.known.epoch.0, Type::INT8),
                    (&seen.known.archived, Type::BOOL),
                ],
            )
            .map_err(failed)?;
        if same.is_none() {
            return Err(self.changed());
        }
        // A service that has seen it before is to see it anew.
        moving::freshen(&seen.stands);
        let now = candidate_at(&seen.stands).ok().flatten();
        let now = now.ok_or_else(|| seen.gone())?;
        let statement = if goes_on { GO_ON } else { AFRESH };
        let changed = transaction
            .execute_typed(
                statement,
                &[
                    (&self.file, Type::INT8),
                    (&seen.known.epoch.0, Type::INT8),
                    (&path_text(&seen.stands), Type::TEXT),
                    (&to_signed(now.size), Type::INT8),
                    (&now.modified, Type::INT8),
                    (&now.device.cast_signed(), Type::INT8),
                    (&now.inode.cast_signed(), Type::INT8),
                    (&RETRIED, Type::TEXT),
                ],
            )
            .map_err(failed)?;
        if changed == 0 {
            return Err(self.changed());
        }
        let forget: &[&str] = if goes_on { &FORGET_BEYOND } else { &FORGET };
        for statement in forget {
            transaction
                .execute_typed(statement, &[(&self.file, Type::INT8)])
                .map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        self.begun = Some(match goes_on {
            true => Retried::GoesOn(seen.known.records.unwrap_or(0)),
            false => Retried::Afresh,
        });
        Ok(())
    }
}

/// Locks it, if it stands where it was seen: nobody has begun to move it away, or has removed it.
const AS_SEEN: &str = "
    select from ingestd.files
    where file_id = $1 and epoch = $2 and state = 'QUARANTINED'
      and (archived_at is not null) = $3 and (archive_path is not null) <= $3
      and archive_removed_at is null
    for no key update";

/// What its manifest has said is forgotten: somebody has decided that it is to be loaded as it is.
/// It stands where it stands until it is moved; from there a life of the service would go on too.
const GO_ON: &str = "
    update ingestd.files
    set state = 'READING', reason = null, load_path = coalesce(load_path, path), path = $3,
        size = $4, modified = $5, device = $6, inode = $7, archive_path = null, archived_at = null,
        completed_at = null, manifest_records = null, owner = null, records = null, inserted = null, updated = null, unchanged = null,
        duplicate = null, deleted = null, filtered = null, rejected = null
    where file_id = $1 and epoch = $2 and state = 'QUARANTINED' and $8::text is not null";

/// What is remembered of where it stands is what is moved.
const AFRESH: &str = "
    update ingestd.files
    set state = 'SKIPPED', reason = $8, archived_at = coalesce(archived_at, clock_timestamp()),
        archive_path = nullif($3, path), owner = null, size = $4, modified = $5, device = $6, inode = $7,
        content_hash = null, records = 0, inserted = 0, updated = 0, unchanged = 0, duplicate = 0,
        deleted = 0, filtered = 0, rejected = 0
    where file_id = $1 and epoch = $2 and state = 'QUARANTINED'";

/// Dead letters that stand beyond the rejects' checkpoint come again.
const FORGET_BEYOND: [&str; 1] = ["
    with gone as (
        delete from ingestd.dead_letters where file_id = $1 and beyond returning record)
    update ingestd.checkpoints set rejected = rejected - (select count(*) from gone)
    where file_id = $1 and lane = -1"];

const FORGET: [&str; 2] = [
    "delete from ingestd.dead_letters where file_id = $1",
    "delete from ingestd.checkpoints where file_id = $1",
];

impl Seen {
    /// Whether the ledger can go on with it as it is.
    fn check_that_it_can(&self, goes_on: bool, pipeline: &Pipeline) -> Result<()> {
        let file = self.known.file.0;
        if self.known.archive_path.is_some() && !self.known.archived {
            let message = format!("file {file} is being moved into the quarantine");
            return Err(refuse(message, "type it again once it stands there"));
        }
        if let Some(other) = self.replaced_by {
            let message = format!(
                "file {file} is gone: file {other} stands at {} by now",
                path_text(&self.stands)
            );
            return Err(refuse(message, "`ingestd files` says what became of that"));
        }
        let open = open_regular(&self.stands).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => self.gone(),
            _ => refuse(
                format!(
                    "file {file}: {} can't be read: {error}",
                    path_text(&self.stands)
                ),
                "give this user the right to read it",
            ),
        })?;
        let taken = self.stands != self.place && self.place.symlink_metadata().is_ok();
        if taken {
            let message = format!(
                "file {file} can't go back to {}: another file stands there",
                path_text(&self.place)
            );
            return Err(refuse(
                message,
                "move that one away, or wait until it is loaded",
            ));
        }
        if !goes_on && self.known.parent.is_some() {
            let message = format!(
                "file {file} begins with what is loaded as file {}; looked at afresh, that would be loaded again",
                self.known.parent.map_or(0, |parent| parent.0)
            );
            return Err(refuse(message, "put what was added into a file of its own"));
        }
        if !goes_on {
            return Ok(());
        }
        if !self.has_checkpoints {
            let message = format!(
                "file {file} was quarantined by an older ingestd, which kept no checkpoints of it; {} of its records are in the table",
                self.known.loaded
            );
            let advice = format!(
                "{} loads all of it once more: with a key nothing is doubled",
                load_again(&self.stands, pipeline)
            );
            return Err(refuse(message, &advice));
        }
        let same = open
            .metadata()
            .is_ok_and(|found| found.len() == self.known.candidate.size);
        let proven = same && super::evidence::prove(&open, &self.known).is_ok_and(|(it, _)| it);
        if !proven {
            let message = format!(
                "file {file}: {} is not what it was: its content has changed since {} of its records were loaded",
                path_text(&self.stands),
                self.known.loaded
            );
            let load = load_again(&self.stands, pipeline);
            let undo = match pipeline.tells_rows() {
                true => format!(
                    "`ingestd undo {file}` takes those back, and then it can be retried; or "
                ),
                false => String::new(),
            };
            let advice = format!(
                "put the old content back; or {undo}load the new one as a file of its own, by {load}"
            );
            return Err(refuse(message, &advice));
        }
        Ok(())
    }

    fn gone(&self) -> Error {
        refuse(
            format!(
                "file {} is gone: nothing stands at {}",
                self.known.file.0,
                path_text(&self.stands)
            ),
            "put it back there; or into the inbox, where nothing of it was loaded",
        )
    }
}

fn refuse(message: String, advice: &str) -> Error {
    Error::new(ErrorKind::Configuration, message).with_advice(advice)
}

/// The command that loads all of a file, whatever was loaded before.
fn load_again(stands: &Path, pipeline: &Pipeline) -> String {
    format!(
        "`ingestd load {} --pipeline {} --again`",
        shell_word(&path_text(stands)),
        pipeline.name
    )
}

fn refusal(seen: &Seen, pipeline: &Pipeline) -> Error {
    let known = &seen.known;
    let (file, path) = (known.file.0, path_text(&known.candidate.path));
    let reason = known.reason.as_deref().unwrap_or("no reason is recorded");
    let load = load_again(&seen.stands, pipeline);
    match known.state {
        FileState::Failed => refuse(
            format!("file {file} ({path}) is FAILED, not QUARANTINED: {reason}"),
            &format!(
                "it can't go on from its checkpoints; what was loaded of it stays. Where its content is at hand, {load} loads all of it once more: with a key nothing is doubled"
            ),
        ),
        FileState::Skipped => refuse(
            format!("file {file} ({path}) was skipped: {reason}"),
            &format!("{load} loads it all the same"),
        ),
        _ => refuse(
            format!(
                "file {file} ({path}) is {}: all of it is loaded",
                known.state.name()
            ),
            &format!("`ingestd audit {file}` proves it; {load} loads it once more"),
        ),
    }
}
