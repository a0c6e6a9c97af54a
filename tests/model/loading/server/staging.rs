//! Files that are loaded as a whole: their staging tables, and the move.

use ingestd::ledger::balance::Judgement;
use ingestd_actors::flow::{Budget, Known};
use ingestd_actors::model::{Counts, Epoch, FileId};

use super::{Completion, FileRow, GiveUp, Record, Server};
use crate::model::loading::rules::Rule;
use crate::model::loading::scene::{Fate, Scene};

impl Server {
    /// `Stages::make`: whether it is there now.
    pub fn make(&mut self, file: FileId, epoch: Epoch, scene: &Scene) -> bool {
        let looks = scene.rules.hold(Rule::StageIsOfTheClaim);
        let row = self.files.get_mut(&file);
        let Some(row) = row.filter(|row| !looks || row.is_unfinished() && row.epoch == epoch)
        else {
            return false;
        };
        row.stage.get_or_insert_default();
        true
    }

    /// `stages::clear_away`.
    pub fn clear_away(&mut self, scene: &Scene) {
        let only_ended = scene.rules.hold(Rule::ClearsWhatHasEnded);
        for row in self.files.values_mut() {
            if !row.is_unfinished() || !only_ended {
                row.stage = None;
            }
        }
    }

    /// `Moving::carry_out`, in the transaction that commits the file.
    pub(super) fn move_staged(
        &mut self,
        wanted: &Completion,
        counts: Counts,
        budget: Budget,
        scene: &Scene,
    ) -> Judgement {
        let (file, rules) = (wanted.file, scene.rules);
        let records = wanted.end.record;
        let staged = self.staged(file);
        if staged.len() as u64 != counts.staged && rules.hold(Rule::StagedAreCounted) {
            return Judgement::Unbalanced("it was changed from outside".to_owned());
        }
        let is_refused = |record: &&Record| matches!(record.fate, Fate::Refused(_));
        let letters: Vec<Record> = staged.iter().filter(is_refused).copied().collect();
        let room = budget.room(counts.rejected, Known::All(records));
        if room.is_some_and(|room| letters.len() as u64 > room) {
            let epoch = wanted.epoch;
            let given_up = self.give_up(
                &GiveUp {
                    file,
                    epoch,
                    letters,
                },
                scene,
            );
            return match given_up {
                true => Judgement::Refused(String::new()),
                false => Judgement::Fenced,
            };
        }
        let total = counts.total() - counts.staged + staged.len() as u64;
        if total != records && rules.hold(Rule::MovedAddUp) {
            return Judgement::Fenced;
        }
        if rules.hold(Rule::MoveIsTheCommit) {
            self.move_rows(file);
        }
        Judgement::Commit(counts)
    }

    /// What the staging table of a file has.
    fn staged(&self, file: FileId) -> Vec<Record> {
        let row = self.files.get(&file);
        row.and_then(|row| row.stage.clone()).unwrap_or_default()
    }

    /// The rows, into the table.
    pub fn move_rows(&mut self, file: FileId) {
        for record in self.staged(file) {
            self.put_one(file, &record);
        }
    }
}

impl FileRow {
    /// `stages::drop_tables`, in the transaction that ends the file.
    pub(super) fn drop_stage(&mut self, scene: &Scene) {
        if scene.rules.hold(Rule::EndDropsStage) {
            self.stage = None;
        }
    }
}
