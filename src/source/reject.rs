//! Why a record is no row, in words for people. A message names the column and what would be right,
//! never the value.

use encoding_rs::UTF_8;
use ingestd_actors::model::Reason;

use super::rule::rule;
use crate::csv::Fault;
use crate::plan::Column;
use crate::row::{Broken, OutOfBounds, Refusal};

/// Why a record is no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    pub column: Option<String>,
    pub reason: Reason,
    pub message: String,
    pub sqlstate: Option<String>,
}

impl Reject {
    fn of_record(reason: Reason, message: String) -> Reject {
        Reject {
            column: None,
            reason,
            message,
            sqlstate: None,
        }
    }

    fn of_column(column: &str, reason: Reason, message: String) -> Reject {
        Reject {
            column: Some(column.to_owned()),
            reason,
            message,
            sqlstate: None,
        }
    }

    pub fn fault(fault: Fault, length: u64, max_record: usize) -> Reject {
        match fault {
            Fault::TextAfterQuote => Reject::of_record(
                Reason::BadQuoting,
                "text after a closing quote; a quote inside a quoted field is written twice, or escaped"
                    .into(),
            ),
            Fault::UnfinishedQuote => Reject::of_record(
                Reason::BadQuoting,
                "a quoted field has no closing quote before the end of the file or of the largest record"
                    .into(),
            ),
            Fault::TooLarge => Reject::of_record(
                Reason::RecordTooLarge,
                format!("the record has {length} bytes, the largest allowed has {max_record}"),
            ),
        }
    }

    pub fn nul_byte(at: usize) -> Reject {
        Reject::of_record(
            Reason::NulByte,
            format!(
                "byte {} of the record is NUL, which no text can hold",
                at + 1
            ),
        )
    }

    pub fn invalid_encoding(at: usize) -> Reject {
        Reject::of_record(
            Reason::InvalidEncoding,
            format!("not valid UTF-8 from byte {} of the record on", at + 1),
        )
    }

    /// The same of text that has another encoding in its file.
    pub fn in_encoding(mut self, encoding: &str) -> Reject {
        if self.reason == Reason::InvalidEncoding && encoding != UTF_8.name() {
            self.message = format!(
                "it holds bytes that are no {encoding}; in its raw bytes, which are UTF-8, FF stands for them"
            );
        }
        self
    }

    /// `expected` says how many there should be.
    pub fn field_count(got: usize, expected: &str) -> Reject {
        let fields = if got == 1 { "field" } else { "fields" };
        Reject::of_record(
            Reason::FieldCount,
            format!("got {got} {fields}, {expected}"),
        )
    }

    pub fn missing_value(column: &str, spelled: bool) -> Reject {
        let what = match spelled {
            true => "the field says that there is none",
            false => "the field is empty",
        };
        Reject::of_column(
            column,
            Reason::MissingValue,
            format!("column {column:?} is required, {what}"),
        )
    }

    /// A text that breaks a rule of its column.
    pub fn broken(column: &Column, broken: Broken) -> Reject {
        let reason = match broken {
            Broken::TooLong => Reason::TooLong,
            Broken::Pattern => Reason::PatternMismatch,
            Broken::NotAllowed => Reason::NotAllowed,
            Broken::Number | Broken::Format | Broken::Epoch => Reason::WrongFormat,
            Broken::TimeRange => Reason::OutOfRange,
        };
        let message = format!("column {:?} {}", column.name, rule(column, broken));
        Reject::of_column(&column.name, reason, message)
    }

    pub fn out_of_range(column: &str, broken: OutOfBounds) -> Reject {
        let rule = match broken {
            OutOfBounds::Below(minimum) => format!("at least {minimum}"),
            OutOfBounds::Above(maximum) => format!("at most {maximum}"),
            OutOfBounds::NotFinite => "finite".to_owned(),
        };
        Reject::of_column(
            column,
            Reason::OutOfRange,
            format!("column {column:?} must be {rule}"),
        )
    }

    pub fn refused(column: &str, refusal: &Refusal) -> Reject {
        Reject {
            column: Some(column.to_owned()),
            reason: Reason::InvalidValue,
            message: refusal.message.clone(),
            sqlstate: Some(refusal.sqlstate.clone()),
        }
    }
}
