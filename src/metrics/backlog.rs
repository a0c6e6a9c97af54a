//! PURE: the files that wait to be loaded, and since when.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Files that are found within so much of each other count as found at once.
const TOGETHER: Duration = Duration::from_millis(100);

/// The files that were found and are not finished.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    files: HashMap<PathBuf, Waiting>,
    bytes: u64,
    /// How many were found at each moment: the first one is the oldest's.
    since: BTreeMap<Instant, usize>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    bytes: u64,
    since: Instant,
}

impl Backlog {
    /// A file waits. One that waits already does so since it was found first, whatever has come
    /// between: a pipeline that restarts finds all of its files again.
    pub fn add(&mut self, path: &Path, bytes: u64, now: Instant) {
        if let Some(waiting) = self.files.get_mut(path) {
            self.bytes = self.bytes - waiting.bytes + bytes;
            waiting.bytes = bytes;
            return;
        }
        // Those of one scan are found one after the other: they share a moment.
        let last = self.since.keys().next_back().copied();
        let since = last.filter(|&last| now.saturating_duration_since(last) < TOGETHER);
        let since = since.unwrap_or(now);
        self.files.insert(path.to_owned(), Waiting { bytes, since });
        self.bytes += bytes;
        *self.since.entry(since).or_default() += 1;
    }

    /// A file does not wait any more; since when it has.
    pub fn remove(&mut self, path: &Path) -> Option<Instant> {
        let waiting = self.files.remove(path)?;
        self.bytes -= waiting.bytes;
        if let Some(count) = self.since.get_mut(&waiting.since) {
            *count -= 1;
            if *count == 0 {
                self.since.remove(&waiting.since);
            }
        }
        Some(waiting.since)
    }

    /// None waits: what vanished unseen too.
    pub fn clear(&mut self) {
        *self = Backlog::default();
    }

    pub fn files(&self) -> usize {
        self.files.len()
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// One that has waited for longest: all are looked at.
    pub fn oldest(&self) -> Option<&Path> {
        let files = self.files.iter();
        let oldest = files.min_by_key(|(path, waiting)| (waiting.since, *path));
        oldest.map(|(path, _)| path.as_path())
    }

    /// For how long the oldest of them has waited.
    pub fn lag(&self, now: Instant) -> Duration {
        let oldest = self.since.keys().next();
        oldest.map_or(Duration::ZERO, |&since| {
            now.saturating_duration_since(since)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_file_makes_the_lag() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut backlog = Backlog::default();
        assert_eq!(backlog.lag(at(9)), Duration::ZERO);
        backlog.add(Path::new("a"), 100, at(0));
        backlog.add(Path::new("b"), 10, at(0));
        backlog.add(Path::new("c"), 1, at(3));
        assert_eq!(backlog.oldest(), Some(Path::new("a")));
        assert_eq!((backlog.files(), backlog.bytes()), (3, 111));
        assert_eq!(backlog.lag(at(10)), Duration::from_secs(10));
        backlog.remove(Path::new("a"));
        assert_eq!(backlog.lag(at(10)), Duration::from_secs(10));
        backlog.remove(Path::new("b"));
        assert_eq!(backlog.lag(at(10)), Duration::from_secs(7));
        assert_eq!((backlog.files(), backlog.bytes()), (1, 1));
        backlog.remove(Path::new("c"));
        assert_eq!(backlog.remove(Path::new("c")), None);
        assert_eq!(backlog.lag(at(10)), Duration::ZERO);
    }

    #[test]
    fn many_files_of_one_scan_take_one_moment() {
        let start = Instant::now();
        let mut backlog = Backlog::default();
        for number in 0..1000 {
            let path = format!("{number}.csv");
            backlog.add(Path::new(&path), 1, start + Duration::from_micros(number));
        }
        assert_eq!(backlog.since.len(), 1);
        for number in 0..1000 {
            backlog.remove(Path::new(&format!("{number}.csv")));
        }
        assert_eq!((backlog.since.len(), backlog.bytes()), (0, 0));
    }

    #[test]
    fn a_file_that_is_found_again_has_waited_all_the_time() {
        let start = Instant::now();
        let mut backlog = Backlog::default();
        backlog.add(Path::new("a"), 100, start);
        backlog.add(Path::new("a"), 120, start + Duration::from_secs(5));
        backlog.remove(Path::new("b"));
        assert_eq!((backlog.files(), backlog.bytes()), (1, 120));
        assert_eq!(
            backlog.lag(start + Duration::from_secs(6)),
            Duration::from_secs(6)
        );
        backlog.clear();
        assert_eq!((backlog.files(), backlog.bytes()), (0, 0));
    }
}
