//! PURE: what came of the faults, as a table.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fault::Fault;
use super::judge::Differences;

/// What came of one kind of fault.
#[derive(Clone, Debug, Default)]
struct Line {
    times: u64,
    survived: u64,
    lost: u64,
    doubled: u64,
    /// In microseconds: four bytes a fault, however long a run is.
    recoveries: Vec<u32>,
    /// In the wave that is loaded now.
    now: u64,
}

/// What came of all of them.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<Fault, Line>);

/// The heading of the table.
pub const HEADING: [&str; 7] = [
    "fault",
    "times",
    "survived",
    "lost",
    "doubled",
    "recovery, median",
    "recovery, longest",
];

impl Tally {
    /// Notes a fault, and how long it took until there was progress again; `None` where there was
    /// none, or where the process ended by itself.
    pub fn note(&mut self, fault: Fault, recovery: Option<Duration>) {
        let line = self.0.entry(fault).or_default();
        line.times += 1;
        line.now += 1;
        if let Some(recovery) = recovery {
            line.survived += 1;
            let micros = u32::try_from(recovery.as_micros()).unwrap_or(u32::MAX);
            line.recoveries.push(micros);
        }
    }

    /// Ends a wave: what it lacks counts for every kind of fault that has struck in it.
    pub fn end_wave(&mut self, differences: &Differences) {
        for line in self.0.values_mut() {
            if line.now > 0 {
                line.lost += differences.lost();
                line.doubled += differences.doubled();
            }
            line.now = 0;
        }
    }

    /// How many there were.
    pub fn times(&self) -> u64 {
        self.0.values().map(|line| line.times).sum()
    }

    /// How many were not survived.
    pub fn not_survived(&self) -> u64 {
        self.0.values().map(|line| line.times - line.survived).sum()
    }

    /// A row for each kind of fault.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let number = crate::cli::thousands;
        let row = |(fault, line): (&Fault, &Line)| {
            let mut recoveries = line.recoveries.clone();
            recoveries.sort_unstable();
            vec![
                fault.name().to_owned(),
                number(line.times),
                number(line.survived),
                number(line.lost),
                number(line.doubled),
                milliseconds(recoveries.get(recoveries.len() / 2)),
                milliseconds(recoveries.last()),
            ]
        };
        self.0.iter().map(row).collect()
    }
}

fn milliseconds(micros: Option<&u32>) -> String {
    match micros {
        None => "none".to_owned(),
        Some(&micros) if micros < 10_000_000 => format!("{} ms", micros.div_ceil(1_000)),
        Some(&micros) => format!("{} s", micros.div_ceil(1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_fault_has_its_line() {
        let mut tally = Tally::default();
        for millis in [30, 10, 20] {
            tally.note(Fault::Kill, Some(Duration::from_millis(millis)));
        }
        tally.end_wave(&Differences::default());
        tally.note(Fault::Server, None);
        let differences = Differences {
            rows_missing: 2,
            letters_extra: 1,
            ..Differences::default()
        };
        tally.end_wave(&differences);
        let kill = ["kill", "3", "3", "0", "0", "20 ms", "30 ms"];
        let server = ["server", "1", "0", "2", "1", "none", "none"];
        assert_eq!(tally.rows(), [kill.to_vec(), server.to_vec()]);
        assert_eq!((tally.times(), tally.not_survived()), (4, 1));
    }
}
