//! From what a pipeline wants, what the table is and what a file's header says: the plan.

use ingestd_actors::error::{Error, ErrorKind};

use super::catalog::{Table, TableColumn};
use super::{Column, LoadPlan, Routing, ValueType, WriteMode};
use crate::settings::{ColumnSettings, Pipeline};

/// Why a file can't be loaded with its header, or a table not with its pipeline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The header does not fit: the file is at fault.
    #[error("{0}")]
    Header(String),
    /// The table does not fit: the configuration is at fault.
    #[error("{0}")]
    Table(String),
}

impl From<HeaderError> for Error {
    fn from(error: HeaderError) -> Error {
        let kind = match error {
            HeaderError::Header(_) => ErrorKind::File,
            HeaderError::Table(_) => ErrorKind::Configuration,
        };
        Error::new(kind, error.to_string())
    }
}

/// The plan for a file with this header (its names, in the file's order).
///
/// A pipeline that lists its columns takes those; one that lists none takes every column of the
/// table that the header names. Columns that the file lacks take the table's default.
pub fn build(
    pipeline: &Pipeline,
    table: &Table,
    header: &[String],
) -> Result<LoadPlan, HeaderError> {
    check_header(header)?;
    let columns = if pipeline.columns.is_empty() {
        columns_by_header(table, header)?
    } else {
        columns_by_settings(&pipeline.columns, table, header)?
    };
    check_key_fields(pipeline, &columns)?;
    check_key(pipeline, table)?;
    check_left_out(table, &columns)?;

    let (routing, partitions) = route(pipeline, table, &columns);
    Ok(LoadPlan {
        version: 1,
        partitions,
        routing,
        dialect: pipeline.dialect.clone(),
        table: table.name.clone(),
        columns,
        key: pipeline.key.clone(),
        mode: if pipeline.key.is_empty() {
            WriteMode::Append
        } else {
            WriteMode::Upsert
        },
    })
}

fn check_header(header: &[String]) -> Result<(), HeaderError> {
    for (index, name) in header.iter().enumerate() {
        let number = index + 1;
        if name.is_empty() {
            return Err(HeaderError::Header(format!(
                "the header's field {number} has no name"
            )));
        }
        if let Some(first) = header[..index].iter().position(|earlier| earlier == name) {
            return Err(HeaderError::Header(format!(
                "the header names {name:?} twice, as fields {} and {number}",
                first + 1
            )));
        }
    }
    Ok(())
}

fn columns_by_header(table: &Table, header: &[String]) -> Result<Vec<Column>, HeaderError> {
    let mut columns = Vec::new();
    for name in header {
        let Some(column) = table.columns.iter().find(|column| &column.name == name) else {
            return Err(HeaderError::Header(format!(
                "the header names {name:?}, which is no column of table {}; it has {}",
                table.name,
                names(table.columns.iter().map(|column| &column.name))
            )));
        };
        refuse_generated(column, table)?;
        columns.push(plain_column(column));
    }
    Ok(columns)
}

fn columns_by_settings(
    settings: &[ColumnSettings],
    table: &Table,
    header: &[String],
) -> Result<Vec<Column>, HeaderError> {
    let mut columns = Vec::new();
    for wanted in settings {
        let Some(column) = table
            .columns
            .iter()
            .find(|column| column.name == wanted.name)
        else {
            return Err(HeaderError::Table(format!(
                "table {} has no column {:?}; add it, or take it out of the pipeline",
                table.name, wanted.name
            )));
        };
        refuse_generated(column, table)?;
        if !header.contains(&wanted.field) {
            if wanted.required {
                return Err(HeaderError::Header(format!(
                    "the header has no field {:?}, which is required; it has {}",
                    wanted.field,
                    names(header.iter())
                )));
            }
            continue;
        }
        columns.push(Column {
            field: wanted.field.clone(),
            required: wanted.required,
            trim: wanted.trim,
            case: wanted.case,
            allowed: wanted.allowed.clone(),
            minimum: wanted.minimum.clone(),
            maximum: wanted.maximum.clone(),
            finite: wanted.finite,
            ..plain_column(column)
        });
    }
    if columns.is_empty() {
        return Err(HeaderError::Header(format!(
            "the header has none of the pipeline's columns; it has {}",
            names(header.iter())
        )));
    }
    Ok(columns)
}

fn refuse_generated(column: &TableColumn, table: &Table) -> Result<(), HeaderError> {
    if column.generated {
        return Err(HeaderError::Table(format!(
            "column {:?} of table {} is generated by the server and can't be loaded",
            column.name, table.name
        )));
    }
    Ok(())
}

fn plain_column(column: &TableColumn) -> Column {
    Column {
        name: column.name.clone(),
        field: column.name.clone(),
        value_type: column.value_type,
        type_name: column.type_name.clone(),
        required: false,
        trim: false,
        case: None,
        allowed: Vec::new(),
        minimum: None,
        maximum: None,
        finite: false,
        labels: column.labels.clone(),
        characters: characters(column),
    }
}

/// The n of a `character varying(n)`, which stands in its modifier with the length of a header.
fn characters(column: &TableColumn) -> Option<u32> {
    match column.value_type {
        ValueType::Text => u32::try_from(column.modifier - 4).ok(),
        _ => None,
    }
}

fn check_key_fields(pipeline: &Pipeline, columns: &[Column]) -> Result<(), HeaderError> {
    for name in &pipeline.key {
        if !columns.iter().any(|column| &column.name == name) {
            return Err(HeaderError::Header(format!(
                "the header has no field for the key's column {name:?}"
            )));
        }
    }
    Ok(())
}

/// Whether the table can arbitrate the pipeline's key.
///
/// # Errors
/// `Table` where it has no unique index on exactly the key's columns.
pub fn check_key(pipeline: &Pipeline, table: &Table) -> Result<(), HeaderError> {
    if pipeline.key.is_empty() {
        return Ok(());
    }
    for name in &pipeline.key {
        if !table.columns.iter().any(|column| &column.name == name) {
            return Err(HeaderError::Table(format!(
                "the key's column {name:?} is no column of table {}; it has {}",
                table.name,
                names(table.columns.iter().map(|column| &column.name))
            )));
        }
    }
    let mut wanted = pipeline.key.clone();
    wanted.sort();
    let arbitrates = table.unique_keys.iter().any(|key| {
        let mut key = key.clone();
        key.sort();
        key == wanted
    });
    if arbitrates {
        return Ok(());
    }
    Err(HeaderError::Table(format!(
        "table {} has no primary key or unique index on exactly ({}); create one, or change the key",
        table.name,
        pipeline.key.join(", ")
    )))
}

fn check_left_out(table: &Table, columns: &[Column]) -> Result<(), HeaderError> {
    for column in &table.columns {
        let loaded = columns.iter().any(|loaded| loaded.name == column.name);
        if !loaded && column.not_null && !column.has_default && !column.generated {
            return Err(HeaderError::Header(format!(
                "the file has nothing for column {:?} of table {}, which refuses NULL and has no default",
                column.name, table.name
            )));
        }
    }
    Ok(())
}

fn route(pipeline: &Pipeline, table: &Table, columns: &[Column]) -> (Routing, u16) {
    // One writer keeps the order of the files: of several, one might write a row before another has
    // written the row that it refers to.
    let partitions = if table.refers_to_itself {
        1
    } else {
        pipeline.partitions
    };
    if pipeline.key.is_empty() {
        return (Routing::Blocks, partitions);
    }
    let routable = pipeline.key.iter().all(|name| {
        let has_image = columns
            .iter()
            .any(|column| &column.name == name && column.value_type.has_canonical_image());
        let bytes_decide = table
            .columns
            .iter()
            .any(|column| &column.name == name && !column.nondeterministic && !is_rounded(column));
        has_image && bytes_decide
    });
    if routable {
        (Routing::Key, partitions)
    } else {
        (Routing::Single, 1)
    }
}

/// Whether the server rounds the column's values to a modifier as it takes them, so that values with
/// different images may become one key.
fn is_rounded(column: &TableColumn) -> bool {
    // What is cut has an image of what is left of it.
    let cut = matches!(column.value_type, ValueType::Text | ValueType::Bpchar);
    column.modifier >= 0 && !cut
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names
        .map(|name| format!("{name:?}"))
        .collect::<Vec<_>>()
        .join(", ")
}
