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
mod unknown;
mod values;
mod ways;
