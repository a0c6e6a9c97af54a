//! The adapters against a real server.

mod altered;
mod careful;
mod fence;
mod fixture;
mod indexes;
mod origins;
mod rejects;
mod resolver;
mod schema;
mod sorting;
mod unknown;
mod ways;
