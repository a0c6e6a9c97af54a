//! What the service watches over, and whom it tells; validated.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The sink that there always is: the service's own log.
pub const LOG_SINK: &str = "log";

/// The alerts of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertSettings {
    /// How often everything is looked at.
    pub interval: Duration,
    /// How long a service that has just started says nothing.
    pub quiet_start: Duration,
    /// The rules: those that are built in first, then by name.
    pub rules: Vec<AlertRule>,
    /// The sinks; the log is one of them.
    pub sinks: Vec<AlertSink>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRule {
    /// Its name.
    pub name: String,
    /// What it looks at, and what is too much of it.
    pub condition: Condition,
    /// How long it has to be so until it fires.
    pub hold: Duration,
    /// How long until it is told again, as long as it fires.
    pub repeat: Option<Duration>,
    /// The pipelines that it is about; none where it is about none.
    pub pipelines: Vec<String>,
    /// Whom it tells, by name.
    pub sinks: Vec<String>,
    /// Whether nobody has written it.
    pub built_in: bool,
}

/// What a rule looks at: when it fires, and until when it goes on to.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// How long the oldest file that is not committed has waited since it was found.
    Lag {
        /// It fires above this.
        above: Duration,
        /// It ends at this or less.
        until: Duration,
    },
    /// Which share of the records became dead letters.
    ErrorRatio {
        /// It fires above this share of 1.
        above: f64,
        /// It ends at this or less.
        until: f64,
        /// Of the records of so long.
        over: Duration,
        /// Fewer records than these say nothing.
        min_records: u64,
    },
    /// How many records a second are committed while files wait.
    Throughput {
        /// It fires below this.
        below: f64,
        /// It ends at this or more.
        until: f64,
        /// On the average of so long.
        over: Duration,
    },
    /// How long something has held a pipeline up.
    BatchFailing {
        /// It fires when that is longer.
        longer_than: Duration,
    },
    /// How many files are quarantined.
    FileQuarantined,
    /// For how long the database could not be reached.
    DatabaseUnreachable {
        /// It fires when that is longer.
        longer_than: Duration,
    },
    /// How much room is left on the disks of the service.
    DiskNearlyFull {
        /// It fires below this.
        free_below: Free,
        /// It ends at this or more.
        until: Free,
    },
}

/// Room on a disk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Free {
    /// As a share of 1.
    Share(f64),
    /// In bytes.
    Bytes(u64),
}

impl Condition {
    /// What `when` calls it.
    pub fn word(&self) -> &'static str {
        match self {
            Condition::Lag { .. } => "lag",
            Condition::ErrorRatio { .. } => "error_ratio",
            Condition::Throughput { .. } => "throughput",
            Condition::BatchFailing { .. } => "batch_failing",
            Condition::FileQuarantined => "file_quarantined",
            Condition::DatabaseUnreachable { .. } => "database_unreachable",
            Condition::DiskNearlyFull { .. } => "disk_nearly_full",
        }
    }

    /// Whether it is about each pipeline, and not about the service.
    pub fn is_of_pipelines(&self) -> bool {
        !matches!(
            self,
            Condition::DatabaseUnreachable { .. } | Condition::DiskNearlyFull { .. }
        )
    }
}

/// Whom alerts are told.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertSink {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: SinkKind,
}

/// What a sink is.
#[derive(Clone, Debug, PartialEq)]
pub enum SinkKind {
    /// Lines of the service's log.
    Log,
    /// A POST of JSON.
    Webhook(Webhook),
    /// A program that reads JSON.
    Command {
        /// The program and its arguments.
        command: Vec<String>,
        /// How long it may run.
        timeout: Duration,
    },
}

/// A POST of JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Where to; it may hold a token.
    pub url: Hidden,
    /// What it is signed with.
    pub secret: Option<Secret>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// For how long it is tried again.
    pub retry_for: Duration,
}

/// What a notification is signed with.
#[derive(Clone, Debug, PartialEq)]
pub enum Secret {
    /// As it was written.
    Given(Hidden),
    /// In a file, which is read each time.
    File(PathBuf),
}

/// A text that nothing shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What is watched where nobody has said otherwise.
pub(super) fn built_in() -> Vec<(&'static str, Condition, Duration)> {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    vec![
        (
            "lag",
            Condition::Lag {
                above: minutes(5),
                until: minutes(5) / 2,
            },
            minutes(1),
        ),
        (
            "error_ratio",
            Condition::ErrorRatio {
                above: 0.01,
                until: 0.005,
                over: minutes(5),
                min_records: 100,
            },
            Duration::ZERO,
        ),
        (
            "batch_failing",
            Condition::BatchFailing {
                longer_than: minutes(10),
            },
            Duration::ZERO,
        ),
        (
            "file_quarantined",
            Condition::FileQuarantined,
            Duration::ZERO,
        ),
        (
            "database_unreachable",
            Condition::DatabaseUnreachable {
                longer_than: Duration::from_secs(30),
            },
            Duration::ZERO,
        ),
        (
            "disk_nearly_full",
            Condition::DiskNearlyFull {
                free_below: Free::Share(0.05),
                until: Free::Share(0.06),
            },
            minutes(1),
        ),
    ]
}
