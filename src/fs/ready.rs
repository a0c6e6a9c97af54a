//! PURE: whether a file is finished by whoever writes it.
//!
//! A file is ready when it was seen to be closed or renamed into place, or when its length and
//! modification time have been stable for the settling time. What is kept here is only about files
//! that have not settled yet, so it doesn't grow with the number of files ever seen.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ingestd_actors::model::Candidate;

/// The most paths whose closing is remembered; more of them wait for their settling time.
const MOST_CLOSED: usize = 1 << 16;

/// Whether a name may be one of a finished file.
pub fn is_ready_name(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let unfinished: [&[u8]; 3] = [b".tmp", b".part", b".partial"];
    !name.starts_with(b".") && !unfinished.iter().any(|ending| name.ends_with(ending))
}

/// What events said since the last scan.
#[derive(Debug, Default)]
pub struct Closed {
    paths: HashSet<PathBuf>,
    /// Those that the next scan is to take for new.
    came: HashSet<PathBuf>,
}

impl Closed {
    /// A file was closed by its writer, or renamed into place.
    pub fn closed(&mut self, path: PathBuf) {
        if self.came.len() < MOST_CLOSED {
            self.came.insert(path.clone());
        }
        if self.paths.len() < MOST_CLOSED {
            self.paths.insert(path);
        }
    }

    /// A file is being written (again).
    pub fn written(&mut self, path: &Path) {
        self.paths.remove(path);
    }

    /// Whether a file's writer is known to have ended.
    pub fn contains(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }

    /// What was closed or renamed into place since this was last asked.
    pub fn take_came(&mut self) -> HashSet<PathBuf> {
        std::mem::take(&mut self.came)
    }

    /// Keeps only what is still waiting for its settling time; drops its memory with it.
    pub fn retain(&mut self, unsettled: &HashSet<PathBuf>) {
        self.paths.retain(|path| unsettled.contains(path));
        self.paths.shrink_to(64);
    }
}

/// Whether a file is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It is, and has been unchanged for the settling time.
    Settled,
    /// It is ready only if its writer is known to have ended; otherwise look again after this time.
    Settles(Duration),
}

/// Remembers since when files have been stable whose modification time doesn't say so.
#[derive(Debug, Default)]
pub struct Settling {
    since: HashMap<PathBuf, (u64, i64, Instant)>,
    next: HashMap<PathBuf, (u64, i64, Instant)>,
}

impl Settling {
    /// Judges a file that a scan found. `clock` is the time in nanoseconds since 1970.
    pub fn judge(
        &mut self,
        candidate: &Candidate,
        settle: Duration,
        clock: i64,
        now: Instant,
    ) -> Readiness {
        let age = clock.saturating_sub(candidate.modified);
        if let Ok(age) = u64::try_from(age) {
            let age = Duration::from_nanos(age);
            return match settle.checked_sub(age) {
                None | Some(Duration::ZERO) => Readiness::Settled,
                Some(left) => Readiness::Settles(left),
            };
        }
        // Modified in the future, by a clock that differs from ours: only watching it helps.
        let is = (candidate.size, candidate.modified);
        let since = match self.since.get(&candidate.path) {
            Some((size, modified, since)) if (*size, *modified) == is => *since,
            _ => now,
        };
        self.next
            .insert(candidate.path.clone(), (is.0, is.1, since));
        match settle.checked_sub(now.saturating_duration_since(since)) {
            None | Some(Duration::ZERO) => Readiness::Settled,
            Some(left) => Readiness::Settles(left),
        }
    }

    /// Ends a scan: forgets the files that it did not see.
    pub fn end_of_scan(&mut self) {
        self.since = std::mem::take(&mut self.next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_secs(2);
    const SECOND: i64 = 1_000_000_000;

    fn candidate(modified: i64) -> Candidate {
        Candidate {
            path: PathBuf::from("/in/a.csv"),
            size: 1,
            modified,
            device: 1,
            inode: 1,
        }
    }

    #[test]
    fn names_of_unfinished_files_are_not_ready() {
        for name in [".a.csv", "a.csv.tmp", "a.part", "a.csv.partial"] {
            assert!(!is_ready_name(OsStr::new(name)), "{name}");
        }
        assert!(is_ready_name(OsStr::new("tmp.csv")));
    }

    #[test]
    fn an_old_file_counts_at_once_and_a_young_one_later() {
        let mut settling = Settling::default();
        let now = Instant::now();
        let old = settling.judge(&candidate(0), SETTLE, 2 * SECOND, now);
        assert_eq!(old, Readiness::Settled);
        let young = settling.judge(&candidate(SECOND), SETTLE, 2 * SECOND, now);
        assert_eq!(young, Readiness::Settles(Duration::from_secs(1)));
    }

    #[test]
    fn a_file_from_the_future_settles_by_being_watched() {
        let mut settling = Settling::default();
        let start = Instant::now();
        let from_the_future = candidate(1000 * SECOND);
        let first = settling.judge(&from_the_future, SETTLE, 0, start);
        assert_eq!(first, Readiness::Settles(SETTLE));
        settling.end_of_scan();
        let changed = settling.judge(&candidate(1001 * SECOND), SETTLE, 0, start + SETTLE);
        assert_eq!(changed, Readiness::Settles(SETTLE));
        settling.end_of_scan();
        let stable = settling.judge(&candidate(1001 * SECOND), SETTLE, 0, start + 2 * SETTLE);
        assert_eq!(stable, Readiness::Settled);
        settling.end_of_scan();
        settling.end_of_scan();
        assert!(settling.since.is_empty(), "what is not seen is forgotten");
    }

    /// Scans every tenth of a second while the clock is set once: when a file settles that was written
    /// at the start, by a clock that does not jump.
    fn settles_after(set_at: Duration, by: i64) -> Duration {
        let mut settling = Settling::default();
        let start = Instant::now();
        let mut passed = Duration::ZERO;
        loop {
            let jump = if passed < set_at { 0 } else { by };
            let clock = passed.as_nanos() as i64 + jump;
            let file = candidate(0);
            if settling.judge(&file, SETTLE, clock, start + passed) == Readiness::Settled {
                return passed;
            }
            settling.end_of_scan();
            passed += Duration::from_millis(100);
            assert!(
                passed < 10 * SETTLE,
                "set by {by} at {set_at:?}, it never settles"
            );
        }
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_file_wait_for_more_than_it_settles_once_more() {
        for tenths in 0..20 {
            let set_at = Duration::from_millis(100 * tenths);
            for by in [
                -SECOND / 2,
                -SECOND,
                -2 * SECOND,
                -3600 * SECOND,
                i64::MIN / 2,
            ] {
                let after = settles_after(set_at, by);
                assert!(after >= SETTLE, "set by {by} at {set_at:?}: {after:?}");
                assert!(
                    after <= 2 * SETTLE + set_at,
                    "set by {by} at {set_at:?}: {after:?}"
                );
            }
            // Set forth, everything is old: it does not wait, and its growth is seen at its end.
            assert_eq!(settles_after(set_at, 3600 * SECOND), set_at);
        }
    }

    #[test]
    fn what_came_is_told_once() {
        let mut closed = Closed::default();
        closed.closed(PathBuf::from("/in/a"));
        assert!(closed.take_came().contains(Path::new("/in/a")));
        assert!(closed.take_came().is_empty());
        assert!(closed.contains(Path::new("/in/a")), "it is closed still");
    }

    #[test]
    fn what_is_written_again_is_not_closed() {
        let mut closed = Closed::default();
        closed.closed(PathBuf::from("/in/a"));
        closed.closed(PathBuf::from("/in/b"));
        closed.written(Path::new("/in/a"));
        assert!(!closed.contains(Path::new("/in/a")));
        closed.retain(&HashSet::new());
        assert!(!closed.contains(Path::new("/in/b")));
    }
}
