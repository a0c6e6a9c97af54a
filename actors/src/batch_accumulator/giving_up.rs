//! Files that are over their error budget: nothing more of them is written, what waits is dropped, and
//! once nothing of them is in flight the checkpointer is told.
//!
//! The counts here only lag behind the ledger's: a file that is over its budget by them, is. Whether
//! one that was read to its end is within, the ledger says as it commits it.

use std::collections::HashMap;

use super::{BatchAccumulator, OpenFile};
use crate::checkpointer::{Ending, FileEnded};
use crate::flow::Known;
use crate::model::{Chunk, DeadLetter, FileId, OverBudget, Position};

impl BatchAccumulator {
    /// How many more dead letters a file may have, up to this position.
    pub(super) fn room_of(&self, file: FileId, to: Position) -> Option<u64> {
        let open = self.files.get(&file)?;
        let known = Known::SoFar(open.judged.max(to.record));
        self.deps.budget.room(open.errors, known)
    }

    /// Whether more of a file is to be read.
    pub(super) fn is_wanted(&self, file: FileId) -> bool {
        let open = self.files.get(&file);
        open.is_none_or(|open| open.given_up.is_none())
    }

    /// Gives a file up whose chunk has more dead letters than there is room for: nothing of that chunk
    /// is queued. Whether it is.
    pub(super) fn refuse_chunk(&mut self, chunk: &mut Chunk) -> bool {
        let found = chunk.rejects.len() as u64;
        if self
            .room_of(chunk.file, chunk.to)
            .is_none_or(|room| found <= room)
        {
            return false;
        }
        let found = std::mem::take(&mut chunk.rejects);
        let judged = judged_with(&self.files, chunk.file, chunk.to);
        self.give_up(chunk.file, found, judged);
        true
    }

    /// The server has refused so many rows of a file, up to this position.
    pub(super) fn count_refused(&mut self, file: FileId, to: Position, refused: u64) {
        if let Some(open) = self.files.get_mut(&file) {
            open.errors += refused;
            open.judged = open.judged.max(to.record);
        }
    }

    /// Gives a file up that is over its budget by what is stored already.
    pub(super) fn check_budget(&mut self, file: FileId) {
        let Some(open) = self.files.get(&file) else {
            return;
        };
        let judged = open.judged;
        let known = Known::SoFar(judged);
        if self.deps.budget.passed(open.errors, known).is_some() {
            self.give_up(file, Vec::new(), judged);
        }
    }

    /// Drops what waits of a file that is over its budget by its first `judged` records. Of the dead
    /// letters that were found and not stored, those are kept for which there was room, and the one that
    /// was too many.
    pub(super) fn give_up(&mut self, file: FileId, mut found: Vec<DeadLetter>, judged: u64) {
        let Some(open) = self.files.get_mut(&file) else {
            return;
        };
        if open.given_up.is_some() {
            return;
        }
        let (budget, known) = (self.deps.budget, Known::SoFar(judged));
        let limit = budget.passed(open.errors + found.len() as u64, known);
        let room = budget.room(open.errors, known).unwrap_or(u64::MAX);
        found.truncate(usize::try_from(room.saturating_add(1)).unwrap_or(usize::MAX));
        // What was counted before stands among these too.
        let last = found.last().map(|last| last.record.max(open.judged));
        open.given_up = Some(OverBudget {
            limit: limit.unwrap_or_default(),
            records: last.unwrap_or(judged),
            at_end: false,
            dead_letters: found,
        });
        for lane in self.partitions.values_mut() {
            let (pieces, bytes) = lane.queue.drop_waiting(file);
            open.outstanding -= pieces;
            self.credits.give_back(bytes);
        }
        let (pieces, bytes) = self.rejects.queue.drop_waiting(file);
        open.outstanding -= pieces;
        self.credits.give_back(bytes);
    }

    /// Tells the checkpointer of a file that was given up, once nothing of it is in flight.
    pub(super) fn tell_given_up(&self, file: FileId, open: OpenFile) {
        if let Some(over) = open.given_up {
            self.deps.ended.do_send(FileEnded {
                file,
                epoch: open.epoch,
                ending: Ending::GivenUp(over),
                waited: open.ended.unwrap_or_default(),
            });
        }
    }
}

/// The records by which a file is judged, with those up to a position.
pub(super) fn judged_with(files: &HashMap<FileId, OpenFile>, file: FileId, to: Position) -> u64 {
    files
        .get(&file)
        .map_or(0, |open| open.judged)
        .max(to.record)
}
