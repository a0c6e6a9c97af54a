//! What an operator sees of pipelines, files and events: statements about the ledger, and the plain
//! structs that their rows become, for the command line and for HTTP alike.
//!
//! Nothing here locks a row, and nothing here writes.

pub mod backlog;
pub mod commands;
pub mod counts;
pub mod events;
pub mod file;
pub mod files;
pub mod filters;
pub mod flight;
pub mod instances;
pub mod missing_indexes;
pub mod pipelines;
pub mod services;
pub mod state;

use tokio_postgres::Row;

/// SQL: a time as text, in UTC, to the millisecond.
pub fn time(expression: &str) -> String {
    format!("to_char({expression} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
}

/// A number that is never negative.
pub(crate) fn count(row: &Row, column: &str) -> u64 {
    row.get::<_, i64>(column).cast_unsigned()
}
