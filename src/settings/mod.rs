//! The configuration: TOML, environment and flags, merged, then validated into plain structs.

mod pipeline;

pub use pipeline::{ColumnSettings, FileOrder, GeneratedColumn, Pipeline};
