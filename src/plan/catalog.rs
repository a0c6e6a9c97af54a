//! What the server's catalog says of a table, as plain data.

use super::{TableName, ValueType};

/// A table that can be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name, with the schema that it was found in.
    pub name: TableName,
    /// Its columns, in order.
    pub columns: Vec<TableColumn>,
    /// The columns of each unique index that can arbitrate `ON CONFLICT`: valid, not partial, not
    /// on expressions, not deferrable. The primary key stands first.
    pub unique_keys: Vec<Vec<String>>,
    /// The columns of each unique constraint that could, were it not deferrable.
    pub deferrable_keys: Vec<Vec<String>>,
    /// Whether a foreign key leads from the table to itself: a row may need one that stands before it.
    pub refers_to_itself: bool,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// The OID of its type.
    pub type_oid: u32,
    /// The type that its values are encoded as: its own, or the one that a domain is based on.
    pub value_type: ValueType,
    /// The type's modifier, a domain's too; -1 where there is none.
    pub modifier: i32,
    /// The labels of an enumeration.
    pub labels: Vec<String>,
    /// The type's name without its modifier (`format_type(oid, -1)`).
    pub type_name: String,
    /// The type with its modifier (`format_type(oid, typmod)`), for people.
    pub type_full: String,
    /// Whether it refuses NULL.
    pub not_null: bool,
    /// Whether it has a default, or is an identity column.
    pub has_default: bool,
    /// Whether the server computes it (`GENERATED ALWAYS AS … STORED`), so that it can't be loaded.
    pub generated: bool,
    /// Whether it compares by a collation that calls different bytes equal (nondeterministic).
    pub nondeterministic: bool,
}
