//! PURE: which fault comes when. The same seed gives the same faults in the same order.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::fault::{Choice, Fault};

/// A fault that is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strike {
    /// The how many-th it is, from 1.
    pub number: u64,
    /// Which.
    pub fault: Fault,
    /// After so many more records that are committed.
    pub after: u64,
    /// What else it chooses follows from this.
    pub seed: u64,
}

impl Strike {
    /// Numbers of its own.
    pub fn random(&self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.seed)
    }
}

/// Faults without an end, round after round, each round in an order of its own.
pub struct Sequence {
    random: ChaCha8Rng,
    choice: Choice,
    round: Vec<Fault>,
    number: u64,
    most: u64,
}

impl Sequence {
    /// Of a choice that is not empty; at most `most` records stand between two.
    pub fn new(seed: u64, choice: Choice, most: u64) -> Sequence {
        Sequence {
            random: ChaCha8Rng::seed_from_u64(seed),
            choice,
            round: Vec::new(),
            number: 0,
            most,
        }
    }

    /// The next one.
    pub fn next(&mut self) -> Strike {
        if self.round.is_empty() {
            self.round = self.choice.round();
            self.round.shuffle(&mut self.random);
        }
        self.number += 1;
        self.strike()
    }

    /// A certain fault, at once.
    pub fn at_once(&mut self, fault: Fault) -> Strike {
        self.number += 1;
        Strike {
            number: self.number,
            fault,
            after: 0,
            seed: self.random.random(),
        }
    }

    fn strike(&mut self) -> Strike {
        // A round is never empty: the choice is not.
        let fault = self.round.pop().unwrap_or(Fault::Kill);
        Strike {
            number: self.number,
            fault,
            after: self.random.random_range(1..=self.most.max(1)),
            seed: self.random.random(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(seed: u64, many: usize) -> Vec<Strike> {
        let choice = "kill=3,server,lock".parse().unwrap();
        let mut sequence = Sequence::new(seed, choice, 100);
        (0..many).map(|_| sequence.next()).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        assert_eq!(first(7, 50), first(7, 50));
        assert_ne!(first(7, 50), first(8, 50));
    }

    #[test]
    fn each_round_has_every_fault_as_often_as_is_wanted() {
        for round in first(1, 50).chunks(5) {
            let kills = round.iter().filter(|it| it.fault == Fault::Kill).count();
            assert_eq!(kills, 3);
            assert!(round.iter().any(|it| it.fault == Fault::Server));
            assert!(round.iter().all(|it| (1..=100).contains(&it.after)));
        }
    }
}
