//! PostgreSQL: the connection pool, the classifier of errors, and the ports that are tables there.

pub mod catalog;
pub mod claims;
mod connect;
mod connect_fault;
pub mod connection;
pub mod connection_string;
mod conversation;
mod database;
pub mod ddl;
pub mod dead_letters;
pub mod deferred_indexes;
pub mod error;
pub mod fence;
pub mod index_builder;
pub mod link;
pub mod migrations;
mod notes;
pub mod origins;
pub mod passwords;
mod pgpass;
pub mod quote;
pub mod rejects;
pub mod resolver;
mod silence;
pub mod sink;
pub mod stages;
mod time_zone;
mod tls;
pub mod tls_mode;
mod tls_verify;
mod watched;

pub use connect::connect_blocking;
pub use connection::{Connection, Pooler};
pub use database::{Client, Database, Pool};
pub use error::classify;
pub use index_builder::PostgresIndexes;
pub use notes::{Note, Notes, trim as trim_notes};
pub use origins::Origins;
pub use rejects::PostgresRejects;
pub use resolver::Resolver;
pub use sink::{ASK_WHY, PostgresSink};
pub use stages::Stages;

#[cfg(test)]
mod tests;
