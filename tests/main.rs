//! The integration tests: one program, so that they are linked once and share one server.

mod archive;
mod budget;
mod cli;
mod control;
mod dialects;
mod documents;
#[cfg(feature = "failpoints")]
mod failpoints;
mod first_load;
mod full_disk;
mod harness;
mod inbox;
mod instances;
mod kills;
mod local_server;
mod mapping;
mod memory;
mod model;
mod modes;
mod peers;
mod pooler;
mod release;
mod roles;
mod signals;
mod support;
mod tls;
mod types;
mod values;
mod verdicts;
