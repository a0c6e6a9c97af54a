//! Moving finished files out of the inbox, so that a crash at any point leaves exactly one copy.
//!
//! Naming is pure; the move is a loop of "look, decide (pure), do one step", which is why going on
//! after a crash is the same as starting.

mod copy;
mod naming;
mod reason;
mod rename;
mod steps;

pub use naming::target;
pub use reason::write_reason;
pub use steps::{Move, Outcome, Seen, Step, There, move_error, next, run_all};

#[cfg(test)]
mod tests;
