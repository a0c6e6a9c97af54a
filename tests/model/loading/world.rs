//! Processes, the server and the inbox, and everything that may happen next.

use ingestd::ledger::balance::Judgement;
use ingestd_actors::model::{FileId, FileState, Lane};

use super::life::{Life, Phase};
use super::rules::Rule;
use super::scene::{Faults, LANES, Scene, index_of};
use super::server::{Cell, Server, Transaction};
use crate::model::explore::Model;

/// All there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub server: Server,
    /// What a crash of the server would leave, where that is less.
    disk: Option<Server>,
    /// What each process knows; nothing before it has asked the ledger.
    lives: Vec<Option<Life>>,
    /// What was sent by lives that have ended, or given up on it.
    limbo: Vec<Transaction>,
    /// What may still go wrong.
    faults: Faults,
    /// How many records stand at each path.
    texts: Vec<usize>,
    inbox: Vec<bool>,
    /// Whether the first file is still to come.
    awaited: bool,
    /// Whether the table was changed.
    changed: bool,
    frozen: Option<Frozen>,
}

/// A process that stands still in the middle of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Frozen {
    process: usize,
    lane: Lane,
    /// The files whose checkpoints it has locked.
    locked: Vec<FileId>,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A process takes the lease and claims what is unfinished.
    Start(usize),
    /// A process admits the file at a path.
    Admit(usize, usize),
    Read(usize),
    /// A batch arrives and is answered.
    Arrive(usize, Lane),
    /// A writer reads where its checkpoints stand.
    Ask(usize, Lane),
    Commit(usize),
    Note(usize),
    /// A file leaves the inbox.
    Leave(usize, FileId),
    /// Something arrives whose sender is gone.
    Late(usize),
    /// The first file comes.
    Come,
    /// The server writes to its disk.
    Flush,
    Crash(usize),
    Lose(usize, Lane),
    CrashServer,
    Freeze(usize, Lane),
    Thaw,
    /// The table is changed while nothing runs, and a process starts.
    Change,
    Grow(usize),
    /// The accumulator dies alone: only where that is not prevented.
    LoseAccumulator(usize),
}

/// No more is kept of what may arrive late.
const MOST_IN_LIMBO: usize = 3;

impl Model for Scene {
    type State = World;
    type Step = Step;

    fn start(&self) -> World {
        let mut texts: Vec<usize> = self.files.iter().map(Vec::len).collect();
        if let Some(last) = texts.last_mut() {
            *last -= usize::from(self.faults.growths);
        }
        World {
            server: Server {
                table: self
                    .files
                    .iter()
                    .map(|it| vec![Default::default(); it.len()])
                    .collect(),
                ..Server::default()
            },
            disk: None,
            lives: vec![None; self.processes],
            limbo: Vec::new(),
            faults: self.faults.clone(),
            texts,
            inbox: vec![true; self.files.len()],
            awaited: self.first_is_late,
            changed: false,
            frozen: None,
        }
    }

    fn steps(&self, world: &World) -> Vec<Step> {
        let mut steps = Vec::new();
        for process in 0..self.processes {
            let frozen = world
                .frozen
                .as_ref()
                .is_some_and(|it| it.process == process);
            match &world.lives[process] {
                _ if frozen => {}
                None if world.may_start(process, self) => steps.push(Step::Start(process)),
                None => {}
                Some(life) => world.steps_of(process, life, self, &mut steps),
            }
        }
        steps.extend((0..world.limbo.len()).map(Step::Late));
        if world.awaited {
            steps.push(Step::Come);
        }
        if world.disk.is_some() {
            steps.push(Step::Flush);
        }
        world.faults_of_others(self, &mut steps);
        steps
    }

    fn take(&self, world: &mut World, step: Step) {
        world.take(step, self);
    }

    fn is_fault(&self, step: Step) -> bool {
        use Step::*;
        matches!(
            step,
            Crash(_)
                | Lose(..)
                | CrashServer
                | Freeze(..)
                | Thaw
                | Change
                | Grow(_)
                | LoseAccumulator(_)
        )
    }

    fn wrong(&self, world: &World) -> Option<String> {
        world.wrong(self)
    }

    fn is_done(&self, world: &World) -> bool {
        world.inbox.iter().all(|stands| !stands)
    }

    fn describe(&self, world: &World, step: Step) -> String {
        super::describe::describe(world, step, self)
    }
}

impl World {
    /// The transaction of a batch that is on its way.
    pub fn batch(&self, process: usize, lane: Lane, scene: &Scene) -> Option<Transaction> {
        let state = &self.lives[process].as_ref()?.lanes[index_of(lane)];
        Some(state.writing.as_ref()?.transaction(lane, scene))
    }

    /// What is in limbo.
    pub fn late(&self, index: usize) -> &Transaction {
        &self.limbo[index]
    }

    fn may_start(&self, process: usize, scene: &Scene) -> bool {
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

    fn is_locked(&self, file: FileId, lane: Option<Lane>) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| {
            frozen.locked.contains(&file) && lane.is_none_or(|lane| lane == frozen.lane)
        })
    }

    fn steps_of(&self, process: usize, life: &Life, scene: &Scene, steps: &mut Vec<Step>) {
        let first = usize::from(self.awaited);
        let mut found = (first..self.inbox.len()).filter(|&path| self.inbox[path]);
        if let Some(path) = found.find(|path| !life.known.contains(path))
            && !self
                .unfinished_at(path)
                .is_some_and(|file| self.is_locked(file, None))
        {
            steps.push(Step::Admit(process, path));
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

    fn faults_of_others(&self, scene: &Scene, steps: &mut Vec<Step>) {
        if self.faults.server > 0 {
            steps.push(Step::CrashServer);
        }
        if self.frozen.is_some() {
            steps.push(Step::Thaw);
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
    fn is_begun(&self) -> bool {
        let cells = self.server.table.iter().flatten();
        cells.copied().any(|cell| cell != Cell::default())
    }

    fn unfinished_at(&self, path: usize) -> Option<FileId> {
        let mut files = self.server.files.iter();
        let found = files.find(|(_, row)| row.path == path && row.is_unfinished());
        found.map(|(&file, _)| file)
    }

    fn wrong(&self, scene: &Scene) -> Option<String> {
        if self.server.out_of_order {
            return Some("rows of one key were written out of order".to_owned());
        }
        let sum = |path: usize, record: usize| {
            let cell = self.server.table[path][record];
            cell.rows + cell.letters + cell.filtered
        };
        for (path, fates) in scene.files.iter().enumerate() {
            if let Some(record) = (0..fates.len()).find(|&record| sum(path, record) > 1) {
                return Some(format!(
                    "record {} of {} is there twice",
                    record + 1,
                    name(path)
                ));
            }
            let lost = (0..self.texts[path]).find(|&record| sum(path, record) == 0);
            if let Some(record) = lost.filter(|_| !self.inbox[path]) {
                let record = record + 1;
                return Some(format!(
                    "{} left the inbox, and record {record} is lost",
                    name(path)
                ));
            }
        }
        for row in self.server.files.values() {
            let of = name(row.path);
            if row.state == FileState::Failed {
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
        None
    }

    fn take(&mut self, step: Step, scene: &Scene) {
        match step {
            Step::Start(process) => self.start(process, scene),
            Step::Admit(process, path) => self.admit(process, path, scene),
            Step::Read(process) => {
                if let Some(life) = &mut self.lives[process]
                    && let Some(path) = life.reading.and_then(|(file, _)| life.open.get(&file))
                {
                    let path = path.path;
                    let text = &scene.files[path][..self.texts[path]];
                    // A life after a death reads larger chunks: tuning may change in the middle of a file.
                    let deaths = scene.faults.crashes - self.faults.crashes;
                    life.read(text, scene.chunk << deaths, self.changed, scene);
                }
            }
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
            Step::Leave(process, file) => self.leave(process, file, scene),
            Step::Late(index) => {
                let transaction = self.limbo.remove(index);
                self.run(transaction, scene);
            }
            Step::Come => self.awaited = false,
            Step::Flush => self.disk = None,
            Step::Crash(process) => {
                self.faults.crashes -= 1;
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
            Step::LoseAccumulator(process) => {
                self.faults.crashes -= 1;
                if let Some(life) = &mut self.lives[process] {
                    *life = life.without_accumulator(&self.server.files, scene);
                }
            }
        }
    }

    /// A transaction on the ledger, on the disk at its end or not.
    fn on_server<T>(&mut self, waits: bool, work: impl FnOnce(&mut Server) -> T) -> T {
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

    fn run(&mut self, transaction: Transaction, scene: &Scene) -> bool {
        let rules = scene.rules;
        match transaction {
            Transaction::Batch {
                lane,
                moves,
                records,
            } => self.on_server(!scene.lazy, |server| {
                server.write(lane, &moves, &records, rules)
            }),
            Transaction::Commit(wanted) => {
                let waits = !scene.lazy || rules.hold(Rule::CommitIsOnDisk);
                self.on_server(waits, |server| server.commit(&wanted, rules));
                true
            }
            Transaction::Note(note) => {
                self.on_server(false, |server| server.note(&note, rules));
                true
            }
        }
    }

    /// `Lease::acquire`, `Core::resume`.
    fn start(&mut self, process: usize, scene: &Scene) {
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
            let files: Vec<FileId> = server.files.keys().copied().collect();
            for file in files {
                let row = &server.files[&file];
                if !inbox[row.path] {
                    continue;
                }
                if row.is_unfinished() {
                    server.claim(file, scene.rules);
                    life.take_claim(file, &server.files[&file], scene);
                } else if row.base + row.records == texts[row.path] as u64 {
                    life.known.insert(row.path);
                    life.leaving.insert(file);
                }
            }
        });
        self.lives[process] = Some(life);
    }

    /// `Core::admit`: a new file, the tail of one, one that goes on, or one that is done.
    fn admit(&mut self, process: usize, path: usize, scene: &Scene) {
        if self.server.lease != Some(process) && scene.rules.hold(Rule::LeaseIsHeld) {
            return self.end_life(process, scene);
        }
        let waits = !scene.lazy || scene.rules.hold(Rule::ClaimIsOnDisk);
        let length = self.texts[path] as u64;
        let (file, row) = self.on_server(waits, |server| {
            let known = server.files.iter().rfind(|(_, row)| row.path == path);
            let file = match known {
                Some((&file, row)) if row.is_unfinished() => {
                    server.claim(file, scene.rules);
                    file
                }
                Some((&file, row)) if row.base + row.records == length => file,
                Some((_, row)) => {
                    let base = row.base + row.records;
                    server.register(path, base)
                }
                None => server.register(path, 0),
            };
            (file, server.files[&file].clone())
        });
        let Some(life) = &mut self.lives[process] else {
            return;
        };
        life.known.insert(path);
        if row.is_unfinished() {
            life.take_claim(file, &row, scene);
        } else {
            life.leaving.insert(file);
        }
    }

    /// `Writer::connect`: whether what the lane was seen to commit is there.
    fn connects(&mut self, process: usize, lane: Lane, scene: &Scene) -> bool {
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
    fn arrive(&mut self, process: usize, lane: Lane, scene: &Scene) {
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
    fn half(
        &mut self,
        process: usize,
        lane: Lane,
        batch: Transaction,
        scene: &Scene,
    ) -> Option<bool> {
        let second = self.writing(process, lane)?.phase == Phase::Half;
        if !second && !self.server.clone().accepts(&batch, scene.rules) {
            return Some(false);
        }
        let Transaction::Batch { moves, records, .. } = batch else {
            return None;
        };
        let rows_now = second == (lane == Lane::Rejects);
        for (wanted, records) in moves.iter().zip(&records) {
            match rows_now {
                true => self.server.put(records),
                false => self.server.advance(lane, wanted, records),
            }
        }
        second.then_some(true)
    }

    fn writing(&mut self, process: usize, lane: Lane) -> Option<&mut super::life::Writing> {
        let life = self.lives[process].as_mut()?;
        life.lanes[index_of(lane)].writing.as_mut()
    }

    /// `Writer::read_standings`, `rejects::read_standings`.
    fn ask(&mut self, process: usize, lane: Lane, scene: &Scene) {
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

    fn settle(&mut self, process: usize, lane: Lane, scene: &Scene) {
        let life = self.lives[process].as_mut();
        if life.is_some_and(|life| life.settle(lane, scene).is_err()) {
            self.end_life(process, scene);
        }
    }

    fn commit(&mut self, process: usize, scene: &Scene) {
        let life = self.lives[process].as_ref();
        let Some(wanted) = life.and_then(|life| life.completion(scene)) else {
            return;
        };
        let waits = !scene.lazy || scene.rules.hold(Rule::CommitIsOnDisk);
        let judged = self.on_server(waits, |server| server.commit(&wanted, scene.rules));
        match (judged, &mut self.lives[process]) {
            (Judgement::Commit(_) | Judgement::Done(_), Some(life)) => life.committed(wanted.file),
            (Judgement::Fenced, _) => self.end_life(process, scene),
            _ => {}
        }
    }

    /// `archive::next` refuses a file that is longer than what was committed; the next scan finds it.
    fn leave(&mut self, process: usize, file: FileId, scene: &Scene) {
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

    /// The memory of a process is gone; what it has sent is not.
    fn end_life(&mut self, process: usize, scene: &Scene) {
        if let Some(life) = self.lives[process].take() {
            self.limbo.extend(life.in_flight(&self.server.files, scene));
            let most = self.limbo.len().saturating_sub(MOST_IN_LIMBO);
            self.limbo.drain(..most);
        }
    }

    fn give_up(&mut self, process: usize, lane: Lane, scene: &Scene) {
        if let Some(writing) = self.writing(process, lane) {
            writing.unknown(scene);
        }
        self.settle(process, lane, scene);
    }

    /// Every connection is gone, and what was not on the disk.
    fn crash_server(&mut self, scene: &Scene) {
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

/// A path as it is told.
pub fn name(path: usize) -> String {
    format!("{}.csv", char::from(b'a' + path as u8))
}
