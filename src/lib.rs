//! `ingestd` loads CSV files into PostgreSQL as they arrive.

#![warn(missing_docs)]

pub mod fs;
pub mod ledger;
pub mod plan;
pub mod postgres;
pub mod settings;
