//! The demo's parts: what it generates, and the comparison with what came of it.

mod compare;
mod fresh;
mod story;
mod writing;

pub use compare::{Verdict, compare};
pub use fresh::start_over;
pub use story::Story;
pub use writing::{Writing, files_in_ledger};

/// The pipeline of `config/ecommerce.toml`.
pub const PIPELINE: &str = "ecommerce";

/// Its table.
pub const TABLE: &str = "raw_events";
