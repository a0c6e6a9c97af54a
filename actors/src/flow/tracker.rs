//! Up to where all lanes of a file are durable.

use std::collections::VecDeque;

use crate::model::{HashMark, Lane, Position};

/// Follows the chunks of one file until every lane that has records of them is durable.
///
/// A lane without records in a chunk does not hold the watermark back, so that an idle partition
/// never pins the place where reading would go on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileTracker {
    outstanding: VecDeque<Outstanding>,
    watermark: Position,
    hash_mark: Option<HashMark>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Outstanding {
    to: Position,
    lanes: Vec<Lane>,
    hash_mark: Option<HashMark>,
}

impl FileTracker {
    /// Everything up to `at` is durable.
    pub fn new(at: Position, hash_mark: Option<HashMark>) -> Self {
        Self {
            outstanding: VecDeque::new(),
            watermark: at,
            hash_mark,
        }
    }

    /// A chunk that ends at `to` is on its way in `lanes`.
    pub fn accept(&mut self, to: Position, lanes: Vec<Lane>, hash_mark: Option<HashMark>) {
        // Chunks that no lane has to write and that wait behind one are one: a whole file of them
        // takes no more room.
        let idle = self.outstanding.back_mut();
        match idle.filter(|last| last.lanes.is_empty() && lanes.is_empty()) {
            Some(last) => {
                last.to = to;
                last.hash_mark = hash_mark.or(last.hash_mark);
            }
            None => self.outstanding.push_back(Outstanding {
                to,
                lanes,
                hash_mark,
            }),
        }
        self.advance();
    }

    /// Everything of `lane` up to `to` is durable.
    pub fn moved(&mut self, lane: Lane, to: Position) {
        for chunk in self
            .outstanding
            .iter_mut()
            .take_while(|chunk| chunk.to <= to)
        {
            chunk.lanes.retain(|&other| other != lane);
        }
        self.advance();
    }

    fn advance(&mut self) {
        while self
            .outstanding
            .front()
            .is_some_and(|chunk| chunk.lanes.is_empty())
        {
            if let Some(chunk) = self.outstanding.pop_front() {
                self.watermark = self.watermark.max(chunk.to);
                self.hash_mark = chunk.hash_mark.or(self.hash_mark);
            }
        }
    }

    /// The position up to which all lanes are durable.
    pub fn watermark(&self) -> Position {
        self.watermark
    }

    /// The content hash's state at or before the watermark.
    pub fn hash_mark(&self) -> Option<HashMark> {
        self.hash_mark
    }

    /// Whether everything that was accepted is durable.
    pub fn is_durable(&self) -> bool {
        self.outstanding.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P0: Lane = Lane::Partition(0);
    const P1: Lane = Lane::Partition(1);

    fn at(record: u64) -> Position {
        Position {
            record,
            offset: record * 10,
            line: record + 1,
        }
    }

    #[test]
    fn the_slowest_lane_holds_the_watermark() {
        let mut tracker = FileTracker::new(Position::START, None);
        tracker.accept(at(10), vec![P0, P1], None);
        tracker.accept(at(20), vec![P0, P1], None);
        tracker.moved(P0, at(20));
        assert_eq!(tracker.watermark(), Position::START);
        tracker.moved(P1, at(10));
        assert_eq!(tracker.watermark(), at(10));
        assert!(!tracker.is_durable());
        tracker.moved(P1, at(20));
        assert_eq!(tracker.watermark(), at(20));
        assert!(tracker.is_durable());
    }

    #[test]
    fn an_idle_partition_does_not_pin_the_resume_point() {
        let mut tracker = FileTracker::new(Position::START, None);
        tracker.accept(at(10), vec![P0], None);
        tracker.accept(at(20), vec![Lane::Rejects], None);
        tracker.accept(at(30), vec![], None);
        tracker.moved(P0, at(10));
        assert_eq!(tracker.watermark(), at(10));
        tracker.moved(Lane::Rejects, at(20));
        assert_eq!(tracker.watermark(), at(30));
    }

    #[test]
    fn idle_chunks_behind_an_outstanding_one_take_no_room() {
        let mut tracker = FileTracker::new(Position::START, None);
        tracker.accept(at(10), vec![P0], None);
        for record in 11..10_000 {
            tracker.accept(at(record), vec![], None);
        }
        assert_eq!(tracker.outstanding.len(), 2);
        tracker.moved(P0, at(10));
        assert_eq!(tracker.watermark(), at(9_999));
    }

    #[test]
    fn the_hash_mark_never_runs_ahead_of_the_watermark() {
        let mark = HashMark {
            offset: 100,
            chain: [7; 32],
        };
        let mut tracker = FileTracker::new(Position::START, None);
        tracker.accept(at(10), vec![P0], None);
        tracker.accept(at(20), vec![P0], Some(mark));
        tracker.moved(P0, at(10));
        assert_eq!(tracker.hash_mark(), None);
        tracker.moved(P0, at(20));
        assert_eq!(tracker.hash_mark(), Some(mark));
    }
}
