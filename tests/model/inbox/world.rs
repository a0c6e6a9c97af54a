//! The service and the people around it, and everything that may happen next.

use std::collections::{BTreeMap, BTreeSet};

use ingestd::ledger::comes_again::Return;
use ingestd::ledger::examined::Examined;
use ingestd::ledger::verdict::{Decision, Quick};
use ingestd_actors::model::{FileId, FileState};

use super::files::{Content, Deed, Files, Place, fingerprint};
use super::leaving::Leaving;
use super::ledger::{Row, Verdict, decide};
use super::scene::{Finished, Scene};
use crate::model::explore::Model;

/// All there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub files: Files,
    pub rows: Vec<Row>,
    /// How often each record was loaded.
    pub table: BTreeMap<u8, u8>,
    /// How often each record was brought by somebody.
    pub brought: BTreeMap<u8, u8>,
    /// What people have still to do.
    deeds: Vec<Deed>,
    crashes: u8,
    pub doing: Option<Doing>,
    /// Files that may be gone: people, or the rules, have taken their place or deleted them.
    pub excused: Vec<usize>,
    /// Contents that the rules leave out.
    left_out: BTreeSet<Content>,
    /// What has come to pass that must not.
    pub fault: Option<&'static str>,
}

/// What the service does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Doing {
    Nothing,
    Loading { file: i64, inode: usize },
    Leaving(Leaving),
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Start,
    /// The file at a path is admitted.
    Admit(u8),
    /// An earlier life's file leaves.
    Depart(i64),
    /// The next step of what is being done.
    GoOn,
    Crash,
    /// Somebody does what they have to do.
    People(usize),
}

impl Model for Scene {
    type State = World;
    type Step = Step;

    fn start(&self) -> World {
        World {
            files: Files::default(),
            rows: Vec::new(),
            table: BTreeMap::new(),
            brought: BTreeMap::new(),
            deeds: self.deeds.clone(),
            crashes: self.crashes,
            doing: None,
            excused: Vec::new(),
            left_out: BTreeSet::new(),
            fault: None,
        }
    }

    fn steps(&self, world: &World) -> Vec<Step> {
        let mut steps = Vec::new();
        match &world.doing {
            None => steps.push(Step::Start),
            Some(Doing::Nothing) => {
                let paths = (0..2).filter(|&path| world.can_be_admitted(path, self));
                steps.extend(paths.map(Step::Admit));
                let files = 1..=world.rows.len() as i64;
                steps.extend(
                    files
                        .filter(|&file| world.departs(file, self))
                        .map(Step::Depart),
                );
            }
            Some(_) => steps.push(Step::GoOn),
        }
        if world.crashes > 0 && world.doing.is_some() {
            steps.push(Step::Crash);
        }
        let most = if self.in_turn { 1 } else { usize::MAX };
        let deeds = world.deeds.iter().enumerate().take(most);
        let possible = deeds.filter(|(_, deed)| world.allows(deed, self));
        steps.extend(possible.map(|(index, _)| Step::People(index)));
        steps
    }

    fn take(&self, world: &mut World, step: Step) {
        match step {
            Step::Start => world.doing = Some(Doing::Nothing),
            Step::Admit(path) => world.admit(path, self),
            Step::Depart(file) => world.leave(file, self),
            Step::GoOn => world.go_on(self),
            Step::Crash => {
                world.crashes -= 1;
                world.doing = None;
            }
            Step::People(index) => {
                let deed = world.deeds.remove(index);
                world.suffer(deed);
            }
        }
    }

    fn is_fault(&self, step: Step) -> bool {
        step == Step::Crash
    }

    fn wrong(&self, world: &World) -> Option<String> {
        world.wrong(self)
    }

    /// All that people had to do is done as far as it could be, and all of it is loaded and gone.
    fn is_done(&self, world: &World) -> bool {
        let mut places = world.files.entries.keys();
        let rests = |place: &Place| match *place {
            Place::Archive(_) | Place::Quarantine(_) => true,
            Place::Private(_) => false,
            Place::Inbox(path) => self.leaves_some() && world.is_dealt_with(path, self),
        };
        world.doing == Some(Doing::Nothing) && places.all(rests)
    }

    fn describe(&self, world: &World, step: Step) -> String {
        let path = |path: u8| super::files::path_of(path).display().to_string();
        match step {
            Step::Start => "the service starts".to_owned(),
            Step::Admit(at) => format!("it admits {}", path(at)),
            Step::Depart(file) => format!("it lets file {file} leave"),
            Step::GoOn => match &world.doing {
                Some(Doing::Loading { file, .. }) => format!("it reads on in file {file}"),
                Some(Doing::Leaving(leaving)) => match (leaving.goal, leaving.decided) {
                    (None, _) => "it chooses a name in the archive".to_owned(),
                    (_, None) => "it looks what stands where".to_owned(),
                    (_, Some(decided)) => format!("it does what it decided: {decided:?}"),
                },
                _ => "it does nothing".to_owned(),
            },
            Step::Crash => "it dies".to_owned(),
            Step::People(index) => format!("somebody: {:02x?}", world.deeds[index]),
        }
    }
}

impl World {
    pub fn row(&mut self, file: i64) -> &mut Row {
        &mut self.rows[file as usize - 1]
    }

    /// Whether all of a content is in the table, or the rules leave it out.
    pub fn is_loaded(&self, content: &Content) -> bool {
        let mut records = content.iter();
        records.all(|record| self.table.contains_key(record)) || self.left_out.contains(content)
    }

    /// A file is replaced only once it is loaded, unless people are hasty: what they take away before
    /// that is gone.
    fn allows(&self, deed: &Deed, scene: &Scene) -> bool {
        let loaded = |path: u8| {
            let there = self.files.at(Place::Inbox(path));
            let mut rows = self.rows.iter();
            rows.any(|row| Some(row.inode) == there && row.state == FileState::Committed)
        };
        let replaces = match deed {
            Deed::Replace(path, _) if !scene.hasty => Some(*path),
            _ => None,
        };
        self.files.allows(deed) && replaces.is_none_or(loaded)
    }

    fn suffer(&mut self, deed: Deed) {
        let path = match deed {
            Deed::Drop(path, _) | Deed::Append(path, _) | Deed::Touch(path) => Some(path),
            Deed::Rename(_, path) => Some(path),
            Deed::Replace(path, _) => {
                self.excused.extend(self.files.at(Place::Inbox(path)));
                Some(path)
            }
            Deed::Squat(..) => None,
        };
        self.files.suffer(deed);
        let brought = path.and_then(|path| self.files.content(Place::Inbox(path)));
        for &record in brought.into_iter().flatten() {
            *self.brought.entry(record).or_default() += 1;
        }
    }

    fn verdict(&self, path: u8, scene: &Scene) -> Option<Verdict> {
        let inode = self.files.at(Place::Inbox(path))?;
        Some(decide(&self.rows, &self.files, path, inode, scene))
    }

    fn can_be_admitted(&self, path: u8, scene: &Scene) -> bool {
        self.verdict(path, scene).is_some_and(|verdict| {
            !matches!(
                verdict,
                Verdict::Content(Decision::Later(_), _) | Verdict::Quick(Quick::Ignore)
            )
        })
    }

    fn is_dealt_with(&self, path: u8, scene: &Scene) -> bool {
        let verdict = self.verdict(path, scene);
        matches!(verdict, Some(Verdict::Quick(Quick::Ignore)))
    }

    /// `Core::find_left`, `resume::finished`, and the sweep: a move that was begun is ended; another
    /// starts where the file is there, and where its time has come.
    fn departs(&self, file: i64, scene: &Scene) -> bool {
        let row = &self.rows[file as usize - 1];
        let there = self.files.at(Place::Inbox(row.path));
        let same =
            there.is_none_or(|inode| self.files.candidate(row.path, inode) == row.candidate());
        let starts = row.state == FileState::Committed && scene.finished != Finished::Stays && same;
        let finished = matches!(row.state, FileState::Committed | FileState::Skipped);
        finished && !row.archived && (row.goal.is_some() || row.held || starts)
    }

    fn admit(&mut self, path: u8, scene: &Scene) {
        let Some(inode) = self.files.at(Place::Inbox(path)) else {
            return;
        };
        match decide(&self.rows, &self.files, path, inode, scene) {
            Verdict::Quick(Quick::Archive(file) | Quick::Skip(file, _)) => {
                self.leave(file.0, scene);
            }
            Verdict::Quick(Quick::Ignore) | Verdict::Content(Decision::Later(_), _) => {}
            Verdict::Quick(_) => self.fault = Some("a file is quarantined again"),
            Verdict::Content(decision, again) => {
                self.write_down(path, inode, decision, again, scene);
            }
        }
    }

    /// `Core::write_down`.
    fn write_down(
        &mut self,
        path: u8,
        inode: usize,
        decision: Decision,
        again: Option<Return>,
        scene: &Scene,
    ) {
        let found = self.files.inodes[inode].clone();
        match &decision {
            Decision::Load { gives_up, replaces } => {
                self.give_up(gives_up);
                self.note_replaced(replaces);
            }
            Decision::Continue(file) => {
                let row = self.row(file.0);
                (row.path, row.inode, row.modified) = (path, inode, found.modified);
                row.content = found.content;
                return self.load(file.0, inode);
            }
            Decision::Refresh(known) => {
                let row = self.row(known.file.0);
                (row.inode, row.modified) = (inode, found.modified);
                if again.is_some() || !row.held {
                    self.leave(known.file.0, scene);
                }
                return;
            }
            _ => {}
        }
        let new = Examined {
            index: 0,
            candidate: self.files.candidate(path, inode),
            fingerprint: Some(fingerprint(&found.content)),
            decision,
            again,
            plan: None,
            header: None,
            expected: None,
        }
        .new_file(None, None);
        let base = new.base.offset as usize;
        self.rows.push(Row {
            path,
            inode,
            modified: found.modified,
            content: found.content.clone(),
            state: new.state,
            loaded: base,
            base,
            parent: new.parent.map(|file| file.0),
            duplicate_of: new.duplicate_of.map(|file| file.0),
            goal: None,
            archived: false,
            held: false,
            overwritten: false,
        });
        let file = self.rows.len() as i64;
        match new.state {
            FileState::Skipped => {
                if new.duplicate_of.is_none() {
                    self.left_out.insert(found.content);
                }
                self.leave(file, scene);
            }
            FileState::Quarantined if !scene.quarantines() => {
                self.fault = Some("a good file is quarantined");
            }
            FileState::Quarantined if scene.finished == Finished::Stays => {}
            FileState::Quarantined => {
                // Its steps are those of any other.
                self.files
                    .rename(Place::Inbox(path), Place::Quarantine(file), false);
                self.row(file).archived = true;
            }
            _ => self.load(file, inode),
        }
    }

    /// `Core::give_up`: other content has taken the place of what was being loaded.
    fn give_up(&mut self, files: &[FileId]) {
        for file in files {
            let row = self.row(file.0);
            row.archived = true;
            row.state = match row.loaded > row.base {
                true => FileState::Failed,
                false => FileState::Skipped,
            };
        }
    }

    /// `Core::note_replaced`: what was committed here stands here no longer.
    fn note_replaced(&mut self, files: &[FileId]) {
        for file in files {
            let row = self.row(file.0);
            if row.state == FileState::Committed && row.goal.is_none() {
                (row.state, row.archived) = (FileState::Archived, true);
            }
        }
    }

    fn load(&mut self, file: i64, inode: usize) {
        self.doing = Some(Doing::Loading { file, inode });
    }

    fn go_on(&mut self, scene: &Scene) {
        match self.doing.clone() {
            Some(Doing::Loading { file, inode }) => self.load_next(file, inode, scene),
            Some(Doing::Leaving(leaving)) => self.go_on_leaving(leaving, scene),
            _ => {}
        }
    }

    /// The next record, or COMMITTED: the exactly-once of that is the other model's.
    fn load_next(&mut self, file: i64, inode: usize, scene: &Scene) {
        let found = self.files.inodes[inode].clone();
        let row = self.row(file);
        if let Some(record) = found.content.get(row.loaded).copied() {
            row.loaded += 1;
            *self.table.entry(record).or_default() += 1;
            return;
        }
        row.state = FileState::Committed;
        (row.content, row.modified) = (found.content, found.modified);
        self.leave(file, scene);
    }
}
