//! `ingestd` loads CSV files into PostgreSQL as they arrive: every good row once, every bad row kept
//! with its reason, and nothing lost whichever process dies.
//!
//! The supervision tree is the crate [`ingestd_actors`], which says why nothing is lost or doubled.
//! This crate is its outside:
//!
//! | folder | what it is |
//! |---|---|
//! | [`cli`] | the subcommands, one a file |
//! | [`settings`] | TOML, environment and flags, validated |
//! | [`plan`] | pure: what is done to every record of a file |
//! | [`csv`], [`row`] | pure: bytes to records, fields to PostgreSQL's binary values |
//! | [`source`] | files as streams of decoded chunks |
//! | [`mod@postgres`] | connections; the sink: batches, fences, dead letters, the catalog, migrations |
//! | [`ledger`] | what became of every file; verdicts, claims, the lease |
//! | [`fs`] | the inbox, fingerprints and hashes, the archive |
//! | [`local_server`] | the private PostgreSQL server |
//! | [`service`] | the one place that composes them |
//! | [`dead_letters`] | records that could not be loaded: shown, exported, replayed, discarded |
//! | [`alerts`] | what is wrong for too long, told to the log, to webhooks and to programs |
//! | [`audit`] | the proof that a file is loaded exactly once |
//! | [`top`] | a live picture of all pipelines for a terminal |
//! | [`undo`] | a file's rows are taken back, or the ledger forgets it |
//! | [`why`] | why a file is not loaded: the stage that holds it up |
//! | [`check`] | what an operator asks before anything is loaded |
//! | [`generate`], [`demo`] | e-commerce events with a known answer, and the comparison with it |
//! | [`chaos`] | a service under faults, and the comparison with a known answer |
//! | [`view`] | what an operator sees, read from the ledger |
//! | [`mod@http`] | the API |
//! | [`watch`], [`logging`] | figures and log lines |
//! | [`metrics`] | figures for Prometheus |
//! | [`allocator`] | what keeps the process small |

#![warn(missing_docs)]

pub mod alerts;
pub mod allocator;
pub mod audit;
pub mod chaos;
pub mod check;
pub mod cli;
pub mod csv;
pub mod dead_letters;
pub mod demo;
pub mod fs;
pub mod generate;
pub mod http;
pub mod ledger;
pub mod local_server;
pub mod logging;
pub mod metrics;
pub mod plan;
pub mod postgres;
pub mod row;
pub mod service;
pub mod settings;
pub mod source;
pub mod top;
pub mod undo;
pub mod view;
pub mod watch;
pub mod why;

// The tests' own server is one for the library's tests and the integration tests, which know this
// crate by its name.
#[cfg(test)]
extern crate self as ingestd;
#[cfg(test)]
#[path = "../tests/support/databases/mod.rs"]
mod test_databases;
#[cfg(test)]
#[path = "../tests/support/proxy.rs"]
#[allow(dead_code, reason = "the integration tests use the rest")]
mod test_proxy;
