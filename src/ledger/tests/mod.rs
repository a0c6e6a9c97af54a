//! Tests against a real server.

mod archives;
mod growth;
mod identity;
mod leases;
mod lives;
mod quarantines;
mod world;
