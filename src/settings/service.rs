//! What concerns the whole service, validated.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check_database::{self, DatabaseSettings};
use super::check_http::{self, HttpSettings};
use super::problems::{Problems, Section};
use super::raw::{RawDatabase, RawHttp, RawLog, RawService};
use super::sources::{Environment, Origins};

/// What concerns the whole service.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Where the private server, the archive and everything with a relative path live; absolute.
    pub data_dir: PathBuf,
    /// The database; `None`: the private server.
    pub database: Option<DatabaseSettings>,
    /// Where log lines go and what they look like.
    pub log: LogSettings,
    /// Whether and where it listens.
    pub http: HttpSettings,
    /// How long a stop may take until what is in flight is given up.
    pub shutdown_timeout: Duration,
    /// How long a child may make no progress, while it isn't waiting on the server, until it is
    /// restarted.
    pub stuck_after: Duration,
    /// How long an instance that does not answer any more keeps what it has in hand.
    pub lease: Duration,
}

/// Where log lines go and what they look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// What they look like.
    pub format: LogFormat,
    /// The least important lines that are written.
    pub level: LogLevel,
    /// The file that they are appended to; `None`: standard error.
    pub file: Option<PathBuf>,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::Auto,
            level: LogLevel::Info,
            file: None,
        }
    }
}

/// What log lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people where they go to a terminal, JSON otherwise.
    Auto,
    /// For people.
    Terminal,
    /// One JSON object a line.
    Json,
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Something was not done.
    Error,
    /// Something may need attention.
    Warning,
    /// One line for each file.
    Info,
    /// One line for each batch too.
    Debug,
}

pub(super) fn check(
    service: RawService,
    database: RawDatabase,
    log: RawLog,
    http: RawHttp,
    defaults: &DataDirDefaults<'_>,
    origins: &Origins,
    problems: &mut Problems<'_>,
) -> Service {
    let data_dir = check_data_dir(&mut problems.at("service"), &service, defaults);
    let mut section = problems.at("service");
    let shutdown_timeout = section
        .converted("shutdown_timeout", service.shutdown_timeout, |timeout| {
            at_least(timeout, Duration::from_millis(100))
        })
        .unwrap_or(Duration::from_secs(8));
    let stuck_after = section
        .converted("stuck_after", service.stuck_after, |after| {
            at_least(after, Duration::from_secs(1))
        })
        .unwrap_or(Duration::from_secs(60));
    let lease = section
        .converted("lease", service.lease, |lease| {
            at_least(lease, Duration::from_secs(1))
        })
        .unwrap_or(crate::ledger::LEASE);
    let environment = defaults.environment;
    let database = check_database::check(database, &data_dir, environment, origins, problems);
    let http = check_http::check(http, &data_dir, environment, problems);
    let log = check_log(log, &data_dir, &mut problems.at("log"));
    Service {
        data_dir,
        database,
        log,
        http,
        shutdown_timeout,
        stuck_after,
        lease,
    }
}

/// What the default of the data directory depends on.
pub(super) struct DataDirDefaults<'a> {
    pub root: bool,
    pub environment: &'a Environment,
}

fn check_data_dir(
    section: &mut Section<'_, '_>,
    service: &RawService,
    defaults: &DataDirDefaults<'_>,
) -> PathBuf {
    let given = section.converted("data_dir", service.data_dir.clone(), |text| {
        let path = check_path(text)?;
        std::path::absolute(path).map_err(|error| format!("can't be made absolute: {error}"))
    });
    if let Some(data_dir) = given {
        return data_dir;
    }
    if defaults.root {
        return PathBuf::from("/var/lib/ingestd");
    }
    let directory = |name| defaults.environment.get(name).map(Path::new);
    let shared = directory("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let home = directory("HOME").filter(|path| path.is_absolute());
    match (shared, home) {
        (Some(shared), _) => shared.join("ingestd"),
        (None, Some(home)) => home.join(".local/share/ingestd"),
        (None, None) => {
            if !section.concern("data_dir") {
                section.problem(
                    "data_dir",
                    "is missing, and neither XDG_DATA_HOME nor HOME says where it could be; name a directory",
                );
            }
            PathBuf::new()
        }
    }
}

fn check_log(log: RawLog, data_dir: &Path, section: &mut Section<'_, '_>) -> LogSettings {
    let format = section.converted("format", log.format, |text| match text.as_str() {
        "auto" => Ok(LogFormat::Auto),
        "terminal" => Ok(LogFormat::Terminal),
        "json" => Ok(LogFormat::Json),
        _ => Err(one_of(&text, &["auto", "terminal", "json"])),
    });
    let level = section.converted("level", log.level, |text| match text.as_str() {
        "error" => Ok(LogLevel::Error),
        "warning" | "warn" => Ok(LogLevel::Warning),
        "info" => Ok(LogLevel::Info),
        "debug" => Ok(LogLevel::Debug),
        _ => Err(one_of(&text, &["error", "warning", "info", "debug"])),
    });
    let file = section.converted("file", log.file, check_path);
    LogSettings {
        format: format.unwrap_or(LogFormat::Auto),
        level: level.unwrap_or(LogLevel::Info),
        file: file.map(|file| data_dir.join(file)),
    }
}

/// A path as it is written, before it is made absolute.
pub(super) fn check_path(text: String) -> Result<PathBuf, String> {
    if text.trim().is_empty() {
        return Err("is empty; name a path".to_owned());
    }
    if text == "~" || text.starts_with("~/") {
        return Err(format!(
            "{text:?}: ~ means nothing here; write the home directory out"
        ));
    }
    if text.contains('\0') {
        return Err("has a NUL, which no path can hold".to_owned());
    }
    Ok(PathBuf::from(text))
}

/// What to say of a word that is none of these.
pub(super) fn one_of(text: &str, words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    format!("{text:?} is unknown; write one of {}", words.join(", "))
}

pub(super) fn at_least(duration: Duration, least: Duration) -> Result<Duration, String> {
    if duration < least {
        let least = humantime::format_duration(least);
        return Err(format!("is too short; write \"{least}\" or more"));
    }
    Ok(duration)
}
