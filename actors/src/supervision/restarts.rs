//! PURE: whether a child is started again, and when.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Backoff;

/// How often a child may be restarted, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct RestartPolicy {
    /// The wait before a restart; it grows with the restarts inside the window.
    pub backoff: Backoff,
    /// How many restarts are allowed inside the window; one more escalates.
    pub maximum: usize,
    /// The length of the sliding window.
    pub window: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            maximum: 8,
            window: Duration::from_secs(60),
        }
    }
}

impl RestartPolicy {
    /// The policy of a supervisor above those that have this one: its window holds as many of
    /// their bursts as it allows, however slow their backoff makes them. Otherwise a child that
    /// always fails would keep its parent's window from ever filling, and nobody would give up.
    pub fn of_parent(self) -> RestartPolicy {
        let restarts = u32::try_from(self.maximum + 1).unwrap_or(u32::MAX);
        let burst = self
            .window
            .max(self.backoff.maximum.saturating_mul(restarts));
        RestartPolicy {
            window: burst.saturating_mul(restarts),
            ..self
        }
    }
}

/// What to do about a child that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Start the next generation after this long.
    RestartAfter(Duration),
    /// It fails too often: give up, and let the parent decide.
    Escalate,
}

/// The restarts of one child (or of a group that restarts together) inside the window.
#[derive(Debug)]
pub struct Restarts {
    policy: RestartPolicy,
    recent: VecDeque<Instant>,
    total: u64,
}

impl Restarts {
    /// No restarts yet.
    pub fn new(policy: RestartPolicy) -> Self {
        Self {
            policy,
            recent: VecDeque::new(),
            total: 0,
        }
    }

    /// Notes that the child ended at `now`, and decides. `random` (0 to 1) is for the jitter.
    ///
    /// The backoff grows with the restarts that the window still holds, so that a crash loop backs
    /// off, and a failure after a long good life starts from the beginning.
    pub fn decide(&mut self, now: Instant, random: f64) -> Decision {
        while self
            .recent
            .front()
            .is_some_and(|&restart| now.duration_since(restart) > self.policy.window)
        {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.policy.maximum {
            return Decision::Escalate;
        }
        let attempt = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        self.recent.push_back(now);
        self.total += 1;
        Decision::RestartAfter(self.policy.backoff.delay(attempt, random))
    }

    /// How many restarts there have been in all.
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RestartPolicy {
        RestartPolicy {
            backoff: Backoff {
                initial: Duration::from_millis(100),
                maximum: Duration::from_secs(1),
            },
            maximum: 3,
            window: Duration::from_secs(10),
        }
    }

    #[test]
    fn escalates_past_the_limit_inside_the_window() {
        let mut restarts = Restarts::new(policy());
        let start = Instant::now();
        for second in 0..3 {
            assert!(matches!(
                restarts.decide(start + Duration::from_secs(second), 1.0),
                Decision::RestartAfter(_)
            ));
        }
        assert_eq!(
            restarts.decide(start + Duration::from_secs(3), 1.0),
            Decision::Escalate
        );
        assert_eq!(restarts.total(), 3);
    }

    #[test]
    fn a_slow_series_of_failures_never_escalates_and_starts_over() {
        let mut restarts = Restarts::new(policy());
        let start = Instant::now();
        for failure in 0..20 {
            assert_eq!(
                restarts.decide(start + Duration::from_secs(11 * failure), 1.0),
                Decision::RestartAfter(Duration::from_millis(100))
            );
        }
    }

    #[test]
    fn a_crash_loop_backs_off() {
        let mut restarts = Restarts::new(policy());
        let now = Instant::now();
        let waits: Vec<Decision> = (0..3).map(|_| restarts.decide(now, 1.0)).collect();
        assert_eq!(
            waits,
            [100, 200, 400].map(|ms| Decision::RestartAfter(Duration::from_millis(ms)))
        );
    }
}
