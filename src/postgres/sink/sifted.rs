//! What came of the rows of a batch of which some are refused.

use ingestd_actors::error::Result;
use ingestd_actors::model::{Counts, DeadLetter};

use super::careful::Sieve;
use super::fault::Refusal;
use super::refused::{Refused, check_not_all_alike, dead_letter};
use super::room::over_budget;

/// What became of the rows.
pub struct Sifted {
    /// For each share of the batch.
    pub counts: Vec<Counts>,
    /// The refused rows: their share, and their dead letter.
    pub refused: Vec<(usize, DeadLetter)>,
    /// The share of which more rows are refused than there is room for: nothing is to be kept.
    pub over: Option<usize>,
    /// How many row statements it took.
    pub statements: u64,
}

impl Sieve<'_> {
    pub(super) fn refuse(&mut self, row: u32, deletes: bool, refusal: Refusal) -> Result<()> {
        let refused = Refused {
            row,
            deletes,
            refusal,
        };
        let fits = self.room.takes(self.selection, &refused);
        self.refused.push(refused);
        match fits {
            true => Ok(()),
            false => Err(over_budget()),
        }
    }

    /// What was found of the share that is over its budget.
    pub(super) fn found_so_far(self) -> Sifted {
        let over = self.room.over();
        let found = self
            .refused
            .into_iter()
            .map(|Refused { row, refusal, .. }| {
                let share = self.selection.share_of(row);
                (share, dead_letter(self.selection, row, refusal))
            });
        let mut letters: Vec<_> = found.filter(|(share, _)| Some(*share) == over).collect();
        letters.sort_by_key(|(_, letter)| letter.record);
        Sifted {
            counts: self.counts,
            refused: letters,
            over,
            statements: self.statements,
        }
    }

    pub(super) fn finish(mut self) -> Result<Sifted> {
        for (deletes, passed) in [false, true].into_iter().zip(self.passed) {
            if passed == 0 && self.suspects {
                check_not_all_alike(&self.refused, deletes, &self.loading.plan.table)?;
            }
        }
        self.room.count_all(self.selection, &self.refused);
        if self.room.over().is_some() {
            return Ok(self.found_so_far());
        }
        self.refused.sort_by_key(|refused| refused.row);
        let mut letters = Vec::with_capacity(self.refused.len());
        for Refused { row, refusal, .. } in self.refused {
            let share = self.selection.share_of(row);
            self.counts[share].rejected += 1;
            letters.push((share, dead_letter(self.selection, row, refusal)));
        }
        let preferred_to = self.selection.duplicates();
        let duplicates = preferred_to.iter().zip(&self.tried_instead);
        for (counts, (all, tried)) in self.counts.iter_mut().zip(duplicates) {
            counts.duplicate += all - tried;
        }
        Ok(Sifted {
            counts: self.counts,
            refused: letters,
            over: None,
            statements: self.statements,
        })
    }
}
