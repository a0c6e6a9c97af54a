//! PURE: files that come again: in which situation each is, and what the pipeline's rules make of it.
//!
//! A file is compared with what was *loaded*: what was skipped stands for the file that it equals, and
//! what was refused, or held no record, stands for nothing. The situations are told apart by name and
//! content alone; which drop of them it is, by the metadata that the ledger has noted, so that a file
//! that stays in the inbox is decided about once.

use ingestd_actors::model::{Candidate, FileState};

use super::known::Known;
use super::verdict::{Decision, Fact, Relation, Rules, half_loaded, left_of};
use crate::fs::path_text;
use crate::settings::{OnReturn, Redropped};

/// How a file comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Situation {
    /// The same name, the same content.
    Same,
    /// The same name, and content that begins with what was loaded.
    Appended,
    /// The same name, other content.
    Changed,
    /// The same content under a name that it was not loaded under.
    Renamed,
}

impl Situation {
    fn word(self) -> &'static str {
        match self {
            Situation::Same => "same",
            Situation::Appended => "appended",
            Situation::Changed => "changed",
            Situation::Renamed => "renamed",
        }
    }

    /// Quarantined as the rules say, with what says so: the note beside the file is all that some read.
    fn quarantine(self, reason: &str) -> Decision {
        let word = self.word();
        let reason = format!("{reason}; redropped says {word}: quarantine");
        Decision::Quarantine(None, reason)
    }

    fn rule(self, rules: &Redropped) -> OnReturn {
        match self {
            Situation::Same => rules.same,
            Situation::Appended => rules.appended,
            Situation::Changed => rules.changed,
            Situation::Renamed => rules.renamed,
        }
    }
}

/// Why a file that was here before is treated as it is: for the ledger, the log and people.
#[derive(Clone, Debug, PartialEq)]
pub struct Return {
    /// Situation and rule, as in `renamed: skip`.
    pub verdict: String,
    /// What it is compared with, for people.
    pub reason: String,
}

impl Return {
    fn new(situation: Situation, what: OnReturn, reason: String) -> Return {
        Return {
            verdict: format!("{}: {}", situation.word(), what.word()),
            reason,
        }
    }
}

/// Whether a known file counts as loaded, so that a file of its name is compared with it.
pub fn counts(known: &Known) -> bool {
    match known.state {
        FileState::Committed | FileState::Archived => known.records.is_some_and(|it| it > 0),
        FileState::Skipped => known.duplicate_of.is_some(),
        _ => false,
    }
}

/// Whether nothing more is to be done to a file.
fn is_done(fact: &&Fact) -> bool {
    let done = [
        FileState::Committed,
        FileState::Archived,
        FileState::Skipped,
    ];
    done.contains(&fact.known.state)
}

/// Whether a file's move has begun and not ended. What stands at its path by now is another file, unless it
/// is the same inode: taken for it, that would be moved in its stead, and the first be left half-way.
fn is_on_its_way(known: &Known) -> bool {
    !known.archived && known.archive_path.is_some()
}

/// Its move is given up once it is looked at, and then it is as any other.
fn is_touched_on_its_way(known: &Known, candidate: &Candidate) -> bool {
    let was = &known.candidate;
    is_on_its_way(known) && (&was.path, was.inode) == (&candidate.path, candidate.inode)
}

/// Decides about a candidate by the finished files that it is related to; `last` is what was loaded
/// last under its name. `None` where it has nothing to do with any.
pub fn decide(
    candidate: &Candidate,
    facts: &[Fact],
    last: Option<&Known>,
    rules: Rules,
) -> Option<(Decision, Option<Return>)> {
    let proven = |relation: Relation| {
        facts.iter().filter(move |fact| {
            !fact.known.is_unfinished() && fact.proven && fact.relation == relation
        })
    };
    let related = [Relation::MayEqual, Relation::MayContinue];
    let mut leaving = related.into_iter().flat_map(proven).filter(is_done);
    if let Some(fact) = leaving.find(|fact| is_touched_on_its_way(&fact.known, candidate)) {
        let file = fact.known.file.0;
        let reason = format!("it is file {file}, which was about to leave when it was changed");
        return Some((Decision::Later(reason), None));
    }
    let equal: Vec<&Known> = proven(Relation::MayEqual)
        .filter(is_done)
        .map(|fact| &fact.known)
        .collect();
    if !equal.is_empty() {
        return Some(equal_to(candidate, &equal, rules));
    }
    if let Some(half) = proven(Relation::MayEqual).next() {
        return Some((Decision::Quarantine(None, half_loaded(&half.known)), None));
    }
    if let Some(cut) = proven(Relation::Remains).next() {
        return Some((Decision::Quarantine(None, left_of(&cut.known)), None));
    }
    let longest = proven(Relation::MayContinue)
        .max_by_key(|fact| (fact.known.candidate.size, fact.known.file));
    if let Some(parent) = longest {
        return Some(begins_with(candidate, parent, rules));
    }
    let last = last?;
    let what = rules.redropped.changed;
    let reason = format!(
        "other content than {}, which had the same name",
        named(last)
    );
    let decision = match what {
        OnReturn::Skip => Decision::Skip(None, reason.clone()),
        OnReturn::Quarantine => Situation::Changed.quarantine(&reason),
        OnReturn::Reload | OnReturn::Tail => Decision::new_file(),
    };
    let why = Return::new(Situation::Changed, what, reason);
    Some((decision, Some(why)))
}

/// Decides about a file whose content was loaded.
fn equal_to(candidate: &Candidate, equal: &[&Known], rules: Rules) -> (Decision, Option<Return>) {
    let has_name = |known: &&&Known| known.candidate.path == candidate.path;
    let mut loaded = equal.iter().filter(|it| it.state != FileState::Skipped);
    let here = loaded.clone().filter(has_name).max_by_key(|it| it.file);
    let itself = equal
        .iter()
        .filter(has_name)
        .filter(|known| !known.archived && !is_on_its_way(known))
        .max_by_key(|it| it.file);
    let elsewhere = loaded.next();
    let (situation, original) = match (here, elsewhere, itself) {
        (Some(here), ..) => (Situation::Same, *here),
        (None, Some(original), _) => (Situation::Renamed, *original),
        // Only what was skipped stands for it: nothing more is known of what it equals.
        (None, None, Some(itself)) => (Situation::Same, *itself),
        (None, None, None) => (Situation::Renamed, equal[0]),
    };
    let what = situation.rule(&rules.redropped);
    let reason = match situation {
        Situation::Renamed => format!("the same content as {}", named(original)),
        _ => format!(
            "the same content as {}, dropped or touched again",
            named(original)
        ),
    };
    // Another inode alone is no drop: some file systems number anew what they hold.
    let is_drop = |itself: &Known| itself.candidate.modified != candidate.modified;
    let decision = match (what, itself) {
        (OnReturn::Skip, Some(itself)) => Decision::Refresh(Box::new((*itself).clone())),
        (_, Some(itself)) if !is_drop(itself) => {
            return (Decision::Refresh(Box::new((*itself).clone())), None);
        }
        (OnReturn::Skip, None) => Decision::Skip(Some(Box::new(original.clone())), reason.clone()),
        (OnReturn::Quarantine, _) => situation.quarantine(&reason),
        (OnReturn::Reload | OnReturn::Tail, _) => Decision::new_file(),
    };
    (decision, Some(Return::new(situation, what, reason)))
}

/// Decides about a file that begins with what is known of another one of its name.
fn begins_with(candidate: &Candidate, parent: &Fact, rules: Rules) -> (Decision, Option<Return>) {
    if !is_done(&parent) {
        return (Decision::Quarantine(None, half_loaded(&parent.known)), None);
    }
    let what = rules.redropped.appended;
    let reason = format!(
        "it begins with {}, and is {} bytes longer",
        named(&parent.known),
        candidate.size - parent.known.candidate.size
    );
    let decision = match what {
        OnReturn::Skip => Decision::Skip(None, reason.clone()),
        OnReturn::Quarantine => Situation::Appended.quarantine(&reason),
        OnReturn::Reload => Decision::new_file(),
        OnReturn::Tail => match no_tail(parent) {
            None => Decision::LoadTail(Box::new(parent.clone())),
            Some(reason) => Decision::Quarantine(Some(parent.known.file), reason),
        },
    };
    let why = Return::new(Situation::Appended, what, reason);
    (decision, Some(why))
}

/// Why what was added to a file can't be loaded by itself.
fn no_tail(parent: &Fact) -> Option<String> {
    if !parent.plain {
        return Some(format!(
            "it grew after it was loaded as file {}, and of a file that is compressed, or not in UTF-8, \
             what was added is not loaded by itself; put that into a file of its own",
            parent.known.file.0
        ));
    }
    if !parent.line_ends {
        return Some(format!(
            "it grew in the middle of a record: file {} was loaded up to byte {}, where no line ended; \
             add whole lines, and load what is missing from a file of its own",
            parent.known.file.0, parent.known.candidate.size
        ));
    }
    None
}

/// A known file, for people: `file 3 (/in/a.csv), loaded 2026-11-21 10:00:00 UTC`.
pub fn named(known: &Known) -> String {
    let what = match (known.duplicate_of, &known.committed_at) {
        (Some(original), _) => format!(", a copy of file {}", original.0),
        (None, Some(time)) => format!(", loaded {time} UTC"),
        (None, None) => String::new(),
    };
    let path = path_text(&known.candidate.path);
    format!("file {} ({path}){what}", known.file.0)
}

#[cfg(test)]
#[path = "comes_again_tests.rs"]
mod tests;
