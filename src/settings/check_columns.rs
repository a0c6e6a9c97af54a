//! A pipeline's columns, and the key and the indexes that name them.

use super::check_values::{self, RawRules};
use super::entry::{Entry, NameLists, Names, Scalar};
use super::keys::{item_path, nearest};
use super::problems::Section;
use super::raw::{RawColumn, RawGenerated};
use super::service::one_of;
use super::{ColumnSettings, GeneratedColumn};
use crate::plan::{Case, ColumnSource, FieldRef};

/// What is written of the columns.
pub(super) struct Columns {
    pub columns: Vec<RawColumn>,
    pub generated: Vec<RawGenerated>,
    pub key: Option<Entry<Names>>,
    pub indexes: Option<Entry<NameLists>>,
    pub create: bool,
    pub header: bool,
    /// Whether columns that are not listed may be loaded too.
    pub load_others: bool,
}

/// What is made of it.
pub(super) struct Checked {
    pub columns: Vec<ColumnSettings>,
    pub generated: Vec<GeneratedColumn>,
    pub key: Vec<String>,
    pub indexes: Vec<Vec<String>>,
}

pub(super) fn check(raw: Columns, section: &mut Section<'_, '_>) -> Checked {
    let listed = !raw.columns.is_empty();
    let list = section.path_of("columns");
    let mut columns: Vec<ColumnSettings> = Vec::new();
    for (index, column) in raw.columns.into_iter().enumerate() {
        let path = item_path(&list, name_in(&column.name), index);
        let section = &mut section.below(path);
        if let Some(column) = check_column(column, raw.create, raw.header, section) {
            check_twice(&column, &columns, section);
            columns.push(column);
        }
    }

    let list = section.path_of("generated");
    let mut generated: Vec<GeneratedColumn> = Vec::new();
    for (index, column) in raw.generated.into_iter().enumerate() {
        let path = item_path(&list, name_in(&column.name), index);
        let section = &mut section.below(path);
        if let Some(column) = check_generated(column, section) {
            let taken = columns.iter().any(|other| other.name == column.name)
                || generated.iter().any(|other| other.name == column.name);
            if taken {
                section.problem("name", format!("{:?} is there already", column.name));
            }
            generated.push(column);
        }
    }

    if !listed && !section.concern("columns") {
        if raw.create {
            section.problem(
                "create",
                "a table can't be created without its columns; list them, or write create = false",
            );
        }
        if !raw.header {
            section.problem(
                "header",
                "without a header the columns have to be listed, in the order of the fields",
            );
        }
    }

    if !raw.header {
        check_places(&columns, section);
    }
    let loaded: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let all: Vec<&str> = loaded
        .iter()
        .copied()
        .chain(generated.iter().map(|column| column.name.as_str()))
        .collect();
    let key = section.optional("key", raw.key).map_or(vec![], |key| key.0);
    let listed = listed && (raw.create || !raw.load_others);
    check_names("key", &key, listed.then_some(&loaded), section);
    let indexes = section
        .optional("indexes", raw.indexes)
        .map_or(vec![], |indexes| indexes.0);
    for index in &indexes {
        if index.is_empty() {
            section.problem("indexes", "has an index without a column");
        }
        check_names("indexes", index, listed.then_some(&all), section);
    }
    Checked {
        columns,
        generated,
        key,
        indexes,
    }
}

fn name_in(entry: &Option<Entry<String>>) -> Option<&str> {
    match entry {
        Some(Entry(Ok(name))) => Some(name),
        _ => None,
    }
}

fn check_column(
    raw: RawColumn,
    create: bool,
    header: bool,
    section: &mut Section<'_, '_>,
) -> Option<ColumnSettings> {
    let name = check_name(raw.name, section);
    if create && raw.sql_type.is_none() {
        section.problem(
            "type",
            "is missing; a table that is created needs it, such as \"text\" or \"numeric(10,2)\"",
        );
    }
    let sql_type = section.converted("type", raw.sql_type, not_empty);
    let sql_default = section.converted("default", raw.sql_default, not_empty);
    let source = check_source(raw.field, raw.from, raw.constant, header, section);
    let required = section.optional("required", raw.required);
    let trim = section.optional("trim", raw.trim).unwrap_or(false);
    let null = section.optional("null", raw.null);
    let quoted_null = section.optional("quoted_null", raw.quoted_null);
    let case = section.converted("case", raw.case, |text| match text.as_str() {
        "lower" => Ok(Case::Lower),
        "upper" => Ok(Case::Upper),
        _ => Err(one_of(&text, &["lower", "upper"])),
    });
    let allowed = section.converted("allowed", raw.allowed, |allowed| {
        if allowed.0.is_empty() {
            return Err("is empty, so that nothing would be; leave it out to allow all".into());
        }
        check_reachable(&allowed.0, trim, case)?;
        Ok(allowed.0)
    });
    let bound = |key: &str, entry: Option<Entry<Scalar>>, section: &mut Section<'_, '_>| {
        section.converted(key, entry, |bound| not_empty(bound.0))
    };
    let minimum = bound("minimum", raw.minimum, section);
    let maximum = bound("maximum", raw.maximum, section);
    check_bounds(minimum.as_deref(), maximum.as_deref(), section);
    let finite = section.optional("finite", raw.finite);
    let rules = check_values::check(
        RawRules {
            pattern: raw.pattern,
            max_length: raw.max_length,
            format: raw.format,
            time_zone: raw.time_zone,
            epoch: raw.epoch,
            thousands: raw.thousands,
            decimal: raw.decimal,
        },
        sql_type.as_deref(),
        allowed.as_deref().unwrap_or_default(),
        section,
    );
    let name = name?;
    let (field, source) = source;
    Some(ColumnSettings {
        field: field.unwrap_or_else(|| name.clone()),
        source,
        name,
        sql_type: sql_type.unwrap_or_default(),
        sql_default,
        required: required.unwrap_or(false),
        trim,
        null: null.map(|texts| texts.0),
        quoted_null: quoted_null.map(|texts| texts.0),
        case,
        allowed: allowed.unwrap_or_default(),
        minimum,
        maximum,
        finite: finite.unwrap_or(false),
        rules,
    })
}

/// Where the column's value comes from, with the field's name where it has one of its own.
fn check_source(
    field: Option<Entry<FieldRef>>,
    from: Option<Entry<String>>,
    constant: Option<Entry<Scalar>>,
    header: bool,
    section: &mut Section<'_, '_>,
) -> (Option<String>, ColumnSource) {
    let given = [field.is_some(), from.is_some(), constant.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        let key = if constant.is_some() {
            "constant"
        } else {
            "from"
        };
        section.problem(
            key,
            "a column has one source: write only one of field, from and constant",
        );
    }
    let derived = section.converted("from", from, |text| match text.as_str() {
        "file_id" => Ok(ColumnSource::FileId),
        "file_name" => Ok(ColumnSource::FileName),
        "file_path" => Ok(ColumnSource::FilePath),
        "load_time" => Ok(ColumnSource::LoadTime),
        "record" => Ok(ColumnSource::Record),
        "line" => Ok(ColumnSource::Line),
        _ => Err(one_of(
            &text,
            &[
                "file_id",
                "file_name",
                "file_path",
                "load_time",
                "record",
                "line",
            ],
        )),
    });
    let constant = section.optional("constant", constant);
    let constant = constant.map(|constant| ColumnSource::Constant(constant.0));
    let field = section.converted("field", field, |field| match field {
        FieldRef::Name(_) if !header => Err(
            "without a header fields have no names: columns are taken in their order, or each by its field's number"
                .to_owned(),
        ),
        FieldRef::Name(name) => not_empty(name).map(FieldRef::Name),
        number => Ok(number),
    });
    match field {
        Some(FieldRef::Name(name)) => (Some(name), ColumnSource::Field),
        Some(FieldRef::Number(number)) => (None, ColumnSource::Number(number)),
        None => (None, derived.or(constant).unwrap_or_default()),
    }
}

/// Without a header, fields are counted or numbered, but not both.
fn check_places(columns: &[ColumnSettings], section: &mut Section<'_, '_>) {
    let counted = |it: &ColumnSettings| it.source == ColumnSource::Field;
    let numbered = |it: &ColumnSettings| matches!(it.source, ColumnSource::Number(_));
    if columns.iter().any(counted) && columns.iter().any(numbered) {
        section.problem(
            "columns",
            "some have the number of a field and some have none; without a header, number the fields of all columns, or of none",
        );
    }
}

fn check_generated(raw: RawGenerated, section: &mut Section<'_, '_>) -> Option<GeneratedColumn> {
    let name = check_name(raw.name, section);
    let present = raw.sql_type.is_some();
    let sql_type = section.converted("type", raw.sql_type, not_empty);
    if !present {
        section.problem("type", "is missing; write its type in SQL");
    }
    let present = raw.expression.is_some();
    let expression = section.converted("expression", raw.expression, not_empty);
    if !present {
        section.problem(
            "expression",
            "is missing; write it in SQL, such as \"price * quantity\"",
        );
    }
    Some(GeneratedColumn {
        name: name?,
        sql_type: sql_type?,
        expression: expression?,
    })
}

fn check_name(entry: Option<Entry<String>>, section: &mut Section<'_, '_>) -> Option<String> {
    let name = section.required("name", entry, "name the column of the table")?;
    if name.is_empty() || name.len() > 63 || name.contains('\0') {
        section.problem("name", "can't be a column's name; use 1 to 63 bytes");
        return None;
    }
    Some(name)
}

fn not_empty(text: String) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("is empty; leave it out, or write what it is".to_owned());
    }
    Ok(text)
}

fn check_twice(column: &ColumnSettings, earlier: &[ColumnSettings], section: &mut Section<'_, '_>) {
    if earlier.iter().any(|other| other.name == column.name) {
        section.problem("name", format!("{:?} is there already", column.name));
        return;
    }
    let field = match column.source {
        ColumnSource::Field => format!("{:?}", column.field),
        ColumnSource::Number(number) => number.to_string(),
        _ => return,
    };
    let same = |other: &&ColumnSettings| {
        other.source == column.source
            && (other.field == column.field || column.source != ColumnSource::Field)
    };
    if let Some(other) = earlier.iter().find(same) {
        section.problem(
            "field",
            format!(
                "the field {field} goes to column {:?} already, and can go to one only",
                other.name
            ),
        );
    }
}

/// A value that trimming or the change of case would always change can never be met.
fn check_reachable(allowed: &[String], trim: bool, case: Option<Case>) -> Result<(), String> {
    for value in allowed {
        let trimmed = if trim { value.trim_ascii() } else { value };
        let reached = match case {
            Some(Case::Lower) => trimmed.to_lowercase(),
            Some(Case::Upper) => trimmed.to_uppercase(),
            None => trimmed.to_owned(),
        };
        if &reached != value {
            return Err(format!(
                "{value:?} can never be met after trim and case; write {reached:?}"
            ));
        }
    }
    Ok(())
}

fn check_bounds(minimum: Option<&str>, maximum: Option<&str>, section: &mut Section<'_, '_>) {
    let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<f64>().ok());
    if let (Some(low), Some(high)) = (number(minimum), number(maximum))
        && low > high
    {
        section.problem(
            "minimum",
            format!("{low} is above maximum ({high}), so that no value would do"),
        );
    }
}

/// Names of columns: each once, each known where the columns are listed.
pub(super) fn check_names(
    key: &str,
    names: &[String],
    known: Option<&Vec<&str>>,
    section: &mut Section<'_, '_>,
) {
    for (index, name) in names.iter().enumerate() {
        if name.is_empty() {
            section.problem(key, "has an empty name");
        } else if names[..index].contains(name) {
            section.problem(key, format!("names {name:?} twice"));
        } else if let Some(known) = known
            && !known.contains(&name.as_str())
        {
            let advice = match nearest(name, known.iter().copied()) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => format!("the columns are {}", known.join(", ")),
            };
            section.problem(key, format!("{name:?} is not among the columns; {advice}"));
        }
    }
}
