//! A live picture of all pipelines for a terminal: read from the ledger, drawn by pure functions.

pub mod draw;
mod look;
pub mod picture;
pub mod screen;

pub use look::Looker;
