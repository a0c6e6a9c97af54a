//! Dead letters: what they are, and what is to become of them. The work is [`crate::dead_letters`]'s.

pub mod export;
pub mod list;
mod meant;
pub mod settle;
