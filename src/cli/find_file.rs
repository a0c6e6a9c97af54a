//! A file of the ledger, as somebody names it: by its number, or by a path or name.

use ingestd_actors::error::{Error, ErrorKind, Result};

use crate::ledger::by_name;
use crate::postgres::classify;
use crate::settings::nearest;

/// Its number. Of several of one name the newest counts.
///
/// # Errors
/// `Configuration` where there is none.
pub fn find_file(client: &mut postgres::Client, named: &str) -> Result<i64> {
    if let Some(file) = by_name(client, named)? {
        return Ok(file);
    }
    if let Ok(number) = named.parse::<i64>() {
        let missing = wrong(format!("there is no file {number} in the ledger"));
        return Err(missing.with_advice("`ingestd files` shows the files that it knows"));
    }
    let names = client
        .query_typed(
            "select regexp_replace(path, '^.*/', '') from ingestd.files
             order by file_id desc limit 10000",
            &[],
        )
        .map_err(|error| classify(error, "reading the ledger"))?;
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
