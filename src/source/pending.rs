//! Records that wait for the server: what it is to be asked, and where the answers belong.

use std::collections::HashMap;

use ingestd_actors::model::Place;
use xxhash_rust::xxh3::xxh3_64;

use super::row_encoder::{RowEncoder, Unrecognised};
use crate::row::Question;

/// The records of one buffer that wait for the server.
#[derive(Debug, Default)]
pub struct Pending {
    /// The records' raw bytes, one after the other.
    raw: Vec<u8>,
    /// Their tuples, without the fields of the values that are asked for.
    tuples: Vec<u8>,
    records: Vec<PendingRecord>,
    holes: Vec<Hole>,
    questions: Vec<Question>,
    /// Where each text stands in its question, by its hash.
    known: Vec<HashMap<u64, u32>>,
}

/// A record that waits for the server.
#[derive(Clone, Copy, Debug)]
struct PendingRecord {
    place: Place,
    deletes: bool,
    /// Where it ends in the raw bytes, the tuples and the holes.
    raw_end: usize,
    tuple_end: usize,
    holes_end: usize,
}

/// A field that a tuple lacks.
#[derive(Clone, Copy, Debug)]
pub struct Hole {
    /// The column.
    pub column: usize,
    /// Where in the tuple the field belongs.
    pub at: usize,
    /// Which of the questions the value was asked for in, and which text of that it is.
    pub question: u32,
    /// See `question`.
    pub text: u32,
}

/// A record that waits, as it was noted.
#[derive(Clone, Copy, Debug)]
pub struct Waiting<'a> {
    /// Where it stands in the file.
    pub place: Place,
    /// Its bytes.
    pub raw: &'a [u8],
    /// Whether it deletes the row of its key.
    pub deletes: bool,
    /// Its tuple, without the fields of its holes.
    pub tuple: &'a [u8],
    /// What the tuple lacks, in order.
    pub holes: &'a [Hole],
}

impl Pending {
    /// Whether no record waits.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many records wait.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// What the server is to be asked; [`super::Decoder::complete`] takes the answers in this order.
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// Notes a record, with its tuple as far as `encoder` has it, and what that lacks.
    pub(super) fn push(&mut self, place: Place, raw: &[u8], encoder: &RowEncoder) {
        self.raw.extend_from_slice(raw);
        self.tuples.extend_from_slice(encoder.tuple());
        for value in encoder.unrecognised() {
            let (question, text) = self.ask(&value);
            self.holes.push(Hole {
                column: value.column,
                at: value.at,
                question,
                text,
            });
        }
        self.records.push(PendingRecord {
            place,
            deletes: encoder.deletes(),
            raw_end: self.raw.len(),
            tuple_end: self.tuples.len(),
            holes_end: self.holes.len(),
        });
    }

    /// The records that wait, in order.
    pub(super) fn records(&self) -> impl Iterator<Item = Waiting<'_>> {
        let (mut raw, mut tuple, mut holes) = (0, 0, 0);
        self.records.iter().map(move |record| Waiting {
            place: record.place,
            deletes: record.deletes,
            raw: &self.raw[std::mem::replace(&mut raw, record.raw_end)..record.raw_end],
            tuple: &self.tuples[std::mem::replace(&mut tuple, record.tuple_end)..record.tuple_end],
            holes: &self.holes[std::mem::replace(&mut holes, record.holes_end)..record.holes_end],
        })
    }

    /// Where a text stands in which question; a text that was not asked for yet is added.
    fn ask(&mut self, value: &Unrecognised<'_>) -> (u32, u32) {
        let Unrecognised {
            type_name,
            time_zone,
            text,
            ..
        } = *value;
        let same = |question: &Question| {
            question.type_name == type_name && question.time_zone.as_deref() == time_zone
        };
        let question = match self.questions.iter().position(same) {
            Some(question) => question,
            None => {
                let question = Question::new(type_name).in_zone(time_zone);
                self.questions.push(question);
                self.known.push(HashMap::new());
                self.questions.len() - 1
            }
        };
        let texts = &mut self.questions[question];
        let next = texts.len() as u32;
        let known = *self.known[question]
            .entry(xxh3_64(text.as_bytes()))
            .or_insert(next);
        let index = if known == next {
            texts.push(text);
            next
        } else if texts.text(known as usize) == text {
            known
        } else {
            // Another text of the same hash: this one is asked for as often as it comes.
            texts.push(text);
            next
        };
        (question as u32, index)
    }
}
