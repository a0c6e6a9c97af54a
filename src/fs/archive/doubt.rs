//! A file is missing only where its inbox is there.

use ingestd_actors::error::Result;

use super::steps::{Move, Outcome, run_all};
use crate::fs::Presence;

/// Looks once more for the files of an inbox that seem to be missing; where nobody can tell whether they
/// are, the move is to be tried again.
pub fn doubt_missing(files: &[Move], outcomes: &mut [Result<Outcome>], inbox: &Presence) {
    for (file, outcome) in files.iter().zip(outcomes) {
        if !is_missing(outcome) || !inbox.has(&file.candidate.path) {
            continue;
        }
        let look = || run_all(std::slice::from_ref(file)).pop();
        let (again, was_there) = inbox.while_there(look);
        *outcome = again.unwrap_or(Ok(Outcome::Missing));
        if is_missing(outcome) && !was_there {
            *outcome = Err(inbox.gone());
        }
    }
}

fn is_missing(outcome: &Result<Outcome>) -> bool {
    matches!(outcome, Ok(Outcome::Missing))
}
