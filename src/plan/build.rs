//! From what a pipeline wants, what the table is and what a file's header says: the plan.

use ingestd_actors::error::{Error, ErrorKind};

use super::catalog::{Table, TableColumn};
use super::choose::{check_any, check_extra, choose, field_count};
use super::fields::listed;
use super::{Column, Fields, LoadPlan, Routing, ValueType, WriteMode};
use crate::settings::Pipeline;

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

/// The plan for a file with this header (its names, in the file's order); none for an empty file, and
/// for those that have no header.
///
/// A pipeline that lists its columns takes those; one that lists none, or wants the others too, takes
/// every column of the table that the header names. Columns that the file lacks take the table's
/// default.
pub fn build(
    pipeline: &Pipeline,
    table: &Table,
    header: &[String],
) -> Result<LoadPlan, HeaderError> {
    let columns = choose(pipeline, table, header)?;
    let (routing, partitions) = route(pipeline, table, &columns);
    let plan = LoadPlan {
        version: 1,
        partitions,
        routing,
        dialect: pipeline.dialect.clone(),
        table: table.name.clone(),
        fields: fields(pipeline, &columns),
        columns,
        filters: pipeline.mapping.filters.clone(),
        key: pipeline.key.clone(),
        mode: pipeline.mode,
        rules: pipeline.rules.clone(),
        all_or_nothing: pipeline.tolerance.all_or_nothing,
    };
    let layout = plan.layout(header)?;
    if pipeline.refuses_extra() {
        check_extra(table, &layout, header)?;
    }
    check_any(pipeline, table, &plan.columns, header)?;
    check_key_fields(pipeline, &plan.columns)?;
    check_key(pipeline, table)?;
    check_rules(pipeline, table, &plan.columns, header)?;
    check_left_out(table, &plan.columns)?;
    Ok(plan)
}

fn fields(pipeline: &Pipeline, columns: &[Column]) -> Fields {
    let by_place = !pipeline.dialect.header;
    Fields {
        ignore_case: pipeline.mapping.ignore_case,
        count: by_place.then(|| field_count(pipeline, columns)),
        more: by_place && !pipeline.refuses_extra(),
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

/// Whether the file and the table have what the rules for writing name.
fn check_rules(
    pipeline: &Pipeline,
    table: &Table,
    columns: &[Column],
    header: &[String],
) -> Result<(), HeaderError> {
    let rules = &pipeline.rules;
    for name in rules.update.iter().flatten() {
        if !table.columns.iter().any(|column| &column.name == name) {
            return Err(HeaderError::Table(format!(
                "{name:?}, which update names, is no column of table {}; it has {}",
                table.name,
                listed(table.columns.iter().map(|column| &column.name))
            )));
        }
    }
    if let Some(version) = &rules.version
        && !columns.iter().any(|column| &column.name == version)
    {
        return Err(HeaderError::Header(format!(
            "the header has no field for the version's column {version:?}; it has {}",
            listed(header)
        )));
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
                listed(table.columns.iter().map(|column| &column.name))
            )));
        }
    }
    if pipeline.mode == WriteMode::Append || is_among(&pipeline.key, &table.unique_keys) {
        return Ok(());
    }
    if is_among(&pipeline.key, &table.deferrable_keys) {
        return Err(HeaderError::Table(format!(
            "the unique constraint of table {} on ({}) is deferrable, so that it can't tell which rows \
             are there already; create a unique index on these columns, or a constraint that is not \
             deferrable",
            table.name,
            pipeline.key.join(", ")
        )));
    }
    Err(HeaderError::Table(format!(
        "table {} has no primary key or unique index on exactly ({}); create one, or change the key",
        table.name,
        pipeline.key.join(", ")
    )))
}

/// Whether these columns, in whatever order, are one of the keys.
fn is_among(wanted: &[String], keys: &[Vec<String>]) -> bool {
    let sorted = |key: &[String]| {
        let mut key = key.to_vec();
        key.sort();
        key
    };
    keys.iter().any(|key| sorted(key) == sorted(wanted))
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

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
