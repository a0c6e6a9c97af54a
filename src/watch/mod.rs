//! Watching pipelines from outside the tree: figures for people.

mod figures;
mod live;
mod progress;

use std::sync::Arc;

use ingestd_actors::port::{Event, Observer};

pub use figures::{Figures, FiguresNow, FileOutcome, HeldUp};
pub use live::LiveView;
pub use progress::Progress;

/// An observer for a service that nobody watches.
pub struct Ignore;

impl Ignore {
    /// One of them.
    pub fn observer() -> Arc<dyn Observer> {
        Arc::new(Ignore)
    }
}

impl Observer for Ignore {
    fn observe(&self, _: &Event) {}
}
