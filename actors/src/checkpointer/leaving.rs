//! Taking files out of the inbox, a group at a time, beside everything else.

use std::sync::Arc;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::Checkpointer;
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::{Step, pass_at_once};
use crate::model::FileState;
use crate::policy::{Policy, policy};
use crate::port::{Event, Leaving, Left, Measured};
use crate::retry::Retry;

impl Checkpointer {
    /// Lets a file leave the inbox as soon as its turn comes.
    pub(super) fn leave(&mut self, leaving: Leaving, context: &mut Context<Self>) {
        self.leaving.add(leaving);
        self.move_out(context);
    }

    /// Moves the next group, unless one is under way.
    fn move_out(&mut self, context: &mut Context<Self>) {
        if self.moving {
            return;
        }
        let group = self.leaving.next_group();
        if group.is_empty() {
            return;
        }
        self.moving = true;
        let moved = self.deps.archive.take_out(group.clone());
        context.spawn(moved.into_actor(self).map(|moved, actor, context| {
            actor.moving = false;
            if let Err(error) = pass_at_once(Step::CheckpointerLeft) {
                return actor.lifeline.fail(error, context);
            }
            let failed = match moved {
                Ok(answers) => actor.note_moved(group, answers),
                Err(error) => {
                    for leaving in &group {
                        actor.leaving.failed(leaving.file());
                    }
                    Some(error)
                }
            };
            match failed {
                Some(error) => actor.retry_moves(error, context),
                None => {
                    if let Some(retry) = &mut actor.moves {
                        retry.succeeded();
                    }
                }
            }
            actor.move_out(context);
            actor.step(context);
        }));
    }

    /// Lets go of those that are done with; the error of one that has to be tried again.
    fn note_moved(&mut self, group: Vec<Leaving>, answers: Vec<Result<Left>>) -> Option<Error> {
        let mut failed = None;
        for (leaving, answer) in group.into_iter().zip(answers) {
            let file = leaving.file();
            let left = matches!(answer, Ok(Left::To(_) | Left::Gone));
            if left && matches!(leaving, Leaving::Archive(_)) {
                self.measure(Measured::State(FileState::Archived));
            }
            match answer {
                Ok(Left::To(target)) => slog::debug!(self.deps.log, "file moved";
                    "file" => file.0, "target" => %target.display()),
                Ok(Left::Held(reason)) => {
                    slog::warn!(self.deps.log, "file stays in the inbox for now";
                        "file" => file.0, "reason" => &reason);
                    self.deps
                        .observer
                        .observe(&Event::FileHeld { file, reason });
                }
                Ok(Left::Gone | Left::Stays) => {}
                // A fault of the program may have left it half-way: the next life takes it up.
                Err(error) if is_tried_again(&error) || error.kind() == ErrorKind::Bug => {
                    self.leaving.failed(file);
                    failed = Some(error);
                    continue;
                }
                Err(error) => self.leave_in_place(&leaving, &error),
            }
            if self.leaving.moved(file) {
                self.deps.observer.observe(&Event::FileFinished { file });
            }
        }
        failed
    }

    /// Tries those again that failed, after a while; others go on leaving meanwhile.
    fn retry_moves(&mut self, error: Error, context: &mut Context<Self>) {
        // Where it is taken, a retry is due already.
        let Some(mut retry) = self.moves.take() else {
            return;
        };
        let waited = async move {
            let result = retry.wait_out(error).await;
            (retry, result)
        };
        context.spawn(
            waited
                .into_actor(self)
                .map(|(retry, result), actor, context| {
                    actor.moves = Some(retry);
                    if let Err(error) = result {
                        return actor.lifeline.fail(error, context);
                    }
                    actor.leaving.retry();
                    actor.move_out(context);
                }),
        );
    }

    /// A file that has changed since it was read stays where it is: the next scan finds it anew.
    fn leave_in_place(&self, leaving: &Leaving, error: &Error) {
        let file = leaving.file().0;
        if error.kind() == ErrorKind::File {
            slog::warn!(self.deps.log, "file stays in the inbox";
                "file" => file, "reason" => %error);
        } else {
            slog::error!(self.deps.log, "file could not be moved";
                "file" => file, "reason" => %error);
        }
    }

    /// What remembers how often files could not leave.
    pub(super) fn moves_retry(deps: &super::Deps) -> Retry {
        Retry::new("archiver", Arc::clone(&deps.observer), deps.log.clone())
    }
}

fn is_tried_again(error: &Error) -> bool {
    matches!(policy(error.kind()), Policy::Retry(_))
}
