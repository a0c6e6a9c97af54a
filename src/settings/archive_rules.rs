//! How files leave the inbox, and how long they stay where they go, validated.

use std::time::Duration;

/// How finished files leave the inbox, and how long the archive keeps them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArchiveRules {
    /// What happens to a finished file.
    pub finished: Finished,
    /// What happens where the archive has a file of that name.
    pub collision: Collision,
    /// The directories of the archive by the time of the commit, as strftime has it.
    pub dates: Option<String>,
    /// Whether the archive's files are compressed with zstd.
    pub compress: bool,
    /// How long the archive keeps a file; `None`: for ever.
    pub archive_retention: Option<Duration>,
    /// How long a quarantined file is kept; `None`: for ever.
    pub quarantine_retention: Option<Duration>,
}

/// What happens to a finished file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finished {
    /// It goes to the archive; where there is none, it stays.
    #[default]
    Move,
    /// It stays.
    Keep,
    /// It is deleted, so long after its commit.
    Delete {
        /// How long.
        after: Duration,
    },
}

/// What happens where the archive has a file of that name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collision {
    /// The new one gets another name.
    #[default]
    Rename,
    /// The new one takes the place of the old one.
    Replace,
    /// The old one stays; the new one goes if it is the same, and stays in the inbox if not.
    Keep,
    /// The new one stays in the inbox.
    Fail,
}
