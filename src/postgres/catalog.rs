//! What the server's catalog says of a table.

use ingestd_actors::error::{Error, ErrorKind, Result};
use tokio_postgres::types::{Oid, Type};
use tokio_postgres::{Client, Row};

use super::error::classify_ledger;
use super::quote;
use crate::plan::catalog::{Table, TableColumn};
use crate::plan::{TableName, ValueType};

/// The ledger's tables. A role called `ingestd` has their schema first in its search path, and may
/// have made tables of its own there.
const LEDGER: [&str; 11] = [
    "checkpoints",
    "dead_letters",
    "deferred_indexes",
    "files",
    "headers",
    "instances",
    "migrations",
    "pipelines",
    "plans",
    "replays",
    "writers",
];

/// Reads a table, partitioned ones too; `None` where there is none of that name. Without a schema,
/// the first of the search path that has it.
///
/// # Errors
/// `Configuration` where the name is a view or something else that takes no COPY.
pub async fn read_table(client: &Client, name: &TableName) -> Result<Option<Table>> {
    let failed = |error| classify_ledger(error, "reading the catalog");
    let found = client
        .query_typed_opt(
            "select c.oid, n.nspname::text, c.relname::text, c.relkind::text
             from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where c.oid = to_regclass($1)",
            &[(&quote::table(name), Type::TEXT)],
        )
        .await
        .map_err(failed)?;
    let Some(row) = found else {
        return Ok(None);
    };
    let oid: Oid = row.get(0);
    if row.get::<_, &str>(1) == "ingestd" && LEDGER.contains(&row.get(2)) {
        return Err(Error::new(
            ErrorKind::Configuration,
            format!("{name} is a table of ingestd's own ledger"),
        )
        .with_advice("where another is meant, name it with its schema, such as public"));
    }
    let kind: &str = row.get(3);
    if !matches!(kind, "r" | "p") {
        return Err(
            Error::new(ErrorKind::Configuration, format!("{name} is no table"))
                .with_advice("name a table or a partitioned table"),
        );
    }
    let (unique_keys, deferrable_keys) = read_unique_keys(client, oid).await?;
    Ok(Some(Table {
        name: TableName {
            schema: Some(row.get(1)),
            name: row.get(2),
        },
        columns: read_columns(client, oid).await?,
        unique_keys,
        deferrable_keys,
        refers_to_itself: refers_to_itself(client, oid).await?,
    }))
}

async fn read_columns(client: &Client, table: Oid) -> Result<Vec<TableColumn>> {
    let rows = client
        .query_typed(
            // With a modifier of null the name of `bit` would mean `bit(1)`.
            "select a.attname::text, a.atttypid, format_type(a.atttypid, -1),
                    format_type(a.atttypid, a.atttypmod), a.attnotnull,
                    (a.atthasdef and a.attgenerated = '') or a.attidentity <> '',
                    a.attgenerated <> '', not coalesce(l.collisdeterministic, true),
                    coalesce(nullif(t.typbasetype, 0), t.oid),
                    case t.typtype when 'd' then t.typtypmod else a.atttypmod end,
                    array(select e.enumlabel::text from pg_enum e
                          where e.enumtypid = coalesce(nullif(t.typbasetype, 0), t.oid)
                          order by e.enumsortorder)
             from pg_attribute a join pg_type t on t.oid = a.atttypid
             left join pg_collation l on l.oid = a.attcollation
             where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
             order by a.attnum",
            &[(&table, Type::OID)],
        )
        .await
        .map_err(|error| classify_ledger(error, "reading a table's columns"))?;
    Ok(rows
        .iter()
        .map(|row| {
            let labels: Vec<String> = row.get(10);
            TableColumn {
                name: row.get(0),
                type_oid: row.get(1),
                type_name: row.get(2),
                type_full: row.get(3),
                not_null: row.get(4),
                has_default: row.get(5),
                generated: row.get(6),
                nondeterministic: row.get(7),
                value_type: match labels.is_empty() {
                    true => ValueType::from_oid(row.get(8)),
                    false => ValueType::Enum,
                },
                modifier: row.get(9),
                labels,
            }
        })
        .collect())
}

/// A list of names of columns, for each of several keys.
type Keys = Vec<Vec<String>>;

/// Those that can arbitrate, and those that can't for being deferrable.
async fn read_unique_keys(client: &Client, table: Oid) -> Result<(Keys, Keys)> {
    let rows = client
        .query_typed(
            "select array(
                 select a.attname::text
                 from unnest(i.indkey::int2[]) with ordinality k (attnum, position)
                 join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
                 where k.position <= i.indnkeyatts order by k.position), i.indimmediate
             from pg_index i join pg_class c on c.oid = i.indexrelid
             where i.indrelid = $1 and i.indisunique and i.indisvalid
               and i.indpred is null and i.indexprs is null
             order by i.indisprimary desc, c.relname",
            &[(&table, Type::OID)],
        )
        .await
        .map_err(|error| classify_ledger(error, "reading a table's unique indexes"))?;
    let (immediate, deferrable): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.get(1));
    let keys = |rows: Vec<&Row>| rows.iter().map(|row| row.get(0)).collect();
    Ok((keys(immediate), keys(deferrable)))
}

/// Whether a foreign key of the table leads to the table.
async fn refers_to_itself(client: &Client, table: Oid) -> Result<bool> {
    let row = client
        .query_typed_one(
            "select exists (select from pg_constraint
                            where contype = 'f' and conrelid = $1 and confrelid = $1)",
            &[(&table, Type::OID)],
        )
        .await
        .map_err(|error| classify_ledger(error, "reading a table's foreign keys"))?;
    Ok(row.get(0))
}
