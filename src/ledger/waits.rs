//! What was said about files that are not complete yet: each thing once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// More than so many are not remembered: then it is said again.
const MOST: usize = 10_000;

/// The files that wait, with what was said of each.
#[derive(Default)]
pub(super) struct Waits {
    told: Mutex<HashMap<PathBuf, String>>,
}

impl Waits {
    /// Whether this is news.
    pub(super) fn is_news(&self, path: &Path, reason: &str) -> bool {
        let mut told = self.told();
        if told.get(path).is_some_and(|before| before == reason) {
            return false;
        }
        if told.len() >= MOST {
            told.clear();
        }
        told.insert(path.to_owned(), reason.to_owned());
        true
    }

    /// It does not wait any more.
    pub(super) fn forget(&self, path: &Path) {
        self.told().remove(path);
    }

    fn told(&self) -> MutexGuard<'_, HashMap<PathBuf, String>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
