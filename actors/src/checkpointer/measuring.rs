//! What is told of files for whoever counts.

use super::{Checkpointer, OpenFile};
use crate::model::{Counts, FileEnd, FileState, Reason};
use crate::port::{Event, Measured};

impl Checkpointer {
    pub(super) fn measure(&self, measured: Measured) {
        self.deps.observer.observe(&Event::Measured(measured));
    }

    /// A file is COMMITTED.
    pub(super) fn measure_committed(&self, open: &OpenFile, counts: Counts, end: &FileEnd) {
        self.measure(Measured::State(FileState::Committed));
        self.measure(Measured::Arrived { at: end.arrived });
        if !open.plan.all_or_nothing {
            return;
        }
        // What its lanes have counted was told with their batches: here it is what the move did.
        let seen = open.counts;
        let moved = Counts {
            inserted: counts.inserted.saturating_sub(seen.inserted),
            updated: counts.updated.saturating_sub(seen.updated),
            unchanged: counts.unchanged.saturating_sub(seen.unchanged),
            duplicate: counts.duplicate.saturating_sub(seen.duplicate),
            deleted: counts.deleted.saturating_sub(seen.deleted),
            ..Counts::default()
        };
        self.measure(Measured::Moved { counts: moved });
        let refused = counts
            .rejected
            .saturating_sub(seen.rejected + open.rejected_before);
        if refused > 0 {
            self.measure(Measured::DeadLetters {
                reason: Reason::Refused,
                count: refused,
            });
        }
    }
}
