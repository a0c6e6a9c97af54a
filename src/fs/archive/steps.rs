//! The move itself: look, decide, do one step, until nothing is left to do.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{Candidate, FileId};

use super::copy::{copy_new, same_content};
use super::naming::{copy_path, private_path};
use super::rename::{rename_new, sync_directories, sync_parent};
use crate::fs::{candidate_of, file_error, path_text};

/// A file on its way out of the inbox.
#[derive(Clone, Debug)]
pub struct Move {
    /// Its number in the ledger.
    pub file: FileId,
    /// What it was when it was read to its end.
    pub candidate: Candidate,
    /// The open file, where there is one: what is moved must be it.
    pub handle: Option<Arc<File>>,
    /// Where it goes.
    pub target: PathBuf,
}

/// What became of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The file stands at its target, and nowhere else.
    Moved,
    /// It is gone: neither at its path nor on the way nor at its target.
    Missing,
    /// Another file has the target's name; the move can go on with another target.
    Collides,
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum There {
    /// Nothing.
    Nothing,
    /// The file (at the target: one of its length).
    Ours,
    /// The file, but with another length or time than it had.
    Changed,
    /// Something else.
    Other,
}

/// What stands at the three places of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// At the path where it was loaded.
    pub source: There,
    /// At the private name beside it.
    pub private: There,
    /// At the target.
    pub target: There,
}

/// One step of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Rename it to the private name.
    Take,
    /// Take away its first name, where a rename was made of two steps.
    DropSource,
    /// Give it its name at the target: by a rename, or by a copy where that can't be.
    Place,
    /// It stands at the target too: compare, and take the private name away.
    DropPrivate,
    /// It changed: give it its name back.
    PutBack,
    /// It changed, and stands where it stood.
    Refuse,
    /// There is no more to do.
    End(Outcome),
}

/// PURE: the next step, whoever did those before.
pub fn next(seen: Seen) -> Step {
    match (seen.private, seen.source, seen.target) {
        (There::Ours, There::Ours, _) => Step::DropSource,
        (There::Ours, _, There::Nothing) => Step::Place,
        (There::Ours, _, There::Ours) => Step::DropPrivate,
        (There::Ours, _, _) => Step::End(Outcome::Collides),
        (There::Changed | There::Other, _, _) => Step::PutBack,
        (There::Nothing, There::Ours, _) => Step::Take,
        (There::Nothing, _, There::Ours) => Step::End(Outcome::Moved),
        (There::Nothing, There::Changed, _) => Step::Refuse,
        (There::Nothing, There::Nothing | There::Other, _) => Step::End(Outcome::Missing),
    }
}

/// Moves files, from wherever an earlier life left each, and makes that durable; one answer for each.
///
/// # Errors
/// `File` where one changed after it was read: then it stands where it stood. Any other means that
/// the move is to be tried again.
pub fn run_all(files: &[Move]) -> Vec<Result<Outcome>> {
    let mut outcomes: Vec<Result<Outcome>> = files.iter().map(run).collect();
    let touched = files
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| matches!(outcome, Ok(Outcome::Moved)))
        .flat_map(|(file, _)| [file.candidate.path.as_path(), file.target.as_path()]);
    // Renames of one file system come to its journal in order, so that they may be made durable
    // together; what is not durable yet, the next life finds where it was and moves again.
    if let Err(error) = sync_directories(touched) {
        for (file, outcome) in files.iter().zip(&mut outcomes) {
            if matches!(outcome, Ok(Outcome::Moved)) {
                let error = io::Error::new(error.kind(), error.to_string());
                *outcome = Err(moving(file, error));
            }
        }
    }
    outcomes
}

/// Moves one file; its directories are not made durable.
pub fn run(file: &Move) -> Result<Outcome> {
    loop {
        if let Some(outcome) = advance(file)? {
            return Ok(outcome);
        }
    }
}

/// Does one step; says what became of the move once there is none left.
pub fn advance(file: &Move) -> Result<Option<Outcome>> {
    let source = &file.candidate.path;
    let private = private_path(source, file.file);
    let failed = |error: io::Error| moving(file, error);
    let step = next(look(file, &private).map_err(failed)?);
    match step {
        Step::End(outcome) => return Ok(Some(outcome)),
        Step::Refuse => return Err(changed(file)),
        Step::PutBack => {
            put_back(&private, source).map_err(failed)?;
            return Err(changed(file));
        }
        Step::Take => rename_new(source, &private).map_err(failed)?,
        Step::DropSource => std::fs::remove_file(source).map_err(failed)?,
        Step::Place => place(file, &private).map_err(failed)?,
        Step::DropPrivate => {
            if !same_content(&private, &file.target).map_err(failed)? {
                return Ok(Some(Outcome::Collides));
            }
            std::fs::remove_file(&private).map_err(failed)?;
        }
    }
    Ok(None)
}

/// Gives a file its first name back, unless another one has taken that meanwhile.
fn put_back(private: &Path, source: &Path) -> io::Result<()> {
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
        "it changed meanwhile, stands at {}, and can't be put back while another file has its name",
        path_text(private)
    );
    Err(io::Error::new(io::ErrorKind::AlreadyExists, reason))
}

fn place(file: &Move, private: &Path) -> io::Result<()> {
    if let Some(parent) = file.target.parent()
        && !parent.is_dir()
    {
        std::fs::create_dir_all(parent)?;
        sync_parent(parent)?;
    }
    let renamed = rename_new(private, &file.target);
    let placed = match renamed {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            copy_new(private, &copy_path(&file.target, file.file), &file.target)
        }
        other => other,
    };
    match placed {
        // Something took the name in between; the next look sees what.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn look(file: &Move, private: &Path) -> io::Result<Seen> {
    let target = match metadata(&file.target)? {
        None => There::Nothing,
        Some(found) if found.is_file() && found.len() == file.candidate.size => There::Ours,
        Some(_) => There::Other,
    };
    Ok(Seen {
        source: look_at(file, &file.candidate.path)?,
        private: look_at(file, private)?,
        target,
    })
}

fn look_at(file: &Move, path: &Path) -> io::Result<There> {
    let Some(found) = metadata(path)? else {
        return Ok(There::Nothing);
    };
    if found.file_type().is_symlink() {
        // The file is somewhere else, and a link is not what was loaded.
        return Ok(There::Changed);
    }
    // The device is compared with the open file only: its number may change with a mount.
    let same_file = match &file.handle {
        Some(handle) => {
            let open = handle.metadata()?;
            (open.dev(), open.ino()) == (found.dev(), found.ino())
        }
        None => found.ino() == file.candidate.inode,
    };
    let now = candidate_of(path.to_owned(), &found);
    let unchanged = (now.size, now.modified) == (file.candidate.size, file.candidate.modified);
    Ok(match (same_file, unchanged) {
        (true, true) => There::Ours,
        (true, false) => There::Changed,
        (false, _) => There::Other,
    })
}

fn metadata(path: &Path) -> io::Result<Option<std::fs::Metadata>> {
    match std::fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn moving(file: &Move, error: io::Error) -> Error {
    let doing = format!(
        "moving {} to {}",
        path_text(&file.candidate.path),
        path_text(&file.target)
    );
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

fn changed(file: &Move) -> Error {
    let message = format!(
        "{} changed while it was about to be archived, or is a symbolic link; it stays where it is",
        path_text(&file.candidate.path)
    );
    Error::new(ErrorKind::File, message)
}
