//! PURE: what a pipeline does to every record of a file, fixed when its reading starts.
//!
//! A [`LoadPlan`] is stored in the ledger as JSON (`ingestd.plans`), so that an unfinished file ends
//! under the plan it was begun with, whatever the configuration says by then. Therefore: only add
//! fields, each with a serde default that keeps the old meaning.

mod build;
pub mod catalog;
mod check_rules;
mod choose;
mod delimiter;
mod fields;
mod filter;
mod form;
mod table_name;
mod value_rules;
mod value_type;
mod write;

pub use build::{HeaderError, build, check_key};
pub use fields::{ColumnSource, FieldRef, Fields, Layout};
pub use filter::{Filter, FilterRule, whole_match};
pub use form::{Archive, HEAD};
pub use value_rules::{EpochUnit, Kind, ValueRules};
pub use value_type::ValueType;
pub use write::{DeleteWhen, WriteMode, WriteRules};

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
    /// How their fields are found.
    #[serde(default)]
    pub fields: Fields,
    /// A record is loaded if it passes all of these.
    #[serde(default)]
    pub filters: Vec<Filter>,
    /// The names of the key's columns; empty for a table that is only appended to.
    pub key: Vec<String>,
    /// What happens to a row whose key is in the table.
    pub mode: WriteMode,
    /// What the mode leaves open.
    #[serde(default, skip_serializing_if = "WriteRules::are_none")]
    pub rules: WriteRules,
    /// Whether the file's rows come into the table all at once, or none does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all_or_nothing: bool,
}

impl LoadPlan {
    /// Whether a row may meet one that is there, rather than be refused for its key.
    pub fn merges(&self) -> bool {
        self.mode != WriteMode::Append
    }

    /// Whether a deletion needs the column: one of the key, or the version.
    pub fn tells(&self, column: &str) -> bool {
        self.key.iter().any(|name| name == column) || self.rules.version.as_deref() == Some(column)
    }
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

/// How bytes become records, and what of them means NULL. See `docs/csv.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// What stands between fields: one or several characters in UTF-8, no line end among them. (As
    /// a number: that one byte, as it was stored once.)
    #[serde(deserialize_with = "delimiter::deserialize")]
    pub delimiter: Vec<u8>,
    /// The ASCII character around quoted fields; `None`: no field is quoted.
    pub quote: Option<u8>,
    /// The ASCII character that, inside quotes, makes the quote or itself after it stand for itself;
    /// `None`: the quote does so, doubled.
    #[serde(default)]
    pub escape: Option<u8>,
    /// The ASCII character that makes a line a comment, where a record could begin with it.
    #[serde(default)]
    pub comment: Option<u8>,
    /// Whether spaces and tabs around fields are taken off, outside of quotes.
    #[serde(default)]
    pub trim: bool,
    /// How many physical lines stand before the header, or before the first record.
    #[serde(default)]
    pub skip_lines: u64,
    /// The texts of unquoted fields that mean NULL, after the trimming.
    #[serde(default = "empty_is_null")]
    pub null: Vec<String>,
    /// The texts of quoted fields that mean NULL, after the trimming.
    #[serde(default)]
    pub quoted_null: Vec<String>,
    /// Whether the first record names the columns.
    pub header: bool,
    /// The largest record, in bytes, the line end not counted.
    pub max_record: u64,
    /// The encoding of the text, by its name in the Encoding Standard; a byte order mark is stronger.
    /// `None`: UTF-8, whatever the file begins with (plans that are older than encodings).
    #[serde(default)]
    pub encoding: Option<String>,
    /// Whether the file may be compressed.
    #[serde(default)]
    pub compression: Compression,
    /// The most bytes of text for each compressed byte.
    #[serde(default = "Dialect::default_max_ratio")]
    pub max_ratio: u64,
}

/// Whether a file may be compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// It is not, whatever it begins with.
    #[default]
    None,
    /// Its first bytes say whether it is, and how.
    Auto,
}

impl Dialect {
    fn default_max_ratio() -> u64 {
        1000
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            delimiter: b",".to_vec(),
            quote: Some(b'"'),
            escape: None,
            comment: None,
            trim: false,
            skip_lines: 0,
            null: empty_is_null(),
            quoted_null: Vec::new(),
            header: true,
            max_record: 1 << 20,
            encoding: Some("UTF-8".into()),
            compression: Compression::Auto,
            max_ratio: Self::default_max_ratio(),
        }
    }
}

impl Dialect {
    /// Whether the fields of valid UTF-8 are valid UTF-8 themselves, as they have to be.
    pub fn cuts_between_characters(&self) -> bool {
        let characters = [self.quote, self.escape, self.comment];
        !self.delimiter.is_empty()
            && std::str::from_utf8(&self.delimiter).is_ok()
            && characters.iter().flatten().all(u8::is_ascii)
    }
}

fn empty_is_null() -> Vec<String> {
    vec![String::new()]
}

/// A table, with its schema where one is given.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// The schema; `None` means the first of the search path that has the table.
    pub schema: Option<String>,
    /// The table's name, unquoted.
    pub name: String,
}

/// How one column gets its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The column's name in the table.
    pub name: String,
    /// The field's name in the header, where it is found by that.
    pub field: String,
    /// Where its value comes from.
    #[serde(default)]
    pub source: ColumnSource,
    /// The type that the value is encoded as.
    pub value_type: ValueType,
    /// The type's name without its modifier, as `format_type(oid, -1)` writes it: the server is asked
    /// what it makes of a text as a value of this type.
    pub type_name: String,
    /// Whether a field that means NULL is refused.
    pub required: bool,
    /// Whether white space (ASCII) around the field is taken off before anything else.
    pub trim: bool,
    /// [`Dialect::null`] for this column; `None`: the dialect's.
    #[serde(default)]
    pub null: Option<Vec<String>>,
    /// [`Dialect::quoted_null`] for this column; `None`: the dialect's.
    #[serde(default)]
    pub quoted_null: Option<Vec<String>>,
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
    /// What else the text must be, and how it is read.
    #[serde(flatten)]
    pub rules: ValueRules,
}

impl Column {
    /// A column without any rule, whose field has its name.
    pub fn new(name: &str, value_type: ValueType, type_name: &str) -> Column {
        Column {
            name: name.to_owned(),
            field: name.to_owned(),
            source: ColumnSource::Field,
            value_type,
            type_name: type_name.to_owned(),
            required: false,
            trim: false,
            null: None,
            quoted_null: None,
            case: None,
            allowed: Vec::new(),
            minimum: None,
            maximum: None,
            finite: false,
            labels: Vec::new(),
            characters: None,
            rules: ValueRules::default(),
        }
    }
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
