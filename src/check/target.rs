//! A pipeline's table: whether it takes what the pipeline has for it.

mod oddities;
mod rights;

use ingestd_actors::error::Result;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::Finding;
use super::key::near_misses;
use crate::plan::catalog::Table;
use crate::plan::{ColumnSource, HeaderError, build, check_key};
use crate::postgres::{Database, catalog, classify, ddl, quote};
use crate::settings::{Pipeline, nearest};

/// Looks at the table of one pipeline.
pub async fn check(
    database: &Database,
    client: &mut Client,
    pipeline: &Pipeline,
) -> Result<Vec<Finding>> {
    let key = format!("pipelines.{}.table", pipeline.name);
    let Some(kind) = kind_of(client, pipeline).await? else {
        return missing(database, client, pipeline, key).await;
    };
    let table = match catalog::read_table(client, &pipeline.table).await {
        Ok(Some(table)) => table,
        // It went away in between.
        Ok(None) => return missing(database, client, pipeline, key).await,
        Err(error) => {
            let mut finding = Finding::of(key, &error);
            if !matches!(kind.as_str(), "r" | "p") {
                finding.what = format!("{}: it is {}", finding.what, word_for(&kind));
            }
            return Ok(vec![finding]);
        }
    };
    let text = format!("{}, columns: {}", table.name, table.columns.len());
    let mut findings = vec![Finding::ok(&key, text)];
    findings.extend(columns(client, pipeline, &table).await?);
    findings.extend(unique_key(client, pipeline, &table).await?);
    findings.extend(rights::check(client, pipeline, &table, &key).await?);
    findings.extend(rights::staging(client, pipeline, &key).await?);
    findings.extend(oddities::check(client, pipeline, &table, &key).await?);
    Ok(findings)
}

async fn kind_of(client: &Client, pipeline: &Pipeline) -> Result<Option<String>> {
    let row = client
        .query_typed_opt(
            "select relkind::text from pg_class where oid = to_regclass($1)",
            &[(&quote::table(&pipeline.table), Type::TEXT)],
        )
        .await
        .map_err(|error| classify(error, "reading the catalog"))?;
    Ok(row.map(|row| row.get(0)))
}

fn word_for(kind: &str) -> &'static str {
    match kind {
        "v" => "a view",
        "m" => "a materialized view",
        "f" => "a foreign table",
        "S" => "a sequence",
        "i" | "I" => "an index",
        "c" => "a type",
        _ => "something else",
    }
}

async fn missing(
    database: &Database,
    client: &mut Client,
    pipeline: &Pipeline,
    key: String,
) -> Result<Vec<Finding>> {
    if pipeline.create {
        return Ok(vec![
            match ddl::would_create(database, client, pipeline).await {
                Ok(_) => Finding::ok(key, format!("{} would be created", pipeline.table)),
                Err(error) => Finding::of(key, &error),
            },
        ]);
    }
    let rows = client
        .query_typed(
            "select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where c.relkind in ('r', 'p') and n.nspname not in ('ingestd', 'pg_catalog', 'information_schema')
             order by 1",
            &[],
        )
        .await
        .map_err(|error| classify(error, "reading the catalog"))?;
    let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let near = nearest(&pipeline.table.name, names.iter().map(String::as_str));
    let what = match near {
        Some(near) => format!(
            "there is no table {} that this role can see; did you mean {near:?}?",
            pipeline.table
        ),
        None => format!(
            "there is no table {} that this role can see",
            pipeline.table
        ),
    };
    let advice = "create it, or list its columns with types and set create = true";
    Ok(vec![Finding::error(key, what, advice)])
}

/// The mapping against the table's columns.
async fn columns(client: &Client, pipeline: &Pipeline, table: &Table) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let named = |name: &str| table.columns.iter().find(|column| column.name == name);
    for column in &pipeline.columns {
        let key = format!("pipelines.{}.columns.{}", pipeline.name, column.name);
        let Some(found) = named(&column.name) else {
            let names = table.columns.iter().map(|column| column.name.as_str());
            let what = match nearest(&column.name, names) {
                Some(near) => format!("{} has no such column; did you mean {near:?}?", table.name),
                None => format!("{} has no such column", table.name),
            };
            let advice = "add it to the table, or take it out of the pipeline";
            findings.push(Finding::error(key, what, advice));
            continue;
        };
        if found.generated {
            let what = "the server computes this column, so that it can't be loaded";
            let advice = "take it out of the pipeline";
            findings.push(Finding::error(&key, what, advice));
        }
        if !column.sql_type.is_empty()
            && let Some(finding) = type_of(client, &key, &column.sql_type, found).await?
        {
            findings.push(finding);
        }
    }
    for column in &table.columns {
        let listed = pipeline.columns.iter().any(|it| it.name == column.name);
        let filled = listed || pipeline.loads_others();
        if !filled && column.not_null && !column.has_default && !column.generated {
            findings.push(Finding::error(
                format!("pipelines.{}.columns", pipeline.name),
                format!(
                    "column {:?} of {} refuses NULL, has no default, and nothing fills it",
                    column.name, table.name
                ),
                "list it, give it a default, or take its NOT NULL away",
            ));
        }
    }
    if findings.is_empty()
        && check_key(pipeline, table).is_ok()
        && let Err(error @ HeaderError::Table(_)) = build(pipeline, table, &header_of(pipeline))
    {
        let key = format!("pipelines.{}.columns", pipeline.name);
        findings.push(Finding::of(key, &error.into()));
    }
    if findings.is_empty() {
        let text = match pipeline.columns.len() {
            0 => "columns by the header, types from the table".to_owned(),
            count => format!("all that are listed ({count}) are in {}", table.name),
        };
        let key = format!("pipelines.{}.columns", pipeline.name);
        findings.push(Finding::ok(key, text));
    }
    Ok(findings)
}

/// The header of a file that has every field that the pipeline lists, and no other.
fn header_of(pipeline: &Pipeline) -> Vec<String> {
    let mut names = Vec::new();
    for column in &pipeline.columns {
        let of_field = matches!(column.source, ColumnSource::Field);
        if of_field && pipeline.dialect.header && !names.contains(&column.field) {
            names.push(column.field.clone());
        }
    }
    names
}

/// A type that the configuration says is for a table that is created; of one that is there, it
/// should be the same.
async fn type_of(
    client: &Client,
    key: &str,
    wanted: &str,
    found: &crate::plan::catalog::TableColumn,
) -> Result<Option<Finding>> {
    let asked = client
        .query_typed_one("select to_regtype($1)::oid", &[(&wanted, Type::TEXT)])
        .await;
    // What is no type at all is an error only where the table is created.
    let oid: Option<u32> = match asked {
        Ok(row) => row.get(0),
        Err(error) if error.as_db_error().is_some() => None,
        Err(error) => return Err(classify(error, "looking up a type")),
    };
    if oid == Some(found.type_oid) {
        return Ok(None);
    }
    let what = format!(
        "the configuration says {wanted}, the table has {}; values are read as the table has it",
        found.type_full
    );
    let advice = "write the table's type, or change the table";
    Ok(Some(Finding::warning(key, what, advice)))
}

async fn unique_key(client: &Client, pipeline: &Pipeline, table: &Table) -> Result<Vec<Finding>> {
    let key = format!("pipelines.{}.key", pipeline.name);
    match check_key(pipeline, table) {
        Ok(()) if pipeline.key.is_empty() => {
            let text = "no key: rows are only added";
            Ok(vec![Finding::ok(key, text)])
        }
        Ok(()) => {
            let text = format!("({}) has a unique index", pipeline.key.join(", "));
            Ok(vec![Finding::ok(key, text)])
        }
        Err(error) => {
            let mut finding = Finding::of(key, &error.into());
            let near = near_misses(client, &table.name).await?;
            if !near.is_empty() {
                finding.what = format!("{}; index {}", finding.what, near.join(", "));
            }
            Ok(vec![finding])
        }
    }
}
