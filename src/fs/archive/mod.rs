//! Taking finished files out of the inbox, so that a crash at any point leaves exactly one copy (or,
//! of one that is to be deleted, one or none); and removing from the archive what is over its time.
//!
//! Naming and the next step are pure; the move is a loop of "look, decide (pure), do one step", which
//! is why going on after a crash is the same as starting.

mod companions;
mod content;
mod copy;
mod doubt;
mod look;
mod naming;
mod next;
mod reason;
mod remove;
mod rename;
mod steps;

pub use companions::follow;
pub use content::Form;
pub use doubt::doubt_missing;
pub use naming::{ATTEMPTS, Destination, is_compressed, private_path, reason_path, target};
pub use next::{Aim, Seen, Step, There, next, taken};
pub use reason::write_reason;
pub use remove::{Archived, Due, Removal, remove_due};
pub use steps::{Goal, Move, Outcome, move_error, run_all};

#[cfg(test)]
mod tests;
