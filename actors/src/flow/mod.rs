//! PURE: what flows, in which order, and how far it has come. No actor, no runtime, no log.

mod budget;
mod credits;
mod lane_queue;
mod opening;
mod patience;
mod standing;
mod tracker;

pub use budget::{Budget, Known, Millionths};
pub use credits::Credits;
pub use lane_queue::{LaneQueue, Limits, Taken, TakenShare};
pub use opening::{Judgement, Opening};
pub use patience::Patience;
pub use standing::Standing;
pub use tracker::FileTracker;
