//! Why a record is no row, in words for people. A message names the column and what would be right,
//! never the value.

use encoding_rs::UTF_8;
use ingestd_actors::model::Reason;

use super::Refusal;
use crate::csv::Fault;
use crate::plan::{Column, EpochUnit};
use crate::row::{Broken, NumberFormat, OutOfBounds, TimeFormat};

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
        let rules = &column.rules;
        let (reason, rule) = match broken {
            Broken::NotAllowed => (Reason::NotAllowed, format!("allows only {}", list(&column.allowed))),
            Broken::TooLong => (
                Reason::TooLong,
                format!("may have at most {} characters", rules.max_length.unwrap_or_default()),
            ),
            Broken::Pattern => (
                Reason::PatternMismatch,
                format!("must match the pattern {:?}", rules.pattern.as_deref().unwrap_or_default()),
            ),
            Broken::Number => {
                let format = NumberFormat::new(rules.thousands, rules.decimal);
                (
                    Reason::WrongFormat,
                    format!("must be written as a number such as {}", format.example()),
                )
            }
            Broken::Format => {
                let format = rules.format.as_deref().unwrap_or_default();
                let example = TimeFormat::new(format).map(|format| format.example());
                (
                    Reason::WrongFormat,
                    format!("must be written as {format:?}, such as {}", example.unwrap_or_default()),
                )
            }
            Broken::Epoch => (
                Reason::WrongFormat,
                match rules.epoch {
                    Some(EpochUnit::Milliseconds) => "must be a whole number of milliseconds since 1970, such as 1735669805500".to_owned(),
                    Some(EpochUnit::Microseconds) => "must be a whole number of microseconds since 1970, such as 1735669805500000".to_owned(),
                    _ => "must be a number of seconds since 1970, such as 1735669805.5".to_owned(),
                },
            ),
            Broken::TimeRange => (
                Reason::OutOfRange,
                "must be a time between the years 4713 BC and 294276".to_owned(),
            ),
        };
        let message = format!("column {:?} {rule}", column.name);
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

/// The first of some values, for people.
fn list(values: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut list = values[..values.len().min(SHOWN)].join(", ");
    if values.len() > SHOWN {
        list.push_str(&format!(" and {} more", values.len() - SHOWN));
    }
    list
}
