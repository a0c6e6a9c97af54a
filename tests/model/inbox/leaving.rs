//! A file on its way out: names, looks, steps, and what is noted of them.

use ingestd::fs::archive::{Aim, Seen, Step, There, next, taken};
use ingestd::settings::Collision;
use ingestd_actors::model::FileState;

use super::files::{Name, Place};
use super::ledger::Goal;
use super::rules::Rule;
use super::scene::{Finished, Scene};
use super::world::{Doing, World};

/// A file on its way out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leaving {
    pub file: i64,
    pub goal: Option<Goal>,
    /// An earlier life has begun with it.
    begun: bool,
    attempt: u8,
    /// A step that was decided by what was seen, and is not done yet.
    pub decided: Option<Step>,
    /// Whether it was missing at the first look: it is looked at twice.
    missed: bool,
}

impl World {
    /// `PostgresArchive::departing`, `known`.
    pub fn leave(&mut self, file: i64, scene: &Scene) {
        let goal = self.row(file).goal;
        if goal.is_none() && scene.finished == Finished::Stays {
            self.doing = Some(Doing::Nothing);
            return;
        }
        self.doing = Some(Doing::Leaving(Leaving {
            file,
            goal,
            begun: goal.is_some(),
            attempt: 0,
            decided: None,
            missed: false,
        }));
    }

    /// The next step of a file on its way out.
    pub fn go_on_leaving(&mut self, leaving: Leaving, scene: &Scene) {
        match (leaving.goal, leaving.decided) {
            (None, _) => self.choose(leaving, scene),
            (Some(goal), None) => self.look(leaving, goal, scene),
            (Some(goal), Some(decided)) => self.act(leaving, goal, decided, scene),
        }
    }

    /// `choose` and `departures::store`: a name, known before anything moves.
    fn choose(&mut self, mut leaving: Leaving, scene: &Scene) {
        let path = self.row(leaving.file).path;
        let name = |attempt| Name::of(path, leaving.file, attempt);
        leaving.goal = match scene.finished {
            Finished::Deleted => Some(Goal::Delete),
            Finished::Moves(Collision::Rename) => {
                let free = |attempt: &u8| self.files.at(Place::Archive(name(*attempt))).is_none();
                let attempt = (leaving.attempt..8).find(free);
                leaving.attempt = attempt.map_or(0, |attempt| attempt + 1);
                attempt.map(|attempt| Goal::To(name(attempt)))
            }
            Finished::Moves(_) | Finished::Stays => Some(Goal::To(name(0))),
        };
        if !scene.off.contains(&Rule::TargetIsStored) {
            self.row(leaving.file).goal = leaving.goal;
        }
        self.doing = Some(Doing::Leaving(leaving));
    }

    /// `look::look`, and what the program decides by it.
    fn look(&mut self, mut leaving: Leaving, goal: Goal, scene: &Scene) {
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
        let (aim, at_target) = match goal {
            Goal::Delete => (Aim::Nowhere, None),
            Goal::To(name) => (
                Aim::Target(scene.collision()),
                self.files.content(Place::Archive(name)),
            ),
        };
        let seen = Seen {
            source: look_at(Place::Inbox(row.path), compares),
            private: look_at(Place::Private(leaving.file), again),
            target: match at_target {
                None => There::Nothing,
                Some(found) if found.len() == row.content.len() => There::Ours,
                Some(_) => There::Other,
            },
        };
        let step = next(seen, aim);
        if step == Step::Missing && !leaving.missed {
            leaving.missed = true;
        } else {
            leaving.decided = Some(step);
        }
        self.doing = Some(Doing::Leaving(leaving));
    }

    /// `steps::do_step`; people may have done something since the look.
    fn act(&mut self, mut leaving: Leaving, goal: Goal, step: Step, scene: &Scene) {
        let file = leaving.file;
        let source = Place::Inbox(self.row(file).path);
        let private = Place::Private(file);
        let archive = match goal {
            Goal::To(name) => Place::Archive(name),
            Goal::Delete => source,
        };
        let replaces = scene.off.contains(&Rule::NeverReplaces);
        (leaving.decided, leaving.missed) = (None, false);
        match step {
            Step::TakeIfSame if !self.files.are_same(source, archive) => return self.hold(file),
            Step::Take | Step::TakeIfSame if scene.halves => {
                if self.files.link(source, private) {
                    leaving.decided = Some(Step::DropSource);
                }
            }
            Step::Take | Step::TakeIfSame => {
                self.files.rename(source, private, replaces);
            }
            Step::DropSource => {
                let same = self.files.at(source) == self.files.at(private);
                if same || scene.off.contains(&Rule::DropsItsOwn) {
                    self.files.entries.remove(&source);
                }
            }
            Step::Place | Step::Replace if scene.copies => {
                let free = replaces || step == Step::Replace || self.files.at(archive).is_none();
                if let Some(inode) = self.files.at(private).filter(|_| free) {
                    if step == Step::Replace {
                        self.excuse(archive);
                    }
                    self.files.copy(inode, archive);
                }
            }
            Step::Place if scene.halves => {
                if self.files.link(private, archive) {
                    leaving.decided = Some(Step::DropPrivate);
                }
            }
            Step::Place => {
                self.files.rename(private, archive, replaces);
            }
            Step::Replace => {
                self.excuse(archive);
                self.files.rename(private, archive, true);
            }
            Step::DropPrivate => {
                let same = self.files.are_same(private, archive);
                if same || scene.off.contains(&Rule::ComparesBeforeUnlink) {
                    self.files.entries.remove(&private);
                    return self.finish(file, Some(goal), scene);
                }
                return self.act(leaving, goal, taken(scene.collision()), scene);
            }
            Step::Unlink => {
                self.delete(private);
                return self.finish(file, None, scene);
            }
            Step::Recognise => {
                let ours = self.is_ours(file, archive);
                if ours || scene.off.contains(&Rule::RecognisesContent) {
                    return self.finish(file, Some(goal), scene);
                }
                let changed = self.files.at(source) == Some(self.row(file).inode);
                return match changed {
                    true => self.stay(file),
                    false => self.finish(file, None, scene),
                };
            }
            Step::Collides => leaving.goal = None,
            Step::HoldBack => {
                return match self.put_back(private, source) {
                    true => self.hold(file),
                    false => self.try_later(),
                };
            }
            Step::PutBack => {
                return match self.put_back(private, source) {
                    true => self.stay(file),
                    false => self.try_later(),
                };
            }
            Step::Hold => return self.hold(file),
            Step::Refuse => return self.stay(file),
            Step::Missing => return self.finish(file, None, scene),
        }
        self.doing = Some(Doing::Leaving(leaving));
    }

    /// `steps::put_back`.
    fn put_back(&mut self, private: Place, source: Place) -> bool {
        if self.files.at(private) == self.files.at(source) {
            self.files.entries.remove(&private);
        }
        self.files.at(private).is_none() || self.files.rename(private, source, false)
    }

    /// It is gone for good: nothing that is not loaded may be.
    fn delete(&mut self, private: Place) {
        let Some(inode) = self.files.entries.remove(&private) else {
            return;
        };
        let content = self.files.inodes[inode].content.clone();
        if !self.is_loaded(&content) {
            self.fault = Some("a file was deleted that is not loaded");
        }
        self.excused.push(inode);
    }

    /// The rules give the place of what stands there to another file.
    fn excuse(&mut self, archive: Place) {
        let files = &self.files;
        let goes = |number: &usize| files.content(archive) == Some(&files.inodes[*number].content);
        let all = (0..files.inodes.len()).filter(goes);
        self.excused.extend(all);
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

    /// Another file has its name; it is tried again beside all else.
    fn try_later(&mut self) {
        self.doing = Some(Doing::Nothing);
    }

    /// It stands where it stood; the next scan finds it.
    fn stay(&mut self, file: i64) {
        self.row(file).goal = None;
        self.doing = Some(Doing::Nothing);
    }

    /// `departures::hold`: it is tried again later.
    fn hold(&mut self, file: i64) {
        self.row(file).held = true;
        self.stay(file);
    }

    /// `departures::note_overwritten`, `departures::finish`: a tail takes its parents.
    fn finish(&mut self, file: i64, goal: Option<Goal>, scene: &Scene) {
        if let Some(Goal::To(name)) = goal {
            let content = self.row(file).content.clone();
            if self.files.content(Place::Archive(name)) != Some(&content) {
                self.fault =
                    Some("the ledger takes another file of the archive for one that was loaded");
            }
            let notes = !scene.off.contains(&Rule::OverwrittenIsNoted);
            let replaces = scene.collision() == Collision::Replace;
            let path = self.row(file).path;
            for (number, row) in (1..).zip(&mut self.rows) {
                let there = row.archived && row.path == path && row.goal == goal;
                row.overwritten |= there && number != file && replaces && notes;
            }
        }
        let takes_all = scene.off.contains(&Rule::LeavesThoseOnTheirWay);
        let mut of = Some(file);
        while let Some(number) = of {
            let row = self.row(number);
            if number != file && row.goal.is_some() && !takes_all {
                break;
            }
            if !row.archived {
                (row.archived, row.held, row.goal) = (true, false, goal);
                if row.state == FileState::Committed {
                    row.state = FileState::Archived;
                }
            }
            of = row.parent;
        }
        self.doing = Some(Doing::Nothing);
    }
}
