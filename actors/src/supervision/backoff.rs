//! PURE: how long to wait before the next try.

use std::time::Duration;

/// Exponential backoff with a cap and jitter.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The wait before the first repetition.
    pub initial: Duration,
    /// No wait is longer.
    pub maximum: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(100),
            maximum: Duration::from_secs(10),
        }
    }
}

impl Backoff {
    /// The wait before repetition number `attempt` (from 0): doubled each time, capped, and then
    /// spread over its upper half by `random` (0 to 1), so that those who failed together don't
    /// come back together.
    pub fn delay(&self, attempt: u32, random: f64) -> Duration {
        let doubled = self
            .initial
            .checked_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX))
            .unwrap_or(self.maximum);
        let capped = doubled.min(self.maximum);
        capped.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_cap() {
        let backoff = Backoff {
            initial: Duration::from_millis(100),
            maximum: Duration::from_secs(1),
        };
        let delays: Vec<u128> = (0..6)
            .map(|attempt| backoff.delay(attempt, 1.0).as_millis())
            .collect();
        assert_eq!(delays, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.delay(200, 1.0), Duration::from_secs(1));
    }

    #[test]
    fn jitter_takes_off_at_most_half() {
        let backoff = Backoff::default();
        assert_eq!(backoff.delay(0, 0.0), Duration::from_millis(50));
        assert_eq!(backoff.delay(0, 1.0), Duration::from_millis(100));
    }
}
