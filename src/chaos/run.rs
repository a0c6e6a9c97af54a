//! A whole run: from the empty database to the last comparison.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::compare::{compare, forget};
use super::config::{self, Habits};
use super::fault::Choice;
use super::judge::Differences;
use super::places::Places;
use super::process::Process;
use super::report::Reporter;
use super::sequence::{Sequence, Strike};
use super::server::Server;
use super::soak::Sample;
use super::strikes::PATIENCE;
use super::tally::Tally;
use super::trial::{Interrupts, Trial, Waited, When};
use super::watcher::{Progress, Watcher};
use super::wave::Wave;
use crate::postgres::classify;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Orders {
    /// What everything follows from.
    pub seed: u64,
    /// Which faults.
    pub choice: Choice,
    /// How many.
    pub times: Option<u64>,
    /// For how long.
    pub time: Option<Duration>,
    /// About how many rows a wave has.
    pub rows: u64,
    /// Somebody's database; without, a private server's.
    pub url: Option<String>,
    /// The scratch directory; without, a new one for temporary files.
    pub directory: Option<PathBuf>,
    /// What the run has made stays.
    pub keep: bool,
    /// A soak: how often there are a pause and a line.
    pub soak: Option<Duration>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// By fault.
    pub tally: Tally,
    /// Over all waves.
    pub differences: Differences,
    /// How many waves were compared.
    pub waves: u64,
    /// How long it took.
    pub took: Duration,
    /// There was no progress for too long.
    pub stuck: bool,
    /// Somebody asked for the end twice, before everything was compared.
    pub interrupted: bool,
    /// How often the service has ended by itself.
    pub deaths: u64,
    /// Whether the service ended in order.
    pub ended_in_order: bool,
    /// What the service has cost, where the run was a soak.
    pub samples: Vec<Sample>,
    /// Where everything stays.
    pub kept: Option<PathBuf>,
}

impl Outcome {
    /// Whether that is shown: there were faults, and everything is as it has to be.
    pub fn holds(&self) -> bool {
        self.tally.times() > 0 && !self.interrupted && !self.is_wrong()
    }

    /// Whether something is not as it has to be.
    pub fn is_wrong(&self) -> bool {
        let is_right = self.differences.is_none()
            && !self.stuck
            && self.deaths == 0
            && self.ended_in_order
            && self.tally.not_survived() == 0;
        !is_right
    }
}

/// Runs; `announce` is told where, once it is known that it can be there, and `tell` a line now and
/// then.
///
/// # Errors
/// Where it can't begin, or can't go on.
pub fn run(
    orders: &Orders,
    interrupts: &Interrupts,
    announce: impl FnOnce(&Path),
    tell: Box<dyn Fn(&str)>,
) -> Result<Outcome> {
    let places = claim(orders)?;
    announce(places.root());
    let begun = serve(orders, &places, interrupts);
    let server = begun.inspect_err(|_| tidy(orders, &places))?;
    load(orders, server, &places, interrupts, tell).map_err(|error| {
        let message = format!(
            "{}; everything stays in {}",
            error.message(),
            places.root().display()
        );
        Error::new(error.kind(), message).with_source(error)
    })
}

/// A directory that is ours, and a database in which there is nothing that could be anybody's, where it
/// is not ours.
fn claim(orders: &Orders) -> Result<Places> {
    if let Some(url) = &orders.url {
        // Before anything is made anywhere.
        Server::of_url(url).empty_database()?;
    }
    match &orders.directory {
        Some(directory) => Places::claim(directory),
        None => Places::make(),
    }
}

/// The database with its tables.
fn serve(orders: &Orders, places: &Places, interrupts: &Interrupts) -> Result<Server> {
    let server = match &orders.url {
        Some(url) => Server::of_url(url),
        None => Server::start(places.root())?,
    };
    if interrupts.load(Ordering::Relaxed) > 0 {
        server.stop()?;
        let message = "interrupted before the first file was dropped: nothing is shown";
        return Err(Error::new(ErrorKind::Transient, message));
    }
    Server::make_tables(&mut server.empty_database()?)?;
    Ok(server)
}

/// Where nothing has come of it, nothing has to stay.
fn tidy(orders: &Orders, places: &Places) {
    if !orders.keep {
        // What kept it from beginning is told, and may be what is in the way here.
        let _ = places.remove();
    }
}

fn load(
    orders: &Orders,
    server: Server,
    places: &Places,
    interrupts: &Interrupts,
    tell: Box<dyn Fn(&str)>,
) -> Result<Outcome> {
    let started = Instant::now();
    let data_dir = places.root().display().to_string();
    let habits = Habits {
        small_batches: orders.soak.is_none(),
        // The shortest that there is.
        archive_retention: orders.soak.map(|every| every.max(Duration::from_secs(1))),
    };
    places.write_config(&config::text(&data_dir, habits))?;
    let mut watcher = Watcher::new(server.connection()?);
    let process = Process::start(places, server.url())?;
    wait_for_ledger(&process, &mut watcher)?;
    // The time that a server takes to be made is none of the faults'.
    let ready = Instant::now();
    let mut trial = Trial {
        process,
        watcher,
        places: places.clone(),
        tally: Tally::default(),
        wave: Wave::new(orders.seed, 0, 1)?,
        base: 0,
        records_before: 0,
        last: Progress::default(),
        interrupts: interrupts.clone(),
        deadline: orders.time.map(|time| ready + time),
        reporter: Reporter::new(ready, orders.soak, tell),
        server,
    };
    let mut sequence = Sequence::new(orders.seed, orders.choice.clone(), orders.rows / 20);
    let mut pending = None;
    // In a soak the archive forgets by itself.
    let archives = orders.soak.is_none().then_some(places);
    let mut differences = Differences::default();
    let mut waves = 0;
    let (mut stuck, mut interrupted) = (false, false);
    loop {
        trial.begin(Wave::new(orders.seed, waves + 1, orders.rows)?)?;
        let waited = one_wave(&mut trial, &mut sequence, &mut pending, orders.times)?;
        if interrupts.load(Ordering::Relaxed) > 1 {
            interrupted = true;
            break;
        }
        stuck = stuck || waited == Waited::Stuck;
        let loaded = Instant::now();
        let client = trial.watcher.client_within(PATIENCE)?;
        let found = compare(client, &trial.wave, trial.base, archives)?;
        waves += 1;
        trial.tally.end_wave(&found);
        let differs = !found.is_none();
        differences.add(found);
        if differs || stuck || trial.is_over() || is_enough(&trial, orders.times) {
            break;
        }
        forget(trial.watcher.client_within(PATIENCE)?)?;
        if orders.soak.is_none() {
            places.forget_files();
        }
        trial.reporter.was_idle(loaded.elapsed());
    }
    let deaths = trial.process.deaths;
    let Trial {
        process,
        server,
        tally,
        watcher,
        reporter,
        ..
    } = trial;
    let ended_in_order = process.stop();
    drop(watcher);
    let mut outcome = Outcome {
        tally,
        differences,
        waves,
        took: started.elapsed(),
        stuck,
        interrupted,
        deaths,
        ended_in_order,
        samples: reporter.soaking.map_or(Vec::new(), |it| it.samples),
        kept: None,
    };
    if orders.keep || outcome.is_wrong() {
        outcome.kept = Some(places.root().to_owned());
    } else if !server.is_own() {
        server.clear()?;
    }
    server.stop()?;
    if outcome.kept.is_none() {
        places.remove()?;
    }
    Ok(outcome)
}

/// Lets faults strike until the wave is loaded.
fn one_wave(
    trial: &mut Trial,
    sequence: &mut Sequence,
    pending: &mut Option<(Strike, When)>,
    times: Option<u64>,
) -> Result<Waited> {
    while !trial.is_over() && !is_enough(trial, times) {
        let next = || match &mut trial.reporter.soaking {
            Some(soaking) => {
                let (fault, due) = soaking.beat.next();
                (sequence.at_once(fault), When::At(due))
            }
            None => {
                let strike = sequence.next();
                (strike, When::After(strike.after))
            }
        };
        let (strike, when) = pending.take().unwrap_or_else(next);
        match trial.wait_until_due(when)? {
            Waited::Reached => match trial.strike(&strike)? {
                Waited::Stuck => return Ok(Waited::Stuck),
                Waited::Done => return Ok(Waited::Done),
                Waited::Reached | Waited::Over => {}
            },
            Waited::Done => {
                *pending = Some((strike, when));
                return Ok(Waited::Done);
            }
            Waited::Stuck => return Ok(Waited::Stuck),
            Waited::Over => break,
        }
    }
    trial.wait_until_done()
}

fn is_enough(trial: &Trial, times: Option<u64>) -> bool {
    times.is_some_and(|times| trial.tally.times() >= times)
}

/// Waits until the service has made its ledger.
fn wait_for_ledger(process: &Process, watcher: &mut Watcher) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        process.refuse_if_ended()?;
        let query = "select from ingestd.files; select from ingestd.pipelines";
        let asked = watcher
            .client_within(PATIENCE)?
            .batch_execute(query)
            .map_err(|error| classify(error, "waiting for the service's ledger"));
        if asked.is_ok() || Instant::now() > deadline {
            return asked;
        }
        thread::sleep(Duration::from_millis(10));
    }
}
