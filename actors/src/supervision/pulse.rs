//! What a child is doing, so that its supervisor can tell a stuck one from an idle one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Shared between a child, which sets it, and its supervisor, which reads it.
///
/// Zero: idle, or waiting on something outside that may take as long as it takes (the server, the
/// next stage's credits). Otherwise: the moment since when it has been working on one step.
#[derive(Clone, Debug)]
pub struct Pulse {
    origin: Instant,
    working_since: Arc<AtomicU64>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            working_since: Arc::new(AtomicU64::new(0)),
        }
    }
}

impl Pulse {
    /// A step begins that has to end by itself: this is progress.
    pub fn working(&self) {
        let since = self.origin.elapsed().as_millis() as u64 + 1;
        self.working_since.store(since, Ordering::Relaxed);
    }

    /// Nothing to do, or waiting on something outside.
    pub fn waiting(&self) {
        self.working_since.store(0, Ordering::Relaxed);
    }

    /// For how long the current step has been going on; `None` while waiting.
    pub fn working_for(&self) -> Option<Duration> {
        match self.working_since.load(Ordering::Relaxed) {
            0 => None,
            since => {
                let now = self.origin.elapsed().as_millis() as u64 + 1;
                Some(Duration::from_millis(now.saturating_sub(since)))
            }
        }
    }

    /// Whether the current step has taken longer than `limit`.
    pub fn is_stuck(&self, limit: Duration) -> bool {
        self.working_for().is_some_and(|spent| spent > limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_work_can_be_stuck() {
        let pulse = Pulse::default();
        assert!(!pulse.is_stuck(Duration::ZERO));
        pulse.working();
        while pulse.working_for() == Some(Duration::ZERO) {
            std::thread::yield_now();
        }
        assert!(pulse.is_stuck(Duration::ZERO));
        assert!(!pulse.is_stuck(Duration::from_secs(60)));
        pulse.waiting();
        assert!(!pulse.is_stuck(Duration::ZERO));
    }
}
