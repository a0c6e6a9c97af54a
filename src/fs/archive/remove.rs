//! Removing from the archive what it has kept for long enough, and nothing else.

use ingestd_actors::failpoint::{Step, pass_io};
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use super::content::{Form, hash_of};
use super::look::metadata;
use super::naming::removal_path;
use super::rename::{rename_new, sync_parent};
use crate::fs::candidate_of;

/// What a file in the archive is, as the ledger knows it.
#[derive(Clone, Debug)]
pub struct Archived {
    /// Its length before it was archived.
    pub size: u64,
    /// Its modification time.
    pub modified: i64,
    /// The hash of what it holds, where that is known.
    pub content: Option<Vec<u8>>,
    /// How its bytes stand in the archive.
    pub form: Form,
}

/// A place in the archive whose time is over.
#[derive(Clone, Debug)]
pub struct Due {
    /// The path.
    pub path: PathBuf,
    /// What may stand there: a file and its tails went there together.
    pub may_be: Vec<Archived>,
    /// The ledger's own part of private names.
    pub tag: String,
    /// What goes with it: the reason beside a quarantined file, companions.
    pub with: Vec<PathBuf>,
    /// The directory that stays, be it empty.
    pub root: PathBuf,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is removed.
    Removed,
    /// It was not there any more.
    Gone,
    /// Something else stands there, and stays.
    NotOurs,
}

/// Removes a file from the archive, if it is what the ledger knows, and directories that get empty.
///
/// # Errors
/// Where it can't be removed; it stands there then.
pub fn remove_due(due: &Due) -> io::Result<Removal> {
    if due.path.starts_with(&due.root) && !due.root.is_dir() {
        // A volume that is not mounted has lost nothing.
        let reason = "the directory of the archive is not there";
        return Err(io::Error::new(io::ErrorKind::NotFound, reason));
    }
    let hidden = removal_path(&due.path, &due.tag);
    let mut removal = Removal::Gone;
    // Where an earlier life has taken it, that goes on first.
    if let Some(found) = metadata(&hidden)? {
        removal = end(due, &hidden, &found)?;
    }
    if removal == Removal::Gone
        && let Some(found) = metadata(&due.path)?
    {
        if !due.is(&due.path, &found)? {
            return Ok(Removal::NotOurs);
        }
        // Between the look and the taking, another file may have taken its place.
        rename_new(&due.path, &hidden)?;
        pass_io(Step::SweepTaken)?;
        let taken = std::fs::symlink_metadata(&hidden)?;
        removal = end(due, &hidden, &taken)?;
    }
    if removal == Removal::NotOurs {
        return Ok(removal);
    }
    for path in &due.with {
        match std::fs::remove_file(path) {
            Err(error) if !is_gone(&error) => return Err(error),
            _ => {}
        }
    }
    if removal == Removal::Removed {
        pass_io(Step::SweepRemoved)?;
        sync_parent(&due.path)?;
    }
    remove_empty_directories(due);
    Ok(removal)
}

/// Ends a removal: what was taken is deleted if it is the file, and else put back.
fn end(due: &Due, hidden: &Path, found: &Metadata) -> io::Result<Removal> {
    if due.is(hidden, found)? {
        std::fs::remove_file(hidden)?;
        return Ok(Removal::Removed);
    }
    rename_new(hidden, &due.path)?;
    Ok(Removal::NotOurs)
}

impl Due {
    fn is(&self, path: &Path, found: &Metadata) -> io::Result<bool> {
        if !found.is_file() {
            return Ok(false);
        }
        let now = candidate_of(path.to_owned(), found);
        let right_length = |one: &&Archived| one.form == Form::Zstd || one.size == found.len();
        let mut fitting = self.may_be.iter().filter(right_length);
        if fitting.clone().any(|one| one.modified == now.modified) {
            return Ok(true);
        }
        // It may have been touched, or copied by somebody: what it holds decides.
        fitting.try_fold(false, |is, one| {
            let Some(content) = &one.content else {
                return Ok(is);
            };
            Ok(is || hash_of(path, one.form)?.is_some_and(|hash| hash[..] == content[..]))
        })
    }
}

/// Those below the root that have become empty; one that has not refuses.
fn remove_empty_directories(due: &Due) {
    let mut directory = due.path.parent();
    while let Some(empty) = directory.filter(|it| *it != due.root && it.starts_with(&due.root)) {
        if std::fs::remove_dir(empty).is_err() {
            return;
        }
        directory = empty.parent();
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
