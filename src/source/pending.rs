//! Records that wait for the server: what it is to be asked, and where the answers belong.

use std::collections::HashMap;

use bytes::Bytes;
use ingestd_actors::model::Place;

/// Values of one type that the server is asked to encode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The type: a cast of a text to it is what the server would make of the field.
    pub type_name: String,
    /// The time zone of the session that is asked, where it is not UTC.
    pub time_zone: Option<String>,
    /// The texts, each once.
    pub texts: Vec<String>,
}

/// What the server makes of one text: the binary value, or why it refuses.
pub type Answer = Result<Bytes, Refusal>;

/// Why the server refuses a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The SQLSTATE.
    pub sqlstate: String,
    /// The server's message; it may hold the value.
    pub message: String,
}

/// The records of one buffer that wait for the server.
#[derive(Debug, Default)]
pub struct Pending {
    /// The records' raw bytes, one after the other.
    pub(super) raw: Vec<u8>,
    pub(super) records: Vec<PendingRecord>,
    /// For each unrecognised value of each record, in order: which question, which text of it.
    pub(super) values: Vec<(u32, u32)>,
    questions: Vec<Question>,
    /// Where each text stands in its question.
    known: Vec<HashMap<String, u32>>,
}

/// A record that waits for the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingRecord {
    pub place: Place,
    /// Where it ends in [`Pending::raw`].
    pub end: usize,
    /// How many of [`Pending::values`] are this record's.
    pub values: usize,
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

    /// Notes one unrecognised value of the record that is noted next.
    pub(super) fn ask(&mut self, type_name: &str, time_zone: Option<&str>, text: &str) {
        let same = |question: &Question| {
            question.type_name == type_name && question.time_zone.as_deref() == time_zone
        };
        let question = match self.questions.iter().position(same) {
            Some(question) => question,
            None => {
                self.questions.push(Question {
                    type_name: type_name.to_owned(),
                    time_zone: time_zone.map(str::to_owned),
                    texts: Vec::new(),
                });
                self.known.push(HashMap::new());
                self.questions.len() - 1
            }
        };
        let texts = &mut self.questions[question].texts;
        let index = match self.known[question].get(text) {
            Some(index) => *index,
            None => {
                let index = texts.len() as u32;
                texts.push(text.to_owned());
                self.known[question].insert(text.to_owned(), index);
                index
            }
        };
        self.values.push((question as u32, index));
    }
}
