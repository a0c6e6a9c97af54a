//! What stands at the places of a move.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::content::{Form, hash_of};
use super::next::{Seen, There};
use super::steps::{Goal, Move, Places};
use crate::fs::candidate_of;

/// Looks at the source, the private name and the target, in this order: it is the way of the file, so
/// that one that another instance moves meanwhile is seen at least once.
pub fn look(file: &Move, at: &Places) -> io::Result<Seen> {
    let source = look_at(file, at.source.path())?;
    let private = look_at(file, &at.private)?;
    let target = match &file.goal {
        Goal::Delete => There::Nothing,
        Goal::To { .. } => match metadata(at.target.path())? {
            None => There::Nothing,
            Some(found) if may_be(file, &found) => There::Ours,
            Some(_) => There::Other,
        },
    };
    Ok(Seen {
        source,
        private,
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

/// Whether what stands at the target may be the file.
fn may_be(file: &Move, found: &Metadata) -> bool {
    found.is_file() && (file.form() == Form::Zstd || found.len() == file.candidate.size)
}

/// Whether what stands at the target is the file, where nothing else is left to compare it with.
pub fn is_ours(file: &Move, target: &Path) -> io::Result<bool> {
    let Some(found) = metadata(target)? else {
        return Ok(false);
    };
    if !may_be(file, &found) {
        return Ok(false);
    }
    let now = candidate_of(target.to_owned(), &found);
    let same_time = now.modified == file.candidate.modified;
    let renamed = file.form() == Form::Plain && now.inode == file.candidate.inode && same_time;
    match &file.content {
        _ if renamed => Ok(true),
        Some(content) => {
            let hash = hash_of(target, file.form())?;
            Ok(hash.is_some_and(|hash| hash[..] == content[..]))
        }
        // Of what could not be read to its end, no more is known than its length and its time.
        None => Ok(same_time),
    }
}

/// The metadata of what stands at a path itself, be it a link; `None` where nothing does.
pub fn metadata(path: &Path) -> io::Result<Option<Metadata>> {
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
