//! Tests against a real server.

mod archives;
mod growth;
mod identity;
mod late;
mod leases;
mod leaving;
mod lives;
mod quarantines;
mod shares;
mod world;
