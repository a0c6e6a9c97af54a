//! The demo's parts: what it generates, and the comparison with what came of it.

mod compare;
mod story;

pub use compare::{Verdict, compare};
pub use story::{Story, write_missing};

/// The pipeline of `config/ecommerce.toml`.
pub const PIPELINE: &str = "ecommerce";

/// Its table.
pub const TABLE: &str = "raw_events";
