//! PURE: candidates that were looked at, on their way to what is written down of them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use ingestd_actors::model::{Candidate, FileId, FileState, Plan, Position};

use super::comes_again::{Return, counts};
use super::headers::NewHeader;
use super::known::Known;
use super::manifest::Expected;
use super::plans::NewPlan;
use super::register::NewFile;
use super::verdict::{Decision, Rules};
use crate::fs::{Fingerprint, path_text};

/// A candidate whose content decides, and what was found out about it.
pub struct Examined {
    /// Which of the candidates it is.
    pub index: usize,
    /// The candidate.
    pub candidate: Candidate,
    /// Its hashes, where it can be read.
    pub fingerprint: Option<Fingerprint>,
    /// What is to be done with it.
    pub decision: Decision,
    /// How it comes again, where it does.
    pub again: Option<Return>,
    /// What it is to be loaded under.
    pub plan: Option<NewPlan>,
    /// The names of its fields, where it is to be loaded.
    pub header: Option<NewHeader>,
    /// What its manifest says.
    pub expected: Option<Expected>,
}

impl Examined {
    /// One that can't be read.
    pub fn unreadable(index: usize, candidate: Candidate, reason: String) -> Examined {
        Examined {
            index,
            candidate,
            fingerprint: None,
            decision: Decision::Quarantine(None, reason),
            again: None,
            plan: None,
            header: None,
            expected: None,
        }
    }

    /// As it is to be written down.
    pub fn new_file(&self, plan: Option<Arc<Plan>>, header: Option<i64>) -> NewFile {
        let mut file = NewFile {
            candidate: self.candidate.clone(),
            fingerprint: self.fingerprint.clone(),
            content: None,
            mark: None,
            plan,
            header,
            parent: None,
            base: Position::START,
            state: FileState::Scheduled,
            reason: self.again.as_ref().map(|why| why.reason.clone()),
            verdict: self.again.as_ref().map(|why| why.verdict.clone()),
            duplicate_of: None,
            expected: self.expected,
        };
        match &self.decision {
            Decision::LoadTail(fact) => {
                file.parent = Some(fact.known.file);
                file.mark = fact.mark;
                file.base = Position {
                    record: 0,
                    offset: fact.known.candidate.size,
                    line: fact.known.watermark.line,
                };
            }
            Decision::Skip(known, reason) => {
                file.state = FileState::Skipped;
                file.reason = Some(reason.clone());
                if let Some(known) = known {
                    file.duplicate_of = Some(known.duplicate_of.unwrap_or(known.file));
                    file.content = known.content.clone();
                    // Where its records end: what is added to it later is a tail.
                    file.base = Position {
                        record: 0,
                        ..known.watermark
                    };
                }
            }
            Decision::Quarantine(parent, reason) => {
                file.state = FileState::Quarantined;
                file.reason = Some(reason.clone());
                file.parent = *parent;
            }
            _ => {}
        }
        file
    }
}

/// Of new files with equal content the first goes on, the others wait for what becomes of it.
pub fn wait_for_equals(examined: &mut [Examined]) {
    let mut first: HashMap<(u64, [u8; 32], [u8; 32]), PathBuf> = HashMap::new();
    for one in examined {
        let (Decision::Load { .. } | Decision::LoadTail(_), Some(print)) =
            (&one.decision, &one.fingerprint)
        else {
            continue;
        };
        let ends = (one.candidate.size, print.head, print.tail);
        match first.get(&ends) {
            Some(path) if one.candidate.size > 0 => {
                let reason = format!("it looks like {}, which is loaded first", path_text(path));
                one.decision = Decision::Later(reason);
            }
            _ => {
                first.insert(ends, one.candidate.path.clone());
            }
        }
    }
}

/// The committed files that stood at a candidate's path, and no longer do once it is a new file.
pub fn committed_at(candidate: &Candidate, known: &[Known], rules: Rules) -> Vec<FileId> {
    if rules.again {
        // The same file may be loaded once more: it has not replaced itself.
        return Vec::new();
    }
    known
        .iter()
        .filter(|known| known.state == FileState::Committed && !known.archived)
        .filter(|known| known.candidate.path == candidate.path && known.archive_path.is_none())
        .map(|known| known.file)
        .collect()
}

/// What was loaded last under a candidate's name.
pub fn last_of(candidate: &Candidate, known: &[Known]) -> Option<Known> {
    let same_name = known
        .iter()
        .filter(|known| known.candidate.path == candidate.path && counts(known));
    same_name.max_by_key(|known| known.file).cloned()
}
