//! The named files that this life has taken on: each is loaded once, however often it is found.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ingestd_actors::model::Candidate;
use ingestd_actors::port::Verdict;

use super::verdict::same_metadata;

/// Whoever names a file wants it loaded once. One that an earlier life left unfinished is found
/// among the named ones when it is done, and so is everything after a restart of the tree's
/// children: it must not be loaded once more then, nor be called a duplicate of itself.
#[derive(Default)]
pub(super) struct Taken {
    files: Mutex<HashMap<PathBuf, Candidate>>,
}

impl Taken {
    /// Remembers the files that are to be loaded.
    pub(super) fn note(&self, verdicts: &[Verdict]) {
        let mut files = self.files();
        for verdict in verdicts {
            if let Verdict::Load(claim) = verdict {
                files.insert(claim.candidate.path.clone(), claim.candidate.clone());
            }
        }
    }

    /// Whether this life has taken the file on, as it stands now.
    pub(super) fn has(&self, now: &Candidate) -> bool {
        let files = self.files();
        let taken = files.get(&now.path);
        taken.is_some_and(|taken| same_metadata(now, taken))
    }

    fn files(&self) -> MutexGuard<'_, HashMap<PathBuf, Candidate>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
