//! PURE: which rows of a batch are written.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use ingestd_actors::model::{Batch, RowRef, Rows};

use crate::postgres::claims::Claims;

/// Where a row stands in its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RowAt {
    share: u32,
    rows: u32,
    row: u32,
}

/// The rows of a batch that are not written yet, in record order, of which each key's last is kept.
pub struct Selection<'a> {
    batch: &'a Batch,
    rows: Vec<RowAt>,
    /// The rows to be written, ascending.
    kept: Vec<u32>,
    /// For a row that superseded another: that one. It is tried where its superseder is refused.
    superseded: HashMap<u32, u32>,
}

impl<'a> Selection<'a> {
    /// Trims what is written already, then, where the plan has a key, deduplicates.
    pub fn new(batch: &'a Batch, claims: &Claims, keyed: bool) -> Selection<'a> {
        let mut rows = Vec::with_capacity(batch.rows());
        for (share, _) in claims.live() {
            let written = claims.written_up_to(share).unwrap_or(0);
            for (number, chunk) in batch.shares[share].rows.iter().enumerate() {
                let first = chunk.index.partition_point(|row| row.record <= written);
                rows.extend((first..chunk.len()).map(|row| RowAt {
                    share: share as u32,
                    rows: number as u32,
                    row: row as u32,
                }));
            }
        }
        let mut selection = Selection {
            batch,
            kept: Vec::new(),
            rows,
            superseded: HashMap::new(),
        };
        if keyed {
            selection.deduplicate();
        } else {
            selection.kept = (0..selection.rows.len() as u32).collect();
        }
        selection
    }

    /// The last row of a key wins; rows without an image of their key are all different.
    fn deduplicate(&mut self) {
        let mut last: HashMap<&[u8], u32> = HashMap::new();
        for index in 0..self.rows.len() as u32 {
            let (rows, row) = self.find(index);
            let key = rows.key_of(row);
            if key.is_empty() {
                continue;
            }
            if last.is_empty() {
                last.reserve(self.rows.len());
            }
            if let Some(earlier) = last.insert(key, index) {
                self.superseded.insert(index, earlier);
            }
        }
        let mut keep = vec![true; self.rows.len()];
        for earlier in self.superseded.values() {
            keep[*earlier as usize] = false;
        }
        let all = 0..self.rows.len() as u32;
        self.kept = all.filter(|index| keep[*index as usize]).collect();
    }

    fn find(&self, index: u32) -> (&'a Arc<Rows>, &'a RowRef) {
        let at = self.rows[index as usize];
        let rows = &self.batch.shares[at.share as usize].rows[at.rows as usize];
        (rows, &rows.index[at.row as usize])
    }

    /// The rows to be written, ascending.
    pub fn kept(&self) -> &[u32] {
        &self.kept
    }

    /// The row that this one superseded.
    pub fn superseded_by(&self, index: u32) -> Option<u32> {
        self.superseded.get(&index).copied()
    }

    /// The share that a row belongs to.
    pub fn share_of(&self, index: u32) -> usize {
        self.rows[index as usize].share as usize
    }

    /// The row itself, and the rows that hold its bytes.
    pub fn row(&self, index: u32) -> (&'a Rows, &'a RowRef) {
        let (rows, row) = self.find(index);
        (rows, row)
    }

    /// How many rows of each share are superseded.
    pub fn duplicates(&self) -> Vec<u64> {
        let mut counts = vec![0; self.batch.shares.len()];
        for earlier in self.superseded.values() {
            counts[self.share_of(*earlier)] += 1;
        }
        counts
    }

    /// The runs of rows of one share among these: where each starts, and its share.
    pub fn runs(&self, rows: &[u32]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (start, index) in rows.iter().enumerate() {
            let share = self.share_of(*index);
            match runs.last_mut() {
                Some(run) if run.share == share => run.rows += 1,
                _ => runs.push(Run {
                    start,
                    rows: 1,
                    share,
                }),
            }
        }
        runs
    }

    /// The encoded bytes of these rows, as spans of their chunks: one for all rows that stand side by
    /// side.
    pub fn spans<'s>(&'s self, rows: &'s [u32]) -> impl Iterator<Item = Span<'a>> + 's {
        let mut rows = rows.iter().map(|index| self.find(*index)).peekable();
        std::iter::from_fn(move || {
            let (chunk, first) = rows.next()?;
            let (start, mut end) = first.data;
            while let Some((_, next)) =
                rows.next_if(|(same, next)| Arc::ptr_eq(same, chunk) && next.data.0 == end)
            {
                end = next.data.1;
            }
            Some(Span {
                chunk,
                bytes: start as usize..end as usize,
            })
        })
    }
}

/// Consecutive rows of one share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which of the rows is the first.
    pub start: usize,
    /// How many they are.
    pub rows: u64,
    /// Their share.
    pub share: usize,
}

/// Encoded rows that stand side by side in one chunk.
pub struct Span<'a> {
    /// The chunk.
    pub chunk: &'a Arc<Rows>,
    /// Where they stand in its data.
    pub bytes: Range<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use ingestd_actors::model::{Epoch, FileId, Place, Plan, Position, Share};

    use crate::postgres::fence::Move;

    /// Rows whose data are one byte times `width`, and whose keys are given.
    fn rows(first: u64, keys: &[&str], width: usize) -> Arc<Rows> {
        let mut rows = Rows::default();
        for (number, key) in keys.iter().enumerate() {
            let record = first + number as u64;
            let place = Place {
                record,
                line: record + 1,
                offset: 0,
            };
            let data = vec![b'a' + number as u8; width];
            rows.push(place, &data, key.as_bytes(), b"");
        }
        Arc::new(rows)
    }

    fn batch(shares: Vec<Vec<Arc<Rows>>>) -> (Batch, Claims) {
        let end = |record| Position {
            record,
            offset: record,
            line: record,
        };
        let share = |(number, rows)| Share {
            file: FileId(number as i64),
            epoch: Epoch(1),
            from: Position::START,
            to: end(100),
            rows,
        };
        let plan = Plan {
            id: 1,
            partitions: 1,
            definition: String::new(),
        };
        let batch = Batch {
            partition: 0,
            plan: Arc::new(plan),
            shares: shares.into_iter().enumerate().map(share).collect(),
        };
        let moves = batch.shares.iter().map(|share| Move {
            file: share.file,
            epoch: share.epoch,
            from: share.from,
            to: share.to,
        });
        let claims = Claims::new(moves).expect("different files");
        (batch, claims)
    }

    #[test]
    fn the_last_row_of_a_key_is_kept_and_remembers_the_one_before() {
        let (batch, claims) = batch(vec![
            vec![rows(1, &["x", "y", "x", ""], 1)],
            vec![rows(1, &["x", ""], 1)],
        ]);
        let selection = Selection::new(&batch, &claims, true);
        assert_eq!(selection.kept(), [1, 3, 4, 5]);
        assert_eq!(selection.superseded_by(4), Some(2));
        assert_eq!(selection.superseded_by(2), Some(0));
        assert_eq!(selection.superseded_by(1), None);
        assert_eq!(selection.duplicates(), [2, 0]);
    }

    #[test]
    fn trimming_comes_before_deduplication() {
        let (batch, mut claims) = batch(vec![vec![rows(1, &["x", "y", "x"], 1)]]);
        let position = Position {
            record: 1,
            ..Position::START
        };
        let standing = crate::postgres::fence::Standing {
            epoch: Epoch(1),
            position,
        };
        claims.settle_by(&HashMap::from([(FileId(0), standing)]), None);
        let selection = Selection::new(&batch, &claims, true);
        assert_eq!(selection.kept(), [0, 1]);
        assert_eq!(selection.duplicates(), [0]);
        assert_eq!(selection.row(0).1.record, 2);
    }

    #[test]
    fn rows_that_stand_side_by_side_are_one_span() {
        let chunks = vec![
            rows(1, &["x", "y", "", "z"], 10),
            rows(5, &["", "y"], 10),
            rows(7, &[""], 10),
        ];
        let (batch, claims) = batch(vec![chunks]);
        let selection = Selection::new(&batch, &claims, true);
        let spans = selection.spans(selection.kept());
        let spans: Vec<_> = spans.map(|span| span.bytes).collect();
        assert_eq!(spans, [0..10, 20..40, 0..20, 0..10]);
        assert_eq!(selection.spans(&[]).count(), 0);
    }

    #[test]
    fn runs_follow_the_shares() {
        let (batch, claims) = batch(vec![
            vec![rows(1, &["", ""], 1)],
            vec![],
            vec![rows(1, &[""], 1)],
        ]);
        let selection = Selection::new(&batch, &claims, true);
        let runs: Vec<_> = selection
            .runs(selection.kept())
            .iter()
            .map(|run| (run.start, run.rows, run.share))
            .collect();
        assert_eq!(runs, [(0, 2, 0), (2, 1, 2)]);
    }
}
