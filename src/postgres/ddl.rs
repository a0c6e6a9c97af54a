//! A pipeline's table, where it is to be created.

use ingestd_actors::error::{Error, ErrorKind, Result};
use tokio_postgres::{Client, Transaction};

use super::error::classify;
use super::quote;
use crate::settings::Pipeline;

/// Creates the pipeline's table with its indexes, all or nothing; whether it was missing.
///
/// A table that is there stays as it is, indexes included. Two processes may do this at once.
///
/// # Errors
/// `Configuration` where the pipeline lists no columns, or where the server takes the operator's
/// types and expressions for no SQL.
pub async fn create_table(client: &mut Client, pipeline: &Pipeline) -> Result<bool> {
    let doing = format!("creating table {}", pipeline.table);
    let failed = |error| classify(error, &doing);
    let transaction = client.transaction().await.map_err(failed)?;
    let name = quote::table(&pipeline.table);
    // CREATE TABLE IF NOT EXISTS alone fails on the catalog's unique index when two run at once.
    transaction
        .execute(
            "select pg_advisory_xact_lock(hashtext('ingestd.create_table'), hashtext($1))",
            &[&name],
        )
        .await
        .map_err(failed)?;
    leave_the_ledger_alone(&transaction).await?;
    let there: bool = transaction
        .query_one("select to_regclass($1) is not null", &[&name])
        .await
        .map_err(failed)?
        .get(0);
    if there {
        return Ok(false);
    }
    if let Some(schema) = &pipeline.table.schema {
        create_schema(&transaction, schema).await?;
    }
    transaction
        .batch_execute(&statements(pipeline)?)
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(true)
}

/// A role called `ingestd` has the ledger's schema first in its search path; a table without a
/// schema is not to land there.
async fn leave_the_ledger_alone(transaction: &Transaction<'_>) -> Result<()> {
    let others = "select set_config('search_path', coalesce((
                      select string_agg(quote_ident(schema), ', ')
                      from unnest(current_schemas(false)) schema where schema <> 'ingestd'),
                      'public'), true)
                  where current_schema() = 'ingestd'";
    transaction
        .batch_execute(others)
        .await
        .map_err(|error| classify(error, "reading the search path"))
}

/// Asks first: IF NOT EXISTS wants the right to create even where there is nothing to do.
async fn create_schema(transaction: &Transaction<'_>, schema: &str) -> Result<()> {
    let name = quote::identifier(schema);
    let failed = |error| classify(error, &format!("creating schema {schema}"));
    let missing: bool = transaction
        .query_one("select to_regnamespace($1) is null", &[&name])
        .await
        .map_err(failed)?
        .get(0);
    if missing {
        transaction
            .batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {name}"))
            .await
            .map_err(failed)?;
    }
    Ok(())
}

/// The statements that create the table and what belongs to it.
fn statements(pipeline: &Pipeline) -> Result<String> {
    if pipeline.columns.is_empty() {
        return Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "table {} is not there, and pipeline {:?} lists no columns to create it with",
                pipeline.table, pipeline.name
            ),
        )
        .with_advice("list the columns with their types, or create the table"));
    }
    let mut parts: Vec<String> = Vec::new();
    for column in &pipeline.columns {
        let mut part = format!("{} {}", quote::identifier(&column.name), column.sql_type);
        if let Some(default) = &column.sql_default {
            part += &format!(" DEFAULT {default}");
        }
        if column.required {
            part += " NOT NULL";
        }
        parts.push(part);
    }
    for column in &pipeline.generated {
        parts.push(format!(
            "{} {} GENERATED ALWAYS AS ({}) STORED",
            quote::identifier(&column.name),
            column.sql_type,
            column.expression
        ));
    }
    if !pipeline.key.is_empty() {
        let key = quote::identifiers(pipeline.key.iter().map(String::as_str));
        parts.push(format!("PRIMARY KEY ({key})"));
    }

    let table = quote::table(&pipeline.table);
    let mut sql = String::new();
    sql += &format!(
        "CREATE TABLE IF NOT EXISTS {table} (\n    {}\n);\n",
        parts.join(",\n    ")
    );
    for columns in &pipeline.indexes {
        let name = quote::short_name(&format!(
            "{}_{}_idx",
            pipeline.table.name,
            columns.join("_")
        ));
        sql += &format!(
            "CREATE INDEX {} ON {table} ({});\n",
            quote::identifier(&name),
            quote::identifiers(columns.iter().map(String::as_str))
        );
    }
    Ok(sql)
}
