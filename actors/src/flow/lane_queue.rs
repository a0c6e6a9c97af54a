//! What waits to be written in one lane, and the shares that the next batch takes from it.

use std::collections::{BTreeMap, VecDeque};

use crate::model::{Epoch, FileId, Position};

/// The most that one batch takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Rows (or dead letters).
    pub rows: usize,
    /// Bytes of memory.
    pub bytes: usize,
}

/// The pieces of one lane, in the order in which they were read, with the lane's positions.
///
/// `T` is what a piece carries: rows, or dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LaneQueue<T> {
    pieces: VecDeque<Piece<T>>,
    files: BTreeMap<FileId, LanePosition>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Piece<T> {
    file: FileId,
    to: Position,
    rows: usize,
    bytes: usize,
    payload: T,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct LanePosition {
    epoch: Epoch,
    /// As last read from or committed to the ledger: where the next batch's fence starts.
    committed: Position,
    /// Up to where pieces have been queued: what comes again below it is discarded.
    queued: Position,
}

/// What a batch takes from a lane.
#[derive(Debug)]
pub struct Taken<T> {
    /// One for each file, in the order of their first pieces.
    pub shares: Vec<TakenShare<T>>,
    /// The bytes of all pieces taken.
    pub bytes: usize,
}

/// What one file gives to it.
#[derive(Debug)]
pub struct TakenShare<T> {
    /// The file.
    pub file: FileId,
    /// Its claim.
    pub epoch: Epoch,
    /// Where the checkpoint stands.
    pub from: Position,
    /// Where it will stand.
    pub to: Position,
    /// What the pieces carried, in order.
    pub payloads: Vec<T>,
}

impl<T> Default for LaneQueue<T> {
    fn default() -> Self {
        Self {
            pieces: VecDeque::new(),
            files: BTreeMap::new(),
        }
    }
}

impl<T> LaneQueue<T> {
    /// A file begins, or begins again: its checkpoint of this lane stands at `committed`.
    pub fn open(&mut self, file: FileId, epoch: Epoch, committed: Position) {
        self.files.insert(
            file,
            LanePosition {
                epoch,
                committed,
                queued: committed,
            },
        );
    }

    /// The number of the last record of a file that this lane has or has had: everything up to it
    /// comes twice and is to be discarded. `None` for a file that is not open.
    pub fn has_up_to(&self, file: FileId) -> Option<u64> {
        self.files.get(&file).map(|lane| lane.queued.record)
    }

    /// Queues what a chunk that ends at `to` holds for this lane; not where it holds nothing. The
    /// count of filtered records is a piece without rows.
    pub fn push(&mut self, file: FileId, to: Position, rows: usize, bytes: usize, payload: T) {
        let Some(lane) = self.files.get_mut(&file) else {
            debug_assert!(false, "a piece of a file that is not open");
            return;
        };
        debug_assert!(
            to > lane.queued,
            "record numbers of a lane strictly increase"
        );
        lane.queued = to;
        self.pieces.push_back(Piece {
            file,
            to,
            rows,
            bytes,
            payload,
        });
    }

    /// Takes the pieces of the next batch; `None` where nothing waits.
    ///
    /// Always at least one piece, however large; then as many as fit into `limits`.
    pub fn take(&mut self, limits: Limits) -> Option<Taken<T>> {
        let mut shares: Vec<TakenShare<T>> = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        while let Some(piece) = self.pieces.front() {
            let fits = rows + piece.rows <= limits.rows && bytes + piece.bytes <= limits.bytes;
            if !shares.is_empty() && !fits {
                break;
            }
            let Some(piece) = self.pieces.pop_front() else {
                break;
            };
            rows += piece.rows;
            bytes += piece.bytes;
            self.add_to_share(&mut shares, piece);
        }
        (!shares.is_empty()).then_some(Taken { shares, bytes })
    }

    fn add_to_share(&self, shares: &mut Vec<TakenShare<T>>, piece: Piece<T>) {
        // Files are read one after the other, so a file's pieces stand together.
        if let Some(share) = shares.last_mut().filter(|share| share.file == piece.file) {
            share.to = piece.to;
            share.payloads.push(piece.payload);
            return;
        }
        let Some(lane) = self.files.get(&piece.file) else {
            debug_assert!(false, "a file is forgotten only once its pieces are gone");
            return;
        };
        shares.push(TakenShare {
            file: piece.file,
            epoch: lane.epoch,
            from: lane.committed,
            to: piece.to,
            payloads: vec![piece.payload],
        });
    }

    /// A batch was committed: the file's checkpoint of this lane stands at `to`.
    pub fn committed(&mut self, file: FileId, to: Position) {
        if let Some(lane) = self.files.get_mut(&file) {
            lane.committed = lane.committed.max(to);
        }
    }

    /// Drops what waits of a file: how many pieces, and their bytes.
    pub fn drop_waiting(&mut self, file: FileId) -> (usize, usize) {
        let (mut dropped, mut bytes) = (0, 0);
        self.pieces.retain(|piece| {
            let keep = piece.file != file;
            if !keep {
                dropped += 1;
                bytes += piece.bytes;
            }
            keep
        });
        (dropped, bytes)
    }

    /// Forgets a file that has nothing waiting and nothing in flight any more.
    pub fn forget(&mut self, file: FileId) {
        self.files.remove(&file);
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: FileId = FileId(1);
    const B: FileId = FileId(2);
    const LIMITS: Limits = Limits {
        rows: 10,
        bytes: 1000,
    };

    fn at(record: u64) -> Position {
        Position {
            record,
            offset: record * 100,
            line: record + 1,
        }
    }

    #[test]
    fn a_batch_holds_several_files_each_from_its_own_checkpoint() {
        let mut queue = LaneQueue::default();
        queue.open(A, Epoch(3), at(7));
        queue.open(B, Epoch(1), Position::START);
        queue.push(A, at(9), 2, 10, "a1");
        queue.push(A, at(12), 3, 10, "a2");
        queue.push(B, at(4), 4, 10, "b");
        let taken = queue.take(LIMITS).expect("three pieces wait");
        assert_eq!(taken.bytes, 30);
        let [a, b] = &taken.shares[..] else {
            panic!("two files: {:?}", taken.shares)
        };
        assert_eq!((a.epoch, a.from, a.to), (Epoch(3), at(7), at(12)));
        assert_eq!(a.payloads, ["a1", "a2"]);
        assert_eq!((b.from, b.to), (Position::START, at(4)));
        assert!(queue.is_empty());
    }

    #[test]
    fn the_next_batch_starts_where_the_last_was_committed() {
        let mut queue = LaneQueue::default();
        queue.open(A, Epoch(1), Position::START);
        queue.push(A, at(5), 5, 10, ());
        queue.take(LIMITS).expect("a piece waits");
        queue.committed(A, at(5));
        queue.push(A, at(9), 4, 10, ());
        let taken = queue.take(LIMITS).expect("a piece waits");
        assert_eq!(taken.shares[0].from, at(5));
    }

    #[test]
    fn limits_split_between_pieces_but_let_a_large_one_through_alone() {
        let mut queue = LaneQueue::default();
        queue.open(A, Epoch(1), Position::START);
        queue.push(A, at(50), 50, 10, "large");
        queue.push(A, at(56), 6, 10, "six");
        queue.push(A, at(61), 5, 10, "five");
        let sizes: Vec<usize> = std::iter::from_fn(|| queue.take(LIMITS))
            .map(|taken| taken.shares[0].payloads.len())
            .collect();
        assert_eq!(sizes, [1, 1, 1]);
    }

    #[test]
    fn what_a_checkpoint_covers_is_known_after_a_resume() {
        let mut queue = LaneQueue::<()>::default();
        assert_eq!(queue.has_up_to(A), None);
        queue.open(A, Epoch(2), at(40));
        assert_eq!(queue.has_up_to(A), Some(40));
    }
}
