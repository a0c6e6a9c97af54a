//! The move itself: look, decide, do one step, until nothing is left to do.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::failpoint::{Step as Point, pass_io};
use ingestd_actors::model::{Candidate, FileId};

use super::content::{Form, same_content};
use super::copy::Copy;
use super::look::{is_ours, look, metadata};
use super::naming::{copy_path, is_compressed, private_path, untagged_path};
use super::next::{Aim, Step, next, taken};
use super::rename::{drop_first_name, rename_new, rename_over, sync_directories, sync_parent};
use crate::fs::{Missing, Place, beneath, file_error, open_itself, path_text};
use crate::settings::Collision;

/// So many times a place is looked at anew where something vanished under a step: another instance
/// may be doing the same.
const LOOKS: u32 = 5;

/// A file on its way out of the inbox.
#[derive(Clone, Debug)]
pub struct Move {
    /// Its number in the ledger.
    pub file: FileId,
    /// The ledger's own part of private names.
    pub tag: Arc<str>,
    /// The directory that it arrived in: no link is followed below it, since others may write there.
    pub inbox: PathBuf,
    /// What it was when it was read to its end.
    pub candidate: Candidate,
    /// The open file, where there is one: what is moved must be it.
    pub handle: Option<Arc<std::fs::File>>,
    /// The hash of all of it, where the ledger knows it.
    pub content: Option<Vec<u8>>,
    /// What is to become of it.
    pub goal: Goal,
    /// What stands beside it on its account, and follows it once it has left: see
    /// [`follow`](super::follow).
    pub companions: Vec<PathBuf>,
}

/// What is to become of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// It goes somewhere.
    To {
        /// Where it goes.
        target: PathBuf,
        /// What happens where something stands there.
        collision: Collision,
    },
    /// It is deleted.
    Delete,
}

/// What became of a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The file stands at its target, and nowhere else.
    Moved,
    /// It was deleted.
    Deleted,
    /// It is gone: neither at its path nor on the way nor at its target.
    Missing,
    /// Another file has the target's name; the move can go on with another target.
    Collides,
    /// It stands where it stood, since the target has another file.
    Held,
}

/// The places of a move, which stay the same for the length of a step.
pub(super) struct Places {
    pub source: Place,
    pub private: PathBuf,
    pub target: Place,
}

/// Why a step was not done.
enum Trouble {
    Io(io::Error),
    /// The file is not what was loaded any more; it stands where it stood.
    Changed,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Io(error)
    }
}

impl Move {
    /// How its bytes are written at the target.
    pub fn form(&self) -> Form {
        match &self.goal {
            Goal::To { target, .. } if is_compressed(&self.candidate.path, self.file, target) => {
                Form::Zstd
            }
            _ => Form::Plain,
        }
    }

    fn aim(&self) -> Aim {
        match &self.goal {
            Goal::To { collision, .. } => Aim::Target(*collision),
            Goal::Delete => Aim::Nowhere,
        }
    }

    fn target(&self) -> &Path {
        match &self.goal {
            Goal::To { target, .. } => target,
            Goal::Delete => &self.candidate.path,
        }
    }

    fn places(&self) -> io::Result<Places> {
        let place = |path| beneath(&self.inbox, path, Missing::IsNothing);
        let source = place(&self.candidate.path)?;
        Ok(Places {
            private: private_path(source.path(), &self.tag, self.file),
            source,
            target: place(self.target())?,
        })
    }

    fn collision(&self) -> Collision {
        match &self.goal {
            Goal::To { collision, .. } => *collision,
            Goal::Delete => Collision::Fail,
        }
    }
}

/// Moves files, from wherever an earlier life left each, and makes that durable; one answer for each.
///
/// # Errors
/// `File` where one changed after it was read: then it stands where it stood. Any other means that
/// the move is to be tried again.
pub fn run_all(files: &[Move]) -> Vec<Result<Outcome>> {
    let mut outcomes: Vec<Result<Outcome>> = files.iter().map(run).collect();
    let has_left =
        |outcome: &Result<Outcome>| matches!(outcome, Ok(Outcome::Moved | Outcome::Deleted));
    let touched = files
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| has_left(outcome))
        .flat_map(|(file, _)| [file.candidate.path.as_path(), file.target()]);
    // Renames of one file system come to its journal in order, so that they may be made durable
    // together; what is not durable yet, the next life finds where it was and moves again.
    let synced = pass_io(Point::ArchiveSync).and_then(|()| sync_directories(touched));
    if let Err(error) = synced {
        for (file, outcome) in files.iter().zip(&mut outcomes) {
            if has_left(outcome) {
                let error = io::Error::new(error.kind(), error.to_string());
                *outcome = Err(moving(file, error));
            }
        }
    }
    outcomes
}

/// Moves one file; its directories are not made durable.
pub fn run(file: &Move) -> Result<Outcome> {
    if file.handle.is_none() {
        adopt(file).map_err(|error| moving(file, error))?;
    }
    let mut looks = 0;
    loop {
        match step(file) {
            Ok(Some(outcome)) => return Ok(outcome),
            Ok(None) => {}
            // Whoever took it away has done the step.
            Err(Trouble::Io(error)) if error.kind() == io::ErrorKind::NotFound && looks < LOOKS => {
                looks += 1;
            }
            Err(trouble) => return Err(told(file, trouble)),
        }
    }
}

/// Does one step; says what became of the move once there is none left.
#[cfg(test)]
pub fn advance(file: &Move) -> Result<Option<Outcome>> {
    step(file).map_err(|trouble| told(file, trouble))
}

fn step(file: &Move) -> std::result::Result<Option<Outcome>, Trouble> {
    let at = file.places()?;
    let mut step = next(look(file, &at)?, file.aim());
    if step == Step::Missing {
        // Between two looks another instance may have put it back, against its way.
        step = next(look(file, &at)?, file.aim());
    }
    do_step(file, &at, step)
}

fn do_step(file: &Move, at: &Places, step: Step) -> std::result::Result<Option<Outcome>, Trouble> {
    let (source, private, target) = (at.source.path(), at.private.as_path(), at.target.path());
    match step {
        Step::Take => {
            rename_new(source, private)?;
            pass_io(Point::ArchiveTaken)?;
        }
        Step::DropSource => drop_first_name(source, private)?,
        Step::Place => {
            place(file, at)?;
            pass_io(Point::ArchivePlaced)?;
        }
        Step::Replace => {
            if metadata(target)?.is_some_and(|found| !found.is_file()) {
                // A directory, or a link to somewhere: nothing that a file takes the place of.
                return do_step(file, at, Step::HoldBack);
            }
            replace(file, at)?;
        }
        Step::DropPrivate => {
            if !same_content(private, target, file.form())? {
                return do_step(file, at, taken(file.collision()));
            }
            open_itself(target)?.sync_all()?;
            pass_io(Point::ArchiveDrop)?;
            std::fs::remove_file(private)?;
            return Ok(Some(Outcome::Moved));
        }
        Step::TakeIfSame => {
            if !same_content(source, target, file.form())? {
                return Ok(Some(Outcome::Held));
            }
            rename_new(source, private)?;
        }
        Step::Unlink => {
            pass_io(Point::ArchiveUnlink)?;
            std::fs::remove_file(private)?;
            return Ok(Some(Outcome::Deleted));
        }
        Step::Recognise => {
            if is_ours(file, target)? {
                return Ok(Some(Outcome::Moved));
            }
            return match look(file, at)?.source {
                super::next::There::Changed => Err(Trouble::Changed),
                _ => Ok(Some(Outcome::Missing)),
            };
        }
        Step::HoldBack => {
            put_back(file, at)?;
            return Ok(Some(Outcome::Held));
        }
        Step::PutBack => {
            put_back(file, at)?;
            return Err(Trouble::Changed);
        }
        Step::Refuse => return Err(Trouble::Changed),
        Step::Hold => return Ok(Some(Outcome::Held)),
        Step::Collides => return Ok(Some(Outcome::Collides)),
        Step::Missing => return Ok(Some(Outcome::Missing)),
    }
    Ok(None)
}

/// Takes over a file that an earlier version left half-way.
fn adopt(file: &Move) -> io::Result<()> {
    let source = beneath(&file.inbox, &file.candidate.path, Missing::IsNothing)?;
    let before = untagged_path(source.path(), file.file);
    let Some(found) = metadata(&before)? else {
        return Ok(());
    };
    if found.ino() != file.candidate.inode || found.len() != file.candidate.size {
        return Ok(());
    }
    let now = private_path(source.path(), &file.tag, file.file);
    rename_new(&before, &now)
}

/// Gives a file its first name back, unless another one has taken that meanwhile.
fn put_back(file: &Move, at: &Places) -> io::Result<()> {
    let (private, source) = (at.private.as_path(), at.source.path());
    match rename_new(private, source) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other,
    }
    let inode = |path: &Path| {
        let found = metadata(path)?;
        Ok::<_, io::Error>(found.map(|found| (found.dev(), found.ino())))
    };
    // Where a rename was made of two steps, it may have both names.
    if inode(private)? == inode(source)? {
        return std::fs::remove_file(private);
    }
    let reason = format!(
        "it stands at {}, and can't be put back while another file has its name",
        path_text(&private_path(&file.candidate.path, &file.tag, file.file))
    );
    Err(io::Error::new(io::ErrorKind::AlreadyExists, reason))
}

fn place(file: &Move, at: &Places) -> io::Result<()> {
    let is_new = file.target().parent().is_some_and(|it| !it.is_dir());
    let made = beneath(&file.inbox, file.target(), Missing::IsMade)?;
    if is_new && let Some(parent) = file.target().parent() {
        sync_parent(parent)?;
    }
    let (private, target) = (at.private.as_path(), made.path());
    let renamed = match file.form() {
        Form::Plain => rename_new(private, target),
        Form::Zstd => Err(io::ErrorKind::CrossesDevices.into()),
    };
    let placed = match renamed {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            copy(file, private, target, false)
        }
        other => other,
    };
    match placed {
        // Something took the name in between; the next look sees what.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn replace(file: &Move, at: &Places) -> io::Result<()> {
    let (private, target) = (at.private.as_path(), at.target.path());
    let renamed = match file.form() {
        Form::Plain => rename_over(private, target),
        Form::Zstd => Err(io::ErrorKind::CrossesDevices.into()),
    };
    match renamed {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            copy(file, private, target, true)
        }
        other => other,
    }
}

fn copy(file: &Move, private: &Path, target: &Path, replaces: bool) -> io::Result<()> {
    let copy = Copy {
        from: private,
        through: &copy_path(target, &file.tag, file.file),
        to: target,
        form: file.form(),
        inode: Some(file.candidate.inode),
        content: file.content.as_deref(),
        replaces,
    };
    copy.make()
}

fn told(file: &Move, trouble: Trouble) -> Error {
    match trouble {
        Trouble::Io(error) => moving(file, error),
        Trouble::Changed => {
            let message = format!(
                "{} changed while it was about to leave the inbox, or is a symbolic link; it stays where it is",
                path_text(&file.candidate.path)
            );
            Error::new(ErrorKind::File, message)
        }
    }
}

fn moving(file: &Move, error: io::Error) -> Error {
    let source = path_text(&file.candidate.path);
    let doing = match &file.goal {
        Goal::To { target, .. } => format!("moving {source} to {}", path_text(target)),
        Goal::Delete => format!("deleting {source}"),
    };
    move_error(error, &doing)
}

/// What an error of a move means for the tree. It is never the file's fault: whatever stops the move
/// is tried again, since half-way the file stands where no scan finds it.
pub fn move_error(error: io::Error, doing: &str) -> Error {
    let error = file_error(error, doing);
    if error.kind() != ErrorKind::File {
        return error;
    }
    Error::new(ErrorKind::Configuration, error.message())
        .with_advice("it is tried again")
        .with_source(error)
}
