//! A whole run: from the empty database to the last comparison.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ingestd_actors::error::Result;

use super::compare::{compare, forget};
use super::config::{self, Habits};
use super::fault::Choice;
use super::judge::Differences;
use super::places::Places;
use super::process::Process;
use super::sequence::{Sequence, Strike};
use super::server::Server;
use super::strikes::PATIENCE;
use super::tally::Tally;
use super::trial::{Interrupts, Trial, Waited, When};
use super::watcher::{Progress, Watcher};
use super::wave::Wave;

/// How often a line tells how far it has come.
const TELL_EVERY: Duration = Duration::from_secs(10);

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
    /// The scratch directory.
    pub directory: PathBuf,
    /// What the run has made stays.
    pub keep: bool,
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
    /// There was no progress for too long, or somebody asked for the end twice.
    pub stuck: bool,
    /// How often the service has ended by itself.
    pub deaths: u64,
    /// Whether the service ended in order.
    pub ended_in_order: bool,
    /// Where everything stays.
    pub kept: Option<PathBuf>,
}

impl Outcome {
    /// Whether everything is as it has to be.
    pub fn holds(&self) -> bool {
        self.differences.is_none()
            && !self.stuck
            && self.deaths == 0
            && self.ended_in_order
            && self.tally.not_survived() == 0
    }
}

/// Runs; `tell` is given a line now and then.
///
/// # Errors
/// Where it can't begin, or can't go on.
pub fn run(
    orders: &Orders,
    interrupts: &Interrupts,
    tell: impl Fn(&str) + Clone + 'static,
) -> Result<Outcome> {
    let started = Instant::now();
    let (server, places) = claim(orders)?;
    let data_dir = places.root().display().to_string();
    let habits = Habits {
        small_batches: true,
        archive_retention: None,
    };
    places.write_config(&config::text(&data_dir, habits))?;
    let mut watcher = Watcher::new(server.connection()?);
    let process = Process::start(&places, server.url())?;
    wait_for_ledger(&mut watcher)?;
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
        deadline: orders.time.map(|time| started + time),
        each_look: Box::new(told(started, tell.clone())),
        server,
    };
    let mut sequence = Sequence::new(orders.seed, orders.choice.clone(), orders.rows / 20);
    let mut pending = None;
    let mut differences = Differences::default();
    let mut waves = 0;
    let mut stuck = false;
    loop {
        trial.begin(Wave::new(orders.seed, waves + 1, orders.rows)?)?;
        let waited = one_wave(&mut trial, &mut sequence, &mut pending, orders.times)?;
        stuck = stuck || waited == Waited::Stuck;
        if interrupts.load(Ordering::Relaxed) > 1 {
            break;
        }
        let client = trial.watcher.client_within(PATIENCE)?;
        let found = compare(client, &trial.wave, trial.base, Some(&places))?;
        waves += 1;
        trial.tally.end_wave(&found);
        let differs = !found.is_none();
        differences.add(found);
        if differs || stuck || trial.is_over() || is_enough(&trial, orders.times) {
            break;
        }
        forget(client_of(&mut trial)?)?;
        places.forget_files();
    }
    let deaths = trial.process.deaths;
    let Trial {
        process,
        server,
        tally,
        watcher,
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
        deaths,
        ended_in_order,
        kept: None,
    };
    if orders.keep || !outcome.holds() {
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

/// A database and a directory that are empty.
fn claim(orders: &Orders) -> Result<(Server, Places)> {
    let (server, mut client, places) = match &orders.url {
        Some(url) => {
            let server = Server::of_url(url);
            // Before anything is made anywhere.
            let client = server.empty_database()?;
            (server, client, Places::claim(&orders.directory)?)
        }
        None => {
            let places = Places::claim(&orders.directory)?;
            let server = Server::start(places.root())?;
            let client = server.empty_database()?;
            (server, client, places)
        }
    };
    Server::make_tables(&mut client)?;
    Ok((server, places))
}

/// Lets faults strike until the wave is loaded.
fn one_wave(
    trial: &mut Trial,
    sequence: &mut Sequence,
    pending: &mut Option<Strike>,
    times: Option<u64>,
) -> Result<Waited> {
    while !trial.is_over() && !is_enough(trial, times) {
        let strike = pending.take().unwrap_or_else(|| sequence.next());
        match trial.wait_until_due(When::After(strike.after))? {
            Waited::Reached => match trial.strike(&strike)? {
                Waited::Stuck => return Ok(Waited::Stuck),
                Waited::Done => return Ok(Waited::Done),
                Waited::Reached | Waited::Over => {}
            },
            Waited::Done => {
                *pending = Some(strike);
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

fn client_of(trial: &mut Trial) -> Result<&mut postgres::Client> {
    trial.watcher.client_within(PATIENCE)
}

/// Waits until the service has made its ledger and its tables.
fn wait_for_ledger(watcher: &mut Watcher) -> Result<()> {
    watcher.ask(PATIENCE, |client| {
        client.batch_execute("select from ingestd.files; select from ingestd.pipelines")
    })
}

/// Tells how far it has come, now and then.
fn told(
    started: Instant,
    tell: impl Fn(&str) + 'static,
) -> impl FnMut(&super::trial::Glimpse) -> Result<()> + 'static {
    let mut next = started + TELL_EVERY;
    move |glimpse| {
        if Instant::now() >= next {
            next += TELL_EVERY;
            let seconds = started.elapsed().as_secs();
            let number = crate::cli::thousands;
            tell(&format!(
                "{:>3}:{:02}  {} faults, wave {}, {} records",
                seconds / 60,
                seconds % 60,
                number(glimpse.faults),
                number(glimpse.wave),
                number(glimpse.records)
            ));
        }
        Ok(())
    }
}
