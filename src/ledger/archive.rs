//! The [`Archive`] port: the targets are in the ledger before the files move, the states follow them.
//!
//! A group of files costs the same few statements as one file, and its directories are made durable
//! once, before the ledger says that it has left.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::FileId;
use ingestd_actors::port::{Archivable, Archive, Leaving, PortFuture};
use slog::{Logger, warn};

use super::admit::blocking;
use super::departures::{Stored, finish, store, stored};
use crate::fs::archive::{Following, Move, Outcome, move_error, run_all, target, write_reason};
use crate::fs::{file_error, path_text};
use crate::postgres::{Client, Database};
use crate::settings::Pipeline;

/// So many names are tried where the archive has files of the same name.
const ATTEMPTS: u32 = 100;

/// Where a file went, `None` where it stays or is gone, or why it could not go.
type Answer = Result<Option<PathBuf>>;

/// Moves finished files of one pipeline, and notes where they went.
#[derive(Clone)]
pub struct PostgresArchive {
    database: Database,
    pipeline: Arc<Pipeline>,
    log: Logger,
}

/// A file on its way, with what is tried next.
struct Departing {
    index: usize,
    file: Archivable,
    reason: Option<String>,
    /// `None` where it stays, unless its move was begun.
    into: Option<PathBuf>,
    /// Where an earlier life, or the last attempt, meant it to go.
    target: Option<PathBuf>,
    attempt: u32,
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

    async fn take_out_all(&self, files: Vec<Leaving>) -> Result<Vec<Answer>> {
        let mut answers: Vec<Option<Answer>> = files.iter().map(|_| None).collect();
        let mut departing = Vec::new();
        for (index, leaving) in files.into_iter().enumerate() {
            match self.departing(index, leaving)? {
                Some(one) => departing.push(one),
                None => answers[index] = Some(Ok(None)),
            }
        }
        if !departing.is_empty() {
            let client = self.database.client().await?;
            departing = known(&client, departing, &mut answers).await?;
            while !departing.is_empty() {
                departing = self.round(&client, departing, &mut answers).await?;
            }
        }
        let missing = || Err(Error::new(ErrorKind::Bug, "a file was left unanswered"));
        let answers = answers.into_iter();
        Ok(answers
            .map(|answer| answer.unwrap_or_else(missing))
            .collect())
    }

    /// What is to be moved; `None` where it stays by configuration, and always has.
    fn departing(&self, index: usize, leaving: Leaving) -> Result<Option<Departing>> {
        let (into, file, reason) = match leaving {
            Leaving::Archive(file) => (&self.pipeline.archive, file, None),
            Leaving::Quarantine(quarantined) => {
                let file = Archivable {
                    file: quarantined.file,
                    candidate: quarantined.candidate,
                    handle: None,
                };
                (&self.pipeline.quarantine, file, Some(quarantined.reason))
            }
        };
        if into.is_none() && file.handle.is_some() {
            // This life has read it: nobody can have begun to move it.
            return Ok(None);
        }
        let absolute = |into: &PathBuf| {
            std::path::absolute(into)
                .map_err(|error| file_error(error, &format!("finding {}", path_text(into))))
        };
        let into = into.as_ref().map(absolute).transpose()?;
        Ok(Some(Departing {
            index,
            file,
            reason,
            into,
            target: None,
            attempt: 0,
        }))
    }

    /// Chooses names, notes them, moves the files, notes that they have left. Returns those whose
    /// name was taken by another file meanwhile.
    async fn round(
        &self,
        client: &Client,
        departing: Vec<Departing>,
        answers: &mut [Option<Answer>],
    ) -> Result<Vec<Departing>> {
        let inbox = std::path::absolute(&self.pipeline.directory)
            .map(|path| path.canonicalize().unwrap_or(path))
            .unwrap_or_default();
        let (named, nameless, chosen) = blocking(move || choose(departing, &inbox)).await?;
        for one in nameless {
            answers[one.index] = Some(Err(no_free_name(&one)));
        }
        store(client, &chosen).await?;

        let steps: Vec<Move> = named.iter().map(|(one, target)| one.step(target)).collect();
        let endings = self.pipeline.companions.endings();
        let (outcomes, left_behind) = blocking(move || move_all(&steps, &endings)).await?;
        for (path, error) in left_behind {
            warn!(self.log, "what came with a file stays in the inbox: {}", error;
                "path" => path_text(&path));
        }

        let mut again = Vec::new();
        let mut left = Vec::new();
        let mut stay = Vec::new();
        for ((mut one, target), outcome) in named.into_iter().zip(outcomes) {
            match outcome {
                Ok(Outcome::Moved) => match explain(&target, one.reason.take()).await {
                    Ok(()) => left.push((one.index, one.file.file, Some(target))),
                    Err(error) => answers[one.index] = Some(Err(error)),
                },
                Ok(Outcome::Missing) => {
                    warn!(self.log, "file {} is missing: it is neither in the inbox nor in the archive", one.file.file.0;
                        "path" => path_text(&one.file.candidate.path));
                    left.push((one.index, one.file.file, None));
                }
                Ok(Outcome::Collides) => again.push(one),
                Err(error) => {
                    if error.kind() == ErrorKind::File {
                        // It stands where it stood: the next scan looks at it afresh.
                        stay.push((one.file.file, None));
                    }
                    answers[one.index] = Some(Err(error));
                }
            }
        }
        store(client, &stay).await?;
        let gone: Vec<_> = left
            .iter()
            .map(|(_, file, target)| (*file, target.clone()))
            .collect();
        finish(client, &gone).await?;
        for (index, _, target) in left {
            answers[index] = Some(Ok(target));
        }
        Ok(again)
    }
}

impl Departing {
    fn step(&self, target: &Path) -> Move {
        Move {
            file: self.file.file,
            candidate: self.file.candidate.clone(),
            handle: self.file.handle.clone(),
            target: target.to_owned(),
        }
    }
}

/// Moves files, and what came with each after it; says of what came with them what stays.
fn move_all(
    steps: &[Move],
    endings: &[String],
) -> (Vec<Result<Outcome>>, Vec<(PathBuf, std::io::Error)>) {
    let of = |step: &Move| Following::of(&step.candidate.path, step.file, endings);
    let following: Vec<Following> = steps.iter().map(of).collect();
    let outcomes = run_all(steps);
    let moved = steps.iter().zip(&following).zip(&outcomes);
    let left_behind = moved
        .filter(|(_, outcome)| matches!(outcome, Ok(Outcome::Moved)))
        .filter_map(|((step, following), _)| following.follow(&step.target).err())
        .collect();
    (outcomes, left_behind)
}

/// Takes up what earlier lives began with these files, and answers for those that have left.
async fn known(
    client: &Client,
    departing: Vec<Departing>,
    answers: &mut [Option<Answer>],
) -> Result<Vec<Departing>> {
    let ids: Vec<FileId> = departing.iter().map(|one| one.file.file).collect();
    let mut stored: HashMap<FileId, Stored> = stored(client, &ids).await?;
    let mut left = Vec::new();
    for mut one in departing {
        match stored.remove(&one.file.file) {
            Some(Stored::Done(path)) => answers[one.index] = Some(Ok(path)),
            Some(Stored::Begun(path)) => {
                // Where it would stay by now: it is half-way, and nobody would find it there.
                if one.into.is_none() {
                    one.into = path.parent().map(Path::to_owned);
                }
                one.target = Some(path);
                left.push(one);
            }
            Some(Stored::No) if one.into.is_none() => answers[one.index] = Some(Ok(None)),
            Some(Stored::No) => left.push(one),
            None => {
                let message = format!("file {} is not in the ledger", one.file.file.0);
                answers[one.index] = Some(Err(Error::new(ErrorKind::Fenced, message)));
            }
        }
    }
    Ok(left)
}

/// Finds each file a name that is free as far as one can see; the rename makes sure. Returns the
/// files with their names, those that have none, and what of it is to be stored.
#[expect(clippy::type_complexity, reason = "three lists of one step")]
fn choose(
    departing: Vec<Departing>,
    inbox: &Path,
) -> (
    Vec<(Departing, PathBuf)>,
    Vec<Departing>,
    Vec<(FileId, Option<PathBuf>)>,
) {
    let mut taken: HashSet<PathBuf> = departing
        .iter()
        .filter_map(|one| one.target.clone())
        .collect();
    let (mut named, mut nameless, mut chosen) = (Vec::new(), Vec::new(), Vec::new());
    for mut one in departing {
        if let Some(target) = one.target.take() {
            named.push((one, target));
            continue;
        }
        let source = &one.file.candidate.path;
        let into = one.into.as_deref().unwrap_or(Path::new("/"));
        let free = (one.attempt..ATTEMPTS).find_map(|attempt| {
            let name = target(into, inbox, source, one.file.file, attempt);
            let free = !taken.contains(&name) && std::fs::symlink_metadata(&name).is_err();
            free.then_some((attempt, name))
        });
        match free {
            Some((attempt, name)) => {
                one.attempt = attempt + 1;
                taken.insert(name.clone());
                chosen.push((one.file.file, Some(name.clone())));
                named.push((one, name));
            }
            None => nameless.push(one),
        }
    }
    (named, nameless, chosen)
}

fn no_free_name(one: &Departing) -> Error {
    let message = format!(
        "file {}: no free name for it below {}",
        one.file.file.0,
        one.into.as_deref().map(path_text).unwrap_or_default()
    );
    Error::new(ErrorKind::Configuration, message).with_advice("move what is there somewhere else")
}

async fn explain(target: &Path, reason: Option<String>) -> Result<()> {
    let Some(reason) = reason else {
        return Ok(());
    };
    let target = target.to_owned();
    blocking(move || {
        let doing = format!("writing the reason beside {}", path_text(&target));
        write_reason(&target, &reason).map_err(|error| move_error(error, &doing))
    })
    .await?
}

impl Archive for PostgresArchive {
    fn take_out(&self, files: Vec<Leaving>) -> PortFuture<Vec<Answer>> {
        let this = self.clone();
        self.database
            .run(async move { this.take_out_all(files).await })
    }
}
