//! One record's fields to one row: the tuple of the binary `COPY` format, and its key's image.

use std::ops::Range;
use std::sync::Arc;

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::Answer;
use super::reject::Reject;
use crate::csv::Field;
use crate::plan::{Column, LoadPlan, ValueType};
use crate::row::{
    Bounds, Transform, Verdict, Zone, append_field, append_key_part, append_null, encode,
};

/// Encodes the records of a file one after the other, in buffers that are used again.
#[derive(Debug)]
pub struct RowEncoder {
    columns: Vec<ColumnEncoder>,
    /// The key's columns, in the key's order.
    key: Vec<usize>,
    quote: u8,
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
    /// Which field of the record it takes.
    field: usize,
    transform: Option<Transform>,
    /// `None` where nothing is to be checked.
    bounds: Option<Bounds>,
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
    /// The encoder of a plan for files with this header.
    ///
    /// # Errors
    /// `File` where the header lacks a field of the plan; `Configuration` where a bound is no value
    /// of its column's type, or the key names a column that is not loaded.
    pub fn new(plan: &LoadPlan, header: &[String]) -> Result<RowEncoder> {
        let columns = plan
            .columns
            .iter()
            .map(|column| ColumnEncoder::new(column, header))
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
            quote: plan.dialect.quote,
            tuple: Vec::new(),
            image: Vec::new(),
            unrecognised: Unrecognised::default(),
            unescaped: Vec::new(),
            recased: Vec::new(),
            rewritten: Vec::new(),
        })
    }

    /// Encodes a record, whose fields are spans of `bytes`, valid UTF-8 without NUL and as many as
    /// the header has. An unrecognised value takes the next of `answers`, if there is one.
    ///
    /// # Errors
    /// Why the record is no row.
    pub fn encode(
        &mut self,
        bytes: &[u8],
        fields: &[Field],
        answers: &mut dyn Iterator<Item = &Answer>,
    ) -> Result<Outcome, Reject> {
        self.tuple.clear();
        self.unrecognised.texts.clear();
        self.unrecognised.ends.clear();
        let count = self.columns.len() as u16;
        self.tuple.extend_from_slice(&count.to_be_bytes());

        for (index, (column, start)) in self.columns.iter().zip(&mut self.fields).enumerate() {
            *start = self.tuple.len();
            let field = &fields[column.field];
            let mut text = field.text(bytes, self.quote, &mut self.unescaped);
            if let Some(transform) = &column.transform {
                text = transform.apply(text, &mut self.recased);
            }
            if text.is_empty() && !field.quoted {
                if column.column.required {
                    return Err(Reject::missing_value(&column.column.name));
                }
                append_null(&mut self.tuple);
                continue;
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
    fn new(column: &Column, header: &[String]) -> Result<ColumnEncoder> {
        let field = header.iter().position(|name| name == &column.field);
        let field = field.ok_or_else(|| {
            Error::new(
                ErrorKind::File,
                format!(
                    "the header has no field {:?} for column {:?}",
                    column.field, column.name
                ),
            )
        })?;
        let failed = |error: String| {
            Error::new(
                ErrorKind::Configuration,
                format!("column {:?}: {error}", column.name),
            )
        };
        Ok(ColumnEncoder {
            field,
            transform: Transform::new(column).map_err(failed)?,
            bounds: Bounds::of(column).map_err(|error| failed(error.to_string()))?,
            column: column.clone(),
        })
    }
}

impl Unrecognised {
    fn push(&mut self, column: usize, text: &[u8]) {
        self.texts.extend_from_slice(text);
        self.ends.push((column, self.texts.len()));
    }
}
