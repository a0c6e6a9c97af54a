//! What stands beside a file on its account, such as a marker that says that it is whole.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::content::Form;
use super::copy::Copy;
use super::look::metadata;
use super::naming::copy_path;
use super::rename::{rename_new, rename_over};
use super::steps::{Goal, Move, Outcome};
use crate::fs::{Missing, beneath};
use crate::settings::Collision;

/// Lets the companions of a file follow it: to its target, under its name there, or out of the world.
/// As far as that goes: they are no data. Returns those that could not, with the reason.
pub fn follow(file: &Move, outcome: &Outcome) -> Vec<(PathBuf, io::Error)> {
    let mut stay = Vec::new();
    // What stands there by now is the companion of what comes next.
    let place = |path: &Path| beneath(&file.inbox, path, Missing::IsNothing);
    let source = place(&file.candidate.path).and_then(|source| metadata(source.path()));
    let is_there = matches!(source, Ok(Some(_)));
    for companion in file.companions.iter().filter(|_| !is_there) {
        let followed = match (outcome, &file.goal) {
            (Outcome::Deleted, _) | (Outcome::Missing, Goal::Delete) => {
                place(companion).and_then(|from| remove(from.path()))
            }
            (Outcome::Moved, Goal::To { target, collision }) => {
                let to = name_beside(target, &file.candidate.path, companion);
                place(companion)
                    .and_then(|from| move_beside(file, from.path(), place(&to)?.path(), *collision))
            }
            _ => Ok(()),
        };
        if let Err(error) = followed {
            stay.push((companion.clone(), error));
        }
    }
    stay
}

/// `x.csv.done` beside `x.csv` stands as `x-7.csv.done` beside `x-7.csv`.
fn name_beside(target: &Path, source: &Path, companion: &Path) -> PathBuf {
    let bytes = |path: &Path| path.file_name().unwrap_or_default().as_bytes().to_vec();
    let (target_name, own) = (bytes(target), bytes(companion));
    let name = match own.strip_prefix(&bytes(source)[..]) {
        Some(ending) => [&target_name[..], ending].concat(),
        None => own,
    };
    target.with_file_name(OsString::from_vec(name))
}

fn move_beside(file: &Move, from: &Path, to: &Path, collision: Collision) -> io::Result<()> {
    let Some(found) = metadata(from)? else {
        return Ok(());
    };
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let replaces = collision == Collision::Replace;
    let renamed = if replaces {
        rename_over(from, to)
    } else {
        rename_new(from, to)
    };
    match renamed {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
        // The archive keeps what it has.
        Err(error)
            if error.kind() == io::ErrorKind::AlreadyExists && collision == Collision::Keep =>
        {
            return remove(from);
        }
        other => return other,
    }
    let copy = Copy {
        from,
        through: &copy_path(to, &file.tag, file.file),
        to,
        form: Form::Plain,
        inode: None,
        content: None,
        replaces,
    };
    copy.make()?;
    remove(from)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
