//! Why a table has no unique index for a key: those that come near.

use ingestd_actors::error::Result;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::plan::TableName;
use crate::postgres::{classify, quote};

/// Unique indexes of a table that can't arbitrate, each with why.
pub async fn near_misses(client: &Client, table: &TableName) -> Result<Vec<String>> {
    let rows = client
        .query_typed(
            "select c.relname::text, i.indpred is not null, i.indexprs is not null,
                    not i.indisvalid, not i.indimmediate
             from pg_index i join pg_class c on c.oid = i.indexrelid
             where i.indrelid = to_regclass($1) and i.indisunique
             order by c.relname",
            &[(&quote::table(table), Type::TEXT)],
        )
        .await
        .map_err(|error| classify(error, "reading a table's unique indexes"))?;
    let why = |row: &tokio_postgres::Row| {
        let reasons = [
            (1, "is partial"),
            (2, "is on expressions"),
            (3, "is not valid"),
            (4, "is deferrable"),
        ];
        let name: String = row.get(0);
        let found = reasons.iter().find(|(index, _)| row.get(*index));
        found.map(|(_, why)| format!("{name} {why}"))
    };
    Ok(rows.iter().filter_map(why).collect())
}
