//! The service and the people around it, and everything that may happen next.

use std::collections::BTreeMap;

use ingestd::fs::archive::{Aim, Seen, Step as Move, There, next, taken};
use ingestd::ledger::verdict::{Decision, Quick};
use ingestd::settings::Collision;
use ingestd_actors::model::FileState;

use super::files::{Deed, Files, Place};
use super::ledger::{Row, Verdict, decide};
use super::rules::Rule;
use crate::model::explore::Model;

/// What people do, and what may go wrong.
#[derive(Clone)]
pub struct Scene {
    pub name: &'static str,
    pub deeds: Vec<Deed>,
    pub crashes: u8,
    /// Whether the archive is on another device, so that files are copied there.
    pub copies: bool,
    pub off: &'static [Rule],
}

/// All there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    files: Files,
    rows: Vec<Row>,
    /// How often each record was loaded.
    table: BTreeMap<u8, u8>,
    /// What people have still to do.
    deeds: Vec<Deed>,
    crashes: u8,
    doing: Option<Doing>,
    /// Files of which people have taken the place.
    replaced: Vec<usize>,
    /// What has come to pass that must not.
    fault: Option<&'static str>,
}

/// What the service does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Doing {
    Nothing,
    Loading { file: i64, inode: usize },
    Leaving(Leaving),
}

/// A file on its way out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Leaving {
    file: i64,
    target: Option<u8>,
    attempt: u8,
    /// A step that was decided by what was seen, and is not done yet.
    decided: Option<Move>,
    /// Whether it was missing at the first look: it is looked at twice.
    missed: bool,
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

/// What happens where the archive has a file of that name.
const COLLISION: Collision = Collision::Rename;

/// Files that people put into the archive begin with these; they are not loaded.
const FOREIGN: u8 = 0xF0;

impl Model for Scene {
    type State = World;
    type Step = Step;

    fn start(&self) -> World {
        World {
            files: Files::default(),
            rows: Vec::new(),
            table: BTreeMap::new(),
            deeds: self.deeds.clone(),
            crashes: self.crashes,
            doing: None,
            replaced: Vec::new(),
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
                steps.extend(files.filter(|&file| world.departs(file)).map(Step::Depart));
            }
            Some(_) => steps.push(Step::GoOn),
        }
        if world.crashes > 0 && world.doing.is_some() {
            steps.push(Step::Crash);
        }
        let deeds = world.deeds.iter().enumerate();
        let possible = deeds.filter(|(_, deed)| world.allows(deed));
        steps.extend(possible.map(|(index, _)| Step::People(index)));
        steps
    }

    fn take(&self, world: &mut World, step: Step) {
        match step {
            Step::Start => world.doing = Some(Doing::Nothing),
            Step::Admit(path) => world.admit(path, self),
            Step::Depart(file) => {
                let target = world.row(file).target;
                world.leave(file, target);
            }
            Step::GoOn => world.go_on(self),
            Step::Crash => {
                world.crashes -= 1;
                world.doing = None;
            }
            Step::People(index) => {
                let deed = world.deeds.remove(index);
                if let Deed::Replace(path, _) = deed {
                    world.replaced.extend(world.files.at(Place::Inbox(path)));
                }
                world.files.suffer(deed);
            }
        }
    }

    fn is_fault(&self, step: Step) -> bool {
        step == Step::Crash
    }

    fn wrong(&self, world: &World) -> Option<String> {
        world.wrong()
    }

    /// All that people had to do is done as far as it could be, and all of it is loaded and gone.
    fn is_done(&self, world: &World) -> bool {
        let mut places = world.files.entries.keys();
        let gone = places.all(|place| matches!(place, Place::Archive(_)));
        gone && world.doing == Some(Doing::Nothing)
    }

    fn describe(&self, world: &World, step: Step) -> String {
        let path = |path: u8| super::files::path_of(path).display().to_string();
        match step {
            Step::Start => "the service starts".to_owned(),
            Step::Admit(at) => format!("it admits {}", path(at)),
            Step::Depart(file) => format!("it lets file {file} leave"),
            Step::GoOn => match &world.doing {
                Some(Doing::Loading { file, .. }) => format!("it reads on in file {file}"),
                Some(Doing::Leaving(leaving)) => match (leaving.target, leaving.decided) {
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
    fn row(&mut self, file: i64) -> &mut Row {
        &mut self.rows[file as usize - 1]
    }

    /// A file is replaced only once it is loaded: what people take away before that is gone.
    fn allows(&self, deed: &Deed) -> bool {
        let loaded = |path: u8| {
            let there = self.files.at(Place::Inbox(path));
            let mut rows = self.rows.iter();
            rows.any(|row| Some(row.inode) == there && row.state == FileState::Committed)
        };
        let replaces = match deed {
            Deed::Replace(path, _) => Some(*path),
            _ => None,
        };
        self.files.allows(deed) && replaces.is_none_or(loaded)
    }

    fn can_be_admitted(&self, path: u8, scene: &Scene) -> bool {
        let Some(inode) = self.files.at(Place::Inbox(path)) else {
            return false;
        };
        let verdict = decide(&self.rows, &self.files, path, inode, scene.off);
        !matches!(
            verdict,
            Verdict::Content(Decision::Later(_)) | Verdict::Quick(Quick::Ignore)
        )
    }

    /// `resume::finished`: a move that was begun is ended; another starts where the file is there.
    fn departs(&self, file: i64) -> bool {
        let row = &self.rows[file as usize - 1];
        let there = self.files.at(Place::Inbox(row.path));
        let same =
            there.is_none_or(|inode| self.files.candidate(row.path, inode) == row.candidate());
        let finished = matches!(row.state, FileState::Committed | FileState::Skipped);
        finished && !row.archived && (row.target.is_some() || same)
    }

    /// `Core::write_down`.
    fn admit(&mut self, path: u8, scene: &Scene) {
        let Some(inode) = self.files.at(Place::Inbox(path)) else {
            return;
        };
        let verdict = decide(&self.rows, &self.files, path, inode, scene.off);
        let found = self.files.inodes[inode].clone();
        let new = |state, base, parent| Row {
            path,
            inode,
            modified: found.modified,
            content: found.content.clone(),
            state,
            loaded: base,
            base,
            parent,
            duplicate_of: None,
            target: None,
            archived: false,
        };
        match verdict {
            Verdict::Quick(Quick::Archive(file) | Quick::Skip(file, _)) => self.leave(file.0, None),
            Verdict::Content(Decision::Load { replaces, .. }) => {
                // `Core::note_replaced`: what was committed here stands here no longer.
                for file in replaces {
                    let row = self.row(file.0);
                    if row.state == FileState::Committed && row.target.is_none() {
                        row.state = FileState::Archived;
                        row.archived = true;
                    }
                }
                self.rows.push(new(FileState::Scheduled, 0, None));
                self.load(self.rows.len() as i64, inode);
            }
            Verdict::Content(Decision::LoadTail(fact)) => {
                let parent = fact.known.file.0;
                let base = fact.known.candidate.size as usize;
                self.rows
                    .push(new(FileState::Scheduled, base, Some(parent)));
                self.load(self.rows.len() as i64, inode);
            }
            Verdict::Content(Decision::Continue(file)) => {
                let old = self.row(file.0).clone();
                *self.row(file.0) = Row {
                    loaded: old.loaded,
                    ..new(old.state, old.base, old.parent)
                };
                self.load(file.0, inode);
            }
            Verdict::Content(Decision::Skip(original, _)) => {
                let original = original.map(|it| it.duplicate_of.unwrap_or(it.file).0);
                self.rows.push(Row {
                    duplicate_of: original,
                    ..new(FileState::Skipped, 0, None)
                });
                self.leave(self.rows.len() as i64, None);
            }
            Verdict::Content(Decision::Refresh(known)) => {
                let row = self.row(known.file.0);
                (row.inode, row.modified) = (inode, found.modified);
                self.leave(known.file.0, None);
            }
            Verdict::Content(Decision::Later(_)) | Verdict::Quick(Quick::Ignore) => {}
            _ => self.fault = Some("a good file is quarantined"),
        }
    }

    fn load(&mut self, file: i64, inode: usize) {
        self.doing = Some(Doing::Loading { file, inode });
    }

    fn leave(&mut self, file: i64, target: Option<u8>) {
        self.doing = Some(Doing::Leaving(Leaving {
            file,
            target,
            attempt: 0,
            decided: None,
            missed: false,
        }));
    }

    fn go_on(&mut self, scene: &Scene) {
        match self.doing.clone() {
            Some(Doing::Loading { file, inode }) => self.load_next(file, inode),
            Some(Doing::Leaving(leaving)) => match (leaving.target, leaving.decided) {
                (None, _) => self.choose(leaving, scene),
                (Some(target), None) => self.look(leaving, target, scene),
                (Some(target), Some(decided)) => self.act(leaving, target, decided, scene),
            },
            _ => {}
        }
    }

    /// The next record, or COMMITTED: the exactly-once of that is the other model's.
    fn load_next(&mut self, file: i64, inode: usize) {
        let found = self.files.inodes[inode].clone();
        let row = self.row(file);
        if let Some(record) = found.content.get(row.loaded).copied() {
            row.loaded += 1;
            *self.table.entry(record).or_default() += 1;
            return;
        }
        row.state = FileState::Committed;
        (row.content, row.modified) = (found.content, found.modified);
        self.leave(file, None);
    }

    /// `choose` and `departures::store`: a name that is free, known before anything moves.
    fn choose(&mut self, mut leaving: Leaving, scene: &Scene) {
        let free = |name: &u8| self.files.at(Place::Archive(*name)).is_none();
        let name = (leaving.attempt..8).find(free);
        leaving.target = name;
        leaving.attempt = name.map_or(0, |name| name + 1);
        if !scene.off.contains(&Rule::TargetIsStored) {
            self.row(leaving.file).target = name;
        }
        self.doing = Some(Doing::Leaving(leaving));
    }

    /// `steps::look`, and what the program decides by it.
    fn look(&mut self, mut leaving: Leaving, target: u8, scene: &Scene) {
        let row = self.row(leaving.file).clone();
        let look_at = |place: Place, compares: bool| {
            let Some(inode) = self.files.at(place) else {
                return There::Nothing;
            };
            let found = &self.files.inodes[inode];
            let (size, modified) = (found.content.len(), found.modified);
            match inode == row.inode {
                _ if !compares => There::Ours,
                false => There::Other,
                true if (size, modified) == (row.content.len(), row.modified) => There::Ours,
                true => There::Changed,
            }
        };
        let compares = !scene.off.contains(&Rule::FileIsCompared);
        let again = compares && !scene.off.contains(&Rule::LooksAgain);
        let at_target = self.files.at(Place::Archive(target));
        let seen = Seen {
            source: look_at(Place::Inbox(row.path), compares),
            private: look_at(Place::Private(leaving.file), again),
            target: match at_target.map(|inode| self.files.inodes[inode].content.len()) {
                None => There::Nothing,
                Some(length) if length == row.content.len() => There::Ours,
                Some(_) => There::Other,
            },
        };
        let step = next(seen, Aim::Target(COLLISION));
        if step == Move::Missing && !leaving.missed {
            leaving.missed = true;
        } else {
            leaving.decided = Some(step);
        }
        self.doing = Some(Doing::Leaving(leaving));
    }

    /// `steps::do_step`; people may have done something since the look.
    fn act(&mut self, mut leaving: Leaving, target: u8, step: Move, scene: &Scene) {
        let file = leaving.file;
        let source = Place::Inbox(self.row(file).path);
        let (private, archive) = (Place::Private(file), Place::Archive(target));
        let replaces = scene.off.contains(&Rule::NeverReplaces);
        (leaving.decided, leaving.missed) = (None, false);
        match step {
            Move::Take => {
                self.files.rename(source, private, replaces);
            }
            Move::DropSource => {
                self.files.entries.remove(&source);
            }
            Move::Place if scene.copies => {
                let free = replaces || self.files.at(archive).is_none();
                if let Some(inode) = self.files.at(private).filter(|_| free) {
                    self.files.copy(inode, archive);
                }
            }
            Move::Place => {
                self.files.rename(private, archive, replaces);
            }
            Move::DropPrivate => {
                let same = self.files.content(private) == self.files.content(archive);
                if same || scene.off.contains(&Rule::ComparesBeforeUnlink) {
                    self.files.entries.remove(&private);
                    return self.finish(file, Some(target));
                }
                return self.act(leaving, target, taken(COLLISION), scene);
            }
            Move::Recognise => {
                let ours = self.is_ours(file, archive);
                if ours || scene.off.contains(&Rule::RecognisesContent) {
                    return self.finish(file, Some(target));
                }
                let changed = self.files.at(source) == Some(self.row(file).inode);
                return match changed {
                    true => self.stay(file),
                    false => self.finish(file, None),
                };
            }
            Move::Collides => leaving.target = None,
            Move::PutBack => {
                if self.files.rename(private, source, false) {
                    return self.stay(file);
                }
            }
            Move::Refuse => return self.stay(file),
            Move::Missing => return self.finish(file, None),
            Move::Replace | Move::TakeIfSame | Move::Unlink | Move::HoldBack | Move::Hold => {
                self.fault = Some("a step that nothing asked for")
            }
        }
        self.doing = Some(Doing::Leaving(leaving));
    }

    /// `look::is_ours`: by its inode and time, or by its content.
    fn is_ours(&mut self, file: i64, archive: Place) -> bool {
        let Some(inode) = self.files.at(archive) else {
            return false;
        };
        let found = self.files.inodes[inode].clone();
        let row = self.row(file);
        (inode, found.modified) == (row.inode, row.modified) || found.content == row.content
    }

    /// It stands where it stood; the next scan finds it.
    fn stay(&mut self, file: i64) {
        self.row(file).target = None;
        self.doing = Some(Doing::Nothing);
    }

    /// `departures::finish`: a tail takes its parents.
    fn finish(&mut self, file: i64, target: Option<u8>) {
        let there = target.and_then(|name| self.files.content(Place::Archive(name)).cloned());
        if target.is_some() && there.as_ref() != Some(&self.row(file).content) {
            self.fault =
                Some("the ledger takes another file of the archive for one that was loaded");
        }
        let mut of = Some(file);
        while let Some(file) = of {
            let row = self.row(file);
            if !row.archived {
                row.archived = true;
                row.target = target;
                if row.state == FileState::Committed {
                    row.state = FileState::Archived;
                }
            }
            of = row.parent;
        }
        self.doing = Some(Doing::Nothing);
    }

    fn wrong(&self) -> Option<String> {
        if let Some(fault) = self.fault {
            return Some(fault.to_owned());
        }
        if let Some((record, _)) = self.table.iter().find(|(_, times)| **times > 1) {
            return Some(format!("record {record:02x} is loaded twice"));
        }
        for (number, inode) in self.files.inodes.iter().enumerate() {
            let place = self.files.entries.iter().find(|(_, it)| **it == number);
            let foreign = inode.content.iter().any(|record| *record >= FOREIGN);
            let loaded = inode
                .content
                .iter()
                .all(|record| self.table.contains_key(record));
            match place {
                Some((Place::Archive(_), _)) if !loaded && !foreign => {
                    return Some("a file was moved away that is not loaded".to_owned());
                }
                None if !self.replaced.contains(&number) => {
                    let mut others = self.files.entries.values();
                    if !others.any(|&it| self.files.inodes[it].content == inode.content) {
                        return Some("a file is gone, and no copy of it is left".to_owned());
                    }
                }
                _ => {}
            }
        }
        // Renamed by people after it was committed, it stands there as another file of the ledger.
        let is_another = |name: u8| self.rows.iter().any(|row| row.target == Some(name));
        let stands = |file: i64, row: &Row| {
            let mut entries = self.files.entries.iter();
            entries.any(|(place, it)| match place {
                Place::Inbox(_) => false,
                Place::Archive(name) => *it == row.inode && !is_another(*name),
                Place::Private(name) => *name == file,
            })
        };
        let mut numbered = (1..).zip(&self.rows);
        let called_missing =
            numbered.any(|(file, row)| row.archived && row.target.is_none() && stands(file, row));
        called_missing.then(|| "a file is called missing that stands in the archive".to_owned())
    }
}
