//! One life of the service after the other, until everything that is to strike has struck.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use ingestd_actors::failpoint::Step;
use rustix::process::Signal;

use super::place::{PIPELINES, Place};
use super::signs::Signs;
use super::table::{Recovery, recovery};
use crate::support::home::Service;

use std::os::unix::process::ExitStatusExt;

/// A step, and what happens there.
#[derive(Clone, Copy)]
pub struct Cell {
    pub step: Step,
    pub fault: &'static str,
}

/// How long anything may take until it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the steps of one life have for striking together before somebody restarts it.
const TOGETHER: Duration = Duration::from_millis(500);
/// How often it is looked what has come of it: many lives go on at once, and each look costs time.
const LOOKS: Duration = Duration::from_millis(20);
/// More files come so often, where a step was not passed often enough.
const MOST_WAVES: usize = 4;

impl Cell {
    /// As a person names it.
    pub fn name(self) -> String {
        format!("{} {}", self.step.name(), self.fault)
    }

    fn recovery(self) -> Option<Recovery> {
        recovery(self.step, self.fault)
    }

    /// The same with what may be instead: the sweeper archives, too.
    fn recoveries(self) -> Vec<Recovery> {
        let expected = self.recovery();
        let archives = self.step.name().starts_with("archive.");
        let sweeps = [Recovery::Pipeline, Recovery::Sweeper];
        match expected {
            Some(restarts) if archives && sweeps.contains(&restarts) => sweeps.to_vec(),
            other => other.into_iter().collect(),
        }
    }

    /// Strikes as the step is passed for the second time; where that is seldom, for the first.
    fn failpoint(self) -> String {
        let before = if is_seldom(self.step) { "" } else { "1*off->" };
        format!("{}={before}1*return({})", self.step.name(), self.fault)
    }

    /// What has to strike before, for the step to be passed at all.
    fn provoked_by(self) -> Option<Cell> {
        let (step, fault) = match self.step {
            Step::BatchReread => (Step::BatchCommitted, "stop"),
            Step::RejectsReread => (Step::RejectsCommitted, "stop"),
            Step::ResumeCommit | Step::ResumeCommitted => (Step::BatchFence, "panic"),
            _ => return None,
        };
        Some(Cell { step, fault })
    }

    /// Whether it is passed after files are loaded only.
    fn is_late(self) -> bool {
        let name = self.step.name();
        ["sweep", "index", "archive.unlink", "drain."]
            .iter()
            .any(|late| name.starts_with(late))
    }
}

/// Whether it is passed as a service stops only.
fn is_of_a_stop(cell: &Cell) -> bool {
    cell.step.name().starts_with("drain.")
}

/// Whether it is passed as somebody asks only.
fn is_asked_for(cell: &Cell) -> bool {
    matches!(cell.step, Step::MetricsLook | Step::SnapshotsRead)
}

/// Asks the service for what it knows, where it answers soon.
fn ask(log: &str) {
    let Some((_, url)) = log.rsplit_once("\"url\":\"http://") else {
        return;
    };
    let address = url.split('"').next().unwrap_or_default();
    for path in ["/metrics", "/api/v1/pipelines"] {
        // It may have ended, or hang.
        let Ok(mut stream) = TcpStream::connect(address) else {
            return;
        };
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        let asked = stream.write_all(request.as_bytes());
        let limit = stream.set_read_timeout(Some(Duration::from_millis(100)));
        if asked.and(limit).is_ok() {
            let _ = stream.read(&mut [0; 4096]);
        }
    }
}

fn is_seldom(step: Step) -> bool {
    let name = step.name();
    let seldom = [
        "accumulator.give_up",
        "checkpointer.quarantine",
        "quarantine.",
        "give_up.",
        "move.",
        "stage.",
        "sweep",
        "index",
        "resume.",
        "batch.reread",
        "batch.sift",
        "batch.letters",
        "rejects.",
        "commit.",
        "checkpointer.commit",
        "checkpointer.noted",
        "archive.copied",
        "archive.named",
        "archive.drop",
        "archive.unlink",
        "archive.reason",
        "archive.explained",
        "drain.",
        "reader.resume",
        "lease.take",
        "progress.commit",
        "notes.write",
        "metrics.look",
        "http.serve",
        "checkpointer.progress",
    ];
    seldom.iter().any(|it| name.starts_with(it))
}

/// Lets all of these strike, in as few lives as they take, and fails unless each is recovered from as
/// the table says, and everything is there exactly once after that.
pub fn strike(cells: &[Cell], service: &str) {
    let mut place = Place::new(service);
    let mut left = cells.to_vec();
    place.drop_wave();
    while !left.is_empty() {
        let struck = live(&mut place, &left);
        let before = left.len();
        left.retain(|cell| !struck.has(cell.step.name(), cell.fault));
        assert!(left.len() < before, "a life in which nothing struck");
    }
    let service = place.start("");
    wait(&mut place, "the rest is done", Place::is_at_rest);
    end(service);
    place.assert_exactly_once();
}

/// One life: until it ends, or all have struck and everything is done.
fn live(place: &mut Place, cells: &[Cell]) -> Signs {
    // A step fails in one way in one life.
    let apart = |cell: &&Cell| {
        let by = cell.provoked_by().map(|by| by.step);
        !cells.iter().any(|cell| Some(cell.step) == by)
    };
    let cells: Vec<Cell> = cells.iter().filter(apart).copied().collect();
    let cells = &cells[..];
    let said_before = place.home.log().len();
    let provoking = cells.iter().filter_map(|cell| cell.provoked_by());
    let mut failpoints: Vec<String> = cells.iter().map(|cell| cell.failpoint()).collect();
    failpoints.extend(provoking.clone().map(|cell| {
        let (name, fault) = (cell.step.name(), cell.fault);
        format!("{name}=1*return({fault})")
    }));
    let mut service = place.start(&failpoints.join(";"));
    let mut may_be: Vec<Recovery> = provoking.filter_map(Cell::recovery).collect();
    may_be.extend(cells.iter().flat_map(|cell| cell.recoveries()));

    let deadline = Instant::now() + PATIENCE;
    let mut waves = 0;
    let mut first_hang = None;
    let mut told = false;
    loop {
        if cells.iter().any(is_asked_for) {
            ask(&place.home.log()[said_before..]);
        }
        let ended = service.ended();
        let signs = Signs::of(&place.home.log()[said_before..]);
        let struck = |cell: &&Cell| signs.has(cell.step.name(), cell.fault);
        for seen in &signs.seen {
            assert!(may_be.contains(seen), "{seen:?} is not expected");
        }
        if let Some(status) = ended {
            let killed = status.signal() == Some(Signal::KILL.as_raw());
            match cells.iter().filter(struck).find_map(|cell| cell.recovery()) {
                Some(Recovery::Cut) => assert_eq!(status.code(), Some(1), "{status}"),
                Some(recovery) => {
                    assert!(
                        signs.seen.contains(&Recovery::Process),
                        "{recovery:?}: {status}"
                    );
                    assert_eq!(status.code(), Some(70), "{status}");
                }
                None => assert!(killed, "{status}"),
            }
            return signs;
        }
        let waits_for_somebody = |cell: &&Cell| cell.recovery() == Some(Recovery::Operator);
        if cells
            .iter()
            .filter(struck)
            .any(|cell| waits_for_somebody(&cell))
        {
            let since = *first_hang.get_or_insert_with(Instant::now);
            if cells.iter().all(|cell| struck(&cell)) || since.elapsed() > TOGETHER {
                end(service);
                return signs;
            }
        } else if is_over(place, cells, &signs) {
            // It may be between two lives of a pipeline.
            end(service);
            return signs;
        } else if place.is_loaded()
            && !told
            && cells.iter().any(is_of_a_stop)
            && cells.iter().all(|cell| is_of_a_stop(cell) || struck(&cell))
            && place.home.log()[said_before..]
                .matches("\"msg\":\"ready\"")
                .count()
                >= PIPELINES
        {
            told = true;
            service.signal(Signal::TERM);
        } else if waves < MOST_WAVES
            && place.is_loaded()
            && (!all_are_late(cells, &signs) || place.is_at_rest())
        {
            waves += 1;
            place.drop_wave();
        }
        if Instant::now() > deadline {
            let missing: Vec<String> = cells
                .iter()
                .filter(|cell| !struck(cell))
                .map(|cell| cell.name())
                .collect();
            panic!("never struck: {missing:?}; {}", place.unfinished());
        }
        thread::sleep(LOOKS);
    }
}

/// Whether everything has struck, whatever had to restart has, and all is done; a process that ends by
/// itself is waited for.
fn is_over(place: &mut Place, cells: &[Cell], signs: &Signs) -> bool {
    let struck = |cell: &Cell| signs.has(cell.step.name(), cell.fault);
    let seen = |cell: &Cell| {
        let recoveries = cell.recoveries();
        let restarts = !recoveries.is_empty() && recoveries != [Recovery::Again];
        let ends = cell.fault == "kill" || recoveries == [Recovery::Process];
        !ends && (!restarts || recoveries.iter().any(|it| signs.seen.contains(it)))
    };
    cells.iter().all(|cell| struck(cell) && seen(cell))
        && match cells.iter().any(|cell| cell.is_late()) {
            true => place.is_at_rest(),
            false => place.is_loaded(),
        }
}

/// Whether what is missing needs no more files, only time.
fn all_are_late(cells: &[Cell], signs: &Signs) -> bool {
    let mut missing = cells
        .iter()
        .filter(|cell| !signs.has(cell.step.name(), cell.fault));
    missing.all(|cell| cell.is_late())
}

/// Ends it as an operator does: what hangs holds nobody up for longer than configured.
fn end(service: Service) {
    service.signal(Signal::TERM);
    let status = service.wait(Duration::from_secs(15));
    assert!(matches!(status.code(), Some(0 | 1)), "{status}");
}

/// Waits until something holds of the place.
pub fn wait(place: &mut Place, what: &str, mut holds: impl FnMut(&mut Place) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds(place) {
        if Instant::now() > deadline {
            panic!("waited in vain: {what}; {}", place.unfinished());
        }
        thread::sleep(LOOKS);
    }
}
