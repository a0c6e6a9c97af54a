//! The integration tests: one program, so that they are linked once and share one server.

mod archive;
mod budget;
mod chaos;
mod cli;
mod control;
mod dialects;
mod documents;
mod first_load;
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
mod roles;
mod signals;
mod support;
mod tls;
mod types;
mod values;
mod verdicts;
