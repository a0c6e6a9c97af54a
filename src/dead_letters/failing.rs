//! What is told of letters that fail again.

use serde::Serialize;

/// A letter that has failed again, or stays NEW for another reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failing {
    /// Its file.
    pub file: i64,
    /// Its record.
    pub record: i64,
    /// What it stays NEW for: `failed`, `there`, `deletion` or `not_ready`.
    pub why: &'static str,
    /// The reason's code, of one that failed.
    pub reason: String,
    /// The column at fault.
    pub column: Option<String>,
    /// What is wrong.
    pub message: String,
    /// The server's code.
    pub sqlstate: Option<String>,
}
