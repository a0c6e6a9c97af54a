//! The adapters against a real server.

mod altered;
mod careful;
mod fence;
mod fixture;
mod indexes;
mod rejects;
mod resolver;
mod schema;
mod sorting;
mod types;
mod unknown;
mod ways;
