//! Files that are over their error budget, as the accumulator gives them up.

use ingestd_actors::flow::{Budget, Known};
use ingestd_actors::model::{FileId, Lane, Position};

use super::{Life, lane_of};
use crate::model::loading::rules::Rule;
use crate::model::loading::scene::{Fate, Scene, index_of};
use crate::model::loading::server::{GiveUp, Record};

impl Life {
    /// `BatchAccumulator::refuse_chunk`: gives a file up whose chunk has more dead letters than there is
    /// room for; otherwise counts them.
    pub(super) fn refuses(
        &mut self,
        file: FileId,
        to: Position,
        records: &[Record],
        budget: Budget,
    ) -> bool {
        let rejects = &self.lanes[index_of(Lane::Rejects)].queue;
        let done = rejects.has_up_to(file).unwrap_or(u64::MAX);
        let is_found = |it: &&Record| it.number > done && it.fate == Fate::Letter;
        let mut found: Vec<Record> = records.iter().filter(is_found).copied().collect();
        debug_assert!(found.iter().all(|it| lane_of(it.fate) == Lane::Rejects));
        let Some(open) = self.open.get_mut(&file) else {
            return false;
        };
        let room = budget.room(open.errors, Known::SoFar(to.record));
        let Some(room) = room.filter(|room| found.len() as u64 > *room) else {
            open.errors += found.len() as u64;
            return false;
        };
        found.truncate(room as usize + 1);
        open.given_up = Some(found);
        for lane in &mut self.lanes {
            let (pieces, bytes) = lane.queue.drop_waiting(file);
            open.outstanding -= pieces;
            self.credits.give_back(bytes);
        }
        true
    }

    /// `BatchAccumulator::tell_given_up`: once nothing of the file is in flight.
    pub fn giving_up(&self, scene: &Scene) -> Option<GiveUp> {
        self.open.iter().find_map(|(&file, open)| {
            let waits = open.outstanding > 0 && scene.rules.hold(Rule::GiveUpWaits);
            Some(GiveUp {
                file,
                epoch: open.epoch,
                letters: open.given_up.clone().filter(|_| !waits)?,
            })
        })
    }
}
