//! How many records of a file may be dead letters before the file is given up.

use std::fmt;

/// A share of a whole, in millionths: counted in whole numbers, so that what is exactly the budget is
/// never over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Millionths(pub u32);

impl Millionths {
    /// All of it.
    pub const ONE: Millionths = Millionths(1_000_000);

    /// This share of so many, rounded down.
    fn of(self, records: u64) -> u64 {
        let share = u128::from(self.0) * u128::from(records) / u128::from(Self::ONE.0);
        u64::try_from(share).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Millionths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:06}", self.0 % Self::ONE.0);
        let digits = digits.trim_end_matches('0');
        match digits {
            "" => write!(f, "{}.0", self.0 / Self::ONE.0),
            digits => write!(f, "{}.{digits}", self.0 / Self::ONE.0),
        }
    }
}

/// The error budget of a pipeline's files. It is no part of a file's plan: it may be changed while a
/// file is loaded, and what was counted before counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// The most dead letters of a file.
    pub max_errors: Option<u64>,
    /// The largest share of its records that may be dead letters.
    pub max_ratio: Option<Millionths>,
    /// The share counts from so many records on; at a file's end always.
    pub min_records: u64,
}

/// How far a file is known when its errors are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// So many of its records were read, and more may follow.
    SoFar(u64),
    /// It has so many records.
    All(u64),
}

impl Budget {
    /// How many more errors there may be; `None` where there is no limit. What is known so far only
    /// lags behind what was read, so that a file which is over its budget by this, is.
    pub fn room(&self, errors: u64, known: Known) -> Option<u64> {
        self.most(known).map(|most| most.saturating_sub(errors))
    }

    /// The limit that so many errors are over, as it is configured; `None` where they are within.
    pub fn passed(&self, errors: u64, known: Known) -> Option<String> {
        if self.max_errors.is_some_and(|most| errors > most) {
            return self.max_errors.map(|most| format!("max_errors = {most}"));
        }
        let most = self.most_by_ratio(known)?;
        (errors > most)
            .then_some(self.max_ratio)?
            .map(|ratio| format!("max_error_ratio = {ratio}"))
    }

    fn most(&self, known: Known) -> Option<u64> {
        match (self.max_errors, self.most_by_ratio(known)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn most_by_ratio(&self, known: Known) -> Option<u64> {
        let ratio = self.max_ratio?;
        match known {
            Known::SoFar(records) if records < self.min_records => None,
            Known::SoFar(records) | Known::All(records) => Some(ratio.of(records)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NONE: Budget = Budget {
        max_errors: None,
        max_ratio: None,
        min_records: 1_000,
    };

    fn five_percent() -> Budget {
        Budget {
            max_ratio: Some(Millionths(50_000)),
            ..NONE
        }
    }

    #[test]
    fn without_limits_nothing_is_over() {
        assert_eq!(NONE.passed(u64::MAX, Known::All(u64::MAX)), None);
        assert_eq!(NONE.room(u64::MAX, Known::All(0)), None);
    }

    #[test]
    fn exactly_the_count_is_within() {
        let budget = Budget {
            max_errors: Some(3),
            ..NONE
        };
        assert_eq!(budget.passed(3, Known::SoFar(3)), None);
        let limit = budget.passed(4, Known::SoFar(4));
        assert_eq!(limit.as_deref(), Some("max_errors = 3"));
        assert_eq!(budget.room(1, Known::SoFar(9)), Some(2));
        assert_eq!(budget.room(9, Known::SoFar(9)), Some(0));
    }

    #[test]
    fn none_at_all_may_be_allowed() {
        let budget = Budget {
            max_errors: Some(0),
            ..NONE
        };
        assert_eq!(budget.passed(0, Known::All(10)), None);
        assert!(budget.passed(1, Known::SoFar(1)).is_some());
    }

    #[test]
    fn a_ratio_counts_from_the_sample_on_and_at_the_end() {
        let budget = five_percent();
        assert_eq!(budget.passed(999, Known::SoFar(999)), None);
        assert_eq!(budget.room(999, Known::SoFar(999)), None);
        assert_eq!(budget.passed(50, Known::SoFar(1_000)), None);
        let limit = budget.passed(51, Known::SoFar(1_000));
        assert_eq!(limit.as_deref(), Some("max_error_ratio = 0.05"));
        assert_eq!(budget.passed(1, Known::All(20)), None);
        assert!(budget.passed(2, Known::All(20)).is_some());
        assert!(budget.passed(1, Known::All(19)).is_some());
        assert_eq!(budget.passed(0, Known::All(0)), None);
    }

    #[test]
    fn the_stricter_limit_leaves_the_room() {
        let budget = Budget {
            max_errors: Some(60),
            ..five_percent()
        };
        assert_eq!(budget.room(0, Known::SoFar(10)), Some(60));
        assert_eq!(budget.room(0, Known::SoFar(1_000)), Some(50));
        assert_eq!(budget.room(0, Known::SoFar(10_000)), Some(60));
    }

    #[test]
    fn shares_are_written_as_they_are_configured() {
        let written = [50_000, 1, 1_000_000, 0, 290_000].map(|it| Millionths(it).to_string());
        assert_eq!(written, ["0.05", "0.000001", "1.0", "0.0", "0.29"]);
    }

    proptest! {
        #[test]
        fn room_and_passed_agree(
            errors in 0u64..200, records in 0u64..400, ended: bool, max_errors in prop::option::of(0u64..100),
            ratio in prop::option::of(0u32..=1_000_000), min_records in 0u64..300,
        ) {
            let budget = Budget { max_errors, max_ratio: ratio.map(Millionths), min_records };
            let known = if ended { Known::All(records) } else { Known::SoFar(records) };
            if budget.passed(errors, known).is_some() {
                prop_assert_eq!(budget.room(errors, known), Some(0));
            } else if let Some(room) = budget.room(errors, known) {
                prop_assert!(budget.passed(errors + room, known).is_none());
                prop_assert!(budget.passed(errors + room + 1, known).is_some());
            }
        }
    }
}
