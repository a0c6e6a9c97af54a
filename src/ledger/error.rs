//! What an error of a ledger statement means.

use std::error::Error as _;

use ingestd_actors::error::{Error, ErrorKind};
use tokio_postgres::types::WrongType;

use crate::postgres::classify;

/// Classifies an error of a statement on the ledger's own tables.
///
/// Every call of the ledger may be repeated, so an unknown outcome is as good as a passing one; and
/// a value that is refused there is the program's own.
pub fn ledger_error(error: tokio_postgres::Error, doing: &str) -> Error {
    let is_ours = error
        .source()
        .is_some_and(|source| source.is::<WrongType>());
    let error = classify(error, doing);
    let kind = match error.kind() {
        // No server can have said so: a parameter does not fit its statement.
        _ if is_ours => ErrorKind::Bug,
        ErrorKind::Unknown | ErrorKind::TooBig => ErrorKind::Transient,
        ErrorKind::Row | ErrorKind::Fenced => ErrorKind::Bug,
        other => other,
    };
    let advice = (kind == ErrorKind::Configuration)
        .then_some("run `ingestd migrate`, and give the role rights on the schema ingestd");
    let message = error.message().to_owned();
    let mut ours = Error::new(kind, message);
    if let Some(code) = error.code() {
        ours = ours.with_code(code);
    }
    if let Some(advice) = advice {
        ours = ours.with_advice(advice);
    }
    ours.with_source(error)
}

/// The error of a life whose right to load has ended.
pub fn fenced(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Fenced, what)
}
