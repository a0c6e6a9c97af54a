//! A file is missing only where its inbox is there.

use std::path::Path;

use ingestd_actors::error::Result;

use super::steps::{Move, Outcome, run_all};
use crate::fs::presence::{inbox_is_gone, while_there};

/// Looks once more for the files of an inbox that seem to be missing; where nobody can tell whether they
/// are, the move is to be tried again.
pub fn doubt_missing(files: &[Move], outcomes: &mut [Result<Outcome>], inbox: &Path) {
    for (file, outcome) in files.iter().zip(outcomes) {
        if !is_missing(outcome) || !file.candidate.path.starts_with(inbox) {
            continue;
        }
        let look = || run_all(std::slice::from_ref(file)).pop();
        let (again, was_there) = while_there(inbox, look);
        *outcome = again.unwrap_or(Ok(Outcome::Missing));
        if is_missing(outcome) && !was_there {
            *outcome = Err(inbox_is_gone(inbox));
        }
    }
}

fn is_missing(outcome: &Result<Outcome>) -> bool {
    matches!(outcome, Ok(Outcome::Missing))
}
