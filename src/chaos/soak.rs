//! PURE: whether a service that runs for long costs what it cost before.

use std::time::{Duration, Instant};

use super::fault::Fault;

/// What it costs at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Resident memory, in bytes.
    pub memory: u64,
    /// Open file descriptors.
    pub descriptors: u64,
    /// Connections to the server.
    pub connections: u64,
    /// Rows of the ledger, of all its tables.
    pub ledger_rows: u64,
    /// The same for each file that the ledger keeps.
    pub rows_per_file: f64,
    /// The ledger's bytes for each of these files, indexes and room that is free too.
    pub bytes_per_file: u64,
    /// Records a second since the sample before, while files were there.
    pub rate: u64,
}

impl Sample {
    /// It as a line, under [`SOAK_HEADING`].
    pub fn line(&self) -> String {
        format!(
            "{:>8.1} MB  {:>11}  {:>11}  {:>11}  {:>9.2}  {:>10}  {:>9}",
            self.memory as f64 / 1e6,
            self.descriptors,
            self.connections,
            crate::cli::thousands(self.ledger_rows),
            self.rows_per_file,
            crate::cli::thousands(self.bytes_per_file),
            crate::cli::thousands(self.rate),
        )
    }
}

/// What stands above the lines.
pub const SOAK_HEADING: &str =
    "  time       memory  descriptors  connections  ledger rows  rows/file  bytes/file  records/s";

/// How many samples it takes to judge.
pub const LEAST: usize = 9;

/// One figure, judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Which.
    pub name: &'static str,
    /// Its mean in the middle third of the samples.
    pub middle: f64,
    /// Its mean in the last third.
    pub last: f64,
    /// Whether the last is as good as the middle, but for what may be chance.
    pub is_flat: bool,
}

/// Compares the last third of the samples with the middle third; the first third warms up. `None` where
/// there are too few. What must not grow may be a tenth more, and a little; what must not fall, a fifth
/// less.
pub fn judge(samples: &[Sample]) -> Option<Vec<Judged>> {
    if samples.len() < LEAST {
        return None;
    }
    let third = samples.len() / 3;
    let (middle, last) = samples[samples.len() - 2 * third..].split_at(third);
    let mean = |of: &[Sample], figure: fn(&Sample) -> f64| {
        of.iter().map(figure).sum::<f64>() / of.len() as f64
    };
    let growth = |name, figure: fn(&Sample) -> f64, slack: f64| {
        let (middle, last) = (mean(middle, figure), mean(last, figure));
        Judged {
            name,
            middle,
            last,
            is_flat: last <= middle * 1.1 + slack,
        }
    };
    let (slower, faster) = (
        mean(last, |it| it.rate as f64),
        mean(middle, |it| it.rate as f64),
    );
    Some(vec![
        growth("memory, MB", |it| it.memory as f64 / 1e6, 2.0),
        growth("descriptors", |it| it.descriptors as f64, 2.0),
        growth("connections", |it| it.connections as f64, 1.0),
        growth("ledger rows/file", |it| it.rows_per_file, 0.05),
        growth("ledger bytes/file", |it| it.bytes_per_file as f64, 16.0),
        Judged {
            name: "records/s",
            middle: faster,
            last: slower,
            is_flat: slower >= faster * 0.8,
        },
    ])
}

/// When a writer fails, when there is a pause, when a line is told.
#[derive(Clone, Copy, Debug)]
pub struct Beat {
    every: Duration,
    writer: Instant,
    pause: Instant,
    /// When the next sample is due.
    pub sample: Instant,
}

/// So many writers fail between two pauses.
const WRITERS: u32 = 12;

impl Beat {
    /// A pause and a line every so often, a writer twelve times as often.
    pub fn new(start: Instant, every: Duration) -> Beat {
        Beat {
            every,
            writer: start + every / WRITERS,
            pause: start + every / 2,
            sample: start + every,
        }
    }

    /// What comes next, and when; it is taken off the list.
    pub fn next(&mut self) -> (Fault, Instant) {
        if self.pause <= self.writer {
            let due = self.pause;
            self.pause += self.every;
            return (Fault::Pause, due);
        }
        let due = self.writer;
        self.writer += self.every / WRITERS;
        (Fault::Writer, due)
    }

    /// Whether a sample is due now; the next one is due later.
    pub fn is_sample_due(&mut self, now: Instant) -> bool {
        let due = now >= self.sample;
        while self.sample <= now {
            self.sample += self.every;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(figure: impl Fn(u64) -> u64) -> Vec<Sample> {
        let sample = |n| Sample {
            memory: figure(n) * 1_000_000,
            descriptors: 40,
            connections: 12,
            ledger_rows: 100 * n,
            rows_per_file: 1.1,
            bytes_per_file: 600,
            rate: 10_000,
        };
        (0..30).map(sample).collect()
    }

    fn not_flat(samples: &[Sample]) -> Vec<&'static str> {
        let judged = judge(samples).expect("enough of them");
        let bent = judged.into_iter().filter(|it| !it.is_flat);
        bent.map(|it| it.name).collect()
    }

    #[test]
    fn what_warms_up_and_stays_is_flat() {
        assert_eq!(
            not_flat(&samples(|n| if n < 9 { 10 + n } else { 60 })),
            [""; 0]
        );
        assert_eq!(not_flat(&samples(|n| 60 + n % 3)), [""; 0]);
    }

    #[test]
    fn what_grows_or_slows_down_is_not() {
        assert_eq!(not_flat(&samples(|n| 60 + 2 * n)), ["memory, MB"]);
        let mut slower = samples(|_| 60);
        for sample in &mut slower[20..] {
            sample.rate = 7_000;
            sample.descriptors = 80;
            sample.connections = 20;
            sample.rows_per_file = 2.0;
            sample.bytes_per_file = 900;
        }
        let all = [
            "descriptors",
            "connections",
            "ledger rows/file",
            "ledger bytes/file",
            "records/s",
        ];
        assert_eq!(not_flat(&slower), all);
    }

    #[test]
    fn a_few_samples_tell_nothing() {
        assert_eq!(judge(&samples(|_| 60)[..LEAST - 1]), None);
    }

    #[test]
    fn a_writer_fails_often_and_a_pause_is_rare() {
        let start = Instant::now();
        let mut beat = Beat::new(start, Duration::from_secs(60));
        let first: Vec<(Fault, Instant)> = (0..13).map(|_| beat.next()).collect();
        let pauses = first.iter().filter(|(fault, _)| *fault == Fault::Pause);
        assert_eq!(pauses.count(), 1);
        assert!(first.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        assert!(!beat.is_sample_due(start));
        assert!(beat.is_sample_due(start + Duration::from_secs(61)));
        assert!(!beat.is_sample_due(start + Duration::from_secs(61)));
    }
}
