//! What a step does: to the world, and to a process that something happens to.

use super::{Frozen, MOST_IN_LIMBO, Step, World};
use crate::model::loading::life::Phase;
use crate::model::loading::rules::Rule;
use crate::model::loading::scene::{LANES, Scene, index_of};
use crate::model::loading::server::{Server, Transaction};
use ingestd_actors::model::{FileId, Lane};

impl World {
    pub(super) fn take(&mut self, step: Step, scene: &Scene) {
        match step {
            Step::Start(process) if scene.shared => self.join(process, scene),
            Step::Start(process) => self.start(process, scene),
            Step::Admit(process, path) if scene.shared => self.admit_shared(process, path, scene),
            Step::Admit(process, path) => self.admit(process, path, scene),
            Step::LoseAdmission(process, path) => {
                self.faults.lost -= 1;
                let admission = self.admission(process, path, scene);
                self.limbo.extend(admission.map(Transaction::Admit));
            }
            Step::Look(process, path) => self.look(process, path, scene),
            Step::TakeUp(process) => self.take_up(process, scene),
            Step::Bury(process) => self.bury(process),
            Step::Renew(process) => self.renew(process, scene),
            Step::Miss(process) => {
                self.faults.takeovers -= 1;
                if let Some(life) = &self.lives[process] {
                    self.server.instances.insert(life.instance, false);
                }
            }
            Step::Read(process) => self.read(process, scene),
            Step::Arrive(process, lane) if self.connects(process, lane, scene) => {
                self.arrive(process, lane, scene);
            }
            Step::Ask(process, lane) if self.connects(process, lane, scene) => {
                self.ask(process, lane, scene);
            }
            Step::Arrive(..) | Step::Ask(..) => {}
            Step::Commit(process) => self.commit(process, scene),
            Step::Note(process) => {
                let life = self.lives[process].as_mut();
                if let Some(note) = life.as_ref().and_then(|life| life.note(scene)) {
                    self.run(Transaction::Note(note.clone()), scene);
                    if let Some(life) = &mut self.lives[process] {
                        life.noted(&note);
                    }
                }
            }
            Step::Make(process) => self.make(process, scene),
            Step::GiveUp(process) => self.give_file_up(process, scene),
            Step::Leave(process, file) => self.leave(process, file, scene),
            Step::Late(index) => {
                let transaction = self.limbo.remove(index);
                self.run(transaction, scene);
            }
            Step::Come => self.awaited = false,
            Step::Flush => self.disk = None,
            Step::Crash(process) => {
                self.faults.crashes -= 1;
                if let Some(life) = &self.lives[process]
                    && let Some(lives) = self.server.instances.get_mut(&life.instance)
                {
                    *lives = false;
                }
                self.numbers[process] = None;
                self.end_life(process, scene);
                for server in [Some(&mut self.server), self.disk.as_mut()]
                    .into_iter()
                    .flatten()
                {
                    server.lease = server.lease.filter(|&holder| holder != process);
                }
            }
            Step::Lose(process, lane) => {
                self.faults.lost -= 1;
                self.limbo.extend(self.batch(process, lane, scene));
                self.give_up(process, lane, scene);
            }
            Step::CrashServer => self.crash_server(scene),
            Step::Freeze(process, lane) => {
                self.faults.freezes -= 1;
                if let Some(Transaction::Batch { moves, .. }) = self.batch(process, lane, scene) {
                    let locked = moves.iter().map(|wanted| wanted.file).collect();
                    self.frozen = Some(Frozen {
                        process,
                        lane,
                        locked,
                    });
                }
            }
            Step::Thaw => {
                if let Some(frozen) = self.frozen.take().filter(|it| it.locked.is_empty()) {
                    self.give_up(frozen.process, frozen.lane, scene);
                }
            }
            Step::Change => {
                self.faults.changes -= 1;
                self.changed = true;
                self.start(0, scene);
            }
            Step::Grow(path) => {
                self.faults.growths -= 1;
                self.texts[path] += 1;
            }
            Step::LoseEnd(process) => {
                self.faults.lost -= 1;
                let life = self.lives[process].as_ref();
                self.limbo.extend(life.and_then(|life| life.end(scene)));
            }
            Step::Empty(file) => {
                self.faults.emptied -= 1;
                if let Some(row) = self.server.files.get_mut(&file) {
                    row.stage.iter_mut().for_each(Vec::clear);
                }
            }
            Step::Retry(file) => self.retry(file, scene),
            Step::LoseAccumulator(process) => {
                self.faults.crashes -= 1;
                if let Some(life) = &mut self.lives[process] {
                    *life = life.without_accumulator(&self.server.files, scene);
                }
            }
        }
    }

    /// A transaction on the ledger, on the disk at its end or not.
    pub(super) fn on_server<T>(&mut self, waits: bool, work: impl FnOnce(&mut Server) -> T) -> T {
        if waits {
            self.disk = None;
        } else if self.disk.is_none() {
            self.disk = Some(self.server.clone());
        }
        let answer = work(&mut self.server);
        if self.disk.as_ref() == Some(&self.server) {
            self.disk = None;
        }
        answer
    }

    pub(super) fn run(&mut self, transaction: Transaction, scene: &Scene) -> bool {
        let rules = scene.rules;
        match transaction {
            Transaction::Admit(admission) => self.carry_out(&admission, scene).is_some(),
            Transaction::Batch {
                lane,
                moves,
                records,
            } => self.on_server(!scene.lazy, |server| {
                server.write(lane, &moves, &records, scene)
            }),
            Transaction::Commit(wanted) => {
                let waits = !scene.lazy || rules.hold(Rule::CommitIsOnDisk);
                let budget = self.budget(scene);
                self.on_server(waits, |server| server.commit(&wanted, budget, scene));
                true
            }
            Transaction::GiveUp(wanted) => {
                self.on_server(!scene.lazy, |server| server.give_up(&wanted, scene))
            }
            Transaction::Make { file, epoch } => {
                self.on_server(!scene.lazy, |server| server.make(file, epoch, scene))
            }
            Transaction::Note(note) => {
                self.on_server(false, |server| server.note(&note, rules));
                true
            }
        }
    }

    /// The memory of a process is gone; what it has sent is not.
    pub(super) fn end_life(&mut self, process: usize, scene: &Scene) {
        if let Some(life) = self.lives[process].take() {
            self.limbo.extend(life.in_flight(&self.server.files, scene));
            let most = self.limbo.len().saturating_sub(MOST_IN_LIMBO);
            self.limbo.drain(..most);
        }
    }

    pub(super) fn give_up(&mut self, process: usize, lane: Lane, scene: &Scene) {
        if let Some(writing) = self.writing(process, lane) {
            writing.unknown(scene);
        }
        self.settle(process, lane, scene);
    }

    /// A configuration without a limit is loaded, which restarts what runs; then `Retry::run`.
    fn retry(&mut self, file: FileId, scene: &Scene) {
        self.faults.retries -= 1;
        self.lifted = true;
        for process in 0..self.lives.len() {
            self.end_life(process, scene);
        }
        self.on_server(!scene.lazy, |server| server.retry(file, scene));
        if let Some(row) = self.server.files.get(&file) {
            self.inbox[row.path] = true;
        }
    }

    /// Every connection is gone, and what was not on the disk.
    pub(super) fn crash_server(&mut self, scene: &Scene) {
        self.faults.server -= 1;
        if let Some(disk) = self.disk.take() {
            self.server = disk;
        }
        self.server.lease = None;
        self.limbo.clear();
        for process in 0..self.lives.len() {
            for lane in LANES {
                if let Some(life) = &mut self.lives[process] {
                    life.lanes[index_of(lane)].is_anew = true;
                }
                if self
                    .writing(process, lane)
                    .is_some_and(|it| it.phase == Phase::Sent)
                {
                    self.give_up(process, lane, scene);
                }
            }
        }
    }
}
