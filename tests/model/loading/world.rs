//! Processes, the server and the inbox, and everything that may happen next.

mod next;
mod sharing;
mod take;
mod work;
mod wrong;

use ingestd_actors::flow::Budget;
use ingestd_actors::model::{FileId, FileState, Lane};

use super::life::Life;
use super::scene::{Faults, Scene, index_of};
use super::server::{FileRow, Server, Transaction};
use crate::model::explore::Model;

/// All there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub server: Server,
    /// What a crash of the server would leave, where that is less.
    disk: Option<Server>,
    /// What each process knows; nothing before it has asked the ledger.
    lives: Vec<Option<Life>>,
    /// Who each process is among those that share the pipeline: the same over all its lives.
    numbers: Vec<Option<u8>>,
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
    /// Whether there is no limit to errors any more.
    lifted: bool,
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
    /// A process that shares the pipeline decides about the file at a path.
    Look(usize, usize),
    /// A process takes up what the dead have left.
    TakeUp(usize),
    /// It forgets them.
    Bury(usize),
    /// A process that was taken for dead renews its share of the lease.
    Renew(usize),
    /// A process is taken for dead, and lives on.
    Miss(usize),
    /// A process admits the file at a path.
    Admit(usize, usize),
    /// A process gets no answer to the admission of the file at a path.
    LoseAdmission(usize, usize),
    Read(usize),
    /// A batch arrives and is answered.
    Arrive(usize, Lane),
    /// A writer reads where its checkpoints stand.
    Ask(usize, Lane),
    Commit(usize),
    Note(usize),
    /// A process makes the staging table of the file that it is about to read.
    Make(usize),
    /// A process gives a file up that is over its error budget.
    GiveUp(usize),
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
    /// A process gets no answer to what ends a file.
    LoseEnd(usize),
    /// Somebody empties the staging table of a file.
    Empty(FileId),
    /// An operator lifts the error budget, and retries a quarantined file.
    Retry(FileId),
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
            numbers: vec![None; self.processes],
            limbo: Vec::new(),
            faults: self.faults.clone(),
            texts,
            inbox: vec![true; self.files.len()],
            awaited: self.first_is_late,
            changed: false,
            lifted: false,
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
                | LoseEnd(_)
                | LoseAdmission(..)
                | Empty(_)
                | Miss(_)
                | Retry(_)
                | LoseAccumulator(_)
        )
    }

    fn wrong(&self, world: &World) -> Option<String> {
        world.wrong(self)
    }

    fn is_done(&self, world: &World) -> bool {
        let failed = |row: &FileRow| row.state == FileState::Failed;
        world.inbox.iter().all(|stands| !stands)
            || world.is_tampered_with(self) && world.server.files.values().any(failed)
    }

    fn describe(&self, world: &World, step: Step) -> String {
        super::describe::describe(world, step, self)
    }
}

impl World {
    /// What a file may cost by now.
    fn budget(&self, scene: &Scene) -> Budget {
        match self.lifted {
            true => Budget::default(),
            false => scene.budget,
        }
    }

    /// Whether somebody has emptied a staging table.
    fn is_tampered_with(&self, scene: &Scene) -> bool {
        self.faults.emptied < scene.faults.emptied
    }

    /// The transaction of a batch that is on its way.
    pub fn batch(&self, process: usize, lane: Lane, scene: &Scene) -> Option<Transaction> {
        let state = &self.lives[process].as_ref()?.lanes[index_of(lane)];
        Some(state.writing.as_ref()?.transaction(lane, scene))
    }

    /// What is in limbo.
    pub fn late(&self, index: usize) -> &Transaction {
        &self.limbo[index]
    }
}

/// A path as it is told.
pub fn name(path: usize) -> String {
    format!("{}.csv", char::from(b'a' + path as u8))
}
