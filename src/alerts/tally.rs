//! PURE: how many records were committed lately, and how many became dead letters.
//!
//! The ledger knows how far each file is; what was done between two looks is the difference.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

/// How far a file is.
#[derive(Clone, Debug)]
pub struct FileFigures {
    /// The file's number.
    pub file: i64,
    /// Its pipeline.
    pub pipeline: String,
    /// The records whose fate is committed.
    pub records: u64,
    /// Those of them that became dead letters.
    pub rejected: u64,
}

/// What was done within some time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Done {
    /// The records whose fate was committed.
    pub records: u64,
    /// Those of them that became dead letters.
    pub rejected: u64,
    /// Over how long this is.
    pub over: Duration,
    /// Whether that is all of the time that was asked about.
    pub is_whole: bool,
    /// Whether files waited at each look.
    pub was_backlog: bool,
}

/// What was seen of all files, for as long as anybody asks about.
#[derive(Debug)]
pub struct Tally {
    files: HashMap<i64, (u64, u64)>,
    pipelines: HashMap<String, VecDeque<Sample>>,
    keeps: Duration,
    has_begun: bool,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    records: u64,
    rejected: u64,
    backlog: bool,
}

impl Tally {
    /// Nothing was seen yet; nobody will ask about more than this.
    pub fn new(keeps: Duration) -> Tally {
        Tally {
            files: HashMap::new(),
            pipelines: HashMap::new(),
            keeps,
            has_begun: false,
        }
    }

    /// Nobody will ask about more than this from now on.
    pub fn keep(&mut self, keeps: Duration) {
        self.keeps = keeps;
    }

    /// Adds a look: the files that are open or were committed since the last one, and the pipelines,
    /// with whether files wait. What was done before the first look is not counted.
    pub fn add(&mut self, files: &[FileFigures], pipelines: &[(&str, bool)], now: Duration) {
        let mut done: HashMap<&str, (u64, u64)> = HashMap::new();
        let mut seen = HashSet::new();
        for file in files {
            seen.insert(file.file);
            let figures = (file.records, file.rejected);
            let before = self.files.insert(file.file, figures);
            let before = match self.has_begun {
                true => before.unwrap_or_default(),
                false => figures,
            };
            let sum = done.entry(&file.pipeline).or_default();
            // A file that begins anew has less than before.
            sum.0 += figures.0.saturating_sub(before.0);
            sum.1 += figures.1.saturating_sub(before.1);
        }
        self.files.retain(|file, _| seen.contains(file));
        self.has_begun = true;
        for &(name, backlog) in pipelines {
            let samples = self.pipelines.entry(name.to_owned()).or_default();
            let last = samples.back().copied();
            let (records, rejected) = done.get(name).copied().unwrap_or_default();
            samples.push_back(Sample {
                at: now,
                records: records + last.map_or(0, |last| last.records),
                rejected: rejected + last.map_or(0, |last| last.rejected),
                backlog,
            });
            // One that is older than what is asked about is where that begins.
            while samples.len() > 2 && now.saturating_sub(samples[1].at) >= self.keeps {
                samples.pop_front();
            }
        }
        let known: HashSet<&str> = pipelines.iter().map(|(name, _)| *name).collect();
        self.pipelines
            .retain(|name, _| known.contains(name.as_str()));
    }

    /// What a pipeline has done within so long before the last look.
    pub fn of(&self, pipeline: &str, over: Duration) -> Done {
        let Some(samples) = self.pipelines.get(pipeline) else {
            return Done::default();
        };
        let Some(last) = samples.back() else {
            return Done::default();
        };
        let is_old = |sample: &&Sample| last.at.saturating_sub(sample.at) >= over;
        let whole = samples.iter().rev().find(is_old);
        let Some(first) = whole.or(samples.front()) else {
            return Done::default();
        };
        Done {
            records: last.records - first.records,
            rejected: last.rejected - first.rejected,
            over: last.at.saturating_sub(first.at),
            is_whole: whole.is_some(),
            was_backlog: samples
                .iter()
                .filter(|sample| sample.at >= first.at)
                .all(|sample| sample.backlog),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn file(file: i64, records: u64, rejected: u64) -> FileFigures {
        FileFigures {
            file,
            pipeline: "a".to_owned(),
            records,
            rejected,
        }
    }

    #[test]
    fn what_is_done_between_looks_is_counted_once() {
        let mut tally = Tally::new(SECOND * 10);
        let a = [("a", true)];
        tally.add(&[file(1, 500, 5), file(2, 10, 0)], &a, SECOND);
        let nothing = tally.of("a", SECOND * 10);
        assert_eq!((nothing.records, nothing.is_whole), (0, false));
        // The first goes on, the second ends, a third comes and goes in between.
        tally.add(
            &[file(1, 700, 6), file(2, 10, 0), file(3, 30, 30)],
            &a,
            SECOND * 2,
        );
        // The second look sees those that ended once more.
        tally.add(
            &[file(1, 700, 6), file(3, 30, 30)],
            &[("a", false)],
            SECOND * 3,
        );
        let done = tally.of("a", SECOND * 2);
        assert_eq!((done.records, done.rejected), (230, 31));
        assert_eq!((done.over, done.is_whole), (SECOND * 2, true));
        assert!(!done.was_backlog);
        assert_eq!(tally.of("a", SECOND).records, 0);
        assert_eq!(tally.of("b", SECOND), Done::default());
    }

    #[test]
    fn a_file_that_begins_anew_takes_nothing_away() {
        let mut tally = Tally::new(SECOND * 10);
        let a = [("a", true)];
        tally.add(&[], &a, SECOND);
        tally.add(&[file(1, 500, 0)], &a, SECOND * 2);
        tally.add(&[file(1, 0, 0)], &a, SECOND * 3);
        tally.add(&[file(1, 200, 0)], &a, SECOND * 4);
        assert_eq!(tally.of("a", SECOND * 3).records, 700);
    }

    #[test]
    fn it_keeps_what_is_asked_about_and_no_more() {
        let mut tally = Tally::new(SECOND * 5);
        for second in 1..1_000u64 {
            let now = SECOND * second as u32;
            tally.add(&[file(1, second * 100, second)], &[("a", true)], now);
        }
        let done = tally.of("a", SECOND * 5);
        assert_eq!((done.records, done.rejected), (500, 5));
        assert!(done.is_whole && done.was_backlog);
        assert!(tally.pipelines["a"].len() < 10);
        tally.add(&[], &[], SECOND * 1_000);
        assert!(tally.pipelines.is_empty() && tally.files.is_empty());
    }
}
