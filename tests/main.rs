//! The integration tests: one program, so that they are linked once and share one server.

mod cli;
mod dialects;
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
mod signals;
mod support;
mod types;
mod values;
