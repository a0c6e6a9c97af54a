//! Whether a file's first records say that it is no file of this pipeline.

use crate::model::{Chunk, DeadLetter};

/// A file whose first so many records are all refused is quarantined, instead of becoming as many
/// dead letters.
const DECISIVE_RECORDS: u64 = 1_000;
/// No more is held back for a judgement: a file of records as large as this goes on, and they become
/// dead letters.
const MOST_BYTES: usize = 16 << 20;

/// Judges the first records of a file, while its first chunks are held back.
#[derive(Debug, Default)]
pub struct Opening {
    /// Refused, from the first record on.
    records: u64,
    bytes: usize,
    first_reject: Option<DeadLetter>,
    decided: bool,
}

/// What to do with the chunks that are held back.
#[derive(Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Hold them: too few records are known.
    Wait,
    /// Let them go.
    Accept,
    /// Quarantine the file, for this reason.
    Refuse(String),
}

impl Opening {
    /// For a file that is read from its first record.
    pub fn new() -> Self {
        Self::default()
    }

    /// For a file whose first records were judged by an earlier life.
    pub fn decided() -> Self {
        Self {
            decided: true,
            ..Self::default()
        }
    }

    /// Takes the next chunk into account.
    pub fn judge(&mut self, chunk: &Chunk) -> Judgement {
        if self.decided {
            return Judgement::Accept;
        }
        let refused = refused_at_first(chunk);
        self.records += refused;
        self.bytes += chunk.bytes();
        if self.first_reject.is_none() {
            self.first_reject = chunk.rejects.first().cloned();
        }
        if self.records >= DECISIVE_RECORDS {
            self.decided = true;
            return Judgement::Refuse(self.reason());
        }
        if refused < chunk.records() || self.bytes >= MOST_BYTES {
            self.decided = true;
            return Judgement::Accept;
        }
        Judgement::Wait
    }

    fn reason(&self) -> String {
        let first = self
            .first_reject
            .as_ref()
            .map_or_else(String::new, |first| {
                let column = first
                    .column
                    .as_ref()
                    .map_or_else(String::new, |column| format!(", column {column:?}"));
                format!(
                    "; the first, on line {}{column}: {}",
                    first.line, first.message
                )
            });
        format!("its first {} records are all refused{first}", self.records)
    }
}

/// How many records are refused before the first one of the chunk that isn't: a row, or one that a filter
/// leaves out.
fn refused_at_first(chunk: &Chunk) -> u64 {
    let numbers = chunk.from.record + 1..;
    let refused = chunk.rejects.iter().map(|reject| reject.record);
    refused.zip(numbers).take_while(|(a, b)| a == b).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Epoch, FileId, Filtered, Position, Reason};
    use bytes::Bytes;

    fn chunk(records: u64, rejects: u64) -> Chunk {
        let dead_letter = |record| DeadLetter {
            record,
            line: record + 1,
            offset: 0,
            length: 3,
            raw: Bytes::from_static(b"a,b"),
            column: Some("price".to_owned()),
            reason: Reason::InvalidValue,
            message: "no number".to_owned(),
            sqlstate: None,
        };
        Chunk {
            file: FileId(1),
            epoch: Epoch(1),
            from: Position::START,
            to: Position {
                record: records,
                offset: 10,
                line: 1,
            },
            partitions: Vec::new(),
            rejects: (1..=rejects).map(dead_letter).collect(),
            filtered: Filtered::default(),
            hash_mark: None,
        }
    }

    #[test]
    fn a_thousand_refused_records_refuse_the_file() {
        let mut opening = Opening::new();
        assert_eq!(opening.judge(&chunk(999, 999)), Judgement::Wait);
        let Judgement::Refuse(reason) = opening.judge(&chunk(1, 1)) else {
            panic!("the thousandth record decides")
        };
        assert_eq!(
            reason,
            "its first 1000 records are all refused; the first, on line 2, column \"price\": no number"
        );
    }

    #[test]
    fn what_comes_after_the_first_thousand_records_does_not_count() {
        let refused = Opening::new().judge(&chunk(1_001, 1_000));
        assert!(matches!(refused, Judgement::Refuse(_)), "{refused:?}");
        let accepted = Opening::new().judge(&chunk(1_001, 999));
        assert_eq!(accepted, Judgement::Accept);
    }

    #[test]
    fn one_good_record_accepts_it_for_good() {
        let mut opening = Opening::new();
        assert_eq!(opening.judge(&chunk(999, 999)), Judgement::Wait);
        assert_eq!(opening.judge(&chunk(2, 0)), Judgement::Accept);
        assert_eq!(opening.judge(&chunk(5000, 5000)), Judgement::Accept);
    }

    #[test]
    fn a_filtered_record_is_none_that_is_refused() {
        let mut first_is_filtered = chunk(2_000, 2_000);
        first_is_filtered.rejects.remove(0);
        first_is_filtered.filtered.push(1);
        let judged = Opening::new().judge(&first_is_filtered);
        assert_eq!(judged, Judgement::Accept);
    }

    #[test]
    fn large_refused_records_are_not_held_back_without_bound() {
        let mut opening = Opening::new();
        let large = |length| {
            let mut chunk = chunk(1, 1);
            chunk.rejects[0].raw = vec![b'x'; length].into();
            chunk
        };
        assert_eq!(opening.judge(&large(MOST_BYTES / 2)), Judgement::Wait);
        assert_eq!(opening.judge(&large(MOST_BYTES / 2)), Judgement::Accept);
    }
}
