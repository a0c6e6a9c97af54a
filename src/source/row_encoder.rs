//! One record's fields to one row: the tuple of the binary `COPY` format, and its key's image.

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::pending::Hole;
use super::reject::Reject;
use crate::csv::Field;
use crate::plan::{Column, LoadPlan, ValueType};
use crate::row::{
    Bounds, Refusal, Transform, Verdict, append_field, append_key_part, append_null, encode,
    first_characters,
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
    unrecognised: Texts,
    unescaped: Vec<u8>,
    recased: Vec<u8>,
}

#[derive(Debug)]
struct ColumnEncoder {
    column: Column,
    /// Which field of the record it takes.
    field: usize,
    transform: Option<Transform>,
    /// `None` where nothing is to be checked.
    bounds: Option<Bounds>,
    /// The labels of an enumeration, sorted.
    labels: Vec<Box<[u8]>>,
}

/// The values of the last record that no encoder recognised.
#[derive(Debug, Default)]
struct Texts {
    texts: Vec<u8>,
    /// The column, where its field belongs in the tuple, and where its text ends.
    ends: Vec<(usize, usize, usize)>,
}

/// A value that no encoder recognised.
#[derive(Clone, Copy, Debug)]
pub struct Unrecognised<'a> {
    /// The column.
    pub column: usize,
    /// Where in the tuple, which lacks it, its field belongs.
    pub at: usize,
    /// The server's name for its type.
    pub type_name: &'a str,
    /// What the server is to be asked.
    pub text: &'a str,
}

/// Whether a record is a row now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The tuple and the key's image are complete.
    Row,
    /// The server has to be asked first: the tuple lacks the fields that are not recognised.
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
            unrecognised: Texts::default(),
            unescaped: Vec::new(),
            recased: Vec::new(),
        })
    }

    /// Encodes a record, whose fields are spans of `bytes`, valid UTF-8 without NUL and as many as
    /// the header has.
    ///
    /// # Errors
    /// Why the record is no row.
    pub fn encode(&mut self, bytes: &[u8], fields: &[Field]) -> Result<Outcome, Reject> {
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
            if let Some(transform) = &column.transform
                && !transform.allows(text)
            {
                let Column { name, allowed, .. } = &column.column;
                return Err(Reject::not_allowed(name, allowed));
            }
            if encode(column.column.value_type, text, &mut self.tuple) == Verdict::Unrecognised {
                if !column.is_label(text) {
                    self.unrecognised.push(index, *start, text);
                    continue;
                }
                append_field(text, &mut self.tuple);
            }
            if let Some(bounds) = &column.bounds {
                column.check(bounds, &self.tuple[*start + 4..])?;
            }
        }
        if !self.unrecognised.ends.is_empty() {
            return Ok(Outcome::Unrecognised);
        }
        self.build_image();
        Ok(Outcome::Row)
    }

    /// Completes a tuple that [`RowEncoder::encode`] left with holes, with a value for each of them.
    ///
    /// # Errors
    /// Why the record is no row.
    pub fn fill<'a>(
        &mut self,
        tuple: &[u8],
        values: impl Iterator<Item = (&'a Hole, Result<&'a [u8], &'a Refusal>)>,
    ) -> Result<(), Reject> {
        self.tuple.clear();
        let mut filled = 0;
        for (hole, value) in values {
            let column = &self.columns[hole.column];
            let value = value.map_err(|refusal| Reject::refused(&column.column.name, refusal))?;
            if let Some(bounds) = &column.bounds {
                column.check(bounds, value)?;
            }
            self.tuple.extend_from_slice(&tuple[filled..hole.at]);
            append_field(value, &mut self.tuple);
            filled = hole.at;
        }
        self.tuple.extend_from_slice(&tuple[filled..]);
        if !self.key.is_empty() {
            self.find_fields();
        }
        self.build_image();
        Ok(())
    }

    /// Finds the fields of the tuple again.
    fn find_fields(&mut self) {
        let mut at = 2;
        for start in &mut self.fields {
            *start = at;
            at += 4 + field_of(&self.tuple[at..]).map_or(0, <[u8]>::len);
        }
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

    /// The last record's values that were not recognised.
    pub fn unrecognised(&self) -> impl Iterator<Item = Unrecognised<'_>> {
        let Texts { texts, ends } = &self.unrecognised;
        ends.iter().scan(0, |start, &(column, at, end)| {
            let text = &texts[std::mem::replace(start, end)..end];
            Some(Unrecognised {
                column,
                at,
                type_name: &self.columns[column].column.type_name,
                text: std::str::from_utf8(text)
                    .expect("a part of a valid record, cut at ASCII characters"),
            })
        })
    }

    fn build_image(&mut self) {
        self.image.clear();
        for &index in &self.key {
            let Column {
                value_type,
                characters,
                ..
            } = self.columns[index].column;
            let Some(mut value) = field_of(&self.tuple[self.fields[index]..]) else {
                self.image.clear();
                return;
            };
            if let Some(most) = characters {
                value = first_characters(value, most as usize);
            }
            append_key_part(value_type, value, &mut self.image);
        }
    }
}

/// The value of the field that a part of a tuple begins with; `None` for a NULL.
fn field_of(tuple: &[u8]) -> Option<&[u8]> {
    let (length, rest) = tuple
        .split_first_chunk::<4>()
        .expect("every field of a complete tuple has a length");
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    Some(&rest[..length])
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
        let (minimum, maximum) = (column.minimum.as_deref(), column.maximum.as_deref());
        let bounds = Bounds::new(column.value_type, minimum, maximum, column.finite);
        let bounds = bounds.map_err(|error| {
            Error::new(
                ErrorKind::Configuration,
                format!("column {:?}: {error}", column.name),
            )
        })?;
        let mut labels: Vec<_> = column
            .labels
            .iter()
            .map(|it| Box::from(it.as_bytes()))
            .collect();
        labels.sort();
        let unbounded = minimum.is_none() && maximum.is_none() && !column.finite;
        Ok(ColumnEncoder {
            field,
            transform: Transform::new(column),
            bounds: (!unbounded).then_some(bounds),
            labels,
            column: column.clone(),
        })
    }

    /// Whether a text is a label of the column's enumeration, whose binary value is the text itself.
    fn is_label(&self, text: &[u8]) -> bool {
        let found = self.labels.binary_search_by(|label| (**label).cmp(text));
        found.is_ok()
    }

    /// Checks a binary value that is not NULL.
    fn check(&self, bounds: &Bounds, value: &[u8]) -> Result<(), Reject> {
        bounds
            .check(value)
            .map_err(|broken| Reject::out_of_range(&self.column.name, broken))
    }
}

impl Texts {
    fn push(&mut self, column: usize, at: usize, text: &[u8]) {
        self.texts.extend_from_slice(text);
        self.ends.push((column, at, self.texts.len()));
    }
}
