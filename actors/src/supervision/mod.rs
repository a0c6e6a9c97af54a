//! A small supervision kernel on actix's public API.
//!
//! `actix::Supervisor` restarts an actor that stops, as the same struct, at once and without limit,
//! and does not see a panic. Here each generation is a fresh actor in a task of its own that is
//! watched to its end, however it ends; when and whether the next one starts is decided by pure
//! functions of time ([`Restarts`]).

mod backoff;
mod child;
mod exit;
mod pulse;
mod restarts;
mod watchdog;

pub use backoff::Backoff;
pub use child::{ChildHandle, Lifeline, spawn};
pub use exit::{ChildExited, ExitReason};
pub use pulse::Pulse;
pub use restarts::{Decision, RestartPolicy, Restarts};
pub use watchdog::watch_thread;
