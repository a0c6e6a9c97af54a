//! Tests against a real server.

mod archives;
mod growth;
mod identity;
mod leases;
mod leaving;
mod lives;
mod shares;
mod world;
