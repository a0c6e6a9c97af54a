//! What the accumulator is told and asked.

use std::sync::Arc;

use actix::{Context, Handler, Message, ResponseFuture};

use super::{BatchAccumulator, OpenFile, bug};
use crate::answer::later;
use crate::checkpointer::{FileEnded, FileOpened};
use crate::error::Result;
use crate::failpoint::{Step, pass_at_once};
use crate::model::{Chunk, Claim, Lane};

/// A file is claimed, and its chunks will follow.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct OpenFileFor(pub Claim);

impl Handler<OpenFileFor> for BatchAccumulator {
    type Result = ();

    fn handle(&mut self, OpenFileFor(claim): OpenFileFor, context: &mut Context<Self>) {
        if self.files.contains_key(&claim.file) {
            let error = bug(format!(
                "file {} was claimed while it is open",
                claim.file.0
            ));
            return self.lifeline.fail(error, context);
        }
        for checkpoint in &claim.checkpoints {
            let (file, epoch, at) = (claim.file, claim.epoch, checkpoint.position);
            match checkpoint.lane {
                Lane::Partition(partition) => {
                    let lane = self.partitions.entry(partition).or_default();
                    lane.queue.open(file, epoch, at);
                }
                Lane::Rejects => self.rejects.queue.open(file, epoch, at),
            }
        }
        let open = OpenFile {
            epoch: claim.epoch,
            plan: Arc::clone(&claim.plan),
            outstanding: 0,
            ended: None,
            errors: claim.rejected,
            judged: claim.farthest().record,
            given_up: None,
        };
        let file = claim.file;
        self.files.insert(file, open);
        self.deps.opened.do_send(FileOpened(claim));
        self.check_budget(file);
    }
}

/// A chunk; the answer comes once the next one may be read, and says whether any is wanted.
#[derive(Debug, Message)]
#[rtype(result = "Result<bool>")]
pub struct Decoded(pub Chunk);

impl Handler<Decoded> for BatchAccumulator {
    type Result = ResponseFuture<Result<bool>>;

    fn handle(&mut self, Decoded(chunk): Decoded, context: &mut Context<Self>) -> Self::Result {
        let known = self
            .files
            .get(&chunk.file)
            .is_some_and(|open| open.epoch == chunk.epoch && open.ended.is_none());
        let (owed, answer) = later("the accumulator");
        let file = chunk.file;
        let queued = if known {
            self.queue(chunk)
        } else {
            Err(bug(format!(
                "a chunk of file {}, which is not open",
                chunk.file.0
            )))
        };
        match queued {
            Ok(()) => {
                self.waiting_for_credit.push((file, owed));
                self.dispatch_all(context);
                self.answer_waiting();
            }
            Err(error) => self.lifeline.fail(error, context),
        }
        answer
    }
}

impl Handler<FileEnded> for BatchAccumulator {
    type Result = ();

    fn handle(&mut self, ended: FileEnded, context: &mut Context<Self>) {
        let file = ended.file;
        let mut given_up = false;
        if let Some(open) = self.files.get_mut(&file) {
            open.ended = Some(ended.waited);
            given_up = open.given_up.is_some();
        }
        // What is given up ends once nothing of it is in flight, however its reading ended.
        if !given_up {
            self.deps.ended.do_send(ended);
        }
        // Nothing more of it is read, and its commit waits for the counts.
        self.rejects.hurry();
        self.dispatch_rejects(context);
        self.forget_if_done(file);
    }
}

/// Asks for an answer once nothing waits and nothing is in flight.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct Flush;

impl Handler<Flush> for BatchAccumulator {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, _: Flush, context: &mut Context<Self>) -> Self::Result {
        let (owed, answer) = later("the accumulator");
        if let Err(error) = pass_at_once(Step::DrainFlush) {
            self.lifeline.fail(error, context);
            return answer;
        }
        self.waiting_for_flush.push(owed);
        self.dispatch_rejects(context);
        self.answer_waiting();
        answer
    }
}
