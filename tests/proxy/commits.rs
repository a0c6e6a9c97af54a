//! Each kind of transaction, as its COMMIT goes out and as it is answered: cut, half closed, swallowed.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postgres::Client;

use super::Behind;
use crate::support::proxy::{Message, Proxy, Side, Verdict, Way};
use crate::support::wait_until;

/// What happens to a COMMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It never arrives.
    Before(Way),
    /// It arrives, and the connection ends in this way at that moment.
    As(Way),
    /// The server has committed; its answer is kept.
    After(Way),
    /// The server has committed; half of its answer comes through.
    Within(Way),
}

/// All that can happen. Where the client sees no end, the connection is silent.
const FAULTS: [Fault; 11] = [
    Fault::Before(Way::Both),
    Fault::As(Way::ClientOnly),
    Fault::As(Way::HalfToClient),
    Fault::As(Way::HalfToServer),
    Fault::After(Way::Both),
    Fault::Within(Way::Both),
    Fault::Before(Way::ServerOnly),
    Fault::After(Way::ServerOnly),
    Fault::Before(Way::Silent),
    Fault::After(Way::Silent),
    Fault::Within(Way::Silent),
];

/// A connection that is silent counts as lost after so long.
const PATIENCE: &str = "stuck_after = \"1s\"\n";

/// Whatever happens to a file's commits, it takes no longer. (Alone on a machine it takes 3 s.)
const BOUND: Duration = Duration::from_secs(20);

/// The faults that are still to come, one for each transaction of the kind.
type Left = Arc<Mutex<VecDeque<Fault>>>;

/// Lets the transactions that `is_meant` meet these faults, one after the other.
///
/// After each, so many go through: what fails many times in a row is tried again later and later.
fn arm(
    proxy: &Proxy,
    faults: &[Fault],
    spared: usize,
    is_meant: impl Fn(&Message<'_>) -> bool + Send + 'static,
) -> Left {
    let left: Left = Arc::new(Mutex::new(faults.iter().copied().collect()));
    let queue = Arc::clone(&left);
    let mut waiting: Option<(u64, u64, Fault, usize)> = None;
    let mut passing = 0;
    let mut met = HashSet::new();
    proxy.rule(move |message| {
        let place = (message.connection, message.turn);
        if message.from == Side::Server {
            let Some((connection, turn, fault, held)) = &mut waiting else {
                return Verdict::Pass;
            };
            if place != (*connection, *turn) {
                return Verdict::Pass;
            }
            *held += message.bytes.len();
            // With its last message the server has committed.
            if message.tag != b'Z' {
                return Verdict::Hold;
            }
            let verdict = match *fault {
                Fault::After(way) => Verdict::End(0, way),
                Fault::Within(way) => Verdict::End(*held / 2, way),
                Fault::Before(_) | Fault::As(_) => Verdict::Pass,
            };
            waiting = None;
            return verdict;
        }
        // One that has met its end may not know it yet.
        let is_over = waiting.is_some() || met.contains(&message.connection);
        if !message.commits || is_over || !is_meant(message) {
            return Verdict::Pass;
        }
        if passing > 0 {
            passing -= 1;
            return Verdict::Pass;
        }
        passing = spared;
        let fault = queue.lock().expect("no panic").pop_front();
        if fault.is_some() {
            met.insert(message.connection);
        }
        match fault {
            None => Verdict::Pass,
            Some(Fault::Before(way)) => Verdict::End(0, way),
            Some(Fault::As(way)) => Verdict::End(usize::MAX, way),
            Some(fault) => {
                waiting = Some((place.0, place.1, fault, 0));
                Verdict::Pass
            }
        }
    });
    left
}

fn is_over(left: &Left) -> bool {
    left.lock().expect("no panic").is_empty()
}

/// A service that loads file after file until all has happened to this kind of transaction.
fn load_through(
    keyed: bool,
    pipeline: &str,
    bad: bool,
    is_meant: impl Fn(&Message<'_>) -> bool + Send + 'static,
) {
    load_sparing(1, keyed, pipeline, bad, is_meant);
}

fn load_sparing(
    spared: usize,
    keyed: bool,
    pipeline: &str,
    bad: bool,
    is_meant: impl Fn(&Message<'_>) -> bool + Send + 'static,
) {
    let mut behind = Behind::new(keyed, PATIENCE, pipeline);
    behind.migrate();
    let left = arm(&behind.proxy, &FAULTS, spared, is_meant);
    let service = behind.home.run();
    let mut files = 0;
    while !is_over(&left) {
        files += 1;
        let now = left.lock().expect("no panic").front().copied();
        assert!(files <= 20 * FAULTS.len(), "{now:?} does not come about");
        let started = Instant::now();
        behind.drop_file(bad);
        behind.wait_for_all();
        let spent = started.elapsed();
        assert!(spent < BOUND, "{spent:?} at {now:?}");
    }
    // What was met last is over too.
    behind.drop_file(bad);
    behind.wait_for_all();
    behind.assert_exactly_once();
    service.stop();
}

#[test]
fn a_batch_of_the_fast_lane() {
    load_through(false, "", false, |message| {
        message.does("COPY \"public\".\"items\"")
    });
}

/// They change nothing: they are asked for again, with several questions.
#[test]
fn values_that_only_the_server_reads() {
    load_sparing(40, false, "", false, |message| message.does("interval[]"));
}

#[test]
fn records_that_are_no_rows() {
    load_through(false, "", true, |message| {
        message.does("insert into ingestd.dead_letters") && !message.does("COPY")
    });
}

#[test]
fn rows_that_the_server_refuses() {
    load_through(true, "", true, |message| {
        message.does("insert into ingestd.dead_letters") && message.does("COPY")
    });
}

#[test]
fn a_claim() {
    load_through(false, "", false, |message| {
        message.does("insert into ingestd.files")
    });
}

#[test]
fn progress() {
    // Several batches, so that there is progress to be noted.
    let pipeline = "batch_rows = 5\n";
    load_through(false, pipeline, false, |message| {
        message.does("watermark_record = n.record")
    });
}

#[test]
fn files_that_become_committed() {
    load_through(true, "", true, |message| {
        message.does("'COMMITTED'") && message.does("delete from ingestd.checkpoints")
    });
}

#[test]
fn where_a_file_is_about_to_go() {
    load_through(false, "", false, |message| message.does("set archive_path"));
}

#[test]
fn that_a_file_has_gone() {
    load_through(false, "", false, |message| {
        message.does("set archived_at") || message.does("'ARCHIVED'")
    });
}

#[test]
fn the_move_of_a_whole_file() {
    load_through(
        false,
        "all_or_nothing = true\nmax_errors = 10\n",
        true,
        |message| message.does("'COMMITTED'") && message.does("DROP TABLE"),
    );
}

#[test]
fn the_lease() {
    let service = format!("lease = \"1s\"\n{PATIENCE}");
    let mut behind = Behind::new(true, &service, "");
    behind.migrate();
    let left = arm(&behind.proxy, &FAULTS, 1, |message| {
        message.does("lease_expires = case")
    });
    let service = behind.home.run();
    wait_until(Duration::from_secs(60), || {
        behind.drop_file(true);
        behind.wait_for_all();
        is_over(&left)
    });
    behind.drop_file(true);
    behind.wait_for_all();
    behind.assert_exactly_once();
    service.stop();
}

/// Each on a database of its own: a ledger is made once.
#[test]
fn the_migration() {
    std::thread::scope(|scope| {
        for fault in FAULTS {
            scope.spawn(move || migrate_through(fault));
        }
    });
}

fn migrate_through(fault: Fault) {
    let mut behind = Behind::new(false, PATIENCE, "");
    let left = arm(&behind.proxy, &[fault], 1, |message| {
        message.does("insert into ingestd.migrations")
    });
    let service = behind.home.run();
    behind.drop_file(true);
    let mut client = behind.database.client();
    wait_until(Duration::from_secs(30), || {
        is_over(&left) && has_ledger(&mut client)
    });
    behind.wait_for_all();
    behind.assert_exactly_once();
    let twice = "select count(*) - count(distinct version) from ingestd.migrations";
    let twice = client.query_one(twice, &[]).expect("a count");
    assert_eq!(twice.get::<_, i64>(0), 0, "{fault:?}");
    service.stop();
}

fn has_ledger(client: &mut Client) -> bool {
    let there = client.query_one("select to_regclass('ingestd.migrations') is not null", &[]);
    there.expect("an answer").get(0)
}
