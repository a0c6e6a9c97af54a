//! Every step of the program fails in every way: it panics, it stops with an error, it never ends, or the
//! process is killed there. Whichever it is, everything is loaded and archived exactly once after it, by
//! the recovery that the table of [`table`] says, and by no other.
//!
//! The cells come from the program's own list of steps: one that the scene never passes fails its test.

mod cells;
mod lives;
mod place;
mod signs;
mod special;
mod table;
