//! The adapters against a real server.

mod altered;
mod careful;
mod domains;
mod fence;
pub mod fixture;
mod indexes;
mod modes;
mod ops;
mod origins;
mod referring;
mod rejects;
mod resolver;
mod schema;
mod sorting;
mod targets;
mod turns;
mod types;
mod unknown;
mod values;
mod ways;
