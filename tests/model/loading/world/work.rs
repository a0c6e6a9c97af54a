//! What a process does: each function is a transaction on the ledger, with its answer.

use ingestd::ledger::balance::Judgement;
use ingestd_actors::model::{FileId, FileState, Lane};

use super::World;
use crate::model::loading::life::{Life, Phase, Sight, Text, Wanted, Writing};
use crate::model::loading::rules::Rule;
use crate::model::loading::scene::{Scene, index_of};
use crate::model::loading::server::{Admission, Completion, Transaction};

impl World {
    /// `Lease::acquire`, `Core::resume`.
    pub(super) fn start(&mut self, process: usize, scene: &Scene) {
        let expired = self
            .frozen
            .as_ref()
            .is_some_and(|it| Some(it.process) == self.server.lease);
        if self.server.lease.is_some_and(|holder| holder != process) && !expired {
            self.faults.takeovers -= 1;
        }
        if let Some(frozen) = &mut self.frozen {
            frozen.locked.clear();
        }
        let (inbox, texts) = (self.inbox.clone(), self.texts.clone());
        let waits = !scene.lazy || scene.rules.hold(Rule::ClaimIsOnDisk);
        let mut life = Life::new(scene);
        self.on_server(waits, |server| {
            server.lease = Some(process);
            server.clear_away(scene);
            let files: Vec<FileId> = server.files.keys().copied().collect();
            for file in files {
                let row = &server.files[&file];
                if !inbox[row.path] {
                    continue;
                }
                if row.is_unfinished() {
                    server.claim(file, scene.rules);
                    life.take_claim(file, &server.files[&file], scene);
                } else if row.state != FileState::Failed && row.is_done_at(texts[row.path]) {
                    life.known.insert(row.path);
                    life.leaving.insert(file);
                }
            }
        });
        self.lives[process] = Some(life);
    }

    /// `Core::admit`: a new file, the tail of one, one that goes on, or one that is done.
    pub(super) fn admit(&mut self, process: usize, path: usize, scene: &Scene) {
        if self.server.lease != Some(process) && scene.rules.hold(Rule::LeaseIsHeld) {
            return self.end_life(process, scene);
        }
        let admission = self.admission(process, path, scene);
        let Some(file) = admission.and_then(|it| self.carry_out(&it, scene)) else {
            return;
        };
        let row = &self.server.files[&file];
        let Some(life) = &mut self.lives[process] else {
            return;
        };
        life.known.insert(path);
        if row.is_unfinished() {
            life.take_claim(file, row, scene);
        } else if row.state != FileState::Failed {
            life.leaving.insert(file);
        }
    }

    /// What is decided about the file at a path; by what was seen before, where the pipeline is shared.
    pub(super) fn admission(
        &mut self,
        process: usize,
        path: usize,
        scene: &Scene,
    ) -> Option<Admission> {
        let wanted = self.taken_for(path);
        let life = self.lives[process].as_mut()?;
        let sight = match scene.shared {
            true => life.sight.take()?,
            false => Sight {
                path,
                wanted,
                is_old: false,
            },
        };
        Some(Admission {
            process,
            instance: scene.shared.then_some(life.instance),
            sight,
        })
    }

    /// What the file at a path is.
    pub(super) fn taken_for(&self, path: usize) -> Wanted {
        let known = self.server.files.iter().rfind(|(_, row)| row.path == path);
        match known {
            Some((&file, row)) if row.is_unfinished() || row.is_done_at(self.texts[path]) => {
                Wanted::Known(file)
            }
            Some((_, row)) => Wanted::New(row.base + row.records),
            None => Wanted::New(0),
        }
    }

    /// `Core::hold_admission`, and the admission itself.
    pub(super) fn carry_out(&mut self, admission: &Admission, scene: &Scene) -> Option<FileId> {
        let Admission {
            process,
            instance,
            sight,
        } = admission;
        let held = match instance {
            Some(instance) => self.server.instances.contains_key(instance),
            None => self.server.lease == Some(*process),
        };
        let may = held || !scene.rules.hold(Rule::LeaseIsHeld);
        if !may || sight.is_old && scene.rules.hold(Rule::AdmissionsAreCounted) {
            return None;
        }
        if let (Wanted::Known(file), Some(instance)) = (sight.wanted, *instance)
            && !self.server.is_takeable(file, instance, scene)
        {
            return None;
        }
        let seen = self.lives.iter_mut().flatten();
        let seen = seen.filter_map(|life| life.sight.as_mut());
        let late = self.limbo.iter_mut().filter_map(|late| match late {
            Transaction::Admit(admission) => Some(&mut admission.sight),
            _ => None,
        });
        seen.chain(late).for_each(|sight| sight.is_old = true);
        let waits = !scene.lazy || scene.rules.hold(Rule::ClaimIsOnDisk);
        Some(self.on_server(waits, |server| server.admit(admission, scene.rules)))
    }

    /// The reader reads a chunk, and hands it on.
    pub(super) fn read(&mut self, process: usize, scene: &Scene) {
        let budget = self.budget(scene);
        if let Some(life) = &mut self.lives[process]
            && let Some(path) = life.reading.and_then(|(file, _)| life.open.get(&file))
        {
            let path = path.path;
            // A life after a death reads larger chunks: tuning may change in the middle of a file.
            let deaths = scene.faults.crashes - self.faults.crashes;
            let text = Text {
                records: &scene.files[path][..self.texts[path]],
                chunk: scene.chunk << deaths,
                changed: self.changed,
                budget,
            };
            life.read(&text, scene);
        }
    }

    /// `Stages::make`; a life whose claim is not the newest starts again.
    pub(super) fn make(&mut self, process: usize, scene: &Scene) {
        let life = self.lives[process].as_ref();
        let Some((file, epoch)) = life.and_then(Life::making) else {
            return;
        };
        let made = self.run(Transaction::Make { file, epoch }, scene);
        match &mut self.lives[process] {
            Some(life) if made => life.made(file),
            _ => self.end_life(process, scene),
        }
    }

    /// `Writer::connect`: whether what the lane was seen to commit is there.
    pub(super) fn connects(&mut self, process: usize, lane: Lane, scene: &Scene) -> bool {
        let Some(life) = &mut self.lives[process] else {
            return false;
        };
        let is_anew = std::mem::take(&mut life.lanes[index_of(lane)].is_anew);
        if is_anew && life.misses(lane, &self.server.files, scene) {
            life.lanes[index_of(lane)].is_anew = true;
            self.end_life(process, scene);
            return false;
        }
        true
    }

    /// `Writer::attempt`, `rejects::attempt`: one transaction, with its answer.
    pub(super) fn arrive(&mut self, process: usize, lane: Lane, scene: &Scene) {
        let Some(batch) = self.batch(process, lane, scene) else {
            return;
        };
        let rule = match lane {
            Lane::Partition(_) => Rule::OneTransaction,
            Lane::Rejects => Rule::RejectsOneTransaction,
        };
        let done = match scene.rules.hold(rule) {
            true => Some(self.run(batch, scene)),
            false => self.half(process, lane, batch, scene),
        };
        let Some(writing) = self.writing(process, lane) else {
            return;
        };
        match done {
            Some(true) => writing.succeeded(),
            Some(false) => writing.phase = Phase::Asking(None),
            None => writing.phase = Phase::Half,
        }
        self.settle(process, lane, scene);
    }

    /// What stands for a transaction where it is two: the rows, then the checkpoint; and the rejects'
    /// checkpoint, then the dead letters.
    pub(super) fn half(
        &mut self,
        process: usize,
        lane: Lane,
        batch: Transaction,
        scene: &Scene,
    ) -> Option<bool> {
        let second = self.writing(process, lane)?.phase == Phase::Half;
        if !second && !self.server.clone().accepts(&batch, scene) {
            return Some(false);
        }
        let Transaction::Batch { moves, records, .. } = batch else {
            return None;
        };
        let rows_now = second == (lane == Lane::Rejects);
        for (wanted, records) in moves.iter().zip(&records) {
            match rows_now {
                true => self.server.put(wanted.file, records, scene),
                false => self.server.advance(lane, wanted, records, scene),
            }
        }
        second.then_some(true)
    }

    pub(super) fn writing(&mut self, process: usize, lane: Lane) -> Option<&mut Writing> {
        let life = self.lives[process].as_mut()?;
        life.lanes[index_of(lane)].writing.as_mut()
    }

    /// `Writer::read_standings`, `rejects::read_standings`.
    pub(super) fn ask(&mut self, process: usize, lane: Lane, scene: &Scene) {
        let Some(Transaction::Batch { moves, .. }) = self.batch(process, lane, scene) else {
            return;
        };
        let standings = self.on_server(!scene.lazy, |server| {
            server.standings(lane, &moves, scene.rules)
        });
        if let Some(writing) = self.writing(process, lane)
            && let Phase::Asking(pending) = std::mem::replace(&mut writing.phase, Phase::Sent)
        {
            writing.claims.settle_by(&standings, pending.as_ref());
        }
        self.settle(process, lane, scene);
    }

    pub(super) fn settle(&mut self, process: usize, lane: Lane, scene: &Scene) {
        let life = self.lives[process].as_mut();
        if life.is_some_and(|life| life.settle(lane, scene).is_err()) {
            self.end_life(process, scene);
        }
    }

    pub(super) fn commit(&mut self, process: usize, scene: &Scene) {
        let life = self.lives[process].as_ref();
        let Some(wanted) = life.and_then(|life| life.completion(scene)) else {
            return;
        };
        if scene.whole
            && !scene.rules.hold(Rule::MoveIsTheCommit)
            && self.moves(process, &wanted, scene)
        {
            return;
        }
        let budget = self.budget(scene);
        let waits = !scene.lazy || scene.rules.hold(Rule::CommitIsOnDisk);
        let judged = self.on_server(waits, |server| server.commit(&wanted, budget, scene));
        match (judged, &mut self.lives[process]) {
            (Judgement::Commit(_) | Judgement::Done(_) | Judgement::Refused(_), Some(life)) => {
                life.ended(wanted.file);
            }
            (Judgement::Fenced, _) => self.end_life(process, scene),
            _ => {}
        }
    }

    /// What stands for the commit of a whole file where it is two: whether its rows were moved by this one.
    fn moves(&mut self, process: usize, wanted: &Completion, scene: &Scene) -> bool {
        let file = wanted.file;
        let life = self.lives[process].as_mut();
        let Some(open) = life.and_then(|life| life.open.get_mut(&file)) else {
            return false;
        };
        let may = matches!(self.server.judge(wanted, scene), Judgement::Commit(_));
        if open.is_moved || !may {
            return false;
        }
        open.is_moved = true;
        self.server.move_rows(file);
        true
    }

    /// `Core::give_up_over_budget`; a life whose claim is not the newest starts again.
    pub(super) fn give_file_up(&mut self, process: usize, scene: &Scene) {
        let life = self.lives[process].as_ref();
        let Some(wanted) = life.and_then(|life| life.giving_up(scene)) else {
            return;
        };
        let file = wanted.file;
        let done = self.run(Transaction::GiveUp(wanted), scene);
        match &mut self.lives[process] {
            Some(life) if done => life.ended(file),
            _ => self.end_life(process, scene),
        }
    }

    /// `archive::next` refuses a file that is longer than what was committed; the next scan finds it.
    pub(super) fn leave(&mut self, process: usize, file: FileId, scene: &Scene) {
        let Some((row, life)) = self
            .server
            .files
            .get(&file)
            .zip(self.lives[process].as_mut())
        else {
            return;
        };
        life.leaving.remove(&file);
        let grown = row.base + row.records < self.texts[row.path] as u64;
        if row.state == FileState::Committed && grown && scene.rules.hold(Rule::GrowthStays) {
            life.known.remove(&row.path);
        } else {
            self.inbox[row.path] = false;
        }
    }
}
