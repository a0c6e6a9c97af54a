//! PostgreSQL: the connection pool, the classifier of errors, and the ports that are tables there.

mod database;
mod error;

pub use database::{Client, Database, Pool};
pub use error::classify;
