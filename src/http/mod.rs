//! The API: one listener, for those who operate a service.
//!
//! It lives on threads of its own: neither the actors nor the writers' connections wait for anybody who
//! asks. What most ask for is read once a second, and shared (`snapshots`); the rest goes to the
//! database over a pool of its own, of two connections. Whoever commands does so through the ledger, as
//! everybody else (`control`).

mod alerts;
mod app;
mod ask;
mod control;
mod dashboard;
mod dead_letters;
mod desk;
mod events;
mod files;
mod guard;
mod health;
mod listener;
mod merge;
mod pipelines;
mod problem;
mod query;
mod rates;
mod recent;
mod routes;
mod service;
mod shared;
mod snapshots;
mod stream;
#[cfg(test)]
mod tests;
mod tree;
mod unread;
mod why;

pub use desk::Parts;
pub use listener::{Bound, Listener};
