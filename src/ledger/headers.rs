//! Headers in the ledger: each different one is stored once.

use std::collections::HashMap;

use ingestd_actors::error::Result;
use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};

use super::error::ledger_error;

/// A header on its way into the ledger.
pub struct NewHeader {
    /// What makes it different from others.
    pub digest: Vec<u8>,
    /// Its names, as JSON.
    pub names: String,
}

impl NewHeader {
    /// A header as it is stored; none where there are no names.
    pub fn new(mut names: Vec<String>) -> Option<NewHeader> {
        if names.is_empty() {
            return None;
        }
        // The server's JSON has no NUL in a text; a name with one is found by its place as well. There may
        // be very many names: they are not copied.
        for name in names.iter_mut().filter(|name| name.contains('\0')) {
            *name = name.replace('\0', "\u{FFFD}");
        }
        let names = serde_json::to_string(&names).ok()?;
        Some(NewHeader {
            digest: blake3::hash(names.as_bytes()).as_bytes().to_vec(),
            names,
        })
    }
}

/// Stores headers (names by digest) that are not there yet, and returns the numbers of all of them.
///
/// # Errors
/// What the server says.
pub async fn store(
    transaction: &Transaction<'_>,
    headers: &HashMap<Vec<u8>, String>,
) -> Result<HashMap<Vec<u8>, i64>> {
    if headers.is_empty() {
        return Ok(HashMap::new());
    }
    let mut sorted: Vec<(&Vec<u8>, &String)> = headers.iter().collect();
    sorted.sort();
    let digests: Vec<&[u8]> = sorted.iter().map(|(digest, _)| &digest[..]).collect();
    let names: Vec<&str> = sorted.iter().map(|(_, names)| names.as_str()).collect();
    // As for plans: one that another transaction adds meanwhile comes from asking again. One that is
    // there costs no number.
    let statement = "with new as (
             insert into ingestd.headers (digest, names)
             select n.digest, n.names::jsonb from unnest($1::bytea[], $2::text[]) as n (digest, names)
             where not exists (select from ingestd.headers h where h.digest = n.digest)
             on conflict do nothing
             returning digest, header_id)
         select digest, header_id from new
         union all
         select digest, header_id from ingestd.headers where digest = any($1)";
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&digests, Type::BYTEA_ARRAY), (&names, Type::TEXT_ARRAY)];
    let store = || transaction.query_typed(statement, &parameters);
    let failed = |error| ledger_error(error, "storing a header");
    let mut rows = store().await.map_err(failed)?;
    if rows.len() < sorted.len() {
        rows = store().await.map_err(failed)?;
    }
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
