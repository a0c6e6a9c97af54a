//! Files that can't be loaded, or not to their end.

use std::sync::Arc;

use actix::Context;

use super::{Checkpointer, Ending};
use crate::failpoint::{Step, pass};
use crate::model::{Candidate, Epoch, FileId, OverBudget};
use crate::port::{Event, Leaving, Quarantined};

/// Why a file is quarantined.
#[derive(Debug)]
pub(super) enum Unloadable {
    Because(String),
    OverBudget(OverBudget),
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
                    }
                };
                match done.await {
                    Ok(reason) => break reason,
                    Err(error) => retry.wait_out(error).await?,
                }
            };
            retry.succeeded();
            Ok(reason)
        };
        self.run(work, context, move |actor, reason, context| {
            if let Some(open) = actor.files.remove(&file) {
                actor.note_quarantined(file, open.candidate, reason, context);
            }
        });
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
    }
}
