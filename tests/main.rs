//! The integration tests: one program, so that they are linked once and share one server.

mod archive;
mod bounds;
mod budget;
mod chaos;
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
mod poison;
mod pooler;
mod proxy;
mod release;
mod roles;
mod security;
mod signals;
mod support;
mod tls;
mod types;
mod values;
mod verdicts;
