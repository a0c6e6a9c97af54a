//! What this role may do with a pipeline's table.

use ingestd_actors::error::Result;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::check::Finding;
use crate::plan::WriteMode;
use crate::plan::catalog::Table;
use crate::postgres::{classify, quote};
use crate::settings::Pipeline;

/// Looks at the rights that the pipeline's mode needs.
pub async fn check(
    client: &Client,
    pipeline: &Pipeline,
    table: &Table,
    key: &str,
) -> Result<Vec<Finding>> {
    let row = client
        .query_typed_one(
            "select has_table_privilege(c.oid, 'INSERT'), has_table_privilege(c.oid, 'SELECT'),
                    has_table_privilege(c.oid, 'UPDATE'), has_table_privilege(c.oid, 'DELETE'),
                    has_database_privilege(current_database(), 'TEMP'),
                    has_schema_privilege(c.relnamespace, 'USAGE'), current_user::text
             from pg_class c where c.oid = to_regclass($1)",
            &[(&quote::table(&table.name), Type::TEXT)],
        )
        .await
        .map_err(|error| classify(error, "reading the rights on a table"))?;
    let may = |index: usize| row.get::<_, bool>(index);
    let updates = matches!(pipeline.mode, WriteMode::Upsert | WriteMode::Newest);
    let deletes = pipeline.rules.delete_when.is_some();
    let role: String = row.get(6);
    let table = &table.name;
    let lacking = [
        (!may(5), format!("USAGE on the schema of {table}")),
        (!may(0), format!("INSERT on {table}")),
        (!may(1), format!("SELECT on {table}")),
        (updates && !may(2), format!("UPDATE on {table}")),
        (deletes && !may(3), format!("DELETE on {table}")),
        (!may(4), "TEMP on the database".to_owned()),
    ];
    let lacking: Vec<String> = lacking
        .into_iter()
        .filter_map(|(lacks, what)| lacks.then_some(what))
        .collect();
    if lacking.is_empty() {
        return Ok(vec![Finding::ok(
            key,
            format!("role {role} has the rights that it needs"),
        )]);
    }
    let what = format!("role {role} lacks {}", lacking.join(", "));
    Ok(vec![Finding::error(
        key,
        what,
        "GRANT the role what it lacks",
    )])
}

/// Looks at the right that staging needs, where the rows of a file come all at once.
pub async fn staging(client: &Client, pipeline: &Pipeline, key: &str) -> Result<Option<Finding>> {
    if !pipeline.tolerance.all_or_nothing {
        return Ok(None);
    }
    let rows = client
        .query_typed(
            "select has_schema_privilege(oid, 'CREATE'), current_user::text
             from pg_namespace where nspname = 'ingestd'",
            &[],
        )
        .await
        .map_err(|error| classify(error, "reading the rights on the ledger's schema"))?;
    // Without a ledger there is another finding, and it is made by who owns it.
    let Some(row) = rows.first().filter(|row| !row.get::<_, bool>(0)) else {
        return Ok(None);
    };
    let role: String = row.get(1);
    Ok(Some(Finding::error(
        key,
        format!("role {role} lacks CREATE on schema ingestd, which all_or_nothing needs"),
        "GRANT the role what it lacks",
    )))
}
