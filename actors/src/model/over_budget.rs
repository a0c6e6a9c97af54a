//! A file that is over its error budget.

use super::DeadLetter;

/// What is known of a file when it is given up.
#[derive(Clone, Debug)]
pub struct OverBudget {
    /// The limit that it has passed, as it is configured.
    pub limit: String,
    /// How many of its records were read.
    pub records: u64,
    /// Whether these are all.
    pub at_end: bool,
    /// The dead letters that no transaction has stored yet: up to the one that was too many. They are
    /// stored in the one that gives the file up.
    pub dead_letters: Vec<DeadLetter>,
}
