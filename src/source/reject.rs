//! Why a record is no row, in words for people. A message names the column and what would be right,
//! never the value.

use ingestd_actors::model::Reason;

use crate::csv::Fault;
use crate::row::{OutOfBounds, Refusal};

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
                "text after a closing quote; a quote inside a quoted field is written twice".into(),
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

    pub fn field_count(got: usize, expected: usize) -> Reject {
        Reject::of_record(
            Reason::FieldCount,
            format!(
                "got {}, the header has {expected}",
                match got {
                    1 => "1 field".to_owned(),
                    _ => format!("{got} fields"),
                }
            ),
        )
    }

    pub fn missing_value(column: &str) -> Reject {
        Reject::of_column(
            column,
            Reason::MissingValue,
            format!("column {column:?} is required, the field is empty"),
        )
    }

    pub fn not_allowed(column: &str, allowed: &[String]) -> Reject {
        const SHOWN: usize = 20;
        let mut list = allowed[..allowed.len().min(SHOWN)].join(", ");
        if allowed.len() > SHOWN {
            list.push_str(&format!(" and {} more", allowed.len() - SHOWN));
        }
        Reject::of_column(
            column,
            Reason::NotAllowed,
            format!("column {column:?} allows only {list}"),
        )
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
