//! How files end: COMMITTED, FAILED or QUARANTINED; and how one that is retried goes on.

use std::fs::File;
use std::sync::{Arc, OnceLock};

use ingestd::ledger::balance::{Account, Judgement, judge};
use ingestd_actors::flow::{Budget, Known};
use ingestd_actors::model::{Checkpoint, Counts, FileEnd, FileId, FileState, Lane, Position};

use super::{Completion, FileRow, GiveUp, LaneRow, Server};
use crate::model::loading::rules::Rule;
use crate::model::loading::scene::Scene;

impl Server {
    /// `Core::commit`, `Core::commit_whole`.
    pub fn commit(&mut self, wanted: &Completion, budget: Budget, scene: &Scene) -> Judgement {
        let (file, rules) = (wanted.file, scene.rules);
        let mut judged = self.judge(wanted, scene);
        if matches!(judged, Judgement::Unbalanced(_)) && !rules.hold(Rule::CommitAddsUp) {
            judged = Judgement::Commit(Counts::default());
        }
        if let Judgement::Commit(counts) = judged {
            let over = budget.passed(counts.rejected, Known::All(wanted.end.record));
            if over.is_some() && rules.hold(Rule::EndIsJudged) {
                self.quarantine(file, scene);
                return Judgement::Refused(String::new());
            }
            if scene.stages() {
                judged = self.move_staged(wanted, counts, budget, scene);
            }
        }
        if let Some(row) = self.files.get_mut(&file) {
            match judged {
                Judgement::Commit(_) => {
                    row.state = FileState::Committed;
                    row.watermark = wanted.end;
                    row.records = wanted.end.record;
                    row.lanes.clear();
                    row.drop_stage(scene);
                }
                Judgement::Unbalanced(_) => row.state = FileState::Failed,
                Judgement::Done(_) | Judgement::Fenced => {}
                Judgement::Refuse(_) | Judgement::Refused(_) => {}
            }
        }
        judged
    }

    /// What `balance::judge` says of a file.
    pub fn judge(&self, wanted: &Completion, scene: &Scene) -> Judgement {
        let (epoch, rules) = (wanted.epoch, scene.rules);
        let mut account = self.files.get(&wanted.file).map(FileRow::account);
        if let Some(account) = account
            .as_mut()
            .filter(|_| !rules.hold(Rule::CommitComparesEpoch))
        {
            account.epoch = epoch;
            account.lanes.iter_mut().for_each(|lane| lane.1 = epoch);
        }
        let seen = match rules.hold(Rule::CommitComparesSeen) {
            true => &wanted.seen[..],
            false => &[],
        };
        judge(account.as_ref(), epoch, seen, &file_end(wanted.end))
    }

    /// `Core::give_up_over_budget`: whether the file is QUARANTINED by it, now or before.
    pub fn give_up(&mut self, wanted: &GiveUp, scene: &Scene) -> bool {
        let Some(row) = self.files.get_mut(&wanted.file) else {
            return false;
        };
        let is_quarantined = row.state == FileState::Quarantined;
        if is_quarantined && row.epoch.0 - 1 == wanted.epoch.0 {
            return true;
        }
        let is_open = row.is_unfinished() && row.epoch == wanted.epoch;
        if !is_open && scene.rules.hold(Rule::GiveUpIsNewest) {
            return false;
        }
        // `bury`: the rejects' checkpoint stays.
        row.beyond
            .extend(wanted.letters.iter().map(|it| it.in_path));
        for letter in &wanted.letters {
            self.put_one(wanted.file, letter);
        }
        if let Some(rejects) = self.lane(wanted.file, Lane::Rejects) {
            rejects.counts.rejected += wanted.letters.len() as u64;
        }
        if is_open {
            self.quarantine(wanted.file, scene);
        }
        is_open
    }

    /// `budget::quarantine`, `keep_checkpoints`.
    fn quarantine(&mut self, file: FileId, scene: &Scene) {
        let Some(row) = self.files.get_mut(&file) else {
            return;
        };
        row.state = FileState::Quarantined;
        row.records = row.total(|counts| counts.total() - counts.staged);
        if scene.rules.hold(Rule::QuarantineRaisesEpoch) {
            row.epoch.0 += 1;
        }
        if row.total(|counts| counts.inserted) == 0 {
            row.lanes.clear();
        }
        if scene.rules.hold(Rule::KeptAreFenced) {
            row.lanes.iter_mut().for_each(|lane| lane.epoch = row.epoch);
        }
        row.drop_stage(scene);
    }

    /// `Retry::begin`.
    pub fn retry(&mut self, file: FileId, scene: &Scene) {
        let (rules, bit) = (scene.rules, 1 << file.0);
        let Some(row) = self.files.get_mut(&file) else {
            return;
        };
        let cells = &mut self.table[row.path];
        row.records = 0;
        if row.total(|counts| counts.inserted) > 0 && rules.hold(Rule::LoadedGoesOn) {
            row.state = FileState::Reading;
            let beyond = std::mem::take(&mut row.beyond);
            if !rules.hold(Rule::BeyondIsForgotten) {
                return;
            }
            for record in &beyond {
                cells[*record as usize - 1].letters &= !bit;
            }
            let mut lanes = row.lanes.iter_mut();
            if let Some(rejects) = lanes.find(|row| row.lane == Lane::Rejects) {
                rejects.counts.rejected -= beyond.len() as u64;
            }
        } else {
            // What was counted of it counts no more.
            row.state = FileState::Skipped;
            cells.iter_mut().for_each(|cell| cell.filtered = 0);
            row.lanes.clear();
            row.beyond.clear();
            if rules.hold(Rule::AfreshForgets) {
                cells.iter_mut().for_each(|cell| cell.letters &= !bit);
            }
        }
    }
}

impl FileRow {
    fn total(&self, of: fn(&Counts) -> u64) -> u64 {
        self.lanes.iter().map(|lane| of(&lane.counts)).sum()
    }

    fn account(&self) -> Account {
        let lane = |row: &LaneRow| {
            let checkpoint = Checkpoint {
                lane: row.lane,
                position: row.position,
            };
            (checkpoint, row.epoch, row.counts)
        };
        Account {
            state: self.state,
            epoch: self.epoch,
            reason: None,
            expected: None,
            counts: Counts::default(),
            lanes: self.lanes.iter().map(lane).collect(),
        }
    }
}

/// The end of a file whose text was read to its end.
fn file_end(end: Position) -> FileEnd {
    static NOTHING: OnceLock<Arc<File>> = OnceLock::new();
    let open = || Arc::new(File::open("/dev/null").expect("there is always nothing"));
    FileEnd {
        end,
        text: end.offset,
        size: end.offset,
        modified: 0,
        arrived: std::time::SystemTime::UNIX_EPOCH,
        content_hash: [0; 32],
        handle: Arc::clone(NOTHING.get_or_init(open)),
    }
}
