//! PURE: the queue of files that leave the inbox.
//!
//! They leave in groups, one group at a time; those that can't go now wait apart, so that they hold
//! nobody up, until it is time to try them again.

use std::collections::BTreeMap;

use crate::model::FileId;
use crate::port::Leaving;

/// How many files leave in one group at most.
const GROUP: usize = 256;

/// Files on their way out of the inbox, by their number.
#[derive(Debug, Default)]
pub struct Departures {
    files: BTreeMap<FileId, Departure>,
}

#[derive(Debug)]
struct Departure {
    leaving: Leaving,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Waiting,
    /// With what is to be tried after that: it may have been touched since, and then the move that
    /// is under way leaves it in its place.
    Moving(Option<Leaving>),
    Failed,
}

impl Departures {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Adds a file, or says anew how it leaves.
    pub fn add(&mut self, leaving: Leaving) {
        let file = leaving.file();
        if let Some(Departure {
            stage: Stage::Moving(again),
            ..
        }) = self.files.get_mut(&file)
        {
            *again = Some(leaving);
            return;
        }
        let stage = Stage::Waiting;
        self.files.insert(file, Departure { leaving, stage });
    }

    /// The files that are to be moved next.
    pub fn next_group(&mut self) -> Vec<Leaving> {
        let waiting = self
            .files
            .values_mut()
            .filter(|departure| matches!(departure.stage, Stage::Waiting));
        waiting
            .take(GROUP)
            .map(|departure| {
                departure.stage = Stage::Moving(None);
                departure.leaving.clone()
            })
            .collect()
    }

    /// A file is done with; whether that is the end of it.
    pub fn moved(&mut self, file: FileId) -> bool {
        let Some(departure) = self.files.get_mut(&file) else {
            return true;
        };
        if let Stage::Moving(Some(again)) = &departure.stage {
            departure.leaving = again.clone();
            departure.stage = Stage::Waiting;
            return false;
        }
        self.files.remove(&file);
        true
    }

    /// A file could not be moved, and is to be tried again some time.
    pub fn failed(&mut self, file: FileId) {
        if let Some(departure) = self.files.get_mut(&file) {
            if let Stage::Moving(Some(again)) = &departure.stage {
                departure.leaving = again.clone();
            }
            departure.stage = Stage::Failed;
        }
    }

    /// It is time to try those again that failed.
    pub fn retry(&mut self) {
        for departure in self.files.values_mut() {
            if matches!(departure.stage, Stage::Failed) {
                departure.stage = Stage::Waiting;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::model::Candidate;
    use crate::port::Quarantined;

    fn leaving(file: i64, reason: &str) -> Leaving {
        Leaving::Quarantine(Quarantined {
            file: FileId(file),
            candidate: Candidate {
                path: PathBuf::from("a.csv"),
                size: 1,
                modified: 1,
                device: 1,
                inode: 1,
            },
            reason: reason.to_owned(),
        })
    }

    fn names(group: &[Leaving]) -> Vec<(i64, String)> {
        group
            .iter()
            .map(|leaving| match leaving {
                Leaving::Quarantine(it) => (it.file.0, it.reason.clone()),
                Leaving::Archive(it) => (it.file.0, String::new()),
            })
            .collect()
    }

    #[test]
    fn files_leave_once() {
        let mut departures = Departures::default();
        departures.add(leaving(2, ""));
        departures.add(leaving(1, ""));
        assert_eq!(names(&departures.next_group()).len(), 2);
        assert!(departures.next_group().is_empty());
        assert!(departures.moved(FileId(1)));
        assert!(departures.moved(FileId(2)));
        assert!(departures.is_empty());
    }

    #[test]
    fn a_group_is_bounded() {
        let mut departures = Departures::default();
        for file in 0..GROUP as i64 + 1 {
            departures.add(leaving(file, ""));
        }
        assert_eq!(departures.next_group().len(), GROUP);
        assert_eq!(departures.next_group().len(), 1);
    }

    #[test]
    fn those_that_fail_hold_nobody_up() {
        let mut departures = Departures::default();
        departures.add(leaving(1, ""));
        departures.next_group();
        departures.failed(FileId(1));
        departures.add(leaving(2, ""));
        assert_eq!(names(&departures.next_group()), [(2, String::new())]);
        departures.retry();
        assert_eq!(names(&departures.next_group()), [(1, String::new())]);
        assert_eq!(departures.len(), 2);
    }

    #[test]
    fn one_that_is_announced_while_it_moves_is_moved_again() {
        let mut departures = Departures::default();
        departures.add(leaving(1, "first"));
        departures.next_group();
        departures.add(leaving(1, "second"));
        assert!(departures.next_group().is_empty());
        assert!(!departures.moved(FileId(1)));
        assert_eq!(names(&departures.next_group()), [(1, "second".to_owned())]);
        departures.add(leaving(1, "third"));
        departures.failed(FileId(1));
        departures.retry();
        assert_eq!(names(&departures.next_group()), [(1, "third".to_owned())]);
        assert!(departures.moved(FileId(1)));
    }
}
