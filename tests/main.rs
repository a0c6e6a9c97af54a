//! The integration tests: one program, so that they are linked once and share one server.

mod cli;
mod harness;
mod local_server;
mod support;
