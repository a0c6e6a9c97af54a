//! The directory that a pipeline's files arrive in.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt;
use globset::{GlobBuilder, GlobMatcher};
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::Candidate;
use ingestd_actors::port::{Inbox, PortFuture, Scan, gone};
use notify::RecommendedWatcher;
use slog::{Logger, info, warn};
use tokio::runtime::Handle;

use super::ready::{Readiness, Settling};
use super::scan::{Search, walk};
use super::watch::{Hints, watch};
use super::{Companion, companion_of, companion_path, file_error, path_text, whole_path};
use crate::settings::{Companions, FileOrder, Pipeline};

/// An [`Inbox`] that is a directory: events are hints, a scan is the truth.
pub struct FsInbox {
    inner: Arc<Inner>,
    runtime: Handle,
}

struct Inner {
    directory: PathBuf,
    recursive: bool,
    pattern: GlobMatcher,
    excluded: Vec<PathBuf>,
    order: FileOrder,
    settle: Duration,
    companions: Companions,
    hints: Arc<Hints>,
    memory: Mutex<Memory>,
    log: Logger,
}

/// What one scan leaves for the next.
#[derive(Default)]
struct Memory {
    settling: Settling,
    noted: HashSet<PathBuf>,
    watch: Watch,
}

/// The watch, and which directory (device and inode) it is on: another one may take its place.
#[derive(Default)]
struct Watch {
    on: Option<(u64, u64)>,
    watcher: Option<RecommendedWatcher>,
    warned: bool,
}

/// What tells that a file is complete.
enum Sign {
    /// It is, whatever its times say.
    Complete,
    /// It settles.
    Settles,
    /// What came with it settles.
    SettlesWith(Candidate),
}

impl FsInbox {
    /// The inbox of a pipeline. The directory is created where only it is missing.
    /// Scans run on `runtime`'s threads for blocking work.
    ///
    /// # Errors
    /// `Configuration` where the directory can't be had, or the pattern is none.
    pub fn new(pipeline: &Pipeline, runtime: Handle, log: Logger) -> Result<FsInbox> {
        let pattern = matcher(pipeline)?;
        let directory = existing(&pipeline.directory, &log)?;
        let excluded = excluded(pipeline);
        let inner = Inner {
            directory,
            recursive: pipeline.recursive,
            pattern,
            excluded,
            order: pipeline.order,
            settle: pipeline.settle,
            companions: pipeline.companions.clone(),
            hints: Arc::default(),
            memory: Mutex::default(),
            log,
        };
        Ok(FsInbox {
            inner: Arc::new(inner),
            runtime,
        })
    }
}

impl Inbox for FsInbox {
    fn scan(&self) -> PortFuture<Scan> {
        let inner = self.inner.clone();
        let task = self.runtime.spawn_blocking(move || inner.scan());
        async move {
            task.await
                .map_err(|error| gone("a scan of the inbox").with_source(error))?
        }
        .boxed()
    }

    fn changed(&self) -> PortFuture<()> {
        let hints = self.inner.hints.clone();
        async move {
            hints.changed().await;
            Ok(())
        }
        .boxed()
    }
}

impl Inner {
    fn scan(&self) -> Result<Scan> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        // The watch comes before the look, so that nothing falls between them.
        self.keep_watch(&mut memory.watch);
        let found = walk(&Search {
            directory: &self.directory,
            recursive: self.recursive,
            pattern: &self.pattern,
            companions: &self.companions.endings(),
            excluded: &self.excluded,
        })
        .map_err(|error| directory_error(error, &self.directory))?;

        let (mut files, mut passed_over) = (found.files, found.passed_over);
        sort(&mut files, self.order);
        let scan = self.judge(&mut memory.settling, files, &mut passed_over);
        self.note(&mut memory, passed_over);
        Ok(scan)
    }

    /// Which of the files are ready; they come in order, and stay so.
    fn judge(
        &self,
        settling: &mut Settling,
        files: Vec<Candidate>,
        passed_over: &mut Vec<(PathBuf, String)>,
    ) -> Scan {
        let clock = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| {
                i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
            });
        let now = Instant::now();
        // Looked at before the events are asked: the lock is never held over I/O.
        let files: Vec<_> = files
            .into_iter()
            .filter_map(|candidate| {
                let sign = self.sign_of(&candidate, clock, passed_over)?;
                Some((candidate, sign))
            })
            .collect();
        let mut closed = self.hints.closed();
        let mut scan = Scan {
            came: closed.take_came(),
            ..Scan::default()
        };
        let mut unsettled = HashSet::new();
        let mut oldest_waiting = i64::MAX;
        for (candidate, sign) in files {
            let settles = match &sign {
                Sign::Complete => {
                    scan.ready.push(candidate);
                    continue;
                }
                Sign::Settles => &candidate,
                Sign::SettlesWith(manifest) => manifest,
            };
            match settling.judge(settles, self.settle, clock, now) {
                Readiness::Settled => scan.ready.push(candidate),
                Readiness::Settles(left) => {
                    unsettled.insert(settles.path.clone());
                    // Where a file waits that is older and before it in the order, because it came
                    // before the watch was on, this one waits too rather than be loaded first.
                    let first = oldest_waiting > settles.modified;
                    if closed.contains(&settles.path) && first {
                        scan.ready.push(candidate);
                    } else {
                        oldest_waiting = oldest_waiting.min(settles.modified);
                        let sooner = scan.settles_in.map_or(left, |other| other.min(left));
                        scan.settles_in = Some(sooner);
                    }
                }
            }
        }
        settling.end_of_scan();
        closed.retain(&unsettled);
        scan
    }

    /// What tells that a file is complete; `None` where that is missing.
    fn sign_of(
        &self,
        candidate: &Candidate,
        clock: i64,
        passed_over: &mut Vec<(PathBuf, String)>,
    ) -> Option<Sign> {
        let Companions {
            done_marker,
            manifest,
        } = &self.companions;
        let mut sign = Sign::Settles;
        if let Some(ending) = manifest {
            let found = self.companion(candidate, ending, clock, passed_over)?;
            // It may be in the middle of being written itself.
            sign = Sign::SettlesWith(found);
        }
        if let Some(ending) = done_marker {
            self.companion(candidate, ending, clock, passed_over)?;
            sign = Sign::Complete;
        }
        Some(sign)
    }

    fn companion(
        &self,
        candidate: &Candidate,
        ending: &str,
        clock: i64,
        passed_over: &mut Vec<(PathBuf, String)>,
    ) -> Option<Candidate> {
        let name = || {
            let path = companion_path(&candidate.path, ending);
            path_text(path.file_name().unwrap_or_default().as_ref())
        };
        let reason = match companion_of(candidate, ending, clock) {
            Ok(Companion::There(found)) => return Some(found),
            Ok(Companion::Missing) => return None,
            Ok(Companion::Older) => format!(
                "it was written after {}, which counts once it is written again",
                name()
            ),
            Err(error) => format!("{} can't be looked at: {error}", name()),
        };
        passed_over.push((candidate.path.clone(), reason));
        None
    }

    /// Says once of each path why it is passed over, for as long as it is there.
    fn note(&self, memory: &mut Memory, passed_over: Vec<(PathBuf, String)>) {
        for (path, reason) in &passed_over {
            if !memory.noted.contains(path) {
                warn!(self.log, "passed over: {}", reason; "path" => path_text(path));
            }
        }
        memory.noted = passed_over.into_iter().map(|(path, _)| path).collect();
    }

    fn keep_watch(&self, state: &mut Watch) {
        let Ok(metadata) = std::fs::metadata(&self.directory) else {
            *state = Watch {
                warned: state.warned,
                ..Watch::default()
            };
            return;
        };
        let directory = (metadata.dev(), metadata.ino());
        if state.on == Some(directory) {
            return;
        }
        state.on = Some(directory);
        match watch(&self.directory, self.recursive, self.hints.clone()) {
            Ok(watcher) => state.watcher = Some(watcher),
            Err(error) => {
                state.watcher = None;
                if !std::mem::replace(&mut state.warned, true) {
                    warn!(self.log, "no events from the inbox: {}; it is scanned at intervals only", error;
                        "path" => path_text(&self.directory));
                }
            }
        }
    }
}

/// Which names are files of a pipeline.
///
/// # Errors
/// `Configuration` where its pattern is none.
pub fn matcher(pipeline: &Pipeline) -> Result<GlobMatcher> {
    let pattern = GlobBuilder::new(&pipeline.pattern)
        .literal_separator(true)
        // `*.csv{,.gz}` is meant as it is written.
        .empty_alternates(true)
        .build()
        .map_err(|error| {
            Error::new(
                ErrorKind::Configuration,
                format!(
                    "pipeline {}: the pattern is no glob: {error}",
                    pipeline.name
                ),
            )
            .with_advice("write something like *.csv")
        })?;
    Ok(pattern.compile_matcher())
}

/// The directories that finished files go to.
pub fn excluded(pipeline: &Pipeline) -> Vec<PathBuf> {
    [&pipeline.archive, &pipeline.quarantine]
        .into_iter()
        .flatten()
        .filter_map(|path| whole_path(path).ok())
        .collect()
}

/// How many files of its pattern stand in a pipeline's directory, settled or not; and why others
/// are passed over.
///
/// # Errors
/// Where the directory can't be read.
pub fn count_files(pipeline: &Pipeline) -> Result<(usize, Vec<(PathBuf, String)>)> {
    let found = walk(&Search {
        directory: &pipeline.directory,
        recursive: pipeline.recursive,
        pattern: &matcher(pipeline)?,
        excluded: &excluded(pipeline),
        companions: &pipeline.companions.endings(),
    })
    .map_err(|error| directory_error(error, &pipeline.directory))?;
    Ok((found.files.len(), found.passed_over))
}

fn existing(directory: &Path, log: &Logger) -> Result<PathBuf> {
    let whole =
        std::path::absolute(directory).map_err(|error| directory_error(error, directory))?;
    match std::fs::create_dir(&whole) {
        Ok(()) => info!(log, "created the inbox"; "path" => path_text(&whole)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(directory_error(error, &whole)),
    }
    let directory = whole
        .canonicalize()
        .map_err(|error| directory_error(error, &whole))?;
    std::fs::read_dir(&directory).map_err(|error| directory_error(error, &directory))?;
    Ok(directory)
}

fn directory_error(error: io::Error, directory: &Path) -> Error {
    let advice = match error.kind() {
        io::ErrorKind::NotFound => {
            "put it back, mount it or create it, or change the pipeline's directory"
        }
        io::ErrorKind::PermissionDenied => "give the service's user the right to read it",
        io::ErrorKind::NotADirectory => "name a directory, not a file",
        _ => "look at the directory",
    };
    let kind = match file_error(io::Error::from(error.kind()), "").kind() {
        ErrorKind::Transient => ErrorKind::Transient,
        _ => ErrorKind::Configuration,
    };
    let message = format!("the inbox {} can't be read: {error}", path_text(directory));
    Error::new(kind, message)
        .with_advice(advice)
        .with_source(error)
}

fn sort(files: &mut [Candidate], order: FileOrder) {
    match order {
        FileOrder::Name => files.sort_by(|a, b| a.path.cmp(&b.path)),
        FileOrder::Modified => {
            files.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
        }
    }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
