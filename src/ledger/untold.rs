//! Files that were quarantined or skipped as they were admitted, where nobody was told: the COMMIT happened,
//! and its answer was lost.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ingestd_actors::model::{Candidate, FileId, FileState};
use ingestd_actors::port::Verdict;

use super::known::Known;
use super::verdict::{Quick, same_metadata};

/// Whoever admits them once more finds them in the ledger, where a file that stays in the inbox is dealt
/// with: it is to be told of once, as it would have been.
#[derive(Default)]
pub(super) struct Untold {
    files: Mutex<HashSet<FileId>>,
}

impl Untold {
    /// Remembers what is about to be committed. What is rolled back never comes again under its number.
    pub(super) fn note(&self, verdicts: &[Option<Verdict>]) {
        let settled = verdicts.iter().flatten().filter_map(settled);
        self.files().extend(settled);
    }

    /// These were told.
    pub(super) fn told(&self, verdicts: &[Verdict]) {
        let mut files = self.files();
        for file in verdicts.iter().filter_map(settled) {
            files.remove(&file);
        }
    }

    /// What follows from the metadata, where nothing is to be done about a file that nobody was told of.
    pub(super) fn tell(&self, quick: Quick, candidate: &Candidate, known: &[Known]) -> Quick {
        let files = self.files();
        if files.is_empty() || quick != Quick::Ignore {
            return quick;
        }
        let settled = known.iter().find(|known| {
            files.contains(&known.file) && same_metadata(candidate, &known.candidate)
        });
        let Some(known) = settled else {
            return quick;
        };
        let reason = known.reason.clone().unwrap_or_default();
        match known.state {
            FileState::Quarantined => Quick::Quarantine(known.file, reason),
            FileState::Skipped => Quick::Skip(known.file, reason),
            _ => quick,
        }
    }

    fn files(&self) -> MutexGuard<'_, HashSet<FileId>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn settled(verdict: &Verdict) -> Option<FileId> {
    match verdict {
        Verdict::Quarantine(quarantined) => Some(quarantined.file),
        Verdict::Skip(skipped) => Some(skipped.file),
        _ => None,
    }
}
