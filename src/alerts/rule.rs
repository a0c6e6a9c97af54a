//! PURE: one alert, from what was read to what is told.
//!
//! Times are those of a clock of the process that only goes forward; one that does not is survived.

use std::time::Duration;

/// What rises is told again no sooner than this.
const RISES_AGAIN: Duration = Duration::from_secs(60);

/// When an alert fires, and where it ends. Between the two, all stays as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Too much is too much.
    Above {
        /// It fires above this.
        fires: f64,
        /// It ends at this or less.
        ends: f64,
    },
    /// Too little is too little.
    Below {
        /// It fires below this.
        fires: f64,
        /// It ends at this or more.
        ends: f64,
    },
}

impl Limit {
    /// The value from which on it fires.
    pub fn threshold(self) -> f64 {
        match self {
            Limit::Above { fires, .. } | Limit::Below { fires, .. } => fires,
        }
    }

    fn is_broken_by(self, value: f64) -> bool {
        match self {
            Limit::Above { fires, .. } => value > fires,
            Limit::Below { fires, .. } => value < fires,
        }
    }

    fn is_over_at(self, value: f64) -> bool {
        match self {
            Limit::Above { ends, .. } => value <= ends,
            Limit::Below { ends, .. } => value >= ends,
        }
    }
}

/// What decides about one alert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// When it fires, and where it ends.
    pub limit: Limit,
    /// How long it has to be so until it fires.
    pub hold: Duration,
    /// How long until it is told again, as long as it fires.
    pub repeat: Option<Duration>,
    /// Whether more of it is news (one more file), where it fires already.
    pub rises: bool,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// So much.
    Value(f64),
    /// Nothing could be read, or nothing that says anything: all stays as it is.
    Unknown,
    /// It is so on purpose (paused, drained): nothing begins, and what waits begins anew.
    Silent,
}

/// How an alert stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum State {
    /// Nothing is wrong.
    #[default]
    Quiet,
    /// It is so, but not for long enough.
    Waiting {
        /// Since when.
        since: Duration,
    },
    /// It fires.
    Firing {
        /// When it was told last.
        told: Duration,
        /// What was told then, or the least since.
        value: f64,
    },
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// It fires; it has been so since.
    Fires {
        /// Since when.
        since: Duration,
    },
    /// It fires still, or more of it.
    Repeats,
    /// It has ended.
    Resolves,
}

/// What comes of a reading.
pub fn step(rule: &Rule, state: State, reading: Reading, now: Duration) -> (State, Option<Change>) {
    match (state, reading) {
        (State::Waiting { .. }, Reading::Silent) => (State::Quiet, None),
        (state, Reading::Unknown | Reading::Silent) => (state, None),
        (
            State::Firing {
                told,
                value: before,
            },
            Reading::Value(value),
        ) => firing(rule, told.min(now), before, value, now),
        (State::Quiet | State::Waiting { .. }, Reading::Value(value))
            if !rule.limit.is_broken_by(value) =>
        {
            (State::Quiet, None)
        }
        (State::Quiet, Reading::Value(value)) => held(rule, now, value, now),
        // A clock that was set back: it has to hold from here on.
        (State::Waiting { since }, Reading::Value(value)) => held(rule, since.min(now), value, now),
    }
}

fn held(rule: &Rule, since: Duration, value: f64, now: Duration) -> (State, Option<Change>) {
    match now - since >= rule.hold {
        true => (
            State::Firing { told: now, value },
            Some(Change::Fires { since }),
        ),
        false => (State::Waiting { since }, None),
    }
}

fn firing(
    rule: &Rule,
    told: Duration,
    before: f64,
    value: f64,
    now: Duration,
) -> (State, Option<Change>) {
    if rule.limit.is_over_at(value) {
        return (State::Quiet, Some(Change::Resolves));
    }
    let is_more = rule.rises && value > before && now - told >= RISES_AGAIN;
    let is_due = rule.repeat.is_some_and(|repeat| now - told >= repeat);
    match is_more || is_due {
        true => (State::Firing { told: now, value }, Some(Change::Repeats)),
        false => (
            State::Firing {
                told,
                value: before.min(value),
            },
            None,
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rule(hold: u64) -> Rule {
        Rule {
            limit: Limit::Above {
                fires: 10.0,
                ends: 5.0,
            },
            hold: SECOND * hold as u32,
            repeat: None,
            rises: false,
        }
    }

    /// What is told of values that are read each second.
    fn told(rule: &Rule, values: &[f64]) -> Vec<(usize, Change)> {
        let readings: Vec<Reading> = values.iter().map(|value| Reading::Value(*value)).collect();
        told_of(rule, &readings)
    }

    fn told_of(rule: &Rule, readings: &[Reading]) -> Vec<(usize, Change)> {
        let mut state = State::Quiet;
        let mut told = Vec::new();
        for (number, reading) in readings.iter().enumerate() {
            let (next, change) = step(rule, state, *reading, SECOND * number as u32);
            state = next;
            told.extend(change.map(|change| (number, change)));
        }
        told
    }

    fn fires(since: u32) -> Change {
        Change::Fires {
            since: SECOND * since,
        }
    }

    #[test]
    fn it_fires_once_and_ends_once_with_hysteresis() {
        let values = [1.0, 10.0, 10.1, 50.0, 7.0, 11.0, 5.0, 9.0, 12.0];
        assert_eq!(
            told(&rule(0), &values),
            [(2, fires(2)), (6, Change::Resolves), (8, fires(8))]
        );
        let below = Rule {
            limit: Limit::Below {
                fires: 10.0,
                ends: 20.0,
            },
            ..rule(0)
        };
        assert_eq!(
            told(&below, &[10.0, 9.0, 15.0, 3.0, 20.0]),
            [(1, fires(1)), (4, Change::Resolves)]
        );
    }

    #[test]
    fn it_has_to_hold() {
        let values = [11.0, 11.0, 9.0, 11.0, 11.0, 11.0, 11.0];
        assert_eq!(told(&rule(3), &values), [(6, fires(3))]);
    }

    #[test]
    fn a_pause_begins_the_wait_anew_and_ends_nothing() {
        let much = Reading::Value(11.0);
        let silent = Reading::Silent;
        assert_eq!(
            told_of(&rule(2), &[much, much, silent, much, much, much]),
            [(5, fires(3))]
        );
        assert_eq!(
            told_of(&rule(0), &[much, silent, silent, much, Reading::Value(1.0)]),
            [(0, fires(0)), (4, Change::Resolves)]
        );
    }

    #[test]
    fn what_can_not_be_read_changes_nothing() {
        let much = Reading::Value(11.0);
        assert_eq!(
            told_of(&rule(2), &[much, Reading::Unknown, much, Reading::Unknown]),
            [(2, fires(0))]
        );
        assert_eq!(told_of(&rule(0), &[Reading::Value(f64::NAN)]), []);
    }

    #[test]
    fn it_is_repeated_as_often_as_asked_for() {
        let rule = Rule {
            repeat: Some(SECOND * 3),
            ..rule(0)
        };
        assert_eq!(
            told(&rule, &[11.0; 8]),
            [(0, fires(0)), (3, Change::Repeats), (6, Change::Repeats)]
        );
    }

    #[test]
    fn one_more_is_news_but_not_each_second() {
        let rule = Rule {
            limit: Limit::Above {
                fires: 0.0,
                ends: 0.0,
            },
            rises: true,
            ..rule(0)
        };
        let mut values = vec![1.0, 2.0, 3.0];
        values.resize(100, 4.0);
        assert_eq!(
            told(&rule, &values),
            [(0, fires(0)), (60, Change::Repeats)],
            "once for all that came within a minute"
        );
    }

    fn reading() -> impl Strategy<Value = Reading> {
        prop_oneof![
            6 => (0.0..20.0f64).prop_map(Reading::Value),
            1 => Just(Reading::Unknown),
            1 => Just(Reading::Silent),
        ]
    }

    proptest! {
        #[test]
        fn it_fires_and_ends_in_turn_and_never_within_the_hysteresis(
            readings in prop::collection::vec(reading(), 1..200), hold in 0u64..5,
        ) {
            let told = told_of(&rule(hold), &readings);
            for (place, (number, change)) in told.iter().enumerate() {
                let Reading::Value(value) = readings[*number] else {
                    panic!("{change:?} by {:?}", readings[*number]);
                };
                match change {
                    Change::Fires { since } => {
                        prop_assert!(place % 2 == 0 && value > 10.0);
                        let first = since.as_secs() as usize;
                        prop_assert!(number - first >= hold as usize);
                        for reading in &readings[first..=*number] {
                            let is_too_much = match reading {
                                Reading::Value(value) => *value > 10.0,
                                Reading::Unknown => true,
                                Reading::Silent => false,
                            };
                            prop_assert!(is_too_much);
                        }
                    }
                    Change::Resolves => prop_assert!(place % 2 == 1 && value <= 5.0),
                    Change::Repeats => prop_assert!(false),
                }
            }
        }

        #[test]
        fn a_clock_that_jumps_makes_nothing_fire_early(
            readings in prop::collection::vec((reading(), 0u64..100), 1..100), hold in 1u64..50,
        ) {
            let rule = rule(hold);
            let mut state = State::Quiet;
            for (reading, now) in readings {
                let now = SECOND * now as u32;
                let before = state;
                let (next, change) = step(&rule, state, reading, now);
                if let Some(Change::Fires { since }) = change {
                    prop_assert!(now >= since + rule.hold);
                    let waited = matches!(before, State::Waiting { .. });
                    prop_assert!(waited, "it had not been seen before");
                }
                state = next;
            }
        }
    }
}
