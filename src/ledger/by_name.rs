//! A file of the ledger, as somebody names it.

use ingestd_actors::error::Result;
use postgres::types::Type;

use crate::fs::path_text;
use crate::postgres::classify;

/// Its number, by its number, its path, or the end of its path. Of several of one name the newest
/// counts.
///
/// # Errors
/// Where the ledger can't be read.
pub fn by_name(client: &mut impl postgres::GenericClient, named: &str) -> Result<Option<i64>> {
    let failed = |error| classify(error, "reading the ledger");
    if let Ok(number) = named.parse::<i64>() {
        let found = client
            .query_typed(
                "select from ingestd.files where file_id = $1",
                &[(&number, Type::INT8)],
            )
            .map_err(failed)?;
        return Ok((!found.is_empty()).then_some(number));
    }
    let whole = std::path::absolute(named).unwrap_or_else(|_| named.into());
    let resolved = whole.canonicalize().unwrap_or_else(|_| whole.clone());
    let paths = [path_text(&whole), path_text(&resolved)];
    // A name alone is the end of a path.
    let rows = client
        .query_typed(
            "select file_id from ingestd.files
             where path = any($1) or archive_path = any($1)
                or right(path, length($2) + 1) = '/' || $2
             order by (path = any($1) or coalesce(archive_path = any($1), false)) desc, file_id desc
             limit 1",
            &[(&&paths[..], Type::TEXT_ARRAY), (&named, Type::TEXT)],
        )
        .map_err(failed)?;
    Ok(rows.first().map(|row| row.get(0)))
}
