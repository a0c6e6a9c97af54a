//! A pipeline's table, where it is to be created.

use ingestd_actors::error::{Error, ErrorKind, Result};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};

use super::deferred_indexes::{self, Index};
use super::error::classify;
use super::quote;
use super::{Database, catalog};
use crate::plan::catalog::Table;
use crate::settings::Pipeline;

/// When the further indexes of a table that is created are built. Its key is always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FurtherIndexes {
    /// With the table.
    AtOnce,
    /// After its first load, from the list in the ledger.
    AfterLoad,
}

/// Creates the pipeline's table with its indexes, or with their list, all or nothing; whether it was
/// missing.
///
/// A table that is there stays as it is, indexes included. Two processes may do this at once.
///
/// # Errors
/// `Configuration` where the pipeline lists no columns, or where the server takes the operator's
/// types and expressions for no SQL.
pub async fn create_table(
    database: &Database,
    client: &mut Client,
    pipeline: &Pipeline,
    further: FurtherIndexes,
) -> Result<bool> {
    let doing = format!("creating table {}", pipeline.table);
    let failed = |error| classify(error, &doing);
    let mut transaction = database.begin(client).await?;
    let name = quote::table(&pipeline.table);
    // CREATE TABLE IF NOT EXISTS alone fails on the catalog's unique index when two run at once.
    transaction
        .execute_typed(
            "select pg_advisory_xact_lock(hashtext('ingestd.create_table'), hashtext($1))",
            &[(&name, Type::TEXT)],
        )
        .await
        .map_err(failed)?;
    leave_the_ledger_alone(&transaction).await?;
    let there: bool = transaction
        .query_typed_one("select to_regclass($1) is not null", &[(&name, Type::TEXT)])
        .await
        .map_err(failed)?
        .get(0);
    if there {
        return Ok(false);
    }
    create_bare(&transaction, pipeline, &doing).await?;
    let indexes = indexes(pipeline);
    let statements: Vec<String> = indexes
        .iter()
        .map(|index| index.create_at_once(&pipeline.table))
        .collect();
    // Built on the empty table in any case: what the server does not take is said now, not after
    // hours of loading.
    let building = transaction.transaction().await.map_err(failed)?;
    building
        .batch_execute(&statements.join(";\n"))
        .await
        .map_err(failed)?;
    match further {
        FurtherIndexes::AtOnce => building.commit().await.map_err(failed)?,
        FurtherIndexes::AfterLoad => {
            building.rollback().await.map_err(failed)?;
            deferred_indexes::note(&transaction, &pipeline.name, &pipeline.table, &indexes).await?;
        }
    }
    transaction.commit().await.map_err(failed)?;
    Ok(true)
}

/// The table and its schema, without further indexes.
async fn create_bare(
    transaction: &Transaction<'_>,
    pipeline: &Pipeline,
    doing: &str,
) -> Result<()> {
    if let Some(schema) = &pipeline.table.schema {
        create_schema(transaction, schema).await?;
    }
    transaction
        .batch_execute(&table_statement(pipeline)?)
        .await
        .map_err(|error| classify(error, doing))
}

/// What the table that a pipeline creates would be: it is created with its indexes, looked at, and
/// taken back.
///
/// # Errors
/// As [`create_table`].
pub async fn would_create(
    database: &Database,
    client: &mut Client,
    pipeline: &Pipeline,
) -> Result<Option<Table>> {
    let doing = format!("trying to create table {}", pipeline.table);
    let failed = |error| classify(error, &doing);
    let transaction = database.begin(client).await?;
    leave_the_ledger_alone(&transaction).await?;
    create_bare(&transaction, pipeline, &doing).await?;
    for index in indexes(pipeline) {
        let statement = index.create_at_once(&pipeline.table);
        transaction
            .batch_execute(&statement)
            .await
            .map_err(failed)?;
    }
    let table = catalog::read_table(transaction.client(), &pipeline.table).await?;
    transaction.rollback().await.map_err(failed)?;
    Ok(table)
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
        .query_typed_one("select to_regnamespace($1) is null", &[(&name, Type::TEXT)])
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

/// The statement that creates the table with its key.
fn table_statement(pipeline: &Pipeline) -> Result<String> {
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

    Ok(format!(
        "CREATE TABLE IF NOT EXISTS {} (\n    {}\n)",
        quote::table(&pipeline.table),
        parts.join(",\n    ")
    ))
}

/// The indexes beside the key.
fn indexes(pipeline: &Pipeline) -> Vec<Index> {
    let index = |columns: &Vec<String>| Index {
        name: quote::short_name(&format!(
            "{}_{}_idx",
            pipeline.table.name,
            columns.join("_")
        )),
        columns: columns.clone(),
    };
    pipeline.indexes.iter().map(index).collect()
}
