//! What must never be true.

use ingestd_actors::flow::Known;
use ingestd_actors::model::FileState;

use super::{World, name};
use crate::model::loading::scene::Scene;
use crate::model::loading::server::Cell;

impl World {
    pub(super) fn wrong(&self, scene: &Scene) -> Option<String> {
        // Files that are shared, or retried, come in no order.
        if self.server.out_of_order && !scene.shared && !self.lifted {
            return Some("rows of one key were written out of order".to_owned());
        }
        let sum = |path: usize, record: usize| self.server.table[path][record].times();
        for (path, fates) in scene.files.iter().enumerate() {
            if let Some(record) = (0..fates.len()).find(|&record| sum(path, record) > 1) {
                return Some(format!(
                    "record {} of {} is there twice",
                    record + 1,
                    name(path)
                ));
            }
            let lost = (0..self.texts[path]).find(|&record| sum(path, record) == 0);
            let gone = !self.inbox[path] && !self.is_quarantined(path);
            if let Some(record) = lost.filter(|_| gone) {
                let record = record + 1;
                return Some(format!(
                    "{} left the inbox, and record {record} is lost",
                    name(path)
                ));
            }
        }
        for row in self.server.files.values() {
            let of = name(row.path);
            if row.state == FileState::Failed && !self.is_tampered_with(scene) {
                return Some(format!("{of} is FAILED: its records don't add up"));
            }
            let mut own = (row.base..row.base + row.records).map(|record| record as usize);
            if row.state == FileState::Committed && own.any(|record| sum(row.path, record) == 0) {
                return Some(format!("{of} is COMMITTED, and a record of it is lost"));
            }
            if row.epoch.0 > scene.most_claims() {
                return Some(format!("{of} is claimed again and again, and never loaded"));
            }
        }
        self.wrong_end(scene)
    }

    fn is_quarantined(&self, path: usize) -> bool {
        let mut files = self.server.files.values();
        files.any(|row| row.path == path && row.state == FileState::Quarantined)
    }

    /// What must not be of files that are loaded as a whole, or have an error budget.
    fn wrong_end(&self, scene: &Scene) -> Option<String> {
        for (file, row) in &self.server.files {
            let of = name(row.path);
            let is_committed = row.state == FileState::Committed;
            let is_quarantined = row.state == FileState::Quarantined;
            if row.stage.is_some() && (is_committed || is_quarantined) {
                return Some(format!("{of} has ended, and its staging table is there"));
            }
            let cells = &self.server.table[row.path];
            let text = &scene.files[row.path];
            if scene.whole {
                let there = cells.iter().filter(|cell| cell.rows > 0).count();
                let rows = text.iter().filter(|fate| fate.is_row()).count();
                let is_done = there == rows && is_committed;
                if there > 0 && !is_done && row.state != FileState::Skipped {
                    return Some(format!("{of} is not COMMITTED, and rows of it are seen"));
                }
            }
            if !scene.has_a_budget() {
                continue;
            }
            let letters = text.iter().filter(|fate| fate.is_letter()).count() as u64;
            let all = Known::All(text.len() as u64);
            let is_over = scene.budget.passed(letters, all).is_some() && !self.lifted;
            if is_committed && is_over {
                return Some(format!("{of} is COMMITTED, and over its error budget"));
            }
            if is_quarantined && !is_over {
                return Some(format!("{of} is QUARANTINED, and within its error budget"));
            }
            let has = |cell: &Cell| {
                let letter = (cell.letters >> file.0) & 1;
                u64::from(cell.rows) + u64::from(cell.filtered) + u64::from(letter)
            };
            if is_quarantined && cells.iter().map(has).sum::<u64>() != row.records {
                return Some(format!("{of} is QUARANTINED, and was counted otherwise"));
            }
        }
        None
    }
}
