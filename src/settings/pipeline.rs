//! One pipeline, validated.

use std::path::PathBuf;
use std::time::Duration;

use super::{ArchiveRules, Companions, Finished, LetterRules, Redropped, Tolerance};
use crate::plan::{
    Case, ColumnSource, Dialect, Filter, TableName, ValueRules, WriteMode, WriteRules,
};

/// One configured flow: a directory, a dialect, a mapping, a target table.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// Its name: lower-case letters, digits, `_` and `-`.
    pub name: String,
    /// The directory that files arrive in.
    pub directory: PathBuf,
    /// Which names are files of this pipeline (a glob on the name).
    pub pattern: String,
    /// Whether directories below count too.
    pub recursive: bool,
    /// In which order files are loaded.
    pub order: FileOrder,
    /// How long a file's size and modification time must have been stable, where no close or rename
    /// was seen.
    pub settle: Duration,
    /// How often the directory is scanned, whatever the events say.
    pub scan_interval: Duration,
    /// The table.
    pub table: TableName,
    /// The key's columns; empty: rows are only appended.
    pub key: Vec<String>,
    /// What happens to a row whose key is in the table.
    pub mode: WriteMode,
    /// What the mode leaves open.
    pub rules: WriteRules,
    /// Whether the table is created where it does not exist.
    pub create: bool,
    /// The columns, in order; empty: by the header, types from the table.
    pub columns: Vec<ColumnSettings>,
    /// Columns that the server computes, for a table that is created.
    pub generated: Vec<GeneratedColumn>,
    /// The columns of each further index, for a table that is created.
    pub indexes: Vec<Vec<String>>,
    /// How bytes become records.
    pub dialect: Dialect,
    /// How the fields of a file are matched with columns, and which records are loaded.
    pub mapping: Mapping,
    /// How many partitions the keys are divided into, each with one writer.
    pub partitions: u16,
    /// The most rows of a batch.
    pub batch_rows: usize,
    /// The most bytes of a batch.
    pub batch_bytes: usize,
    /// The most bytes in flight between the reader and the commit.
    pub memory: usize,
    /// Where finished files go; `None`: they stay.
    pub archive: Option<PathBuf>,
    /// Where quarantined files go; `None`: they stay.
    pub quarantine: Option<PathBuf>,
    /// How files leave, and how long they are kept.
    pub archive_rules: ArchiveRules,
    /// What is done with files that come again.
    pub redropped: Redropped,
    /// The small files that come with a file.
    pub companions: Companions,
    /// What happens to files with records that can't be loaded.
    pub tolerance: Tolerance,
    /// How long its dead letters are kept.
    pub letters: LetterRules,
}

/// How the fields of a file are matched with columns, and which records are loaded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping {
    /// See [`crate::plan::Fields`].
    pub ignore_case: bool,
    /// Whether a file with fields that nothing takes is refused; `None`: see
    /// [`Pipeline::refuses_extra`].
    pub refuse_extra: Option<bool>,
    /// Whether a file without a field for some column is refused.
    pub refuse_missing: bool,
    /// Whether fields of the header that no listed column takes go to the columns of their names.
    pub load_others: bool,
    /// A record is loaded if it passes all of these.
    pub filters: Vec<Filter>,
}

impl Pipeline {
    /// Whether a finished file leaves the inbox as soon as it is committed.
    pub fn leaves_at_once(&self) -> bool {
        match self.archive_rules.finished {
            Finished::Move => self.archive.is_some(),
            Finished::Keep => false,
            Finished::Delete { after } => after.is_zero(),
        }
    }

    /// Whether columns are configured that tell a file's rows from all others, so that it can be taken back.
    pub fn tells_rows(&self) -> bool {
        let has = |source| self.columns.iter().any(|it| it.source == source);
        let named = has(ColumnSource::FileName) || has(ColumnSource::FilePath);
        has(ColumnSource::FileId) || named && has(ColumnSource::LoadTime)
    }

    /// Whether it does not matter in which order files are loaded: rows are only added, and none has
    /// a key by which it could meet another. With a key it matters: which of two rows of one key is
    /// refused, stays or comes last.
    pub fn is_unordered(&self) -> bool {
        self.mode == WriteMode::Append && self.key.is_empty()
    }

    /// Whether fields go to the columns of their names without being listed.
    pub fn loads_others(&self) -> bool {
        self.columns.is_empty() || self.mapping.load_others
    }

    /// Whether a field that nothing takes is a fault. Unless it is said, it is where every field is
    /// to be loaded, and where nothing but their number tells fields apart.
    pub fn refuses_extra(&self) -> bool {
        let every_field = self.loads_others() || !self.dialect.header;
        self.mapping.refuse_extra.unwrap_or(every_field)
    }
}

/// In which order files are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileOrder {
    /// By path.
    Name,
    /// By modification time, then by path.
    Modified,
}

/// What a pipeline says of one column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnSettings {
    /// The column's name in the table.
    pub name: String,
    /// The field's name in the header; the same unless said otherwise.
    pub field: String,
    /// See [`crate::plan::Column`].
    pub source: ColumnSource,
    /// The type in SQL, for a table that is created (`numeric(10,2)`); may be empty where none is.
    pub sql_type: String,
    /// The default in SQL, for a table that is created (`now()`).
    pub sql_default: Option<String>,
    /// Whether a file without it, or a field that means NULL, is refused.
    pub required: bool,
    /// See [`crate::plan::Column`].
    pub trim: bool,
    /// See [`crate::plan::Column`].
    pub null: Option<Vec<String>>,
    /// See [`crate::plan::Column`].
    pub quoted_null: Option<Vec<String>>,
    /// See [`crate::plan::Column`].
    pub case: Option<Case>,
    /// See [`crate::plan::Column`].
    pub allowed: Vec<String>,
    /// See [`crate::plan::Column`].
    pub minimum: Option<String>,
    /// See [`crate::plan::Column`].
    pub maximum: Option<String>,
    /// See [`crate::plan::Column`].
    pub finite: bool,
    /// See [`crate::plan::Column`].
    pub rules: ValueRules,
}

impl ColumnSettings {
    /// A column without any rule, whose field has its name.
    pub fn new(name: &str) -> ColumnSettings {
        ColumnSettings {
            name: name.to_owned(),
            field: name.to_owned(),
            source: ColumnSource::Field,
            sql_type: String::new(),
            sql_default: None,
            required: false,
            trim: false,
            null: None,
            quoted_null: None,
            case: None,
            allowed: Vec::new(),
            minimum: None,
            maximum: None,
            finite: false,
            rules: ValueRules::default(),
        }
    }
}

/// A column that the server computes.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratedColumn {
    /// Its name.
    pub name: String,
    /// Its type in SQL.
    pub sql_type: String,
    /// The expression in SQL.
    pub expression: String,
}
