//! What the reader is told.

use std::path::PathBuf;

use actix::{Context, Handler, Message, ResponseFuture};
use tokio::sync::oneshot;

use super::FileReader;
use crate::model::Candidate;

/// Files that are ready, in order. The answer comes once each is read or decided about, and names
/// those that have to be announced again.
#[derive(Debug, Message)]
#[rtype(result = "Vec<PathBuf>")]
pub struct FilesFound(pub Vec<Candidate>);

impl Handler<FilesFound> for FileReader {
    type Result = ResponseFuture<Vec<PathBuf>>;

    fn handle(
        &mut self,
        FilesFound(files): FilesFound,
        context: &mut Context<Self>,
    ) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        self.found.extend(files);
        self.found_answer = Some(answer);
        self.step(context);
        // No answer: this actor is gone, and everything is announced anew.
        Box::pin(async move { answered.await.unwrap_or_default() })
    }
}

/// Stops reading at the next chunk, or goes on. The answer to a pause comes once nothing is read:
/// what only waits for the ledger, perhaps for long, reads nothing until the pause ends.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SetPaused(pub bool);

impl Handler<SetPaused> for FileReader {
    type Result = ResponseFuture<()>;

    fn handle(
        &mut self,
        SetPaused(paused): SetPaused,
        context: &mut Context<Self>,
    ) -> Self::Result {
        self.paused = paused;
        let (answer, answered) = oneshot::channel();
        if paused {
            self.waiting_for_pause.push(answer);
            if !self.records_in_hand {
                self.answer_paused();
            }
        } else {
            // Dropped: to go on needs no waiting.
            drop(answer);
        }
        self.step(context);
        Box::pin(async move {
            let _ = answered.await;
        })
    }
}
