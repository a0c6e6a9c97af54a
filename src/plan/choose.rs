//! Which columns a file fills: those that the pipeline lists, and those that the header names.

use super::catalog::{Table, TableColumn};
use super::check_rules::check_rules;
use super::fields::{listed, listed_numbers, places};
use super::{Column, ColumnSource, FieldRef, HeaderError, Layout, ValueType};
use crate::settings::{ColumnSettings, Pipeline};

/// The columns, in the order of the encoded row. Of an empty file, which has no header to ask, all
/// that there could be.
pub fn choose(
    pipeline: &Pipeline,
    table: &Table,
    header: &[String],
) -> Result<Vec<Column>, HeaderError> {
    let mut columns = from_settings(pipeline, table, header)?;
    if pipeline.loads_others() {
        add_others(pipeline, table, header, &mut columns)?;
        if pipeline.mapping.refuse_missing && !header.is_empty() {
            check_missing(table, &columns)?;
        }
    }
    Ok(columns)
}

fn from_settings(
    pipeline: &Pipeline,
    table: &Table,
    header: &[String],
) -> Result<Vec<Column>, HeaderError> {
    let mapping = &pipeline.mapping;
    let mut columns = Vec::new();
    let mut place = 0;
    for wanted in &pipeline.columns {
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
        let mut source = wanted.source.clone();
        if source == ColumnSource::Field {
            if !pipeline.dialect.header {
                place += 1;
                source = ColumnSource::Number(place);
            } else if is_missing(wanted, header, mapping.ignore_case) {
                if wanted.required || mapping.refuse_missing {
                    return Err(missing(wanted, header));
                }
                continue;
            }
        }
        let loaded = Column {
            field: wanted.field.clone(),
            source,
            required: wanted.required,
            trim: wanted.trim,
            null: wanted.null.clone(),
            quoted_null: wanted.quoted_null.clone(),
            case: wanted.case,
            allowed: wanted.allowed.clone(),
            minimum: wanted.minimum.clone(),
            maximum: wanted.maximum.clone(),
            finite: wanted.finite,
            rules: wanted.rules.clone(),
            ..plain_column(column)
        };
        check_rules(&loaded).map_err(HeaderError::Table)?;
        columns.push(loaded);
    }
    Ok(columns)
}

fn is_missing(wanted: &ColumnSettings, header: &[String], ignore_case: bool) -> bool {
    !header.is_empty() && places(header, &wanted.field, ignore_case).is_empty()
}

fn missing(wanted: &ColumnSettings, header: &[String]) -> HeaderError {
    let why = match wanted.required {
        true => "which is required",
        false => "and missing_columns = \"refuse\"",
    };
    HeaderError::Header(format!(
        "the header has no field {:?}, {why}; it has {}",
        wanted.field,
        listed(header)
    ))
}

/// Adds the columns that fields have the names of which no listed column takes.
fn add_others(
    pipeline: &Pipeline,
    table: &Table,
    header: &[String],
    columns: &mut Vec<Column>,
) -> Result<(), HeaderError> {
    if header.is_empty() {
        for column in table.columns.iter().filter(|column| !column.generated) {
            add(column, columns);
        }
        return Ok(());
    }
    let ignore_case = pipeline.mapping.ignore_case;
    let mut taken = vec![false; header.len()];
    for column in columns.iter() {
        match column.source {
            ColumnSource::Field => {
                for index in places(header, &column.field, ignore_case) {
                    taken[index] = true;
                }
            }
            // One that is beyond the header is told of later.
            ColumnSource::Number(number) => {
                if let Some(taken) = taken.get_mut(number.saturating_sub(1) as usize) {
                    *taken = true;
                }
            }
            _ => {}
        }
    }
    for (name, taken) in header.iter().zip(taken) {
        let column = column_of(table, name, ignore_case);
        match column.filter(|_| !taken) {
            Some(column) if !column.generated => add(column, columns),
            Some(column) if pipeline.refuses_extra() => refuse_generated(column, table)?,
            _ => {}
        }
    }
    Ok(())
}

fn add(column: &TableColumn, columns: &mut Vec<Column>) {
    if !columns.iter().any(|loaded| loaded.name == column.name) {
        columns.push(plain_column(column));
    }
}

/// The table's column that a field has the name of.
fn column_of<'a>(table: &'a Table, name: &str, ignore_case: bool) -> Option<&'a TableColumn> {
    let exact = table.columns.iter().find(|column| column.name == name);
    if exact.is_some() || !ignore_case {
        return exact;
    }
    let name = name.to_lowercase();
    let alike = table.columns.iter();
    let alike = alike.filter(|column| column.name.to_lowercase() == name);
    match alike.collect::<Vec<_>>()[..] {
        [column] => Some(column),
        // Of several it would be a guess.
        _ => None,
    }
}

fn check_missing(table: &Table, columns: &[Column]) -> Result<(), HeaderError> {
    for column in &table.columns {
        let loaded = columns.iter().any(|loaded| loaded.name == column.name);
        if !loaded && !column.has_default && !column.generated {
            return Err(HeaderError::Header(format!(
                "the header has no field for column {:?} of table {}, and missing_columns = \"refuse\"",
                column.name, table.name
            )));
        }
    }
    Ok(())
}

/// Refuses fields that nothing takes.
pub fn check_extra(table: &Table, layout: &Layout, header: &[String]) -> Result<(), HeaderError> {
    let used = |index| {
        layout.columns.contains(&Some(index))
            || layout.filters.contains(&index)
            || layout.marker == Some(index)
    };
    let extra = (0..header.len()).filter(|&index| !used(index));
    let (named, nameless): (Vec<usize>, Vec<usize>) =
        extra.partition(|&index| !header[index].is_empty());
    const ADVICE: &str = "extra_columns = \"ignore\" passes over such fields";
    if !named.is_empty() {
        return Err(HeaderError::Header(format!(
            "the header names {}, which no column of table {} takes; its columns are {}; {ADVICE}",
            listed(named.iter().map(|&index| &header[index])),
            table.name,
            listed(table.columns.iter().map(|column| &column.name))
        )));
    }
    if !nameless.is_empty() {
        return Err(HeaderError::Header(format!(
            "the header has no name for field {}; {ADVICE}",
            listed_numbers(nameless.iter().map(|index| index + 1))
        )));
    }
    Ok(())
}

/// Refuses a file that has nothing to load.
pub fn check_any(
    pipeline: &Pipeline,
    table: &Table,
    columns: &[Column],
    header: &[String],
) -> Result<(), HeaderError> {
    let asks = pipeline.columns.iter().any(|it| it.source.is_field());
    let wanted = asks || pipeline.loads_others();
    if !wanted || columns.iter().any(|column| column.source.is_field()) {
        return Ok(());
    }
    let whose = match asks {
        true => "of the pipeline's columns".to_owned(),
        false => format!("of the columns of table {}", table.name),
    };
    Err(HeaderError::Header(format!(
        "the header has none {whose}; it has {}",
        listed(header)
    )))
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
        labels: column.labels.clone(),
        characters: characters(column),
        ..Column::new(&column.name, column.value_type, &column.type_name)
    }
}

/// The n of a `character varying(n)`, which stands in its modifier with the length of a header.
fn characters(column: &TableColumn) -> Option<u32> {
    match column.value_type {
        ValueType::Text => u32::try_from(column.modifier - 4).ok(),
        _ => None,
    }
}

/// Without a header: how many fields a record has to have.
pub fn field_count(pipeline: &Pipeline, columns: &[Column]) -> u32 {
    let columns = columns.iter().filter_map(|column| match column.source {
        ColumnSource::Number(number) => Some(number),
        _ => None,
    });
    let filters = pipeline.mapping.filters.iter();
    let filters = filters.filter_map(|filter| match filter.field {
        FieldRef::Number(number) => Some(number),
        FieldRef::Name(_) => None,
    });
    columns.chain(filters).max().unwrap_or(0)
}
