//! One round of a group: names, notes, moves, and what became of them.

use std::path::{Path, PathBuf};

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::model::FileId;
use ingestd_actors::port::Left;
use slog::{Logger, debug, warn};

use super::choose::choose;
use super::{Answer, Departing, Destiny, PostgresArchive};
use crate::fs::archive::{
    Goal, Move, Outcome, doubt_missing, follow, move_error, run_all, write_reason,
};
use crate::fs::path_text;
use crate::ledger::admit::blocking;
use crate::ledger::departures::{Gone, HeldIn, Note, finish, hold, note_overwritten, store};
use crate::postgres::Client;
use crate::settings::Collision;

/// What a group has come to.
#[derive(Default)]
struct Ends {
    /// Those whose name was taken by another file meanwhile.
    again: Vec<Departing>,
    left: Vec<(usize, Gone)>,
    /// Which of them may have taken the place of others, with the paths where they stood.
    overwriting: Vec<(FileId, String, PathBuf)>,
    /// Those that stand where they stood.
    stay: Vec<(usize, Note)>,
    /// Those of them that try again later, with the reason.
    held: Vec<(FileId, Option<String>)>,
}

impl PostgresArchive {
    /// Chooses names, notes them, moves the files, notes that they have left. Returns those whose
    /// name was taken by another file meanwhile.
    pub(super) async fn round(
        &self,
        client: &Client,
        departing: Vec<Departing>,
        answers: &mut [Option<Answer>],
    ) -> Result<Vec<Departing>> {
        let inbox = self.inbox.directory().to_owned();
        let chosen = blocking(move || choose(departing, &inbox)).await?;
        for one in chosen.nameless {
            answers[one.index] = Some(Err(no_free_name(&one)));
        }
        pass(Step::ArchiveNote).await?;
        let noted = store(client, &self.instance, &chosen.notes).await?;
        pass(Step::ArchiveNoted).await?;
        let (named, others): (Vec<_>, Vec<_>) = chosen
            .named
            .into_iter()
            .partition(|(one, _)| noted.ours.contains(&one.file.file));
        for (one, _) in others {
            let file = one.file.file;
            answers[one.index] = Some(if noted.changed.contains(&file) {
                Err(changed(file))
            } else {
                debug!(self.log, "another instance moves the file"; "file" => file.0);
                Ok(Left::Gone)
            });
        }

        let companions = |path: &Path| self.pipeline.companions.beside(path);
        let (departing, moves): (Vec<Departing>, Vec<Move>) = named
            .into_iter()
            .map(|(one, goal)| {
                let step = one.step(
                    goal,
                    companions(&one.file.candidate.path),
                    self.inbox.directory(),
                );
                (one, step)
            })
            .unzip();
        let (log, inbox, named) = (self.log.clone(), self.inbox.clone(), self.named);
        let (moves, outcomes) = blocking(move || {
            let mut outcomes = run_all(&moves);
            if !named {
                doubt_missing(&moves, &mut outcomes, &inbox);
            }
            for (file, outcome) in moves.iter().zip(&outcomes) {
                if let Ok(outcome) = outcome {
                    tell_of_companions(file, outcome, &log);
                }
            }
            (moves, outcomes)
        })
        .await?;

        let mut ends = Ends::default();
        for ((one, file), outcome) in departing.into_iter().zip(moves).zip(outcomes) {
            self.end(one, file, outcome, &mut ends, answers).await;
        }
        let (indices, notes): (Vec<usize>, Vec<Note>) = ends.stay.into_iter().unzip();
        let stay = store(client, &self.instance, &notes).await?;
        for (index, note) in indices.into_iter().zip(&notes) {
            if stay.changed.contains(&note.file) {
                answers[index] = Some(Err(changed(note.file)));
            }
        }
        hold(client, HeldIn::Inbox, &ends.held).await?;
        note_overwritten(client, &self.pipeline.name, &ends.overwriting).await?;
        let gone: Vec<Gone> = ends.left.iter().map(|(_, gone)| gone.clone()).collect();
        pass(Step::ArchiveFinish).await?;
        finish(client, &self.instance, &gone).await?;
        pass(Step::ArchiveFinished).await?;
        for (index, gone) in ends.left {
            answers[index] = Some(Ok(gone.target.map_or(Left::Gone, Left::To)));
        }
        Ok(ends.again)
    }

    /// What follows from the outcome of one move.
    async fn end(
        &self,
        mut one: Departing,
        file: Move,
        outcome: Result<Outcome>,
        ends: &mut Ends,
        answers: &mut [Option<Answer>],
    ) {
        let gone = |target, reason| Gone {
            file: file.file,
            target,
            reason,
        };
        let source = path_text(&file.candidate.path);
        match (outcome, file.goal) {
            (Ok(Outcome::Moved), Goal::To { target, collision }) => {
                if let Err(error) = explain(&target, one.reason.take()).await {
                    answers[one.index] = Some(Err(error));
                    return;
                }
                if collision == Collision::Replace {
                    ends.overwriting.push((file.file, source, target.clone()));
                }
                ends.left.push((one.index, gone(Some(target), None)));
            }
            (Ok(Outcome::Deleted | Outcome::Moved), _) => {
                slog::info!(self.log, "file deleted"; "file" => file.file.0, "path" => source);
                ends.left.push((one.index, gone(None, Some(DELETED))));
            }
            // An earlier life may have deleted it, and died before it could say so.
            (Ok(Outcome::Missing), Goal::Delete) if one.begun => {
                ends.left.push((one.index, gone(None, Some(DELETED))));
            }
            (Ok(Outcome::Missing), _) => {
                warn!(self.log, "file {} is missing: it is neither in the inbox nor in the archive", file.file.0;
                    "path" => source);
                ends.left.push((one.index, gone(None, Some(MISSING))));
            }
            (Ok(Outcome::Collides), _) => ends.again.push(one),
            (Ok(Outcome::Held), goal) => {
                let reason = why_held(&goal);
                ends.stay.push((one.index, one.stays()));
                ends.held.push((file.file, Some(reason.clone())));
                answers[one.index] = Some(Ok(Left::Held(reason)));
            }
            (Err(error), _) => {
                if error.kind() == ErrorKind::File {
                    // It stands where it stood: the next scan looks at it afresh.
                    ends.stay.push((one.index, one.stays()));
                }
                answers[one.index] = Some(Err(error));
            }
        }
    }
}

/// Why a file that was deleted after its commit is nowhere.
pub const DELETED: &str = "deleted";
const MISSING: &str = "missing: it was gone before it could be archived";

impl Departing {
    /// That it goes nowhere for now.
    fn stays(&mut self) -> Note {
        Note {
            file: self.file.file,
            was: self.noted.take(),
            target: None,
        }
    }

    fn step(&self, goal: Goal, companions: Vec<PathBuf>, inbox: &Path) -> Move {
        Move {
            inbox: inbox.to_owned(),
            file: self.file.file,
            tag: self.tag.clone(),
            candidate: self.file.candidate.clone(),
            handle: self.file.handle.clone(),
            content: self.content.clone(),
            goal,
            companions,
        }
    }
}

fn tell_of_companions(file: &Move, outcome: &Outcome, log: &Logger) {
    for (path, error) in follow(file, outcome) {
        warn!(log, "a companion stays behind its file";
            "file" => file.file.0, "path" => path_text(&path), "reason" => %error);
    }
}

/// Why a file stays in the inbox for now, and what to do.
fn why_held(goal: &Goal) -> String {
    let Goal::To { target, collision } = goal else {
        return String::new();
    };
    let target = path_text(target);
    match collision {
        Collision::Replace => format!(
            "stays in the inbox: what stands at {target} is no regular file, and nothing takes its place; move that away, and this one follows"
        ),
        Collision::Keep => format!(
            "stays in the inbox: {target} has other content; move one of them somewhere else"
        ),
        Collision::Fail | Collision::Rename => format!(
            "stays in the inbox: there is a file {target}; move that away, and this one follows"
        ),
    }
}

/// The answer to a note may be lost before the server has written it: what was read after that is not
/// what stands there now.
fn changed(file: FileId) -> Error {
    let message = format!("file {}: where it goes was noted anew meanwhile", file.0);
    Error::new(ErrorKind::Transient, message)
}

fn no_free_name(one: &Departing) -> Error {
    let below = match &one.way {
        Destiny::Goes { into, .. } => path_text(into),
        Destiny::Stays | Destiny::Deleted => "its target".to_owned(),
    };
    let message = format!(
        "file {}: no free name for it below {below}",
        one.file.file.0
    );
    Error::new(ErrorKind::Configuration, message).with_advice("move what is there somewhere else")
}

async fn explain(target: &Path, reason: Option<String>) -> Result<()> {
    let Some(reason) = reason else {
        return Ok(());
    };
    pass(Step::ArchiveReason).await?;
    let target = target.to_owned();
    blocking(move || {
        let doing = format!("writing the reason beside {}", path_text(&target));
        write_reason(&target, &reason).map_err(|error| move_error(error, &doing))
    })
    .await?
}
