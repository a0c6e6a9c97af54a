//! The ledger: whether it is there, up to date, and may be written.

use ingestd_actors::error::Result;
use tokio_postgres::Client;

use super::Finding;
use crate::postgres::{classify, migrations};

const PLACE: &str = "ledger";

/// Looks at it; nothing is migrated.
pub async fn check(client: &mut Client) -> Result<Vec<Finding>> {
    let missing = match migrations::missing(client).await {
        Ok(missing) => missing,
        Err(error) => return Ok(vec![Finding::of(PLACE, &error)]),
    };
    let failed = |error| classify(error, "looking at the rights on the ledger");
    if missing.is_empty() {
        let sql = "select coalesce(bool_and(has_table_privilege(c.oid, 'SELECT')
                              and has_table_privilege(c.oid, 'INSERT')
                              and has_table_privilege(c.oid, 'UPDATE')
                              and has_table_privilege(c.oid, 'DELETE')), false)
                   from pg_class c join pg_namespace n on n.oid = c.relnamespace
                   where n.nspname = 'ingestd' and c.relkind = 'r' and c.relname <> 'migrations'
                     and has_schema_privilege(n.oid, 'USAGE')";
        let may: bool = client
            .query_typed_one(sql, &[])
            .await
            .map_err(failed)?
            .get(0);
        return Ok(vec![match may {
            true => Finding::ok(PLACE, "up to date"),
            false => Finding::error(
                PLACE,
                "this role may not write the tables of the schema ingestd",
                "GRANT it SELECT, INSERT, UPDATE and DELETE on them, and USAGE on the schema",
            ),
        }]);
    }
    let sql = "select case when to_regnamespace('ingestd') is null
                           then has_database_privilege(current_database(), 'CREATE')
                           else has_schema_privilege('ingestd', 'CREATE') end";
    let may: bool = client
        .query_typed_one(sql, &[])
        .await
        .map_err(failed)?
        .get(0);
    let names = missing.join(", ");
    Ok(vec![match may {
        true => Finding::ok(PLACE, format!("would be migrated: {names}")),
        false => Finding::error(
            PLACE,
            format!("has to be migrated ({names}), and this role may not"),
            "let a role that may create tables run `ingestd migrate`",
        ),
    }])
}
