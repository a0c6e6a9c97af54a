//! PURE: which events are new since the last look.
//!
//! What a transaction notes gets its time before others see it. So each look goes back a little, and
//! what was seen before is remembered for as long.

use std::collections::BTreeSet;

use crate::view::events::{Cursor, Happened};

/// How far a look goes back, in microseconds.
const BACK: i64 = 5_000_000;

/// What was seen lately.
#[derive(Debug)]
pub struct Recent {
    newest: Cursor,
    seen: BTreeSet<Cursor>,
}

impl Recent {
    /// Whoever begins here has seen all up to a moment.
    pub fn since(newest: Cursor) -> Recent {
        Recent {
            newest,
            seen: BTreeSet::new(),
        }
    }

    /// From where the next look looks.
    pub fn from(&self) -> Cursor {
        Cursor {
            micros: self.newest.micros - BACK,
            of_file: false,
            number: 0,
        }
    }

    /// Those that are new, in order.
    pub fn new_ones(&mut self, found: Vec<(Cursor, Happened)>) -> Vec<(Cursor, Happened)> {
        let mut new = Vec::new();
        for (cursor, event) in found {
            // Where a file has gone on, it comes with another time.
            if self.seen.insert(cursor) {
                self.newest = self.newest.max(cursor);
                new.push((cursor, event));
            }
        }
        let from = self.from();
        self.seen.retain(|cursor| *cursor > from);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(micros: i64, number: i64) -> (Cursor, Happened) {
        let cursor = Cursor {
            micros,
            of_file: true,
            number,
        };
        let event = Happened {
            id: cursor.text(),
            at: String::new(),
            kind: "file.archived".to_owned(),
            pipeline: None,
            file: Some(number),
            subject: None,
            message: None,
        };
        (cursor, event)
    }

    fn numbers(new: &[(Cursor, Happened)]) -> Vec<i64> {
        new.iter().map(|(cursor, _)| cursor.number).collect()
    }

    #[test]
    fn each_is_new_once_and_one_that_shows_late_is_not_missed() {
        let start = 1_000_000_000;
        let mut recent = Recent::since(event(start, 0).0);
        let first = vec![event(start + 10, 1), event(start + 20, 2)];
        assert_eq!(numbers(&recent.new_ones(first.clone())), [1, 2]);
        assert!(recent.from() < first[0].0);
        // One that began before the second, and was committed after the look.
        let mut second = first.clone();
        second.insert(1, event(start + 15, 3));
        second.push(event(start + 30, 4));
        assert_eq!(numbers(&recent.new_ones(second.clone())), [3, 4]);
        assert_eq!(numbers(&recent.new_ones(second)), [0; 0]);
        let later = vec![event(start + 20_000_000, 5)];
        assert_eq!(numbers(&recent.new_ones(later)), [5]);
        assert_eq!(recent.seen.len(), 1, "the old ones are forgotten");
    }
}
