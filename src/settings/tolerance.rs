//! What happens to files with records that can't be loaded.

use ingestd_actors::flow::Budget;

/// What happens to files with records that can't be loaded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// How many of them a file may have.
    pub budget: Budget,
    /// Whether a file's rows come into the table all at once, or none does.
    pub all_or_nothing: bool,
}

/// The ratio counts from so many records on, unless told.
pub const MIN_RECORDS: u64 = 1_000;

impl Default for Tolerance {
    fn default() -> Tolerance {
        Tolerance {
            budget: Budget {
                max_errors: None,
                max_ratio: None,
                min_records: MIN_RECORDS,
            },
            all_or_nothing: false,
        }
    }
}
