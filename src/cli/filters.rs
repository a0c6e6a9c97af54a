//! What lists are narrowed by: pipelines; times and names are read elsewhere.

use ingestd_actors::error::{Error, ErrorKind, Result};

use crate::postgres::classify;
use crate::settings::nearest;

pub use crate::view::filters::{NamePattern, moment, name_pattern};

/// Makes sure that the ledger knows a pipeline.
///
/// # Errors
/// `Configuration` where it doesn't, with the name that is near.
pub fn check_pipeline(client: &mut postgres::Client, name: Option<&str>) -> Result<()> {
    let Some(name) = name else {
        return Ok(());
    };
    let rows = client
        .query_typed("select name from ingestd.pipelines order by name", &[])
        .map_err(|error| classify(error, "reading the ledger"))?;
    let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    let message = format!("the ledger knows no pipeline {name:?}");
    Err(Error::new(ErrorKind::Configuration, message).with_advice(near(name, &names)))
}

/// What to say of a name that is none of these.
fn near(name: &str, names: &[String]) -> String {
    match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near:?}?"),
        None if names.is_empty() => "none has run yet".to_owned(),
        None => format!("it knows {}", names.join(", ")),
    }
}
