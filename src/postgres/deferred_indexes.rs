//! The list of the indexes that a first load has put off, and where each of them stands.

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::port::MissingIndex;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};

use super::error::classify_ledger;
use super::quote;
use crate::plan::TableName;

/// An index of a pipeline's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name; its schema is the table's.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
}

impl Index {
    fn create(&self, concurrently: &str, table: &str) -> String {
        format!(
            "CREATE INDEX {concurrently}{} ON {table} ({})",
            quote::identifier(&self.name),
            quote::identifiers(self.columns.iter().map(String::as_str))
        )
    }

    /// The statement that builds it on an empty table.
    pub fn create_at_once(&self, table: &TableName) -> String {
        self.create("", &quote::table(table))
    }

    /// The statement that builds it beside the loading; it can't stand in a transaction.
    pub fn create_concurrently(&self, table: &TableName) -> String {
        self.create("CONCURRENTLY ", &quote::table(table))
    }

    /// The statement that takes away what a failed building has left; it can't stand in a
    /// transaction.
    pub fn drop_concurrently(&self, table: &TableName) -> String {
        let name = TableName {
            schema: table.schema.clone(),
            name: self.name.clone(),
        };
        format!("DROP INDEX CONCURRENTLY IF EXISTS {}", quote::table(&name))
    }
}

/// Writes indexes down as missing, in the transaction that creates their table.
///
/// # Errors
/// What the server says.
pub async fn note(
    transaction: &Transaction<'_>,
    pipeline: &str,
    table: &TableName,
    indexes: &[Index],
) -> Result<()> {
    let failed = |error| classify_ledger(error, "writing down the indexes that are to be built");
    // So that `status` shows them from the start.
    transaction
        .execute_typed(
            "insert into ingestd.pipelines (name) values ($1) on conflict do nothing",
            &[(&pipeline, Type::TEXT)],
        )
        .await
        .map_err(failed)?;
    for index in indexes {
        transaction
            .execute_typed(
                "insert into ingestd.deferred_indexes (pipeline, relation, name, columns)
                 values ($1, $2::text::regclass, $3, $4)",
                &[
                    (&pipeline, Type::TEXT),
                    (&quote::table(table), Type::TEXT),
                    (&index.name, Type::TEXT),
                    (&index.columns, Type::TEXT_ARRAY),
                ],
            )
            .await
            .map_err(failed)?;
    }
    Ok(())
}

/// What a pipeline's list holds, in order.
///
/// # Errors
/// What the server says.
pub async fn missing(client: &Client, pipeline: &str) -> Result<Vec<MissingIndex>> {
    let rows = client
        .query_typed(
            "select index_id, name, relation::text from ingestd.deferred_indexes
             where pipeline = $1 order by index_id",
            &[(&pipeline, Type::TEXT)],
        )
        .await
        .map_err(|error| classify_ledger(error, "reading which indexes are missing"))?;
    let index = |row: &tokio_postgres::Row| MissingIndex {
        id: row.get(0),
        name: row.get(1),
        table: row.get(2),
    };
    Ok(rows.iter().map(index).collect())
}

/// Takes an index off the list.
///
/// # Errors
/// What the server says.
pub async fn strike(client: &Client, id: i64) -> Result<()> {
    let sql = "delete from ingestd.deferred_indexes where index_id = $1";
    let struck = client.execute_typed(sql, &[(&id, Type::INT8)]).await;
    struck.map_err(|error| classify_ledger(error, "striking an index from the list"))?;
    Ok(())
}

/// Notes that this very connection builds an index from now on; behind a pooler, where its backend is
/// not its own, that this instance does.
///
/// # Errors
/// What the server says.
pub async fn note_builder(client: &Client, id: i64, pooled: bool) -> Result<()> {
    client
        .execute_typed(
            "update ingestd.deferred_indexes
             set backend = case when not $2 then pg_backend_pid() end,
                 building_since = clock_timestamp(),
                 backend_start = (select backend_start from pg_stat_activity
                                  where pid = pg_backend_pid() and not $2)
             where index_id = $1",
            &[(&id, Type::INT8), (&pooled, Type::BOOL)],
        )
        .await
        .map_err(|error| classify_ledger(error, "noting that an index is built"))?;
    Ok(())
}

/// What is to be done about an index of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing: it is not on the list any more, or valid already.
    Done,
    /// It can't be built, since what it is to be of is gone: why, for people.
    Gone(String),
    /// It is to be built, on this table, which is called so now.
    Missing(TableName, Index),
    /// The same, but a building that failed has left an invalid one, which has to go first.
    Invalid(TableName, Index),
}

/// Looks where an index of the list stands. The table is found whatever it is called by now; one
/// that was put in its place is another one.
///
/// # Errors
/// `Configuration` where something else has the index's name.
pub async fn look_at(client: &Client, id: i64) -> Result<Standing> {
    let found = client
        .query_typed_opt(
            "select d.name, d.columns, n.nspname::text, c.relname::text, c.relkind = 'r' as is_table,
                    array(select wanted from unnest(d.columns) wanted
                          where not exists (select from pg_attribute a
                                            where a.attrelid = d.relation and a.attname = wanted
                                              and a.attnum > 0 and not a.attisdropped)) as gone,
                    other.oid is not null as taken,
                    x.indrelid = d.relation as ours, x.indisvalid
             from ingestd.deferred_indexes d
             left join pg_class c on c.oid = d.relation
             left join pg_namespace n on n.oid = c.relnamespace
             left join pg_class other on other.relnamespace = c.relnamespace and other.relname = d.name
             left join pg_index x on x.indexrelid = other.oid
             where d.index_id = $1",
            &[(&id, Type::INT8)],
        )
        .await
        .map_err(|error| classify_ledger(error, "looking whether an index is there"))?;
    let Some(row) = found else {
        return Ok(Standing::Done);
    };
    let index = Index {
        name: row.get(0),
        columns: row.get(1),
    };
    let (schema, name): (Option<String>, Option<String>) = (row.get(2), row.get(3));
    let is_table = row.get::<_, Option<bool>>("is_table") == Some(true);
    let (Some(name), true) = (name, is_table) else {
        return Ok(Standing::Gone("its table is gone".to_owned()));
    };
    let table = TableName { schema, name };
    let gone: Vec<String> = row.get("gone");
    if !gone.is_empty() {
        let columns = quote::identifiers(gone.iter().map(String::as_str));
        return Ok(Standing::Gone(format!(
            "table {table} has no column {columns} any more"
        )));
    }
    if !row.get::<_, bool>("taken") {
        return Ok(Standing::Missing(table, index));
    }
    if row.get::<_, Option<bool>>("ours") != Some(true) {
        let message = format!(
            "index {:?} of table {table} can't be built: something else has that name",
            index.name
        );
        return Err(Error::new(ErrorKind::Configuration, message)
            .with_advice("rename that one, and the index is built"));
    }
    Ok(match row.get::<_, bool>("indisvalid") {
        true => Standing::Done,
        false => Standing::Invalid(table, index),
    })
}
