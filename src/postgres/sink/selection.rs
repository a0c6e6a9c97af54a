//! PURE: which rows of a batch are written.

use std::ops::Range;
use std::sync::Arc;

use ingestd_actors::model::{Batch, FileId, RowRef, Rows};

use super::choice::{Choice, Rules, Wave, choose};
use crate::postgres::claims::Claims;

/// Where a row stands in its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RowAt {
    share: u32,
    rows: u32,
    row: u32,
}

/// The rows of a batch that are not written yet, in record order, and those of them that are chosen.
pub struct Selection<'a> {
    batch: &'a Batch,
    rows: Vec<RowAt>,
    choice: Choice,
}

impl<'a> Selection<'a> {
    /// Trims what is written already, then chooses among the rows of each key.
    pub fn new(batch: &'a Batch, claims: &Claims, rules: Rules) -> Selection<'a> {
        let mut rows = Vec::with_capacity(batch.rows());
        let mut deletes = false;
        for (share, _) in claims.live() {
            let written = claims.written_up_to(share).unwrap_or(0);
            for (number, chunk) in batch.shares[share].rows.iter().enumerate() {
                deletes |= !chunk.deletes.is_empty();
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
            rows,
            choice: Choice::default(),
        };
        let count = selection.rows.len() as u32;
        selection.choice = choose(count, |index| selection.find(index), deletes, rules);
        selection
    }

    fn find(&self, index: u32) -> (&'a Arc<Rows>, &'a RowRef) {
        let at = self.rows[index as usize];
        let rows = &self.batch.shares[at.share as usize].rows[at.rows as usize];
        (rows, &rows.index[at.row as usize])
    }

    /// The rows to be written, wave after wave, ascending in each.
    pub fn kept(&self) -> &[u32] {
        &self.choice.kept
    }

    /// The rows of the first wave, where it writes; and the waves after them.
    pub fn first(&self) -> (&[u32], &[Wave]) {
        match &self.choice.waves[..] {
            [first, later @ ..] if !first.deletes => (&self.choice.kept[first.rows.clone()], later),
            later => (&[], later),
        }
    }

    /// Which of them are written together.
    pub fn waves(&self) -> &[Wave] {
        &self.choice.waves
    }

    /// Whether the server is to pick among rows that are kept.
    pub fn undecided(&self) -> bool {
        self.choice.undecided
    }

    /// The row that is tried where this one is refused.
    pub fn instead_of(&self, index: u32) -> Option<u32> {
        self.choice.instead.get(&index).copied()
    }

    /// The file of a share.
    pub fn file_of(&self, share: usize) -> FileId {
        self.batch.shares[share].file
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

    /// How many rows of each share another was preferred to.
    pub fn duplicates(&self) -> Vec<u64> {
        let mut counts = vec![0; self.batch.shares.len()];
        for row in self.choice.instead.values() {
            counts[self.share_of(*row)] += 1;
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
    use std::collections::HashMap;

    use ingestd_actors::model::{Epoch, Place, Plan, Position, Share};

    use crate::postgres::fence::Move;
    use crate::postgres::sink::choice::Picks;

    const RULES: Rules = Rules {
        picks: Picks::Last,
        single: false,
    };

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
            room: None,
            rows,
        };
        let plan = Plan {
            id: 1,
            partitions: 1,
            definition: String::new(),
            all_or_nothing: false,
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
        let selection = Selection::new(&batch, &claims, RULES);
        assert_eq!(selection.kept(), [1, 3, 4, 5]);
        assert_eq!(selection.instead_of(4), Some(2));
        assert_eq!(selection.instead_of(2), Some(0));
        assert_eq!(selection.instead_of(1), None);
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
        let selection = Selection::new(&batch, &claims, RULES);
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
        let selection = Selection::new(&batch, &claims, RULES);
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
        let selection = Selection::new(&batch, &claims, RULES);
        let runs: Vec<_> = selection
            .runs(selection.kept())
            .iter()
            .map(|run| (run.start, run.rows, run.share))
            .collect();
        assert_eq!(runs, [(0, 2, 0), (2, 1, 2)]);
    }
}
