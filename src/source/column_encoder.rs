//! One column of the rows: where its text comes from, and what its values must keep to.

use std::io::Write;

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::Origin;
use super::reject::Reject;
use crate::plan::{Column, ColumnSource, Dialect};
use crate::row::{Bounds, Nulls, Transform, append_field};

/// What the encoder of rows knows of a column.
#[derive(Debug)]
pub struct ColumnEncoder {
    /// The plan's.
    pub column: Column,
    /// Where its text comes from.
    pub input: Input,
    /// `None` where it has no rules.
    pub transform: Option<Transform>,
    /// What means NULL; `None` where a field does that is empty and not quoted, and no other.
    pub nulls: Option<Nulls>,
    /// Whether a deletion needs its value: of the key's columns, and of the version.
    pub tells: bool,
    /// `None` where nothing is to be checked.
    bounds: Option<Bounds>,
    /// The labels of an enumeration, sorted.
    labels: Vec<Box<[u8]>>,
}

/// Where a column's text comes from.
#[derive(Debug)]
pub enum Input {
    /// This field of the record.
    Field(usize),
    /// It is the same in every row.
    Fixed(Fixed),
    /// The record's number.
    Record,
    /// The line that the record starts on.
    Line,
}

/// A value that is the same in every row.
#[derive(Debug)]
pub struct Fixed {
    /// Its text.
    pub text: String,
    /// The field of the tuple, once a row has had it.
    pub encoded: Vec<u8>,
}

impl ColumnEncoder {
    /// The encoder of a column that takes this field of the record, if any.
    ///
    /// # Errors
    /// `Configuration` where its rules can't be carried out.
    pub fn new(
        column: &Column,
        dialect: &Dialect,
        field: Option<usize>,
        tells: bool,
    ) -> Result<ColumnEncoder> {
        let failed = |error: String| {
            Error::new(
                ErrorKind::Configuration,
                format!("column {:?}: {error}", column.name),
            )
        };
        let labels = column.labels.iter();
        let mut labels: Vec<_> = labels.map(|label| Box::from(label.as_bytes())).collect();
        labels.sort();
        Ok(ColumnEncoder {
            input: Input::new(&column.source, field),
            transform: Transform::new(column).map_err(failed)?,
            nulls: Some(Nulls::new(column, dialect)).filter(|nulls| !nulls.are_plain()),
            tells,
            bounds: Bounds::of(column).map_err(|error| failed(error.to_string()))?,
            labels,
            column: column.clone(),
        })
    }

    /// Gives the text of a column that is derived from the file.
    pub fn set_origin(&mut self, origin: &Origin) {
        let text = match self.column.source {
            ColumnSource::FileId => &origin.file,
            ColumnSource::FileName => &origin.name,
            ColumnSource::FilePath => &origin.path,
            ColumnSource::LoadTime => &origin.load_time,
            _ => return,
        };
        self.input = Input::fixed(text);
    }

    /// Whether a text is a label of the column's enumeration, whose binary value is the text itself.
    pub fn is_label(&self, text: &[u8]) -> bool {
        let found = self.labels.binary_search_by(|label| (**label).cmp(text));
        found.is_ok()
    }

    /// Checks a binary value that is not NULL; where it is the same in every row, the next rows take
    /// it as it is.
    ///
    /// # Errors
    /// The bound that it breaks.
    #[inline]
    pub fn check_and_keep(&mut self, value: &[u8]) -> Result<(), Reject> {
        if let Some(bounds) = &self.bounds {
            bounds
                .check(value)
                .map_err(|broken| Reject::out_of_range(&self.column.name, broken))?;
        }
        if let Input::Fixed(fixed) = &mut self.input
            && fixed.encoded.is_empty()
        {
            append_field(value, &mut fixed.encoded);
        }
        Ok(())
    }
}

impl Input {
    fn new(source: &ColumnSource, field: Option<usize>) -> Input {
        match source {
            ColumnSource::Field | ColumnSource::Number(_) => Input::Field(field.unwrap_or(0)),
            ColumnSource::Constant(text) => Input::fixed(text),
            ColumnSource::Record => Input::Record,
            ColumnSource::Line => Input::Line,
            // Known with the file's origin.
            ColumnSource::FileId
            | ColumnSource::FileName
            | ColumnSource::FilePath
            | ColumnSource::LoadTime => Input::fixed(""),
        }
    }

    fn fixed(text: &str) -> Input {
        Input::Fixed(Fixed {
            text: text.to_owned(),
            encoded: Vec::new(),
        })
    }
}

/// A number as text.
pub fn digits(number: u64, scratch: &mut Vec<u8>) -> &[u8] {
    scratch.clear();
    // Writing to memory does not fail.
    let _ = write!(scratch, "{number}");
    scratch
}
