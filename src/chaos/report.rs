//! What is told while a run goes on: how far it has come, and in a soak what the service costs.

use std::time::{Duration, Instant};

use super::figures::look;
use super::soak::{Beat, SOAK_HEADING, Sample};
use super::watcher::Watcher;
use crate::cli::thousands;

/// How often a line tells how far a run has come.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What is seen at a look.
#[derive(Clone, Copy, Debug)]
pub struct Glimpse {
    /// The service's process.
    pub pid: i32,
    /// The records that were committed, over all waves.
    pub records: u64,
    /// The faults so far.
    pub faults: u64,
    /// The wave.
    pub wave: u64,
}

/// Whoever tells.
pub struct Reporter {
    tell: Box<dyn Fn(&str)>,
    started: Instant,
    next: Instant,
    /// In a soak only.
    pub soaking: Option<Soaking>,
}

/// What a soak keeps.
pub struct Soaking {
    /// What comes when.
    pub beat: Beat,
    /// What the service has cost so far.
    pub samples: Vec<Sample>,
    records: u64,
    since: Instant,
    idle: Duration,
}

impl Reporter {
    /// Tells of a run; of a soak where `every` says how often.
    pub fn new(started: Instant, every: Option<Duration>, tell: Box<dyn Fn(&str)>) -> Reporter {
        if every.is_some() {
            tell(SOAK_HEADING);
        }
        Reporter {
            tell,
            started,
            next: started + TELL_EVERY,
            soaking: every.map(|every| Soaking {
                beat: Beat::new(Instant::now(), every),
                samples: Vec::new(),
                records: 0,
                since: Instant::now(),
                idle: Duration::ZERO,
            }),
        }
    }

    /// There was nothing to load for so long.
    pub fn was_idle(&mut self, how_long: Duration) {
        if let Some(soaking) = &mut self.soaking {
            soaking.idle += how_long;
        }
    }

    /// Tells what there is to tell now.
    pub fn glimpse(&mut self, seen: &Glimpse, watcher: &mut Watcher) {
        let now = Instant::now();
        let line = match &mut self.soaking {
            Some(soaking) => soaking.sample_if_due(seen, watcher, now),
            None if now >= self.next => {
                self.next += TELL_EVERY;
                Some(format!(
                    "{} faults, wave {}, {} records",
                    thousands(seen.faults),
                    thousands(seen.wave),
                    thousands(seen.records)
                ))
            }
            _ => None,
        };
        if let Some(line) = line {
            (self.tell)(&format!("{}  {line}", clock(self.started.elapsed())));
        }
    }
}

impl Soaking {
    fn sample_if_due(
        &mut self,
        seen: &Glimpse,
        watcher: &mut Watcher,
        now: Instant,
    ) -> Option<String> {
        if !self.beat.is_sample_due(now) {
            return None;
        }
        // Where the connection was just cut, the next sample comes later.
        let mut sample = look(seen.pid, watcher.client()?).ok()?;
        let busy = (now - self.since).saturating_sub(self.idle);
        let records = seen.records.saturating_sub(self.records);
        sample.rate = (records as f64 / busy.as_secs_f64().max(0.001)) as u64;
        (self.records, self.since, self.idle) = (seen.records, now, Duration::ZERO);
        self.samples.push(sample);
        Some(sample.line())
    }
}

/// Hours, minutes and seconds.
fn clock(since: Duration) -> String {
    let seconds = since.as_secs();
    match seconds / 3_600 {
        0 => format!("{:>3}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}
