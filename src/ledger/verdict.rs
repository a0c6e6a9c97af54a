//! PURE: what is to be done with a candidate, from what is known of it.
//!
//! First by metadata alone, so that files which stay in the inbox cost nothing; then by content,
//! where whatever had to be hashed has been hashed, and comes as a [`Fact`].

use ingestd_actors::model::{Candidate, FileId, FileState, HashMark};

use super::comes_again::{self, Return, named};
use super::known::Known;
use crate::fs::{Fingerprint, path_text};
use crate::settings::Redropped;

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
    /// What is done with files that come again.
    pub redropped: Redropped,
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
        FileState::Committed | FileState::Skipped if known.held && !rules.named => Quick::Ignore,
        FileState::Committed if rules.keeps => Quick::Ignore,
        FileState::Committed => Quick::Archive(known.file),
        // Whoever names it wants it again.
        FileState::Skipped if rules.named && known.undone => Quick::Content,
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
    /// It has the same name and is longer: it may begin with that content.
    MayContinue,
    /// It has taken the place of an unfinished file.
    Replaces,
    /// It is what is left of a file that was cut where it stands, and refused with rows of it loaded.
    Remains,
    /// Nothing.
    None,
}

/// The relation of a candidate to a known file.
pub fn relation(candidate: &Candidate, fingerprint: &Fingerprint, known: &Known) -> Relation {
    let same_name = candidate.path == known.candidate.path;
    let same_path = same_name && !known.archived;
    let same_ends = candidate.size == known.candidate.size
        && known.head == fingerprint.head
        && known.tail == fingerprint.tail;
    let longer = candidate.size > known.candidate.size;
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
        // Nothing of it is loaded.
        FileState::Skipped if known.duplicate_of.is_none() => Relation::None,
        // A skipped file stands for another one, which is found by itself.
        FileState::Skipped if same_ends && !same_path => Relation::None,
        FileState::Committed | FileState::Archived | FileState::Skipped if same_ends => {
            Relation::MayEqual
        }
        // Of files that have left, only the one that was loaded last under this name is asked about.
        FileState::Committed | FileState::Archived | FileState::Skipped if longer && same_name => {
            Relation::MayContinue
        }
        FileState::Quarantined | FileState::Failed if known.loaded == 0 => Relation::None,
        FileState::Quarantined | FileState::Failed if same_ends => Relation::MayEqual,
        FileState::Quarantined | FileState::Failed if longer && same_path => Relation::MayContinue,
        FileState::Quarantined | FileState::Failed
            if same_path && is_shorter_itself(candidate, &known.candidate) =>
        {
            Relation::Remains
        }
        _ => Relation::None,
    }
}

fn is_shorter_itself(candidate: &Candidate, was: &Candidate) -> bool {
    (candidate.device, candidate.inode) == (was.device, was.inode) && candidate.size < was.size
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
    /// Skip it: its content is that of this file, where there is one.
    Skip(Option<Box<Known>>, String),
    /// It is this file, which is finished: only its metadata have changed.
    Refresh(Box<Known>),
    /// It can't be loaded.
    Quarantine(Option<FileId>, String),
    /// Ask again.
    Later(String),
}

impl Decision {
    /// To load it, with nothing that stands in its way.
    pub fn new_file() -> Decision {
        Decision::Load {
            gives_up: Vec::new(),
            replaces: Vec::new(),
        }
    }
}

/// Decides by content; `last` is what was loaded last under the candidate's name. A file that comes
/// again is decided about by the pipeline's rules for that, and with a reason.
///
/// Where an unfinished file's content has been replaced at its path, the old file is given up
/// (FAILED, with how far it came) and the new content is loaded from its start. To go on at the old
/// position instead would lose the start of the new content; to wait for an operator would hold
/// up the pipeline for what is, one commit later, the ordinary case of a path that is used again.
/// Nothing is lost: what was committed of the old content stays, counted under the old file, and
/// what was not committed no longer exists anywhere. Nothing is doubled by the program: rows that
/// both contents have are in both files; with a key the later one wins, without a key FAILED tells
/// the operator, who alone can know.
pub fn by_content(
    candidate: &Candidate,
    facts: &[Fact],
    last: Option<&Known>,
    rules: Rules,
) -> (Decision, Option<Return>) {
    let at_path =
        |fact: &&Fact| fact.known.candidate.path == candidate.path && !fact.known.archived;
    let unfinished = || facts.iter().filter(|fact| fact.known.is_unfinished());

    if let Some(fact) = unfinished().filter(at_path).find(|fact| fact.proven) {
        return (Decision::Continue(fact.known.file), None);
    }
    let mut equal_elsewhere = unfinished().filter(|fact| !at_path(fact) && fact.proven);
    if let Some(fact) = equal_elsewhere.find(|fact| fact.still_there) {
        let reason = format!(
            "its content is being loaded from {}, as file {}",
            path_text(&fact.known.candidate.path),
            fact.known.file.0
        );
        return (Decision::Later(reason), None);
    }
    let mut moved = unfinished().filter(|fact| !at_path(fact) && fact.proven);
    if let Some(fact) = moved.next() {
        return (Decision::Continue(fact.known.file), None);
    }
    let known = match rules.again {
        true => None,
        false => comes_again::decide(candidate, facts, last, rules),
    };
    let (mut decision, why) = known.unwrap_or_else(|| (Decision::new_file(), None));
    if let Decision::Load { gives_up, .. } = &mut decision {
        gives_up.extend(unfinished().filter(at_path).map(|fact| fact.known.file));
    }
    (decision, why)
}

fn loaded_before(known: &Known) -> String {
    format!("the same content as {}", named(known))
}

/// Why a file is not loaded whose content is in the table in part.
pub fn half_loaded(known: &Known) -> String {
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

/// Why what is left of a file that was cut is not loaded.
pub fn left_of(known: &Known) -> String {
    format!(
        "it is what is left of file {}, which was cut and is {}: {}; {} of that one's records are in the \
         table already: `load --again` loads all of this one beside them",
        known.file.0,
        known.state.name(),
        known.reason.as_deref().unwrap_or("no reason is recorded"),
        known.loaded,
    )
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
