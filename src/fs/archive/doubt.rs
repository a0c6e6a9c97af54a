//! A file is missing only where its inbox is there: one that is not mounted, or was moved away, may have
//! it still.

use std::fs::{Metadata, symlink_metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::steps::{Move, Outcome, run_all};

/// Looks once more for the files of an inbox that seem to be missing; where nobody can tell whether they
/// are, the move is to be tried again.
pub fn doubt_missing(files: &[Move], outcomes: &mut [Result<Outcome>], inbox: &Path) {
    for (file, outcome) in files.iter().zip(outcomes) {
        if !is_missing(outcome) || !file.candidate.path.starts_with(inbox) {
            continue;
        }
        // It has to be there all the time while it is looked into.
        let before = identity(inbox);
        let again = run_all(std::slice::from_ref(file)).pop();
        *outcome = again.unwrap_or(Ok(Outcome::Missing));
        let was_there = before.is_some() && before == identity(inbox);
        if is_missing(outcome) && (!was_there || is_elsewhere(file)) {
            let message = format!(
                "the inbox {} is gone, so that nobody can tell whether the file still is",
                inbox.display()
            );
            let error = Error::new(ErrorKind::Transient, message);
            *outcome = Err(error.with_advice("mount it, or put it back"));
        }
    }
}

fn is_missing(outcome: &Result<Outcome>) -> bool {
    matches!(outcome, Ok(Outcome::Missing))
}

fn identity(directory: &Path) -> Option<(u64, u64)> {
    let found = std::fs::metadata(directory).ok()?;
    found.is_dir().then(|| (found.dev(), found.ino()))
}

/// Whether the file is on another device than the directory where it stood: what it stood on is not
/// mounted any more.
fn is_elsewhere(file: &Move) -> bool {
    let directory = file.candidate.path.parent().map(symlink_metadata);
    let open = file.handle.as_ref().map(|handle| handle.metadata());
    let device = |found: Metadata| found.dev();
    match (directory, open) {
        (Some(Ok(directory)), Some(Ok(open))) => device(directory) != device(open),
        _ => false,
    }
}
