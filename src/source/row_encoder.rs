//! One record's fields to one row: the tuple of the binary `COPY` format, and its key's image.

use std::ops::Range;
use std::sync::Arc;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::Place;

use super::Origin;
use super::column_encoder::{ColumnEncoder, Input, digits};
use super::marker::Marker;
use super::pending::Hole;
use super::reject::Reject;
use crate::csv::{Escape, Field};
use crate::plan::{Column, Layout, LoadPlan, ValueType};
use crate::row::{
    Refusal, Transform, Verdict, Zone, append_field, append_key_part, append_null, encode,
    first_characters,
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
    unrecognised: Texts,
    unescaped: Vec<u8>,
    recased: Vec<u8>,
    rewritten: Vec<u8>,
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
    /// The time zone in which it is read, where it is not UTC.
    pub time_zone: Option<&'a str>,
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
    /// The encoder of a plan for files with this layout.
    ///
    /// # Errors
    /// `Configuration` where a bound is no value of its column's type, or the key names a column that
    /// is not loaded.
    pub fn new(plan: &LoadPlan, layout: &Layout) -> Result<RowEncoder> {
        let columns = plan
            .columns
            .iter()
            .zip(&layout.columns)
            .map(|(column, field)| {
                ColumnEncoder::new(column, &plan.dialect, *field, plan.tells(&column.name))
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
            unrecognised: Texts::default(),
            unescaped: Vec::new(),
            recased: Vec::new(),
            rewritten: Vec::new(),
        })
    }

    /// Gives the values of columns that are derived from the file.
    pub fn set_origin(&mut self, origin: &Origin) {
        for column in &mut self.columns {
            column.set_origin(origin);
        }
    }

    /// Encodes a record, whose fields are spans of `bytes`, valid UTF-8 without NUL and as many as
    /// the layout says.
    ///
    /// # Errors
    /// Why the record is no row.
    pub fn encode(
        &mut self,
        bytes: &[u8],
        fields: &[Field],
        place: Place,
    ) -> Result<Outcome, Reject> {
        if let Some(marker) = &mut self.marker {
            self.deletes = marker.marks(bytes, fields, self.escape);
            if self.deletes {
                return self.encode_fields::<true>(bytes, fields, place);
            }
        }
        self.encode_fields::<false>(bytes, fields, place)
    }

    /// A deletion has its key and its version alone, and NULL elsewhere: the rest of such a record
    /// may be anything.
    fn encode_fields<const DELETES: bool>(
        &mut self,
        bytes: &[u8],
        fields: &[Field],
        place: Place,
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
            if let Some(text) = unrecognised {
                if !column.is_label(text) {
                    self.unrecognised.push(index, *start, text);
                    continue;
                }
                append_field(text, &mut self.tuple);
            }
            column.check_and_keep(&self.tuple[*start + 4..])?;
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
            let column = &mut self.columns[hole.column];
            let value = value.map_err(|refusal| Reject::refused(&column.column.name, refusal))?;
            column.check_and_keep(value)?;
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

    /// The last row's tuple: what there is of it, where it lacks fields.
    pub fn tuple(&self) -> &[u8] {
        &self.tuple
    }

    /// Whether the last record that was encoded deletes the row of its key.
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

    /// The last record's values that were not recognised.
    pub fn unrecognised(&self) -> impl Iterator<Item = Unrecognised<'_>> {
        let Texts { texts, ends } = &self.unrecognised;
        ends.iter().scan(0, |start, &(column, at, end)| {
            let text = &texts[std::mem::replace(start, end)..end];
            let of = &self.columns[column].column;
            Some(Unrecognised {
                column,
                at,
                type_name: &of.type_name,
                time_zone: of.rules.time_zone.as_deref(),
                text: std::str::from_utf8(text)
                    .expect("a part of a valid record, cut between characters"),
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

impl Texts {
    fn push(&mut self, column: usize, at: usize, text: &[u8]) {
        self.texts.extend_from_slice(text);
        self.ends.push((column, at, self.texts.len()));
    }
}
