//! Processes that share the pipeline: each file has one of them as its owner.

use ingestd_actors::model::{FileId, FileState};

use super::{Step, World};
use crate::model::loading::life::{Life, Sight, Wanted};
use crate::model::loading::rules::Rule;
use crate::model::loading::scene::Scene;
use crate::model::loading::server::{FileRow, Server};

impl World {
    /// What a process does because it is not alone.
    pub(super) fn shared_steps(&self, process: usize, life: &Life, steps: &mut Vec<Step>) {
        let instances = &self.server.instances;
        let is_dead = |(it, lives): (&u8, &bool)| *it != life.instance && !lives;
        if instances.iter().any(is_dead) && !life.buries {
            steps.push(Step::TakeUp(process));
        }
        if life.buries {
            steps.push(Step::Bury(process));
        }
        match instances.get(&life.instance) {
            Some(true) if self.faults.takeovers > 0 => steps.push(Step::Miss(process)),
            Some(true) => {}
            _ => steps.push(Step::Renew(process)),
        }
    }

    /// `Lease::acquire`, `Core::resume`: what nobody who lives has in hand.
    pub(super) fn join(&mut self, process: usize, scene: &Scene) {
        let mut life = Life::new(scene);
        let number = self.numbers[process].unwrap_or_else(|| self.free_number());
        self.numbers[process] = Some(number);
        life.instance = number;
        self.server.instances.insert(life.instance, true);
        self.take_over(&mut life, scene);
        self.lives[process] = Some(life);
    }

    /// The number of a new process: one that nothing speaks of is as good as a new one.
    fn free_number(&self) -> u8 {
        let is_free = |it: &u8| {
            let mut files = self.server.files.values();
            !self.numbers.contains(&Some(*it))
                && !self.server.instances.contains_key(it)
                && files.all(|row| row.owner != Some(*it))
        };
        (1..).find(is_free).unwrap_or(u8::MAX)
    }

    /// `Core::left_behind`, up to its commit.
    pub(super) fn take_up(&mut self, process: usize, scene: &Scene) {
        let Some(mut life) = self.lives[process].take() else {
            return;
        };
        if !self.server.instances.contains_key(&life.instance) {
            self.lives[process] = Some(life);
            return self.end_life(process, scene);
        }
        self.take_over(&mut life, scene);
        life.buries = true;
        self.lives[process] = Some(life);
    }

    fn take_over(&mut self, life: &mut Life, scene: &Scene) {
        let files: Vec<FileId> = self.server.files.keys().copied().collect();
        for file in files {
            let row = &self.server.files[&file];
            let is_mine = row.owner == Some(life.instance);
            if !is_mine
                && self.inbox[row.path]
                && self.server.is_takeable(file, life.instance, scene)
            {
                self.take_file(file, life, scene);
            }
        }
    }

    /// Takes over a file that nobody who lives has in hand.
    fn take_file(&mut self, file: FileId, life: &mut Life, scene: &Scene) {
        if self
            .server
            .files
            .get(&file)
            .is_some_and(FileRow::is_unfinished)
        {
            self.server.take(file, Some(life.instance), scene.rules);
        }
        self.hold(file, life, scene);
    }

    /// A file comes into this life's hands: claimed, or to leave.
    fn hold(&mut self, file: FileId, life: &mut Life, scene: &Scene) {
        let Some(row) = self.server.files.get_mut(&file) else {
            return;
        };
        if row.is_unfinished() {
            life.known.insert(row.path);
            life.take_claim(file, row, scene);
        } else if row.state == FileState::Committed && row.is_done_at(self.texts[row.path]) {
            row.owner = Some(life.instance);
            life.known.insert(row.path);
            life.leaving.insert(file);
        }
    }

    /// `Core::bury_the_dead`.
    pub(super) fn bury(&mut self, process: usize) {
        if let Some(life) = &mut self.lives[process] {
            let instances = &mut self.server.instances;
            instances.retain(|it, lives| *lives || *it == life.instance);
            life.buries = false;
        }
    }

    /// `holding::take`, of one that renews: it begins anew where it was taken for dead and buried.
    pub(super) fn renew(&mut self, process: usize, scene: &Scene) {
        let instance = self.lives[process].as_ref().map(|life| life.instance);
        let row = instance.and_then(|it| self.server.instances.get_mut(&it));
        match row {
            Some(lives) => *lives = true,
            None => self.end_life(process, scene),
        }
    }

    /// `Core::look_at_others`, and what is decided about the file at a path.
    pub(super) fn look(&mut self, process: usize, path: usize, scene: &Scene) {
        let wanted = self.taken_for(path);
        let Some(life) = &mut self.lives[process] else {
            return;
        };
        // `Verdict::Later`: another one that lives has it in hand.
        if let Wanted::Known(file) = wanted
            && !self.server.is_takeable(file, life.instance, scene)
        {
            return;
        }
        life.sight = Some(Sight {
            path,
            wanted,
            is_old: false,
        });
    }

    /// An admission, by what was seen before.
    pub(super) fn admit_shared(&mut self, process: usize, path: usize, scene: &Scene) {
        let instance = self.lives[process].as_ref().map(|life| life.instance);
        let is_known = instance.is_some_and(|it| self.server.instances.contains_key(&it));
        if !is_known && scene.rules.hold(Rule::LeaseIsHeld) {
            return self.end_life(process, scene);
        }
        let admission = self.admission(process, path, scene);
        let admitted = admission.and_then(|it| self.carry_out(&it, scene));
        if let Some(mut life) = self.lives[process].take() {
            if let Some(file) = admitted {
                self.hold(file, &mut life, scene);
            }
            self.lives[process] = Some(life);
        }
    }
}

impl Server {
    /// `others::takeable`.
    pub(super) fn is_takeable(&self, file: FileId, instance: u8, scene: &Scene) -> bool {
        let owner = self.files.get(&file).and_then(|row| row.owner);
        owner.is_none_or(|owner| {
            let lives = self.instances.get(&owner) == Some(&true);
            owner == instance || !lives || !scene.rules.hold(Rule::LivingKeepTheirs)
        })
    }
}
