//! Which rows of a batch have a key that the table holds already: asked with the keys alone, as arrays
//! in PostgreSQL's binary format (`array_recv` in src/backend/utils/adt/arrayfuncs.c), whose elements
//! are encoded as the fields of a binary COPY are.

use std::error::Error as StdError;

use bytes::{BufMut, BytesMut};
use ingestd_actors::error::{Error, ErrorKind, Result};
use tokio_postgres::Client;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use super::fault::{Fault, fault};
use super::load::Loading;
use super::selection::Selection;
use super::tuple::field;
use crate::plan::{LoadPlan, Routing, ValueType};
use crate::postgres::quote;

/// The question for one plan.
#[derive(Clone, Debug)]
pub struct Presence {
    sql: String,
    /// The key's columns: where each stands in a row, and its type.
    columns: Vec<(usize, Type)>,
}

/// The rows of a selection, told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sorted {
    /// No row of the table had their key.
    pub new: Vec<u32>,
    /// A row of the table had.
    pub present: Vec<u32>,
}

impl Presence {
    /// The question, where the plan has a key whose values can be asked for.
    pub fn new(plan: &LoadPlan) -> Option<Presence> {
        if plan.key.is_empty() || plan.routing == Routing::Single {
            return None;
        }
        let mut columns = Vec::new();
        for name in &plan.key {
            let position = plan.columns.iter().position(|it| it.name == *name)?;
            columns.push((position, type_of(plan.columns[position].value_type)?));
        }
        let arrays: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(index, (_, element))| format!("${}::{}[]", index + 1, element.name()))
            .collect();
        let names: Vec<String> = (0..columns.len())
            .map(|index| format!("k{index}"))
            .collect();
        let equal: Vec<String> = plan
            .key
            .iter()
            .zip(&names)
            .map(|(key, name)| format!("present.{} = n.{name}", quote::identifier(key)))
            .collect();
        // One look into the index for each key, whatever the statistics of a growing table say.
        let sql = format!(
            "SELECT n.ordinal FROM unnest({}) WITH ORDINALITY AS n ({}, ordinal) \
             CROSS JOIN LATERAL (SELECT FROM {} AS present WHERE {} LIMIT 1) there \
             ORDER BY n.ordinal",
            arrays.join(", "),
            names.join(", "),
            quote::table(&plan.table),
            equal.join(" AND "),
        );
        Some(Presence { sql, columns })
    }

    /// Tells rows apart by whether their key is in the table.
    ///
    /// # Errors
    /// What the server says. Where it takes too long, that is the fault of so many rows, and halves
    /// of them may do.
    pub async fn sort(
        &self,
        client: &Client,
        selection: &Selection<'_>,
        rows: &[u32],
        loading: &Loading,
    ) -> Result<Sorted, Fault> {
        let arrays = self.arrays(selection, rows)?;
        let parameters: Vec<(&(dyn ToSql + Sync), Type)> = arrays
            .iter()
            .zip(&self.columns)
            .map(|(array, (_, element))| (array as _, array_of(element)))
            .collect();
        let found = client
            .query_typed(&self.sql, &parameters)
            .await
            .map_err(|error| fault(error, "looking for keys that are there", loading))?;
        let present = found.iter().map(|row| row.get::<_, i64>(0) as usize - 1);
        Ok(split(rows, present))
    }

    fn arrays(&self, selection: &Selection<'_>, rows: &[u32]) -> Result<Vec<BinaryArray>> {
        let count = rows.len();
        let mut arrays: Vec<BinaryArray> = self
            .columns
            .iter()
            .map(|(_, element)| BinaryArray::new(element, count))
            .collect();
        for index in rows {
            let (chunk, row) = selection.row(*index);
            let data = chunk.data_of(row);
            for ((position, _), array) in self.columns.iter().zip(&mut arrays) {
                let field = field(data, *position).ok_or_else(|| {
                    Error::new(ErrorKind::Bug, "an encoded row lacks a field of its key")
                })?;
                array.0.extend_from_slice(field);
            }
        }
        Ok(arrays)
    }
}

/// PURE: `present` are places among `rows`, ascending.
fn split(rows: &[u32], present: impl Iterator<Item = usize>) -> Sorted {
    let mut sorted = Sorted::default();
    let mut present = present.peekable();
    for (place, row) in rows.iter().enumerate() {
        match present.next_if_eq(&place) {
            Some(_) => sorted.present.push(*row),
            None => sorted.new.push(*row),
        }
    }
    sorted
}

/// An array in the binary format.
#[derive(Debug)]
struct BinaryArray(Vec<u8>);

impl BinaryArray {
    /// The head of an array of one dimension, whose elements follow.
    fn new(element: &Type, count: usize) -> BinaryArray {
        let mut head = Vec::with_capacity(20 + count * 20);
        for word in [1, 1, element.oid(), count as u32, 1] {
            head.extend_from_slice(&word.to_be_bytes());
        }
        BinaryArray(head)
    }
}

impl ToSql for BinaryArray {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Binary
    }

    to_sql_checked!();
}

fn type_of(value_type: ValueType) -> Option<Type> {
    Some(match value_type {
        ValueType::Int2 => Type::INT2,
        ValueType::Int4 => Type::INT4,
        ValueType::Int8 => Type::INT8,
        ValueType::Float4 => Type::FLOAT4,
        ValueType::Float8 => Type::FLOAT8,
        ValueType::Numeric => Type::NUMERIC,
        ValueType::Bool => Type::BOOL,
        ValueType::Text => Type::TEXT,
        ValueType::Bpchar => Type::BPCHAR,
        ValueType::Uuid => Type::UUID,
        ValueType::Date => Type::DATE,
        ValueType::Timestamp => Type::TIMESTAMP,
        ValueType::Timestamptz => Type::TIMESTAMPTZ,
        ValueType::Time => Type::TIME,
        ValueType::Bytea => Type::BYTEA,
        ValueType::Json | ValueType::Jsonb | ValueType::Enum | ValueType::Other => return None,
    })
}

fn array_of(element: &Type) -> Type {
    match *element {
        Type::INT2 => Type::INT2_ARRAY,
        Type::INT4 => Type::INT4_ARRAY,
        Type::INT8 => Type::INT8_ARRAY,
        Type::FLOAT4 => Type::FLOAT4_ARRAY,
        Type::FLOAT8 => Type::FLOAT8_ARRAY,
        Type::NUMERIC => Type::NUMERIC_ARRAY,
        Type::BOOL => Type::BOOL_ARRAY,
        Type::BPCHAR => Type::BPCHAR_ARRAY,
        Type::UUID => Type::UUID_ARRAY,
        Type::DATE => Type::DATE_ARRAY,
        Type::TIMESTAMP => Type::TIMESTAMP_ARRAY,
        Type::TIMESTAMPTZ => Type::TIMESTAMPTZ_ARRAY,
        Type::TIME => Type::TIME_ARRAY,
        Type::BYTEA => Type::BYTEA_ARRAY,
        _ => Type::TEXT_ARRAY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_apart_by_their_places() {
        let sorted = split(&[4, 7, 8, 9], [0, 2].into_iter());
        assert_eq!(sorted.present, [4, 8]);
        assert_eq!(sorted.new, [7, 9]);
    }
}
