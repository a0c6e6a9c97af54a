//! PURE: decisions as the verdicts that the tree is given.

use ingestd_actors::model::{Candidate, FileId, FileState};
use ingestd_actors::port::{Archivable, Quarantined, Skipped, Verdict};

use super::register::{NewFile, first_claim};
use super::verdict::Quick;

/// The verdict that follows from the metadata alone.
pub fn quick_verdict(quick: Quick, candidate: Candidate) -> Verdict {
    match quick {
        Quick::Ignore | Quick::Content => Verdict::Ignore(candidate.path),
        Quick::Skip(file, reason) => Verdict::Skip(Skipped {
            file,
            candidate,
            reason,
        }),
        Quick::Archive(file) => Verdict::Archive(Archivable {
            file,
            candidate,
            handle: None,
        }),
        Quick::Quarantine(file, reason) => Verdict::Quarantine(Quarantined {
            file,
            candidate,
            reason,
        }),
    }
}

/// The verdict about a file that was just written down.
pub fn new_verdict(file: NewFile, id: FileId) -> Verdict {
    if let Some(plan) = file.plan.clone() {
        return Verdict::Load(first_claim(&file, id, plan));
    }
    let (candidate, reason) = (file.candidate, file.reason.unwrap_or_default());
    match file.state {
        FileState::Skipped => Verdict::Skip(Skipped {
            file: id,
            candidate,
            reason,
        }),
        _ => Verdict::Quarantine(Quarantined {
            file: id,
            candidate,
            reason,
        }),
    }
}

/// Nothing can be decided now.
pub fn later(candidate: &Candidate, reason: impl Into<String>) -> Verdict {
    Verdict::Later {
        path: candidate.path.clone(),
        reason: reason.into(),
    }
}
