//! The [`Archive`] port: the targets are in the ledger before the files move, the states follow them.
//!
//! A group of files costs the same few statements as one file, and its directories are made durable
//! once, before the ledger says that it has left.

mod choose;
mod rounds;

pub use rounds::DELETED;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::model::FileId;
use ingestd_actors::port::{Archivable, Archive, Leaving, Left, PortFuture};
use jiff::Timestamp;
use slog::Logger;
use uuid::Uuid;

use super::departures::{Note, Stored, Way, stored};
use crate::fs::{Presence, file_error, path_text, whole_path};
use crate::postgres::{Client, Database};
use crate::settings::{Collision, Finished, Pipeline, format_date};

/// What became of a file, or why it could not leave.
pub(super) type Answer = Result<Left>;

/// Moves finished files of one pipeline, and notes where they went.
#[derive(Clone)]
pub struct PostgresArchive {
    pub(super) database: Database,
    pub(super) pipeline: Arc<Pipeline>,
    /// The directory that files arrive in, links followed.
    pub(super) inbox: Presence,
    /// Files that somebody has named leave from wherever they stand; else those of the inbox alone.
    named: bool,
    /// Whose hands the files are in while they move.
    pub(super) instance: String,
    pub(super) log: Logger,
}

/// A file on its way, with what is tried next.
struct Departing {
    index: usize,
    file: Archivable,
    reason: Option<String>,
    way: Destiny,
    /// It stands outside of the inbox, and nobody has named it.
    elsewhere: bool,
    /// Where an earlier life, or the last attempt, meant it to go.
    target: Option<PathBuf>,
    /// What the ledger has noted of that.
    noted: Option<PathBuf>,
    /// An earlier life has begun with it.
    begun: bool,
    attempt: u32,
    tag: Arc<str>,
    content: Option<Vec<u8>>,
    time: Timestamp,
}

/// What the configuration says of a file.
#[derive(Clone, Debug)]
enum Destiny {
    /// It stays, unless its move was begun.
    Stays,
    /// It is deleted.
    Deleted,
    /// It goes somewhere.
    Goes {
        into: PathBuf,
        dates: Option<String>,
        compress: bool,
        collision: Collision,
    },
}

impl PostgresArchive {
    /// The archive of a pipeline, for an instance of the service; `named` where its files are those
    /// that somebody has named.
    pub fn new(
        database: Database,
        pipeline: Arc<Pipeline>,
        named: bool,
        instance: Uuid,
        log: Logger,
    ) -> PostgresArchive {
        PostgresArchive {
            database,
            inbox: Presence::of(&pipeline.directory),
            pipeline,
            named,
            instance: instance.to_string(),
            log,
        }
    }

    /// Lets files leave; `due` where it is time for those that wait for their deletion.
    pub(super) async fn take_out_all(
        &self,
        client: Option<&Client>,
        files: Vec<Leaving>,
        due: bool,
    ) -> Result<Vec<Answer>> {
        let mut answers: Vec<Option<Answer>> = files.iter().map(|_| None).collect();
        let mut departing = Vec::new();
        for (index, leaving) in files.into_iter().enumerate() {
            match self.departing(index, leaving, due)? {
                Some(one) => departing.push(one),
                None => answers[index] = Some(Ok(Left::Stays)),
            }
        }
        if !departing.is_empty() {
            pass(Step::ArchiveBegin).await?;
            let own;
            let client = match client {
                Some(client) => client,
                None => {
                    own = self.database.client().await?;
                    &own
                }
            };
            departing = known(client, departing, self.inbox.directory(), &mut answers).await?;
            while !departing.is_empty() {
                departing = self.round(client, departing, &mut answers).await?;
            }
        }
        let missing = || Err(Error::new(ErrorKind::Bug, "a file was left unanswered"));
        let answers = answers.into_iter();
        Ok(answers
            .map(|answer| answer.unwrap_or_else(missing))
            .collect())
    }

    /// What is to be moved; `None` where it stays by configuration, and always has.
    fn departing(&self, index: usize, leaving: Leaving, due: bool) -> Result<Option<Departing>> {
        let (way, file, reason) = match leaving {
            Leaving::Archive(file) => (self.destiny(due)?, file, None),
            Leaving::Quarantine(quarantined) => {
                let file = Archivable {
                    file: quarantined.file,
                    candidate: quarantined.candidate,
                    handle: None,
                };
                (self.quarantine()?, file, Some(quarantined.reason))
            }
        };
        let elsewhere = !self.named && !self.inbox.has(&file.candidate.path);
        if matches!(way, Destiny::Stays) && file.handle.is_some() {
            // This life has read it: nobody can have begun to move it.
            return Ok(None);
        }
        Ok(Some(Departing {
            index,
            file,
            reason,
            way,
            elsewhere,
            target: None,
            noted: None,
            begun: false,
            attempt: 0,
            tag: Arc::from(""),
            content: None,
            time: Timestamp::UNIX_EPOCH,
        }))
    }

    fn destiny(&self, due: bool) -> Result<Destiny> {
        let rules = &self.pipeline.archive_rules;
        Ok(match (rules.finished, &self.pipeline.archive) {
            (Finished::Delete { after }, _) if due || after.is_zero() => Destiny::Deleted,
            (Finished::Move, Some(into)) => Destiny::Goes {
                into: absolute(into)?,
                dates: rules.dates.clone(),
                compress: rules.compress,
                collision: rules.collision,
            },
            _ => Destiny::Stays,
        })
    }

    fn quarantine(&self) -> Result<Destiny> {
        Ok(match &self.pipeline.quarantine {
            Some(into) => Destiny::Goes {
                into: absolute(into)?,
                dates: None,
                compress: false,
                collision: Collision::Rename,
            },
            None => Destiny::Stays,
        })
    }
}

impl Departing {
    /// That it goes there now.
    fn note(&mut self, target: PathBuf) -> Note {
        Note {
            file: self.file.file,
            was: self.noted.replace(target.clone()),
            target: Some(target),
        }
    }

    /// The directories of its date, where the archive has such.
    fn dates(&self) -> Option<String> {
        let Destiny::Goes {
            dates: Some(format),
            ..
        } = &self.way
        else {
            return None;
        };
        // It was tried when the configuration was read.
        format_date(format, self.time).ok()
    }

    fn collision(&self) -> Collision {
        match &self.way {
            Destiny::Goes { collision, .. } => *collision,
            Destiny::Stays | Destiny::Deleted => Collision::Rename,
        }
    }
}

/// A directory that files go to, without links: below an inbox none is followed, and this one is meant.
pub(super) fn absolute(into: &Path) -> Result<PathBuf> {
    whole_path(into).map_err(|error| file_error(error, &format!("finding {}", path_text(into))))
}

/// Takes up what earlier lives began with these files, and answers for those that have left.
async fn known(
    client: &Client,
    departing: Vec<Departing>,
    inbox: &Path,
    answers: &mut [Option<Answer>],
) -> Result<Vec<Departing>> {
    let ids: Vec<FileId> = departing.iter().map(|one| one.file.file).collect();
    let mut stored: HashMap<FileId, Stored> = stored(client, &ids).await?;
    let mut left = Vec::new();
    for mut one in departing {
        let Some(stored) = stored.remove(&one.file.file) else {
            let message = format!("file {} is not in the ledger", one.file.file.0);
            answers[one.index] = Some(Err(Error::new(ErrorKind::Fenced, message)));
            continue;
        };
        // One that a killed retry has left in the quarantine is the inbox's, and leaves as others do.
        let began_here = stored.began.is_some_and(|path| path.starts_with(inbox));
        if one.elsewhere && !began_here {
            one.way = Destiny::Stays;
        }
        one.tag = Arc::from(stored.tag);
        one.content = stored.content;
        one.time = stored.time;
        match stored.way {
            Way::Done(Some(path)) => answers[one.index] = Some(Ok(Left::To(path))),
            Way::Done(None) => answers[one.index] = Some(Ok(Left::Gone)),
            // Also where it would stay by now: it is half-way, and nobody would find it there.
            Way::Begun(path) => {
                one.noted = Some(path.clone());
                one.target = Some(path);
                one.begun = true;
                left.push(one);
            }
            Way::No if matches!(one.way, Destiny::Stays) => {
                answers[one.index] = Some(Ok(Left::Stays));
            }
            Way::No => left.push(one),
        }
    }
    Ok(left)
}

impl Archive for PostgresArchive {
    fn take_out(&self, files: Vec<Leaving>) -> PortFuture<Vec<Answer>> {
        let this = self.clone();
        self.database
            .run(async move { this.take_out_all(None, files, false).await })
    }
}
