//! One record's fields to one row: the tuple of the binary `COPY` format, and its key's image.

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::Answer;
use super::reject::Reject;
use crate::csv::{Escape, Field};
use crate::plan::{Column, Dialect, LoadPlan, ValueType};
use crate::row::{
    Bounds, Nulls, Transform, Verdict, append_field, append_key_part, append_null, encode,
};

/// Encodes the records of a file one after the other, in buffers that are used again.
#[derive(Debug)]
pub struct RowEncoder {
    columns: Vec<ColumnEncoder>,
    /// The key's columns, in the key's order.
    key: Vec<usize>,
    escape: Escape,
    tuple: Vec<u8>,
    /// Where each column's field starts in the tuple, its length first.
    fields: Vec<usize>,
    image: Vec<u8>,
    unrecognised: Unrecognised,
    unescaped: Vec<u8>,
    recased: Vec<u8>,
}

#[derive(Debug)]
struct ColumnEncoder {
    column: Column,
    /// Which field of the record it takes.
    field: usize,
    /// `None` where a field is taken as it stands, and is NULL where it is empty and not quoted.
    rules: Option<Rules>,
    /// `None` where nothing is to be checked.
    bounds: Option<Bounds>,
}

/// What happens to a field's text before it is encoded.
#[derive(Debug)]
struct Rules {
    nulls: Nulls,
    transform: Option<Transform>,
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
            .map(|column| ColumnEncoder::new(column, &plan.dialect, header))
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
            escape: Escape::new(&plan.dialect),
            tuple: Vec::new(),
            image: Vec::new(),
            unrecognised: Unrecognised::default(),
            unescaped: Vec::new(),
            recased: Vec::new(),
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
            let mut text = field.text(bytes, self.escape, &mut self.unescaped);
            let null = match &column.rules {
                None => text.is_empty() && !field.quoted,
                Some(rules) => {
                    text = rules.trim(text);
                    rules.nulls.contain(text, field.quoted)
                }
            };
            if null {
                if column.column.required {
                    let name = &column.column.name;
                    return Err(Reject::missing_value(name, !text.is_empty()));
                }
                append_null(&mut self.tuple);
                continue;
            }
            if let Some(Rules {
                transform: Some(transform),
                ..
            }) = &column.rules
            {
                text = transform.change_case(text, &mut self.recased);
                if !transform.allows(text) {
                    let Column { name, allowed, .. } = &column.column;
                    return Err(Reject::not_allowed(name, allowed));
                }
            }
            if encode(column.column.value_type, text, &mut self.tuple) == Verdict::Unrecognised {
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

    /// The last record's values that were not recognised, each with its type's name.
    pub fn unrecognised(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let Unrecognised { texts, ends } = &self.unrecognised;
        ends.iter().scan(0, |start, &(column, end)| {
            let text = &texts[std::mem::replace(start, end)..end];
            Some((self.columns[column].column.type_name.as_str(), text))
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
    fn new(column: &Column, dialect: &Dialect, header: &[String]) -> Result<ColumnEncoder> {
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
        let unbounded = minimum.is_none() && maximum.is_none() && !column.finite;
        Ok(ColumnEncoder {
            field,
            rules: Rules::new(column, dialect),
            bounds: (!unbounded).then_some(bounds),
            column: column.clone(),
        })
    }
}

impl Rules {
    fn new(column: &Column, dialect: &Dialect) -> Option<Rules> {
        let rules = Rules {
            nulls: Nulls::new(column, dialect),
            transform: Transform::new(column),
        };
        (rules.transform.is_some() || !rules.nulls.are_plain()).then_some(rules)
    }

    fn trim<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        match &self.transform {
            Some(transform) => transform.trim(text),
            None => text,
        }
    }
}

impl Unrecognised {
    fn push(&mut self, column: usize, text: &[u8]) {
        self.texts.extend_from_slice(text);
        self.ends.push((column, self.texts.len()));
    }
}
