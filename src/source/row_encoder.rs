//! One record's fields to one row: the tuple of the binary `COPY` format, and its key's image.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::Place;

use super::marker::Marker;
use super::reject::Reject;
use super::{Answer, Origin};
use crate::csv::{Escape, Field};
use crate::plan::{Column, ColumnSource, Dialect, Layout, LoadPlan, ValueType};
use crate::row::{
    Bounds, Nulls, Transform, Verdict, Zone, append_field, append_key_part, append_null, encode,
};

/// Encodes the records of a file one after the other, in buffers that are used again.
#[derive(Debug)]
pub struct RowEncoder {
    columns: Vec<ColumnEncoder>,
    /// The key's columns, in the key's order.
    key: Vec<usize>,
    /// What tells the records that delete; `None` where none does.
    marker: Option<Marker>,
    /// Whether the last record deletes the row of its key.
    deletes: bool,
    escape: Escape,
    tuple: Vec<u8>,
    /// Where each column's field starts in the tuple, its length first.
    fields: Vec<usize>,
    image: Vec<u8>,
    unrecognised: Unrecognised,
    unescaped: Vec<u8>,
    recased: Vec<u8>,
    rewritten: Vec<u8>,
}

#[derive(Debug)]
struct ColumnEncoder {
    column: Column,
    input: Input,
    transform: Option<Transform>,
    /// `None` where a field is NULL that is empty and not quoted.
    nulls: Option<Nulls>,
    /// `None` where nothing is to be checked.
    bounds: Option<Bounds>,
    /// Whether a deletion needs its value: of the key's columns, and of the version.
    tells: bool,
}

/// Where a column's text comes from.
#[derive(Debug)]
enum Input {
    /// This field of the record.
    Field(usize),
    /// It is the same in every row.
    Fixed(Fixed),
    /// The record's number.
    Record,
    /// The line that the record starts on.
    Line,
}

#[derive(Debug)]
struct Fixed {
    text: String,
    /// The field of the tuple, once a row has had it without the server's help.
    encoded: Vec<u8>,
}

/// The values of the last record that no encoder recognised and to which no answer was known.
#[derive(Debug, Default)]
struct Unrecognised {
    texts: Vec<u8>,
    /// The column, and where its text ends.
    ends: Vec<(usize, usize)>,
}

/// Whether a record is a row now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The tuple and the key's image are complete.
    Row,
    /// The server has to be asked first.
    Unrecognised,
}

impl RowEncoder {
    /// The encoder of a plan for files with this layout.
    ///
    /// # Errors
    /// `Configuration` where a bound is no value of its column's type, or the key names a column that
    /// is not loaded.
    pub fn new(plan: &LoadPlan, layout: &Layout) -> Result<RowEncoder> {
        let tells =
            |name: &String| plan.key.contains(name) || plan.rules.version.as_ref() == Some(name);
        let columns = plan
            .columns
            .iter()
            .zip(&layout.columns)
            .map(|(column, field)| {
                let mut encoder = ColumnEncoder::new(column, &plan.dialect, *field)?;
                encoder.tells = tells(&column.name);
                Ok(encoder)
            })
            .collect::<Result<Vec<_>>>()?;
        let key = plan
            .key
            .iter()
            .map(|name| {
                let found = plan.columns.iter().position(|column| &column.name == name);
                found.ok_or_else(|| {
                    Error::new(
                        ErrorKind::Configuration,
                        format!(
                            "the key's column {name:?} is not among the columns that are loaded"
                        ),
                    )
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(RowEncoder {
            fields: vec![0; columns.len()],
            columns,
            key,
            marker: Marker::new(plan, layout),
            deletes: false,
            escape: Escape::new(&plan.dialect),
            tuple: Vec::new(),
            image: Vec::new(),
            unrecognised: Unrecognised::default(),
            unescaped: Vec::new(),
            recased: Vec::new(),
            rewritten: Vec::new(),
        })
    }

    /// Gives the values of columns that are derived from the file.
    pub fn set_origin(&mut self, origin: &Origin) {
        for column in &mut self.columns {
            let text = match column.column.source {
                ColumnSource::FileName => &origin.name,
                ColumnSource::FilePath => &origin.path,
                ColumnSource::LoadTime => &origin.load_time,
                _ => continue,
            };
            column.input = Input::fixed(text);
        }
    }

    /// Encodes a record, whose fields are spans of `bytes`, valid UTF-8 without NUL and as many as
    /// the layout says. An unrecognised value takes the next of `answers`, if there is one.
    ///
    /// # Errors
    /// Why the record is no row.
    pub fn encode(
        &mut self,
        bytes: &[u8],
        fields: &[Field],
        place: Place,
        answers: &mut dyn Iterator<Item = &Answer>,
    ) -> Result<Outcome, Reject> {
        if let Some(marker) = &mut self.marker {
            self.deletes = marker.marks(bytes, fields, self.escape);
            if self.deletes {
                return self.encode_fields::<true>(bytes, fields, place, answers);
            }
        }
        self.encode_fields::<false>(bytes, fields, place, answers)
    }

    /// A deletion has its key and its version alone, and NULL elsewhere: the rest of such a record
    /// may be anything.
    fn encode_fields<const DELETES: bool>(
        &mut self,
        bytes: &[u8],
        fields: &[Field],
        place: Place,
        answers: &mut dyn Iterator<Item = &Answer>,
    ) -> Result<Outcome, Reject> {
        self.tuple.clear();
        self.unrecognised.texts.clear();
        self.unrecognised.ends.clear();
        let count = self.columns.len() as u16;
        self.tuple.extend_from_slice(&count.to_be_bytes());

        let columns = self.columns.iter_mut().zip(&mut self.fields);
        for (index, (column, start)) in columns.enumerate() {
            *start = self.tuple.len();
            if DELETES && !column.tells {
                append_null(&mut self.tuple);
                continue;
            }
            // Only a field can be NULL.
            let (mut text, quoted) = match &column.input {
                Input::Field(field) => {
                    let field = &fields[*field];
                    let text = field.text(bytes, self.escape, &mut self.unescaped);
                    (text, Some(field.quoted))
                }
                Input::Fixed(fixed) if !fixed.encoded.is_empty() => {
                    self.tuple.extend_from_slice(&fixed.encoded);
                    continue;
                }
                Input::Fixed(fixed) => (fixed.text.as_bytes(), None),
                Input::Record => (digits(place.record, &mut self.unescaped), None),
                Input::Line => (digits(place.line, &mut self.unescaped), None),
            };
            if let Some(transform) = &column.transform {
                text = transform.trim(text);
            }
            let null = match (quoted, &column.nulls) {
                (None, _) => false,
                (Some(quoted), None) => text.is_empty() && !quoted,
                (Some(quoted), Some(nulls)) => nulls.contain(text, quoted),
            };
            if null {
                if column.column.required {
                    let name = &column.column.name;
                    return Err(Reject::missing_value(name, !text.is_empty()));
                }
                append_null(&mut self.tuple);
                continue;
            }
            if let Some(transform) = &column.transform {
                text = transform.change_case(text, &mut self.recased);
            }
            let unrecognised = match &column.transform {
                None => match encode(column.column.value_type, text, &mut self.tuple) {
                    Verdict::Encoded => None,
                    Verdict::Unrecognised => Some(text),
                },
                Some(transform) => {
                    let (value_type, scratch) = (column.column.value_type, &mut self.rewritten);
                    transform
                        .encode(value_type, text, scratch, &mut self.tuple)
                        .map_err(|broken| Reject::broken(&column.column, broken))?
                }
            };
            let is_answered = unrecognised.is_some();
            if let Some(text) = unrecognised {
                match answers.next() {
                    Some(Ok(value)) => append_field(value, &mut self.tuple),
                    Some(Err(refusal)) => {
                        return Err(Reject::refused(&column.column.name, refusal));
                    }
                    None => {
                        self.unrecognised.push(index, text);
                        continue;
                    }
                }
            }
            if let Some(bounds) = &column.bounds {
                bounds
                    .check(&self.tuple[*start + 4..])
                    .map_err(|broken| Reject::out_of_range(&column.column.name, broken))?;
            }
            // What the server answers is asked for and taken in every row: a row that took one answer
            // fewer than it has asked for would give the next column a wrong one.
            if let Input::Fixed(fixed) = &mut column.input
                && !is_answered
            {
                fixed.encoded.extend_from_slice(&self.tuple[*start..]);
            }
        }
        if !self.unrecognised.ends.is_empty() {
            return Ok(Outcome::Unrecognised);
        }
        self.build_image();
        Ok(Outcome::Row)
    }

    /// The last row's tuple.
    pub fn tuple(&self) -> &[u8] {
        &self.tuple
    }

    /// Whether the last row is one that deletes the row of its key.
    pub fn deletes(&self) -> bool {
        self.deletes
    }

    /// The image of the last row's key; empty where it has none, or a NULL in it.
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// The type that the server's name for it stands for in this plan.
    pub fn value_type(&self, type_name: &str) -> ValueType {
        let mut columns = self.columns.iter().map(|column| &column.column);
        let column = columns.find(|column| column.type_name == type_name);
        column.map_or(ValueType::Other, |column| column.value_type)
    }

    /// The zones in which columns' times are read, where they are zones of their own; each once.
    pub fn zones(&self) -> Vec<Arc<Zone>> {
        let mut zones: Vec<Arc<Zone>> = Vec::new();
        let transforms = self.columns.iter().flat_map(|column| &column.transform);
        for zone in transforms.flat_map(Transform::zone) {
            if !zones.contains(zone) {
                zones.push(Arc::clone(zone));
            }
        }
        zones
    }

    /// Leaves the local times of a zone that are not `agreed` on to the server.
    pub fn agree(&mut self, zone: &str, agreed: &Range<i64>) {
        for transform in self.columns.iter_mut().flat_map(|c| &mut c.transform) {
            transform.agree(zone, agreed);
        }
    }

    /// The last record's values that were not recognised, each with its column.
    pub fn unrecognised(&self) -> impl Iterator<Item = (&Column, &[u8])> {
        let Unrecognised { texts, ends } = &self.unrecognised;
        ends.iter().scan(0, |start, &(column, end)| {
            let text = &texts[std::mem::replace(start, end)..end];
            Some((&self.columns[column].column, text))
        })
    }

    fn build_image(&mut self) {
        self.image.clear();
        for &column in &self.key {
            let field = &self.tuple[self.fields[column]..];
            let (length, rest) = field
                .split_first_chunk::<4>()
                .expect("every field of a complete tuple has a length");
            let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
                self.image.clear();
                return;
            };
            let value_type = self.columns[column].column.value_type;
            append_key_part(value_type, &rest[..length], &mut self.image);
        }
    }
}

impl ColumnEncoder {
    fn new(column: &Column, dialect: &Dialect, field: Option<usize>) -> Result<ColumnEncoder> {
        let failed = |error: String| {
            Error::new(
                ErrorKind::Configuration,
                format!("column {:?}: {error}", column.name),
            )
        };
        Ok(ColumnEncoder {
            input: Input::new(&column.source, field),
            transform: Transform::new(column).map_err(failed)?,
            nulls: Some(Nulls::new(column, dialect)).filter(|nulls| !nulls.are_plain()),
            bounds: Bounds::of(column).map_err(|error| failed(error.to_string()))?,
            tells: false,
            column: column.clone(),
        })
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
            ColumnSource::FileName | ColumnSource::FilePath | ColumnSource::LoadTime => {
                Input::fixed("")
            }
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
fn digits(number: u64, scratch: &mut Vec<u8>) -> &[u8] {
    scratch.clear();
    // Writing to memory does not fail.
    let _ = write!(scratch, "{number}");
    scratch
}

impl Unrecognised {
    fn push(&mut self, column: usize, text: &[u8]) {
        self.texts.extend_from_slice(text);
        self.ends.push((column, self.texts.len()));
    }
}
