//! PURE: how many dead letters the error budgets of a batch's files leave to its rows.

use ingestd_actors::error::{Error, ErrorKind};

use super::refused::Refused;
use super::selection::Selection;

/// Counts refused rows against the room of their shares, so that the search for more of them ends soon.
///
/// A refusal that may mean all rows of the batch counts only once all of them are known.
pub struct Room {
    rooms: Vec<Option<u64>>,
    refused: Vec<u64>,
    over: Option<usize>,
}

impl Room {
    /// The room of each share; `None`: no limit.
    pub fn new(rooms: &[Option<u64>]) -> Room {
        Room {
            rooms: rooms.to_vec(),
            refused: vec![0; rooms.len()],
            over: None,
        }
    }

    /// Counts a row; whether there was room for it.
    pub fn takes(&mut self, selection: &Selection<'_>, refused: &Refused) -> bool {
        !refused.refusal.known || self.take(selection.share_of(refused.row))
    }

    fn take(&mut self, share: usize) -> bool {
        self.refused[share] += 1;
        let fits = self.rooms[share].is_none_or(|room| self.refused[share] <= room);
        if !fits {
            self.over.get_or_insert(share);
        }
        fits
    }

    /// Counts from the beginning: some that were counted may have passed since.
    pub fn count_again(&mut self, selection: &Selection<'_>, refused: &[Refused]) {
        if self.rooms.iter().all(Option::is_none) {
            return;
        }
        self.refused.fill(0);
        for one in refused.iter().filter(|one| one.refusal.known) {
            self.refused[selection.share_of(one.row)] += 1;
        }
    }

    /// Counts them all, whatever they were refused for.
    pub fn count_all(&mut self, selection: &Selection<'_>, refused: &[Refused]) {
        self.refused.fill(0);
        for one in refused {
            self.take(selection.share_of(one.row));
        }
    }

    /// The share that had no room.
    pub fn over(&self) -> Option<usize> {
        self.over
    }
}

/// What ends the search.
pub fn over_budget() -> Error {
    Error::new(
        ErrorKind::File,
        "more rows are refused than there is room for",
    )
}
