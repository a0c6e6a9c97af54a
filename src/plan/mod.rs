//! PURE: what a pipeline does to every record of a file, fixed when its reading starts.
//!
//! A [`LoadPlan`] is stored in the ledger as JSON (`ingestd.plans`), so that an unfinished file ends
//! under the plan it was begun with, whatever the configuration says by then. Therefore: only add
//! fields, each with a serde default that keeps the old meaning.

mod build;
pub mod catalog;
mod table_name;
mod value_type;

pub use build::{HeaderError, build, check_key};
pub use value_type::ValueType;

use serde::{Deserialize, Serialize};

/// What is done to every record of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadPlan {
    /// The version of this format and of the routing hash: 1.
    pub version: u32,
    /// How many partitions the keys are divided into.
    pub partitions: u16,
    /// How a row finds its partition.
    pub routing: Routing,
    /// How bytes become records.
    pub dialect: Dialect,
    /// The table that is loaded.
    pub table: TableName,
    /// The columns that are loaded, in the order of the encoded row.
    pub columns: Vec<Column>,
    /// The names of the key's columns; empty for a table that is only appended to.
    pub key: Vec<String>,
    /// What happens to a row whose key is in the table.
    pub mode: WriteMode,
}

/// How a row finds its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Routing {
    /// XXH3-64 (seed 0) of the key's canonical image, modulo the partitions; a row with a NULL in
    /// its key goes by its block, as without a key.
    Key,
    /// Without a key: records in blocks of 4,096, `(record - 1) / 4096` modulo the partitions.
    Blocks,
    /// The key has no canonical image: one partition.
    Single,
}

/// How bytes become records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// The byte between fields.
    pub delimiter: u8,
    /// The byte around quoted fields; doubled, it stands for itself.
    pub quote: u8,
    /// Whether the first record names the columns.
    pub header: bool,
    /// The largest record, in bytes, the line end not counted.
    pub max_record: u64,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: b'"',
            header: true,
            max_record: 1 << 20,
        }
    }
}

/// A table, with its schema where one is given.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// The schema; `None` means the first of the search path that has the table.
    pub schema: Option<String>,
    /// The table's name, unquoted.
    pub name: String,
}

/// What happens to a row whose key is in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteMode {
    /// There is no key: every row is inserted.
    Append,
    /// The row replaces what is there; the last one wins.
    Upsert,
}

/// How one field becomes the value of one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The column's name in the table.
    pub name: String,
    /// The field's name in the header.
    pub field: String,
    /// The type that the value is encoded as.
    pub value_type: ValueType,
    /// The type's name without its modifier, as `format_type(oid, -1)` writes it: the server is asked
    /// what it makes of a text as a value of this type.
    pub type_name: String,
    /// Whether an empty field is refused.
    pub required: bool,
    /// Whether white space (ASCII) around the field is taken off before anything else.
    pub trim: bool,
    /// A change of case, after the trimming.
    pub case: Option<Case>,
    /// The values that are allowed, after trimming and change of case; empty: any.
    pub allowed: Vec<String>,
    /// The lowest value, as the type's input has it.
    pub minimum: Option<String>,
    /// The highest value, as the type's input has it.
    pub maximum: Option<String>,
    /// Whether infinity and NaN are refused.
    pub finite: bool,
    /// The labels of an enumeration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The n of a `character varying(n)`: the server cuts blanks behind so many characters, and
    /// refuses anything else there, so that keys are told apart by these alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub characters: Option<u32>,
}

/// A change of case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// To lower case (Unicode).
    Lower,
    /// To upper case (Unicode).
    Upper,
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}
