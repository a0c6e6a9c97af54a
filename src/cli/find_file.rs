//! A file of the ledger, as somebody names it: by its number, or by a path or name.

use ingestd_actors::error::{Error, ErrorKind, Result};
use postgres::types::Type;

use crate::fs::path_text;
use crate::postgres::classify;
use crate::settings::nearest;

/// Its number. Of several of one name the newest counts.
///
/// # Errors
/// `Configuration` where there is none.
pub fn find_file(client: &mut postgres::Client, named: &str) -> Result<i64> {
    let failed = |error| classify(error, "reading the ledger");
    if let Ok(number) = named.parse::<i64>() {
        let found = client
            .query_typed_opt(
                "select from ingestd.files where file_id = $1",
                &[(&number, Type::INT8)],
            )
            .map_err(failed)?;
        let missing = || wrong(format!("there is no file {number} in the ledger"));
        return found
            .map(|_| number)
            .ok_or_else(|| missing().with_advice("`ingestd files` shows the files that it knows"));
    }
    let whole = std::path::absolute(named).unwrap_or_else(|_| named.into());
    let resolved = whole.canonicalize().unwrap_or_else(|_| whole.clone());
    let paths = [path_text(&whole), path_text(&resolved)];
    // A name alone is the end of a path.
    let row = client
        .query_typed_opt(
            "select file_id from ingestd.files
             where path = any($1) or archive_path = any($1)
                or right(path, length($2) + 1) = '/' || $2
             order by (path = any($1) or coalesce(archive_path = any($1), false)) desc, file_id desc
             limit 1",
            &[(&&paths[..], Type::TEXT_ARRAY), (&named, Type::TEXT)],
        )
        .map_err(failed)?;
    if let Some(row) = row {
        return Ok(row.get(0));
    }
    let names = client
        .query_typed(
            "select regexp_replace(path, '^.*/', '') from ingestd.files
             order by file_id desc limit 10000",
            &[],
        )
        .map_err(failed)?;
    let names: Vec<String> = names.iter().map(|row| row.get(0)).collect();
    let name = named.rsplit('/').next().unwrap_or(named);
    let advice = match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "`ingestd files` shows the files that it knows".to_owned(),
    };
    let message = format!("the ledger knows no file {named:?}");
    Err(wrong(message).with_advice(advice))
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Configuration, message)
}
