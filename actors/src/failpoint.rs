//! Steps at which a test build fails on purpose: with the feature `failpoints`, the variable
//! `FAILPOINTS` says at which, how, and at the how many-th time.
//!
//! Without the feature a call is nothing, the variable means nothing, and the names of the steps are
//! nowhere in the program.

#[cfg(feature = "failpoints")]
mod faults;
mod replay_steps;
mod steps;

pub use replay_steps::ReplayStep;
pub use steps::Step;

#[cfg(feature = "failpoints")]
pub use faults::{FAULTS, pass, pass_at_once, pass_io, set_up};

#[cfg(not(feature = "failpoints"))]
pub use nothing::{pass, pass_at_once, pass_io, set_up};

#[cfg(not(feature = "failpoints"))]
mod nothing {
    use std::io;

    use super::Step;
    use crate::error::Result;

    /// What a build without the feature does at the start: nothing.
    #[inline(always)]
    pub fn set_up() {}

    /// What a build without the feature does at a step: nothing.
    #[inline(always)]
    pub async fn pass(_: Step) -> Result<()> {
        Ok(())
    }

    /// See [`pass`].
    #[inline(always)]
    pub fn pass_at_once(_: Step) -> Result<()> {
        Ok(())
    }

    /// See [`pass`].
    #[inline(always)]
    pub fn pass_io(_: Step) -> io::Result<()> {
        Ok(())
    }
}
