//! PURE: what is to be done with a candidate, from what is known of it.
//!
//! First by metadata alone, so that files which stay in the inbox cost nothing; then by content,
//! where whatever had to be hashed has been hashed, and comes as a [`Fact`].

use ingestd_actors::model::{Candidate, FileId, FileState, HashMark};

use super::known::Known;
use crate::fs::{Fingerprint, path_text};

/// How a pipeline treats files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Committed and skipped files stay in the inbox.
    pub keeps: bool,
    /// Quarantined files stay in the inbox.
    pub keeps_quarantined: bool,
    /// What was loaded before is loaded anew.
    pub again: bool,
    /// The files were named by somebody, who wants an answer for each.
    pub named: bool,
}

/// What the metadata say.
#[derive(Clone, Debug, PartialEq)]
pub enum Quick {
    /// Dealt with before, and stays.
    Ignore,
    /// Skipped, now or before.
    Skip(FileId, String),
    /// Committed, to be archived.
    Archive(FileId),
    /// Quarantined before, and still here.
    Quarantine(FileId, String),
    /// The content decides.
    Content,
}

/// Decides by metadata. `at_path` are the files known at this path that have not left it.
pub fn by_metadata(candidate: &Candidate, at_path: &[Known], rules: Rules) -> Quick {
    let known = at_path
        .iter()
        .filter(|known| same_metadata(candidate, &known.candidate))
        .max_by_key(|known| known.file);
    let Some(known) = known else {
        return Quick::Content;
    };
    if known.is_unfinished() || rules.again {
        return Quick::Content;
    }
    let reason = known.reason.clone().unwrap_or_default();
    match known.state {
        FileState::Committed if rules.named && rules.keeps => {
            Quick::Skip(known.file, loaded_before(known))
        }
        FileState::Committed if rules.keeps => Quick::Ignore,
        FileState::Committed => Quick::Archive(known.file),
        FileState::Skipped if rules.keeps && !rules.named => Quick::Ignore,
        FileState::Skipped => Quick::Skip(known.file, reason),
        // Whoever names it again has mended what was wrong, unless there is something to double.
        FileState::Quarantined if rules.named && known.loaded == 0 => Quick::Content,
        FileState::Quarantined if rules.named => Quick::Quarantine(known.file, half_loaded(known)),
        FileState::Quarantined if rules.keeps_quarantined => Quick::Ignore,
        FileState::Quarantined => Quick::Quarantine(known.file, reason),
        FileState::Failed if rules.named => Quick::Quarantine(known.file, half_loaded(known)),
        FileState::Failed => Quick::Ignore,
        _ => Quick::Content,
    }
}

/// Whether a path holds what it held. The device is left out: its number changes with a mount.
pub fn same_metadata(a: &Candidate, b: &Candidate) -> bool {
    (a.size, a.modified, a.inode) == (b.size, b.modified, b.inode)
}

/// How a candidate may be related to a known file, as far as the ends tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It may have the same content.
    MayEqual,
    /// It stands at the same path and is longer: it may begin with that content.
    MayContinue,
    /// It has taken the place of an unfinished file.
    Replaces,
    /// Nothing.
    None,
}

/// The relation of a candidate to a known file.
pub fn relation(candidate: &Candidate, fingerprint: &Fingerprint, known: &Known) -> Relation {
    let same_path = candidate.path == known.candidate.path && !known.archived;
    let same_ends = candidate.size == known.candidate.size
        && known.head == fingerprint.head
        && known.tail == fingerprint.tail;
    let longer = same_path && candidate.size > known.candidate.size;
    if known.is_unfinished() {
        return match (same_ends, same_path) {
            (true, _) => Relation::MayEqual,
            (false, true) if longer => Relation::MayContinue,
            (false, true) => Relation::Replaces,
            (false, false) => Relation::None,
        };
    }
    let has_records = known.records != Some(0) && known.candidate.size > 0;
    match known.state {
        FileState::Committed | FileState::Archived | FileState::Skipped
            if !has_records || known.content.is_none() =>
        {
            Relation::None
        }
        // A skipped file stands for another one, which is found by itself.
        FileState::Skipped if !same_path => Relation::None,
        FileState::Committed | FileState::Archived | FileState::Skipped if same_ends => {
            Relation::MayEqual
        }
        FileState::Committed | FileState::Skipped if longer => Relation::MayContinue,
        FileState::Quarantined | FileState::Failed if known.loaded == 0 => Relation::None,
        FileState::Quarantined | FileState::Failed if same_ends => Relation::MayEqual,
        FileState::Quarantined | FileState::Failed if longer => Relation::MayContinue,
        _ => Relation::None,
    }
}

/// A known file that a candidate is related to, with what looking at the contents has shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// The file.
    pub known: Known,
    /// The relation, not [`Relation::None`].
    pub relation: Relation,
    /// Whether the candidate has, or begins with, the content as far as it is known.
    pub proven: bool,
    /// Whether the known file still stands at its own path.
    pub still_there: bool,
    /// Whether the known content ends with a line end; asked where the candidate is longer.
    pub line_ends: bool,
    /// The content hash's state at the end of the known content, where the candidate is longer.
    pub mark: Option<HashMark>,
    /// Whether the candidate is text as it stands: not compressed, and in UTF-8; asked where it is
    /// longer.
    pub plain: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Load it as a new file; `gives_up` are unfinished files whose content it has replaced.
    Load {
        /// Unfinished files that can't be finished any more.
        gives_up: Vec<FileId>,
        /// Committed files that no longer stand at this path.
        replaces: Vec<FileId>,
    },
    /// Load what was added to a file that is loaded.
    LoadTail(Box<Fact>),
    /// Go on with an unfinished file.
    Continue(FileId),
    /// Skip it as a duplicate of this file.
    Skip(Box<Known>, String),
    /// It is this file, which is finished: only its metadata have changed.
    Refresh(Box<Known>),
    /// It can't be loaded.
    Quarantine(Option<FileId>, String),
    /// Ask again.
    Later(String),
}

/// Decides by content.
///
/// Where an unfinished file's content has been replaced at its path, the old file is given up
/// (FAILED, with how far it came) and the new content is loaded from its start. To go on at the old
/// position instead would lose the start of the new content; to wait for an operator would hold
/// up the pipeline for what is, one commit later, the ordinary case of a path that is used again.
/// Nothing is lost: what was committed of the old content stays, counted under the old file, and
/// what was not committed no longer exists anywhere. Nothing is doubled by the program: rows that
/// both contents have are in both files; with a key the later one wins, without a key FAILED tells
/// the operator, who alone can know.
pub fn by_content(candidate: &Candidate, facts: &[Fact], rules: Rules) -> Decision {
    let at_path =
        |fact: &&Fact| fact.known.candidate.path == candidate.path && !fact.known.archived;
    let unfinished = || facts.iter().filter(|fact| fact.known.is_unfinished());

    if let Some(fact) = unfinished().filter(at_path).find(|fact| fact.proven) {
        return Decision::Continue(fact.known.file);
    }
    let mut equal_elsewhere = unfinished().filter(|fact| !at_path(fact) && fact.proven);
    if let Some(fact) = equal_elsewhere.find(|fact| fact.still_there) {
        return Decision::Later(format!(
            "its content is being loaded from {}, as file {}",
            path_text(&fact.known.candidate.path),
            fact.known.file.0
        ));
    }
    let mut moved = unfinished().filter(|fact| !at_path(fact) && fact.proven);
    if let Some(fact) = moved.next() {
        return Decision::Continue(fact.known.file);
    }
    if !rules.again
        && let Some(decision) = by_finished(candidate, facts)
    {
        return decision;
    }
    Decision::Load {
        gives_up: unfinished()
            .filter(at_path)
            .map(|fact| fact.known.file)
            .collect(),
        replaces: Vec::new(),
    }
}

fn by_finished(candidate: &Candidate, facts: &[Fact]) -> Option<Decision> {
    let proven = |relation: Relation| {
        facts.iter().filter(move |fact| {
            !fact.known.is_unfinished() && fact.proven && fact.relation == relation
        })
    };
    let is_done = |fact: &&Fact| {
        matches!(
            fact.known.state,
            FileState::Committed | FileState::Archived | FileState::Skipped
        )
    };
    let itself = proven(Relation::MayEqual)
        .filter(is_done)
        .find(|fact| fact.known.candidate.path == candidate.path && !fact.known.archived);
    if let Some(fact) = itself {
        return Some(Decision::Refresh(Box::new(fact.known.clone())));
    }
    if let Some(fact) = proven(Relation::MayEqual).find(is_done) {
        let reason = loaded_before(&fact.known);
        return Some(Decision::Skip(Box::new(fact.known.clone()), reason));
    }
    if let Some(fact) = proven(Relation::MayEqual).next() {
        return Some(Decision::Quarantine(None, half_loaded(&fact.known)));
    }
    let parent = proven(Relation::MayContinue)
        .max_by_key(|fact| (fact.known.candidate.size, fact.known.file))?;
    if !is_done(&parent) {
        return Some(Decision::Quarantine(None, half_loaded(&parent.known)));
    }
    if !parent.plain {
        return Some(Decision::Quarantine(
            Some(parent.known.file),
            format!(
                "it grew after it was loaded as file {}, and of a file that is compressed, or not in UTF-8, \
                 what was added is not loaded by itself; put that into a file of its own",
                parent.known.file.0
            ),
        ));
    }
    if parent.line_ends {
        return Some(Decision::LoadTail(Box::new(parent.clone())));
    }
    Some(Decision::Quarantine(
        Some(parent.known.file),
        format!(
            "it grew in the middle of a record: file {} was loaded up to byte {}, where no line ended; \
             add whole lines, and load what is missing from a file of its own",
            parent.known.file.0, parent.known.candidate.size
        ),
    ))
}

fn loaded_before(known: &Known) -> String {
    let when = match &known.committed_at {
        Some(time) => format!(", loaded {time} UTC"),
        None => String::new(),
    };
    format!(
        "the same content as file {} ({}){when}",
        known.duplicate_of.unwrap_or(known.file).0,
        path_text(&known.candidate.path),
    )
}

fn half_loaded(known: &Known) -> String {
    let goes_on = match known.state {
        FileState::Quarantined => format!("`retry {}` goes on with it, ", known.file.0),
        _ => String::new(),
    };
    format!(
        "it has the content of file {} ({}), which is {}: {}; {} of its records are in the table \
         already: {}`load --again` loads all of it once more",
        known.file.0,
        path_text(&known.candidate.path),
        known.state.name(),
        known.reason.as_deref().unwrap_or("no reason is recorded"),
        known.loaded,
        goes_on,
    )
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
