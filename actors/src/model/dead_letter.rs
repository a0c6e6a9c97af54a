//! Records that could not be loaded, each with its reason.

use bytes::Bytes;

/// Why a record became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// More or fewer fields than the header has.
    FieldCount,
    /// Text after a closing quote, or a quoted field without an end.
    BadQuoting,
    /// Bytes that are not valid in the file's encoding.
    InvalidEncoding,
    /// A NUL byte, which no PostgreSQL text can hold.
    NulByte,
    /// Longer than the pipeline's largest record.
    RecordTooLarge,
    /// Not a value of its column's type.
    InvalidValue,
    /// Empty, though the column is required.
    MissingValue,
    /// Longer than its column's largest length.
    TooLong,
    /// Not matched by its column's pattern.
    PatternMismatch,
    /// Not written in its column's notation of dates, times or numbers.
    WrongFormat,
    /// Not among the allowed values of its column.
    NotAllowed,
    /// Below the minimum, above the maximum, or not finite where that is refused.
    OutOfRange,
    /// Refused by the database: a constraint, a trigger, a limit.
    Refused,
}

impl Reason {
    /// The code that stands in `ingestd.dead_letters.reason`.
    pub fn code(self) -> &'static str {
        match self {
            Reason::FieldCount => "field_count",
            Reason::BadQuoting => "bad_quoting",
            Reason::InvalidEncoding => "invalid_encoding",
            Reason::NulByte => "nul_byte",
            Reason::RecordTooLarge => "record_too_large",
            Reason::InvalidValue => "invalid_value",
            Reason::MissingValue => "missing_value",
            Reason::TooLong => "too_long",
            Reason::PatternMismatch => "pattern_mismatch",
            Reason::WrongFormat => "wrong_format",
            Reason::NotAllowed => "not_allowed",
            Reason::OutOfRange => "out_of_range",
            Reason::Refused => "refused",
        }
    }
}

/// A record that could not be loaded: its raw bytes, where it stood, and why.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The record's number in its file, counted from 1.
    pub record: u64,
    /// The physical line on which it starts, counted from 1.
    pub line: u64,
    /// The byte offset at which it starts.
    pub offset: u64,
    /// Its true length in bytes, the line end not counted; `raw` may be shorter.
    pub length: u64,
    /// Its raw bytes, up to a cap.
    pub raw: Bytes,
    /// The column at fault, where it is one.
    pub column: Option<String>,
    /// The reason's code.
    pub reason: Reason,
    /// What is wrong, for people.
    pub message: String,
    /// The server's SQLSTATE, where the server refused it.
    pub sqlstate: Option<String>,
}

/// What a letter takes beside its own bytes: the allocator's share of a record, a message and a column's name,
/// and its place in the statement that stores it. Where records are small it is most of it.
const BESIDE: usize = 256;

impl DeadLetter {
    /// The memory that it holds, in bytes.
    pub fn bytes(&self) -> usize {
        std::mem::size_of::<DeadLetter>() + BESIDE + self.raw.len() + self.message.len()
    }
}

/// PURE: how many of them there are for each reason.
pub fn by_reason<'a>(letters: impl IntoIterator<Item = &'a DeadLetter>) -> Vec<(Reason, u64)> {
    let mut counts: Vec<(Reason, u64)> = Vec::new();
    for letter in letters {
        match counts
            .iter_mut()
            .find(|(reason, _)| *reason == letter.reason)
        {
            Some((_, count)) => *count += 1,
            None => counts.push((letter.reason, 1)),
        }
    }
    counts
}
