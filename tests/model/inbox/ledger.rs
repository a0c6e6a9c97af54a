//! What the ledger knows of files, and what its evidence shows: `Core::examine`.

use ingestd::ledger::comes_again::Return;
use ingestd::ledger::examined::{committed_at, last_of};
use ingestd::ledger::known::Known;
use ingestd::ledger::verdict::{
    Decision, Fact, Quick, Relation, by_content, by_metadata, relation, same_metadata,
};
use ingestd_actors::model::{Candidate, Epoch, FileId, FileState, Position};

use super::files::{Content, Files, Name, Place, fingerprint, path_of};
use super::rules::Rule;
use super::scene::Scene;

/// A row of `ingestd.files`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    pub path: u8,
    pub inode: usize,
    pub modified: i64,
    /// What it held when it was last looked at: its length and its hashes come from that.
    pub content: Content,
    pub state: FileState,
    /// Up to where its records are loaded, and where its own begin.
    pub loaded: usize,
    pub base: usize,
    pub parent: Option<i64>,
    /// The file that it equals, where it was skipped for that.
    pub duplicate_of: Option<i64>,
    /// What is noted of where it goes.
    pub goal: Option<Goal>,
    pub archived: bool,
    /// It stays for now, since the archive has another file of its name.
    pub held: bool,
    /// Another file has taken its place in the archive.
    pub overwritten: bool,
}

/// What is to become of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Goal {
    To(Name),
    Delete,
}

impl Row {
    pub fn candidate(&self) -> Candidate {
        Candidate {
            path: path_of(self.path),
            size: self.content.len() as u64,
            modified: self.modified,
            device: 1,
            inode: self.inode as u64,
        }
    }

    /// The row as [`Known::read`] gives it.
    fn known(&self, file: i64) -> Known {
        let print = fingerprint(&self.content);
        let is_loaded = matches!(self.state, FileState::Committed | FileState::Archived);
        let is_read = is_loaded || self.duplicate_of.is_some();
        Known {
            file: FileId(file),
            candidate: self.candidate(),
            head: print.head.to_vec(),
            tail: print.tail.to_vec(),
            // Taken while it is read: whole at its end.
            content: is_read.then(|| self.content.clone()),
            mark: None,
            plan: Some(1),
            parent: self.parent.map(FileId),
            base: Position {
                offset: self.base as u64,
                ..Position::START
            },
            state: self.state,
            reason: None,
            duplicate_of: self.duplicate_of.map(FileId),
            epoch: Epoch(1),
            watermark: Position {
                offset: if is_loaded {
                    self.content.len() as u64
                } else {
                    0
                },
                ..Position::START
            },
            records: is_loaded.then(|| (self.loaded - self.base) as u64),
            loaded: (self.loaded - self.base) as u64,
            archive_path: self.goal.map(|_| "out".into()),
            archived: self.archived,
            held: self.held,
            undone: false,
            owner: None,
            committed_at: None,
        }
    }
}

/// What is to be done with the file at a path.
pub enum Verdict {
    Quick(Quick),
    Content(Decision, Option<Return>),
}

/// `Core::admit_group`, up to what is written down.
pub fn decide(rows: &[Row], files: &Files, path: u8, inode: usize, scene: &Scene) -> Verdict {
    let rules = scene.rules();
    let candidate = files.candidate(path, inode);
    let all: Vec<Known> = (1..).zip(rows).map(|(file, row)| row.known(file)).collect();
    let at_path: Vec<Known> = all
        .iter()
        .filter(|known| known.candidate.path == candidate.path && !known.archived)
        .cloned()
        .collect();
    match by_metadata(&candidate, &at_path, rules) {
        Quick::Content => {}
        quick => return Verdict::Quick(quick),
    }
    let content = &files.inodes[inode].content;
    let last = last_of(&candidate, &all);
    let replaces = committed_at(&candidate, &at_path, rules);
    let facts: Vec<Fact> = all
        .into_iter()
        .zip(rows)
        .filter(|(known, _)| {
            at_path.contains(known)
                || is_equal(&candidate, content, known)
                || last.as_ref() == Some(known)
        })
        .filter_map(|(known, row)| evidence(&candidate, content, known, row, files, scene.off))
        .collect();
    match by_content(&candidate, &facts, last.as_ref(), rules) {
        (Decision::Load { gives_up, .. }, why) => {
            Verdict::Content(Decision::Load { gives_up, replaces }, why)
        }
        (other, why) => Verdict::Content(other, why),
    }
}

/// `Core::find_equal`.
fn is_equal(candidate: &Candidate, content: &[u8], known: &Known) -> bool {
    let print = fingerprint(content);
    known.candidate.size == candidate.size
        && known.candidate.size > 0
        && (&known.head, &known.tail) == (&print.head.to_vec(), &print.tail.to_vec())
        && known.state != FileState::Skipped
        && known.records != Some(0)
}

/// `evidence::look_closer`.
fn evidence(
    candidate: &Candidate,
    content: &[u8],
    known: Known,
    row: &Row,
    files: &Files,
    off: &[Rule],
) -> Option<Fact> {
    let relation = relation(candidate, &fingerprint(content), &known);
    let there = files.at(Place::Inbox(row.path));
    let now = there.map(|inode| files.candidate(row.path, inode));
    let still_there = now.is_some_and(|now| same_metadata(&now, &known.candidate));
    let elsewhere = known.is_unfinished() && candidate.path != known.candidate.path;
    let ignored = match relation {
        Relation::None => true,
        Relation::MayContinue => off.contains(&Rule::TailOnly),
        _ if elsewhere && still_there => off.contains(&Rule::EqualsWait),
        _ if elsewhere => off.contains(&Rule::MovedGoesOn),
        _ => false,
    };
    let unhashed = relation == Relation::MayEqual && off.contains(&Rule::WholeIsHashed);
    let proven = match (&known.content, relation) {
        (_, Relation::Replaces) => false,
        (_, Relation::Remains) => true,
        (Some(hashed), _) => unhashed || content.starts_with(hashed),
        // Its ends are compared, and what was read of it.
        (None, _) => content.starts_with(&row.content[..row.loaded.min(row.content.len())]),
    };
    let forgets = off.contains(&Rule::IsAnotherFile);
    let archive_path = known.archive_path.clone().filter(|_| !forgets);
    (!ignored).then_some(Fact {
        known: Known {
            archive_path,
            ..known
        },
        relation,
        proven,
        still_there,
        line_ends: true,
        mark: None,
        plain: true,
    })
}
