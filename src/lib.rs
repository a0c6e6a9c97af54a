//! `ingestd` loads CSV files into PostgreSQL as they arrive.

#![warn(missing_docs)]

pub mod csv;
pub mod plan;
pub mod postgres;
pub mod row;
pub mod settings;
pub mod source;
