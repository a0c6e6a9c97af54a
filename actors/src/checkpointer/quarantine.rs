//! Files that can't be loaded, or not to their end.

use std::sync::Arc;

use actix::Context;

use super::{Checkpointer, Ending};
use crate::failpoint::{Step, pass};
use crate::model::{Candidate, Epoch, FileId, FileState, OverBudget, by_reason};
use crate::port::{Event, Leaving, Measured, Quarantined};

/// Why a file is ended.
#[derive(Debug)]
pub(super) enum Unloadable {
    Because(String),
    OverBudget(OverBudget),
    Replaced,
}

impl Checkpointer {
    /// What is given up has chunks that nobody writes any more; what is quarantined for anything else
    /// keeps what was read of it.
    pub(super) fn next_quarantine(&self) -> Option<(FileId, Epoch, Unloadable)> {
        self.files.iter().find_map(|(&file, open)| {
            let why = match &open.ending {
                Some(Ending::GivenUp(over)) => Unloadable::OverBudget(over.clone()),
                Some(Ending::Quarantine(reason)) if open.tracker.is_durable() => {
                    Unloadable::Because(reason.clone())
                }
                Some(Ending::Replaced) if open.tracker.is_durable() => Unloadable::Replaced,
                _ => return None,
            };
            Some((file, open.epoch, why))
        })
    }

    pub(super) fn quarantine(
        &mut self,
        file: FileId,
        epoch: Epoch,
        why: Unloadable,
        context: &mut Context<Self>,
    ) {
        let ledger = Arc::clone(&self.deps.ledger);
        let mut retry = self.retry();
        let work = async move {
            let reason = loop {
                let done = async {
                    pass(Step::CheckpointerQuarantine).await?;
                    match &why {
                        Unloadable::Because(reason) => {
                            let quarantined = ledger.quarantine(file, epoch, reason.clone());
                            quarantined.await.map(|()| reason.clone())
                        }
                        Unloadable::OverBudget(over) => {
                            ledger.give_up(file, epoch, over.clone()).await
                        }
                        Unloadable::Replaced => ledger.replaced(file, epoch).await,
                    }
                };
                match done.await {
                    Ok(reason) => break reason,
                    Err(error) => retry.wait_out(error).await?,
                }
            };
            retry.succeeded();
            let last = match &why {
                Unloadable::OverBudget(over) => by_reason(&over.dead_letters),
                Unloadable::Because(_) | Unloadable::Replaced => Vec::new(),
            };
            let is_replaced = matches!(why, Unloadable::Replaced);
            Ok((reason, is_replaced, last))
        };
        self.run(
            work,
            context,
            move |actor, (reason, is_replaced, last), context| {
                for (reason, count) in last {
                    actor.measure(Measured::DeadLetters { reason, count });
                }
                match actor.files.remove(&file) {
                    Some(open) if is_replaced => actor.note_replaced(file, open.candidate, reason),
                    Some(open) => actor.note_quarantined(file, open.candidate, reason, context),
                    None => {}
                }
            },
        );
    }

    /// What stands at its place is another file, which the next scan finds.
    fn note_replaced(&self, file: FileId, candidate: Candidate, reason: String) {
        let path = candidate.path;
        slog::warn!(self.deps.log, "another file took the place of a file";
            "file" => file.0, "path" => %path.display(), "reason" => &reason);
        self.measure(Measured::State(FileState::Skipped));
        self.deps
            .observer
            .observe(&Event::FileSkipped { path, reason });
    }

    pub(super) fn note_quarantined(
        &mut self,
        file: FileId,
        candidate: Candidate,
        reason: String,
        context: &mut Context<Self>,
    ) {
        let quarantined = Quarantined {
            file,
            candidate,
            reason,
        };
        self.announce_quarantined(&quarantined);
        self.leave(Leaving::Quarantine(quarantined), context);
    }

    pub(super) fn announce_quarantined(&self, quarantined: &Quarantined) {
        slog::warn!(self.deps.log, "file quarantined";
            "file" => quarantined.file.0, "path" => %quarantined.candidate.path.display(),
            "reason" => &quarantined.reason);
        self.deps.observer.observe(&Event::FileQuarantined {
            path: quarantined.candidate.path.clone(),
            reason: quarantined.reason.clone(),
        });
        self.measure(Measured::State(FileState::Quarantined));
    }
}
