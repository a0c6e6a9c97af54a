//! What must never be.

use super::files::{Inode, Place};
use super::ledger::{Goal, Row};
use super::scene::Scene;
use super::world::{Doing, World};

/// Files that people put into the archive begin with these; they are not loaded.
const FOREIGN: u8 = 0xF0;

impl World {
    pub fn wrong(&self, scene: &Scene) -> Option<String> {
        if let Some(fault) = self.fault {
            return Some(fault.to_owned());
        }
        if self.rows.len() > 2 * scene.deeds.len() {
            return Some("a file is taken for a new one again and again".to_owned());
        }
        if let Some(record) = self.loaded_too_often(scene) {
            return Some(format!("record {record:02x} is loaded twice"));
        }
        let mut inodes = self.files.inodes.iter().enumerate();
        if let Some(what) = inodes.find_map(|(number, inode)| self.is_lost(number, inode)) {
            return Some(what.to_owned());
        }
        self.misplaced().map(str::to_owned)
    }

    /// Once; where the rules say so, once for each time that somebody has brought it.
    fn loaded_too_often(&self, scene: &Scene) -> Option<u8> {
        let most = |record: &u8| match scene.loads_again() {
            true => self.brought.get(record).copied().unwrap_or(0),
            false => 1,
        };
        let mut loaded = self.table.iter();
        let found = loaded.find(|(record, times)| **times > most(record));
        found.map(|(&record, _)| record)
    }

    fn is_lost(&self, number: usize, inode: &Inode) -> Option<&'static str> {
        let foreign = inode.content.iter().any(|record| *record >= FOREIGN);
        let place = self.files.entries.iter().find(|(_, it)| **it == number);
        match place {
            Some((Place::Archive(_), _)) if !self.is_loaded(&inode.content) && !foreign => {
                Some("a file was moved away that is not loaded")
            }
            None if !self.excused.contains(&number) => {
                let mut others = self.files.entries.values();
                let is_there = others.any(|&it| self.files.inodes[it].content == inode.content);
                (!is_there).then_some("a file is gone, and no copy of it is left")
            }
            _ => None,
        }
    }

    /// Whether the ledger has a file elsewhere than where it stands.
    fn misplaced(&self) -> Option<&'static str> {
        // Renamed by people after it was committed, it stands there as another file of the ledger.
        let is_another = |place: Place| {
            let mut rows = self.rows.iter();
            rows.any(|row| place_of(row.goal) == Some(place))
        };
        let stands = |file: i64, row: &Row| {
            let mut entries = self.files.entries.iter();
            entries.any(|(place, it)| match place {
                Place::Inbox(_) | Place::Quarantine(_) => false,
                Place::Archive(_) => *it == row.inode && !is_another(*place),
                Place::Private(name) => *name == file,
            })
        };
        let mut numbered = (1..).zip(&self.rows);
        if numbered.any(|(file, row)| row.archived && row.goal.is_none() && stands(file, row)) {
            return Some("a file is called missing that stands in the archive");
        }
        let rests = self.doing == Some(Doing::Nothing)
            && self
                .rows
                .iter()
                .all(|row| row.archived || row.goal.is_none());
        let elsewhere = |row: &Row| {
            let place = place_of(row.goal).filter(|_| row.archived && !row.overwritten);
            place.is_some_and(|place| {
                let found = self.files.content(place);
                found.is_none_or(|found| !found.starts_with(&row.content))
            })
        };
        let found = rests && self.rows.iter().any(elsewhere);
        found.then_some("the archive has another file than the ledger says")
    }
}

fn place_of(goal: Option<Goal>) -> Option<Place> {
    match goal? {
        Goal::To(name) => Some(Place::Archive(name)),
        Goal::Delete => None,
    }
}
