//! How many bytes may be in flight between the reader and the commit.

/// A budget of bytes. What is in flight may exceed it by the one chunk that was let in last, so
/// that a chunk larger than the budget still gets through, alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Credits {
    budget: usize,
    in_flight: usize,
}

impl Credits {
    /// A budget, with nothing in flight.
    pub fn new(budget: usize) -> Self {
        Self {
            budget,
            in_flight: 0,
        }
    }

    /// Takes `bytes`, whether or not they are there.
    pub fn take(&mut self, bytes: usize) {
        self.in_flight += bytes;
    }

    /// Gives `bytes` back.
    pub fn give_back(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.in_flight, "more given back than taken");
        self.in_flight = self.in_flight.saturating_sub(bytes);
    }

    /// Whether the next chunk may come.
    pub fn available(&self) -> bool {
        self.in_flight < self.budget
    }

    /// The bytes in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_in_until_something_has_gone_out() {
        let mut credits = Credits::new(100);
        credits.take(99);
        assert!(credits.available());
        credits.take(500);
        assert!(!credits.available());
        credits.give_back(500);
        assert!(credits.available());
        credits.give_back(99);
        assert_eq!(credits.in_flight(), 0);
    }
}
