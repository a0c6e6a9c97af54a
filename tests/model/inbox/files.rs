//! Directories, what stands in them, and what people do there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ingestd::fs::Fingerprint;
use ingestd_actors::model::Candidate;

/// A place where a file may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A path in the inbox.
    Inbox(u8),
    /// The private name of a file of the ledger.
    Private(i64),
    /// A name in the archive.
    Archive(Name),
    /// Where a file of the ledger is that was quarantined.
    Quarantine(i64),
}

/// A name in the archive: that of a path, or after a collision one with the file's number and the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    pub path: u8,
    pub other: Option<(i64, u8)>,
}

impl Name {
    /// `naming::target`.
    pub fn of(path: u8, file: i64, attempt: u8) -> Name {
        let other = (attempt > 0).then_some((file, attempt));
        Name { path, other }
    }
}

/// A file of the file system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inode {
    pub content: Content,
    pub modified: i64,
}

/// A content: its records, which are also its bytes. All of them have the same head; the low bits of the
/// last record are the tail, so that two contents may differ in nothing that is cheap to compare.
pub type Content = Vec<u8>;

/// What stands where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Files {
    pub entries: BTreeMap<Place, usize>,
    pub inodes: Vec<Inode>,
}

/// What somebody does, once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// Puts a content at a path that is free.
    Drop(u8, Content),
    /// Puts another file in the place of one.
    Replace(u8, Content),
    /// Adds to a file.
    Append(u8, Content),
    /// Renames a file.
    Rename(u8, u8),
    /// Writes the same once more.
    Touch(u8),
    /// Puts a file of their own under a name of the archive.
    Squat(u8, Content),
}

impl Files {
    pub fn at(&self, place: Place) -> Option<usize> {
        self.entries.get(&place).copied()
    }

    pub fn create(&mut self, place: Place, content: Content) {
        let modified = self.inodes.len() as i64;
        self.inodes.push(Inode { content, modified });
        self.entries.insert(place, self.inodes.len() - 1);
    }

    pub fn content(&self, place: Place) -> Option<&Content> {
        Some(&self.inodes[self.at(place)?].content)
    }

    /// `content::same_content`.
    pub fn are_same(&self, a: Place, b: Place) -> bool {
        self.content(a) == self.content(b)
    }

    /// A copy of a file under another name, with its time.
    pub fn copy(&mut self, inode: usize, to: Place) {
        let copy = self.inodes[inode].clone();
        self.inodes.push(copy);
        self.entries.insert(to, self.inodes.len() - 1);
    }

    /// `rename_new`; whether the name was free. Without that line it replaces.
    pub fn rename(&mut self, from: Place, to: Place, replaces: bool) -> bool {
        let free = replaces || !self.entries.contains_key(&to);
        if let Some(inode) = self.entries.get(&from).copied().filter(|_| free) {
            self.entries.remove(&from);
            self.entries.insert(to, inode);
        }
        free
    }

    /// `rename_new` where a file system has no such thing, up to its half: a second name.
    pub fn link(&mut self, from: Place, to: Place) -> bool {
        match (self.at(from), self.at(to)) {
            (Some(inode), None) => self.entries.insert(to, inode).is_none(),
            _ => false,
        }
    }

    /// Whether somebody can do this now.
    pub fn allows(&self, deed: &Deed) -> bool {
        let stands = |path: &u8| self.entries.contains_key(&Place::Inbox(*path));
        match deed {
            Deed::Drop(path, _) => !stands(path),
            Deed::Replace(path, _) | Deed::Append(path, _) | Deed::Touch(path) => stands(path),
            Deed::Rename(from, to) => stands(from) && !stands(to),
            Deed::Squat(path, _) => self.at(Place::Archive(Name::of(*path, 0, 0))).is_none(),
        }
    }

    /// Does it.
    pub fn suffer(&mut self, deed: Deed) {
        match deed {
            Deed::Drop(path, content) | Deed::Replace(path, content) => {
                self.create(Place::Inbox(path), content);
            }
            Deed::Append(path, content) => {
                if let Some(&inode) = self.entries.get(&Place::Inbox(path)) {
                    self.inodes[inode].content.extend(content);
                    self.inodes[inode].modified += 100;
                }
            }
            Deed::Rename(from, to) => {
                self.rename(Place::Inbox(from), Place::Inbox(to), false);
            }
            Deed::Touch(path) => {
                if let Some(&inode) = self.entries.get(&Place::Inbox(path)) {
                    self.inodes[inode].modified += 100;
                }
            }
            Deed::Squat(path, content) => {
                self.create(Place::Archive(Name::of(path, 0, 0)), content);
            }
        }
    }

    /// A file as a scan sees it.
    pub fn candidate(&self, path: u8, inode: usize) -> Candidate {
        let found = &self.inodes[inode];
        Candidate {
            path: path_of(path),
            size: found.content.len() as u64,
            modified: found.modified,
            device: 1,
            inode: inode as u64,
        }
    }
}

/// `fingerprint`, of a file that is too large to be hashed at once.
pub fn fingerprint(content: &[u8]) -> Fingerprint {
    Fingerprint {
        head: [0; 32],
        tail: [content.last().copied().unwrap_or(0) & 15; 32],
        content: None,
    }
}

/// A path as the ledger has it.
pub fn path_of(path: u8) -> PathBuf {
    PathBuf::from(format!("{}.csv", char::from(b'a' + path)))
}
