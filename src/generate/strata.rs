//! A share of all positions, chosen so that any prefix holds the right number of them.
//!
//! The positions are cut into strata of equal length (but for rounding), and one position of each
//! is chosen at random. So membership, rank and inverse are computed without looking at the rest.

use super::random::{self, Purpose};

/// `chosen` of every `of` positions.
#[derive(Clone, Copy, Debug)]
pub struct Strata {
    seed: u64,
    purpose: Purpose,
    chosen: u64,
    of: u64,
}

impl Strata {
    /// `chosen` is at most `of`, and `of` at least 1. Positions times `of` must fit into a u64.
    pub fn new(seed: u64, purpose: Purpose, chosen: u64, of: u64) -> Self {
        assert!(
            of > 0 && chosen <= of,
            "a share is a part of something: {chosen} of {of}"
        );
        Self {
            seed,
            purpose,
            chosen,
            of,
        }
    }

    /// Where `position` is chosen: the how many-th chosen one it is, from 0.
    pub fn ordinal(&self, position: u64) -> Option<u64> {
        if self.chosen == 0 {
            return None;
        }
        let stratum = self.stratum(position);
        (self.nth(stratum) == position).then_some(stratum)
    }

    /// How many chosen positions stand before `position`.
    pub fn rank(&self, position: u64) -> u64 {
        if self.chosen == 0 {
            return 0;
        }
        let stratum = self.stratum(position);
        stratum + u64::from(self.nth(stratum) < position)
    }

    /// The n-th chosen position, from 0.
    pub fn nth(&self, n: u64) -> u64 {
        let (start, end) = (self.start(n), self.start(n + 1));
        start + random::scale(random::number(self.seed, self.purpose, n), end - start)
    }

    /// The n-th position that is not chosen, from 0; there must be such.
    pub fn nth_other(&self, n: u64) -> u64 {
        if self.chosen == 0 {
            return n;
        }
        // It is the greatest position that has at most n others before it.
        let mut at_most = n;
        let mut above = ((n + 2) * self.of).div_ceil(self.of - self.chosen) + 1;
        while above - at_most > 1 {
            let middle = at_most + (above - at_most) / 2;
            if middle - self.rank(middle) <= n {
                at_most = middle;
            } else {
                above = middle;
            }
        }
        at_most
    }

    fn stratum(&self, position: u64) -> u64 {
        position * self.chosen / self.of
    }

    fn start(&self, stratum: u64) -> u64 {
        (stratum * self.of).div_ceil(self.chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARES: [(u64, u64); 7] = [
        (0, 10),
        (1, 10),
        (3, 7),
        (1, 1),
        (5_000, 1_000_000),
        (999_999, 1_000_000),
        (10_000, 995_000),
    ];

    #[test]
    fn every_prefix_holds_its_share() {
        for (chosen, of) in SHARES {
            let strata = Strata::new(7, Purpose::MalformedRows, chosen, of);
            let mut count = 0;
            for position in 0..20_000 {
                assert_eq!(strata.rank(position), count, "{chosen}/{of} at {position}");
                assert!(count.abs_diff(position * chosen / of) <= 1);
                if let Some(ordinal) = strata.ordinal(position) {
                    assert_eq!(ordinal, count);
                    assert_eq!(strata.nth(ordinal), position);
                    count += 1;
                }
            }
        }
    }

    #[test]
    fn the_positions_that_are_not_chosen_are_found_by_number() {
        for (chosen, of) in SHARES {
            if chosen == of {
                continue;
            }
            let strata = Strata::new(3, Purpose::DuplicateRows, chosen, of);
            let others = (0..20_000).filter(|position| strata.ordinal(*position).is_none());
            for (n, position) in others.enumerate() {
                assert_eq!(strata.nth_other(n as u64), position, "{chosen}/{of}: {n}");
            }
        }
    }

    #[test]
    fn the_chosen_ones_are_not_regular() {
        let strata = Strata::new(1, Purpose::MalformedRows, 1, 100);
        let gaps: std::collections::HashSet<u64> = (0..100)
            .map(|n| strata.nth(n + 1) - strata.nth(n))
            .collect();
        assert!(gaps.len() > 20, "{gaps:?}");
    }
}
