//! What would have been right: by the table as it is now, and by the mapping.

use ingestd_actors::error::Result;
use serde::Serialize;
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use utoipa::ToSchema;

use crate::plan::{Case, Column, EpochUnit, LoadPlan, ValueType};
use crate::postgres::{classify, quote};

/// What a column takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Expected {
    /// Its type; `None` where the table has no such column now.
    pub sql_type: Option<String>,
    /// A value of it.
    pub example: Option<String>,
    /// Whether it refuses NULL.
    pub not_null: bool,
    /// The labels of an enumeration.
    pub labels: Vec<String>,
    /// The constraints that concern it, as the server writes them: CHECK, FOREIGN KEY, UNIQUE and others.
    /// Where the server has named one, only that.
    pub constraints: Vec<String>,
    /// The one column that the constraint is about which the server has named.
    pub column: Option<String>,
    /// What the mapping asks of its field.
    pub rules: Vec<String>,
}

/// What a column takes, or without one, which constraints the table has; by the server's `message`, the one
/// that it names.
///
/// # Errors
/// What the server says.
pub async fn expected(
    client: &Client,
    plan: &LoadPlan,
    column: Option<&str>,
    message: &str,
) -> Result<Expected> {
    let failed = |error| classify(error, "reading the catalog");
    let table = quote::table(&plan.table);
    let mut expected = Expected::default();
    if let Some(name) = column {
        let row = client
            .query_typed_opt(
                "select format_type(a.atttypid, a.atttypmod), a.attnotnull,
                        array(select e.enumlabel::text from pg_enum e where e.enumtypid = a.atttypid
                              order by e.enumsortorder)
                 from pg_attribute a
                 where a.attrelid = to_regclass($1) and a.attname = $2 and not a.attisdropped",
                &[(&table, Type::TEXT), (&name, Type::TEXT)],
            )
            .await
            .map_err(failed)?;
        if let Some(row) = row {
            expected.sql_type = Some(row.get(0));
            expected.not_null = row.get(1);
            expected.labels = row.get(2);
        }
        if let Some(known) = plan.columns.iter().find(|known| known.name == name) {
            expected.example = example(known, &expected.labels);
            expected.rules = rules(known);
        }
    }
    let rows = client
        .query_typed(
            "select c.conname || ': ' || pg_get_constraintdef(c.oid), c.conname::text,
                    array(select a.attname::text from pg_attribute a
                          where a.attrelid = c.conrelid and a.attnum = any (c.conkey))
             from pg_constraint c
             where c.conrelid = to_regclass($1) and ($2::text is null or exists (
                 select from pg_attribute a where a.attrelid = c.conrelid and a.attname = $2
                 and a.attnum = any (c.conkey)))
             order by c.contype, c.conname",
            &[(&table, Type::TEXT), (&column, Type::TEXT)],
        )
        .await
        .map_err(failed)?;
    let named =
        |row: &&tokio_postgres::Row| message.contains(&format!("\"{}\"", row.get::<_, &str>(1)));
    expected.constraints = match rows.iter().find(named) {
        None => rows.iter().map(|row| row.get(0)).collect(),
        Some(row) => {
            let columns: Vec<String> = row.get(2);
            if let [only] = &columns[..] {
                expected.column = Some(only.clone());
            }
            vec![row.get(0)]
        }
    };
    Ok(expected)
}

fn example(column: &Column, labels: &[String]) -> Option<String> {
    if let Some(first) = column.allowed.first().or(labels.first()) {
        return Some(first.clone());
    }
    if column.rules.format.is_some() || column.rules.epoch.is_some() {
        // The rule says it.
        return None;
    }
    Some(
        match column.value_type {
            ValueType::Int2 | ValueType::Int4 | ValueType::Int8 => "42",
            ValueType::Float4 | ValueType::Float8 | ValueType::Numeric => "12.50",
            ValueType::Bool => "true",
            ValueType::Uuid => "0192f0c1-2b3c-7d4e-8f50-617283940a1b",
            ValueType::Date => "2026-11-21",
            ValueType::Time => "10:30:00",
            ValueType::Timestamp => "2026-11-21 10:30:00",
            ValueType::Timestamptz => "2026-11-21T10:30:00Z",
            ValueType::Bytea => "\\x0aff",
            ValueType::Json | ValueType::Jsonb => "{\"a\": 1}",
            _ => return None,
        }
        .to_owned(),
    )
}

/// What the mapping asks of a field, a line each.
fn rules(column: &Column) -> Vec<String> {
    let mut said = Vec::new();
    let rules = &column.rules;
    if column.required {
        said.push("required: it may not be empty".to_owned());
    }
    if column.trim {
        said.push("trimmed first".to_owned());
    }
    match column.case {
        Some(Case::Lower) => said.push("in lower case then".to_owned()),
        Some(Case::Upper) => said.push("in upper case then".to_owned()),
        None => {}
    }
    if !column.allowed.is_empty() {
        said.push(format!("one of {}", column.allowed.join(", ")));
    }
    let bounds = [("at least", &column.minimum), ("at most", &column.maximum)];
    for (word, bound) in bounds {
        said.extend(bound.as_ref().map(|bound| format!("{word} {bound}")));
    }
    if column.finite {
        said.push("finite".to_owned());
    }
    said.extend(
        rules
            .pattern
            .as_ref()
            .map(|it| format!("matches the pattern {it:?}")),
    );
    said.extend(
        rules
            .max_length
            .map(|it| format!("at most {it} characters")),
    );
    said.extend(rules.format.as_ref().map(|format| {
        let example = crate::row::TimeFormat::new(format).map(|format| format.example());
        match example {
            Ok(example) => format!("written as {format:?}, such as {example}"),
            Err(_) => format!("written as {format:?}"),
        }
    }));
    said.extend(rules.epoch.map(|unit| {
        let unit = match unit {
            EpochUnit::Seconds => "seconds",
            EpochUnit::Milliseconds => "milliseconds",
            EpochUnit::Microseconds => "microseconds",
        };
        format!("a number of {unit} since 1970")
    }));
    said.extend(
        rules
            .decimal
            .map(|it| format!("with {it:?} before the decimals")),
    );
    said.extend(
        rules
            .thousands
            .map(|it| format!("with {it:?} between thousands, or nothing")),
    );
    said
}
