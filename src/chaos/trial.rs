//! A trial: a service that loads waves of files while faults strike.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ingestd_actors::error::Result;

use super::judge::growing_records;
use super::places::Places;
use super::process::Process;
use super::report::{Glimpse, Reporter};
use super::sequence::Strike;
use super::server::Server;
use super::strikes::{Field, PATIENCE, strike};
use super::tally::Tally;
use super::watcher::{Progress, Watcher};
use super::wave::Wave;

/// How long there may be no progress until the service counts as stuck.
const STUCK: Duration = Duration::from_secs(90);

/// How often the ledger is looked at.
const GLANCE: Duration = Duration::from_millis(3);

/// How often somebody has asked for the end.
pub type Interrupts = Arc<AtomicU32>;

/// When a fault comes.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// After so much more progress.
    After(u64),
    /// At a time.
    At(Instant),
}

/// What came of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// What was waited for has come.
    Reached,
    /// The wave is loaded.
    Done,
    /// There was no progress for too long.
    Stuck,
    /// Somebody asked for the end, or the time is over.
    Over,
}

/// All that a trial has in hand.
pub struct Trial {
    /// The service.
    pub process: Process,
    /// Its database's server.
    pub server: Server,
    /// A connection to it.
    pub watcher: Watcher,
    /// Where the files are.
    pub places: Places,
    /// What came of the faults.
    pub tally: Tally,
    /// What is loaded now.
    pub wave: Wave,
    /// The newest file before it.
    pub base: i64,
    /// The records of all waves before.
    pub records_before: u64,
    /// The last look.
    pub last: Progress,
    /// Who asks for the end.
    pub interrupts: Interrupts,
    /// When no more faults come.
    pub deadline: Option<Instant>,
    /// Whom each look is told.
    pub reporter: Reporter,
}

impl Trial {
    /// Begins with a wave: drops its files.
    ///
    /// # Errors
    /// Where they can't be written, or the ledger can't be read.
    pub fn begin(&mut self, wave: Wave) -> Result<()> {
        self.records_before += self.last.records;
        self.last = Progress::default();
        self.wave = wave;
        self.base = self.watcher.newest_file(PATIENCE)?;
        self.places.drop_wave(&self.wave)
    }

    /// Whether somebody asked for the end, or the time is over.
    pub fn is_over(&self) -> bool {
        self.interrupts.load(Ordering::Relaxed) > 0
            || self
                .deadline
                .is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Waits until a fault is due.
    ///
    /// # Errors
    /// Where the service can't be started.
    pub fn wait_until_due(&mut self, when: When) -> Result<Waited> {
        let start = self.last.records;
        self.wait(true, |now| match when {
            When::After(records) => now.records >= start + records,
            When::At(instant) => Instant::now() >= instant,
        })
    }

    /// Waits until the wave is loaded.
    ///
    /// # Errors
    /// Where the service can't be started.
    pub fn wait_until_done(&mut self) -> Result<Waited> {
        self.wait(false, |_| false)
    }

    /// Injects a fault, and waits until there is progress again; what is wrong otherwise.
    ///
    /// # Errors
    /// Where it can't be injected.
    pub fn strike(&mut self, what: &Strike) -> Result<Waited> {
        let deaths = self.process.deaths;
        let mut field = Field {
            process: &mut self.process,
            server: &mut self.server,
            watcher: &mut self.watcher,
            wave: &mut self.wave,
            places: &self.places,
            base: self.base,
        };
        let since = strike(what, &mut field)?;
        let before = self.last.records;
        let waited = self.wait(false, |now| now.records > before)?;
        let survived = waited != Waited::Stuck && self.process.deaths == deaths;
        self.tally
            .note(what.fault, survived.then(|| since.elapsed()));
        Ok(waited)
    }

    fn wait(
        &mut self,
        heeds_the_end: bool,
        mut reached: impl FnMut(&Progress) -> bool,
    ) -> Result<Waited> {
        let mut stuck_at = Instant::now() + STUCK;
        loop {
            self.process.look_after()?;
            if let Some(now) = self.watcher.look(self.base) {
                if now != self.last {
                    stuck_at = Instant::now() + STUCK;
                }
                self.last = now;
                if self.is_done(&now) {
                    return Ok(Waited::Done);
                }
                if reached(&now) {
                    return Ok(Waited::Reached);
                }
            }
            let glimpse = Glimpse {
                pid: self.process.pid(),
                records: self.records_before + self.last.records,
                faults: self.tally.times(),
                wave: self.wave.number,
            };
            self.reporter.glimpse(&glimpse, &mut self.watcher);
            if heeds_the_end && self.is_over() {
                return Ok(Waited::Over);
            }
            if Instant::now() > stuck_at || self.interrupts.load(Ordering::Relaxed) > 1 {
                return Ok(Waited::Stuck);
            }
            thread::sleep(GLANCE);
        }
    }

    fn is_done(&self, now: &Progress) -> bool {
        now.unfinished == 0
            && now.paths >= self.wave.inputs().len() as u64
            && now.of_growing >= growing_records(&self.wave)
            && self.places.left().is_empty()
    }
}
