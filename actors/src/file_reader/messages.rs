//! What the reader is told.

use std::path::PathBuf;

use super::FileReader;
use crate::answer::{give_all, later};
use crate::error::Result;
use crate::model::Candidate;
use crate::port::Measured;
use actix::{Context, Handler, Message, ResponseFuture};

/// Files that are ready, in order. The answer comes once each is read or decided about, and names
/// those that have to be announced again.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<PathBuf>>")]
pub struct FilesFound(pub Vec<Candidate>);

impl Handler<FilesFound> for FileReader {
    type Result = ResponseFuture<Result<Vec<PathBuf>>>;

    fn handle(
        &mut self,
        FilesFound(files): FilesFound,
        context: &mut Context<Self>,
    ) -> Self::Result {
        let (owed, answer) = later("the reader");
        for found in &files {
            self.measure(Measured::Found {
                path: found.path.clone(),
                size: found.size,
            });
        }
        self.found.extend(files);
        self.looks_behind = true;
        self.found_answer = Some(owed);
        self.step(context);
        answer
    }
}

/// Stops reading at the next chunk, or goes on. The answer to a pause comes once nothing is read:
/// what only waits for the ledger, perhaps for long, reads nothing until the pause ends.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct SetPaused(pub bool);

impl Handler<SetPaused> for FileReader {
    type Result = ResponseFuture<Result<()>>;

    fn handle(
        &mut self,
        SetPaused(paused): SetPaused,
        context: &mut Context<Self>,
    ) -> Self::Result {
        self.paused = paused;
        let (owed, answer) = later("the reader");
        self.waiting_for_pause.push(owed);
        if !paused || !self.reading_now {
            // To go on needs no waiting, and a pause that was asked for before is over.
            give_all(&mut self.waiting_for_pause);
        }
        self.step(context);
        answer
    }
}
