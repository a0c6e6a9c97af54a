//! PURE: what is known of a file, and of what it waits for, as plain data.

use std::time::Duration;

/// All that the stage of a file is told by.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Where the file is, as somebody has named it or as the ledger has it.
    pub path: String,
    /// What the ledger knows of it.
    pub file: Option<File>,
    /// Its pipeline.
    pub pipeline: Option<Pipeline>,
    /// Where its path lies, where the ledger does not know it.
    pub place: Place,
    /// The unfinished files that come before it.
    pub ahead: Ahead,
    /// The backends that write for its pipeline.
    pub writers: Vec<Writer>,
    /// Who has locked its table against it, where it can't go on for a lock that it did not get: between
    /// two attempts nobody waits for that.
    pub holder: Option<Blocker>,
    /// What the pipeline has come to in the last minutes.
    pub pace: Pace,
    /// The machine that asks.
    pub host: String,
}

/// A file of the ledger.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Its number.
    pub file: i64,
    /// Its state.
    pub state: String,
    /// Why it is in that state.
    pub reason: Option<String>,
    /// Its length.
    pub size: u64,
    /// Whether its offsets are not those of the file as it stands: it is compressed, as its name says.
    pub compressed: bool,
    /// How far what is committed reaches: the offset of the foremost checkpoint.
    pub offset: u64,
    /// The records whose fate is committed.
    pub records: u64,
    /// Its records that are rows.
    pub loaded: u64,
    /// When it was discovered.
    pub discovered_at: String,
    /// When its reading began, and how long ago that is.
    pub started: Option<(String, Duration)>,
    /// When it was read to its end.
    pub completed_at: Option<String>,
    /// When all of it was durable.
    pub committed_at: Option<String>,
    /// When it had left the inbox.
    pub archived_at: Option<String>,
    /// Where it went, or is to go.
    pub archive_path: Option<String>,
    /// Whether it was removed from there.
    pub removed: bool,
    /// The file as which it was looked at afresh, where somebody has retried it.
    pub went_on_as: Option<i64>,
    /// When it is tried again to let it leave, where it could not.
    pub leave_again_at: Option<String>,
    /// The file that it equals, and where that stood.
    pub duplicate_of: Option<(i64, String)>,
    /// The records of that one that are rows.
    pub loaded_there: u64,
    /// When it was taken back.
    pub undone_at: Option<String>,
    /// Who has it in hand.
    pub owner: Option<Instance>,
    /// Bytes that were read in the last moment, and how long that was.
    pub lately: Option<(u64, u64, Duration)>,
}

impl File {
    /// Where it stands since it has left the inbox.
    pub fn stands_at(&self) -> Option<&String> {
        let left = self.archived_at.is_some() && !self.removed;
        self.archive_path.as_ref().filter(|_| left)
    }
}

/// An instance of the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// Its machine.
    pub host: String,
    /// Its process.
    pub process: i32,
}

/// A pipeline.
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// Whether the ledger knows it: it has run into this database.
    pub known: bool,
    /// `running`, `paused` or `drained`.
    pub wanted: String,
    /// Whose command that was.
    pub wanted_by: Option<String>,
    /// When it was.
    pub wanted_at: Option<String>,
    /// What keeps it from going on.
    pub degraded: Option<String>,
    /// Since when.
    pub degraded_at: Option<String>,
    /// Whether a service looks after it.
    pub served: bool,
    /// The instances that load it.
    pub instances: Vec<Instance>,
    /// What the configuration says becomes of a loaded file, where it says anything here.
    pub leaves: Option<Leaves>,
    /// Whether its columns, as configured here, tell a file's rows: then it can be taken back.
    pub tells_rows: bool,
    /// Whether what is loaded once more stands in the table once more: as configured here, or else as its
    /// files were loaded last.
    pub appends: bool,
}

impl Pipeline {
    /// Whether it can't go on for a lock that it did not get in time.
    pub fn lacks_a_lock(&self) -> bool {
        let degraded = self.degraded.as_deref();
        degraded.is_some_and(|why| why.contains("(55P03)"))
    }
}

/// What becomes of a loaded file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// It goes at once.
    AtOnce,
    /// It stays.
    Never,
    /// It is deleted so long after its commit.
    After(Duration),
}

/// Where a path lies that the ledger does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Nothing stands there.
    #[default]
    Missing,
    /// It lies in no pipeline's directory; these there are, each with its pipeline.
    Outside(Vec<(String, String)>),
    /// It lies in none, and it is known what it is.
    Elsewhere {
        /// That, for people.
        why: String,
        /// What to do.
        advice: String,
    },
    /// It lies in a pipeline's directory, and is not one of its files.
    PassedOver {
        /// What keeps it from being one.
        by: PassedOver,
        /// Why, for people.
        why: String,
        /// What to do.
        advice: String,
    },
    /// It is not finished yet.
    Unfinished {
        /// What is waited for.
        by: Unfinished,
        /// That, for people.
        why: String,
        /// How long it still takes, where that is known.
        left: Option<Duration>,
    },
    /// It is ready.
    Ready {
        /// How often its directory is looked through.
        scan_interval: Duration,
    },
}

/// What keeps a file of an inbox from being one of its pipeline's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassedOver {
    /// Its name is hidden, or one of an unfinished file.
    UnfinishedName,
    /// No pattern has its name.
    NotMatched,
    /// It stands in a directory below, which does not count.
    Below,
    /// It is no regular file, or its path is too long.
    NoFile,
}

/// What an unfinished file waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// That it stays as it is for the settling time.
    Settling,
    /// Its done-marker.
    Marker,
    /// Its manifest.
    Manifest,
}

/// The unfinished files that come before another.
#[derive(Clone, Debug, Default)]
pub struct Ahead {
    /// How many they are.
    pub files: u64,
    /// The bytes of them that are still to be read.
    pub bytes: u64,
    /// The first of them, and where it stands.
    pub first: Option<(i64, String)>,
}

/// A backend that writes for a pipeline.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    /// Its lane.
    pub lane: i32,
    /// Its number.
    pub backend: i32,
    /// Whether it is at a statement.
    pub active: bool,
    /// For how long.
    pub busy: Option<Duration>,
    /// What it waits for, as `pg_stat_activity` has it.
    pub waits_for: Option<String>,
    /// Who has the lock that it waits for.
    pub blocked_by: Option<Blocker>,
}

/// A backend that has a lock which another waits for.
#[derive(Clone, Debug, Default)]
pub struct Blocker {
    /// Its number.
    pub backend: i32,
    /// Its role.
    pub user: Option<String>,
    /// The name that its application has given itself.
    pub application: Option<String>,
    /// What it does.
    pub state: Option<String>,
    /// Since when it does that.
    pub since: Option<String>,
    /// When its transaction began.
    pub transaction_since: Option<String>,
    /// When its last statement began.
    pub query_since: Option<String>,
}

/// What a pipeline has come to in the last minutes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// The bytes of the files that were committed.
    pub bytes: u64,
    /// From the beginning of the first to the end of the last.
    pub took: Duration,
}
