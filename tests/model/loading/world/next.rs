//! What may happen next.

use ingestd_actors::model::{FileId, FileState, Lane};

use super::{Step, World};
use crate::model::loading::life::{Life, Phase};
use crate::model::loading::rules::Rule;
use crate::model::loading::scene::{LANES, Scene};
use crate::model::loading::server::Cell;

impl World {
    pub(super) fn may_start(&self, process: usize, scene: &Scene) -> bool {
        if scene.shared {
            return true;
        }
        let expired = self
            .frozen
            .as_ref()
            .is_some_and(|it| Some(it.process) == self.server.lease);
        let free = self.server.lease.is_none_or(|holder| holder == process)
            || expired
            || self.faults.takeovers > 0;
        let locked = self.frozen.as_ref().is_some_and(|it| !it.locked.is_empty());
        free && (!locked || scene.rules.hold(Rule::TakeoverTerminates))
    }

    pub(super) fn is_locked(&self, file: FileId, lane: Option<Lane>) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| {
            frozen.locked.contains(&file) && lane.is_none_or(|lane| lane == frozen.lane)
        })
    }

    pub(super) fn steps_of(
        &self,
        process: usize,
        life: &Life,
        scene: &Scene,
        steps: &mut Vec<Step>,
    ) {
        let first = usize::from(self.awaited);
        let mut found = (first..self.inbox.len()).filter(|&path| self.inbox[path]);
        if let Some(path) = found.find(|path| !life.known.contains(path))
            && !self
                .unfinished_at(path)
                .is_some_and(|file| self.is_locked(file, None))
        {
            let looks = life.sight.is_none() && scene.shared;
            steps.push(match looks {
                true => Step::Look(process, path),
                false => Step::Admit(process, path),
            });
            if !looks && self.faults.lost > 0 {
                steps.push(Step::LoseAdmission(process, path));
            }
        }
        if scene.shared {
            self.shared_steps(process, life, steps);
        }
        if life.can_read() {
            steps.push(Step::Read(process));
        }
        for (lane, state) in LANES.into_iter().zip(&life.lanes) {
            let Some(writing) = &state.writing else {
                continue;
            };
            let mut files = writing.claims.files().into_iter();
            if files.any(|file| self.is_locked(file, Some(lane))) {
                continue;
            }
            match writing.phase {
                Phase::Asking(_) => steps.push(Step::Ask(process, lane)),
                Phase::Sent | Phase::Half => {
                    steps.push(Step::Arrive(process, lane));
                    if self.faults.lost > 0 {
                        steps.push(Step::Lose(process, lane));
                    }
                    if self.faults.freezes > 0 && self.frozen.is_none() {
                        steps.push(Step::Freeze(process, lane));
                    }
                }
            }
        }
        let complete = life.completion(scene);
        if complete.is_some_and(|it| !self.is_locked(it.file, None)) {
            steps.push(Step::Commit(process));
        }
        if life.making().is_some() {
            steps.push(Step::Make(process));
        }
        let given_up = life.giving_up(scene);
        if given_up.is_some_and(|it| !self.is_locked(it.file, None)) {
            steps.push(Step::GiveUp(process));
        }
        if self.faults.lost > 0 && life.end(scene).is_some() {
            steps.push(Step::LoseEnd(process));
        }
        if scene.notes && life.note(scene).is_some() {
            steps.push(Step::Note(process));
        }
        steps.extend(life.leaving.iter().map(|&file| Step::Leave(process, file)));
        if !scene.rules.hold(Rule::LeavesAfterCommitted) {
            let ended = life.open.iter().filter(|(_, open)| open.ended.is_some());
            steps.extend(ended.map(|(&file, _)| Step::Leave(process, file)));
        }
        if self.faults.crashes > 0 {
            steps.push(Step::Crash(process));
        }
        if !scene.rules.hold(Rule::RestartTogether) && self.faults.crashes > 0 {
            steps.push(Step::LoseAccumulator(process));
        }
    }

    pub(super) fn faults_of_others(&self, scene: &Scene, steps: &mut Vec<Step>) {
        if self.faults.server > 0 {
            steps.push(Step::CrashServer);
        }
        if self.frozen.is_some() {
            steps.push(Step::Thaw);
        }
        for (&file, row) in &self.server.files {
            let stage = row.stage.as_ref();
            if self.faults.emptied > 0 && stage.is_some_and(|stage| !stage.is_empty()) {
                steps.push(Step::Empty(file));
            }
            if self.faults.retries > 0 && row.state == FileState::Quarantined {
                steps.push(Step::Retry(file));
            }
        }
        let nothing_runs = self.lives.iter().all(Option::is_none);
        if self.faults.changes > 0 && nothing_runs && !self.is_begun() {
            steps.push(Step::Change);
        }
        if self.faults.growths > 0 {
            let stands = (0..self.inbox.len()).filter(|&path| self.inbox[path]);
            let grows = stands.filter(|&path| self.texts[path] < scene.files[path].len());
            steps.extend(grows.map(Step::Grow));
        }
    }

    /// Whether something is loaded. A record of which two lives make two different things may end as
    /// both or as neither where the first life has committed anything at or behind it, and its file is
    /// FAILED: that is a limit of the protocol, and why the table is changed here only before, and the
    /// next life claims at once.
    pub(super) fn is_begun(&self) -> bool {
        let cells = self.server.table.iter().flatten();
        cells.copied().any(|cell| cell != Cell::default())
    }

    pub(super) fn unfinished_at(&self, path: usize) -> Option<FileId> {
        let mut files = self.server.files.iter();
        let found = files.find(|(_, row)| row.path == path && row.is_unfinished());
        found.map(|(&file, _)| file)
    }
}
