//! PURE: a candidate whose content was looked at, and what follows for the ledger.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use ingestd_actors::model::{Candidate, FileId, FileState, Plan, Position};

use super::known::Known;
use super::plans::NewPlan;
use super::register::NewFile;
use super::verdict::{Decision, Rules};
use crate::fs::{Fingerprint, path_text};

/// A candidate whose content decides, and what was found out about it.
pub(super) struct Examined {
    pub index: usize,
    pub candidate: Candidate,
    pub fingerprint: Option<Fingerprint>,
    pub decision: Decision,
    pub plan: Option<NewPlan>,
}

impl Examined {
    /// One that can't be read.
    pub(super) fn unreadable(index: usize, candidate: Candidate, reason: String) -> Examined {
        Examined {
            index,
            candidate,
            fingerprint: None,
            decision: Decision::Quarantine(None, reason),
            plan: None,
        }
    }

    /// Its row in the ledger.
    pub(super) fn new_file(&self, plan: Option<Arc<Plan>>) -> NewFile {
        let mut file = NewFile {
            candidate: self.candidate.clone(),
            fingerprint: self.fingerprint.clone(),
            content: None,
            mark: None,
            plan,
            parent: None,
            base: Position::START,
            state: FileState::Scheduled,
            reason: None,
            duplicate_of: None,
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
                file.duplicate_of = Some(known.duplicate_of.unwrap_or(known.file));
                file.content = known.content.clone();
                // Where its records end: what is added to it later is a tail.
                file.base = Position {
                    record: 0,
                    ..known.watermark
                };
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
pub(super) fn wait_for_equals(examined: &mut [Examined]) {
    let mut first: HashMap<(u64, [u8; 32], [u8; 32]), PathBuf> = HashMap::new();
    for one in examined {
        let (Decision::Load { .. }, Some(print)) = (&one.decision, &one.fingerprint) else {
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
pub(super) fn committed_at(candidate: &Candidate, known: &[Known], rules: Rules) -> Vec<FileId> {
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
