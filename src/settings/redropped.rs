//! Files that come again, and the small files that come with a file: what is done with them.

use std::path::{Path, PathBuf};

use crate::fs::companion_path;

/// What is done with files that come again, compared with what was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redropped {
    /// The same name with the same content.
    pub same: OnReturn,
    /// The same name, with content that begins with what was loaded.
    pub appended: OnReturn,
    /// The same name with other content.
    pub changed: OnReturn,
    /// The same content under a name that it was not loaded under.
    pub renamed: OnReturn,
}

impl Default for Redropped {
    fn default() -> Redropped {
        Redropped {
            same: OnReturn::Skip,
            appended: OnReturn::Tail,
            changed: OnReturn::Reload,
            renamed: OnReturn::Skip,
        }
    }
}

/// What is done with a file that comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnReturn {
    /// It is SKIPPED.
    Skip,
    /// What was added to it is loaded.
    Tail,
    /// All of it is loaded, as a new file.
    Reload,
    /// It is QUARANTINED.
    Quarantine,
}

impl OnReturn {
    /// The word for it, in the configuration and in the ledger.
    pub fn word(self) -> &'static str {
        match self {
            OnReturn::Skip => "skip",
            OnReturn::Tail => "tail",
            OnReturn::Reload => "reload",
            OnReturn::Quarantine => "quarantine",
        }
    }
}

/// The small files that come with a file, by what follows its name in theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Companions {
    /// A file is ready only when one with this ending is there.
    pub done_marker: Option<String>,
    /// A file is ready only when one with this ending is there, which says how much it holds.
    pub manifest: Option<String>,
}

impl Companions {
    /// The endings.
    pub fn endings(&self) -> Vec<String> {
        let both = [&self.done_marker, &self.manifest];
        both.into_iter().flatten().cloned().collect()
    }

    /// Where the companions of a file stand, whether there are any or not.
    pub fn beside(&self, path: &Path) -> Vec<PathBuf> {
        let endings = self.endings();
        endings.iter().map(|it| companion_path(path, it)).collect()
    }
}
