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
    /// The server has committed; in place of its answer comes what means nothing.
    Garbled,
}

/// All that can happen. Where the client sees no end, the connection is silent.
const FAULTS: [Fault; 12] = [
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
    Fault::Garbled,
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
                Fault::Garbled => Verdict::Instead(vec![b'?'; *held]),
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

/// A kind of transaction, and a service that has it.
struct Kind {
    name: &'static str,
    is_meant: fn(&Message<'_>) -> bool,
    /// Whether the pipeline has a key.
    keyed: bool,
    /// Whether the files hold what can't be loaded.
    bad: bool,
    /// Further keys of the section `service`, and of the pipeline's.
    keys: [&'static str; 2],
    /// How many of the kind go through after each fault.
    spared: usize,
}

const ORDINARY: Kind = Kind {
    name: "",
    is_meant: |_| false,
    keyed: false,
    bad: false,
    keys: ["", ""],
    spared: 1,
};

const KINDS: [Kind; 11] = [
    Kind {
        name: "a batch of the fast lane",
        is_meant: |it| it.does("COPY \"public\".\"items\""),
        ..ORDINARY
    },
    // They change nothing: they are asked for again, with many questions.
    Kind {
        name: "values that only the server reads",
        is_meant: |it| it.does("interval[]"),
        spared: 40,
        ..ORDINARY
    },
    Kind {
        name: "records that are no rows",
        is_meant: |it| it.does("insert into ingestd.dead_letters") && !it.does("COPY"),
        bad: true,
        ..ORDINARY
    },
    Kind {
        name: "rows that the server refuses",
        is_meant: |it| it.does("insert into ingestd.dead_letters") && it.does("COPY"),
        keyed: true,
        bad: true,
        ..ORDINARY
    },
    Kind {
        name: "a claim",
        is_meant: |it| it.does("insert into ingestd.files"),
        ..ORDINARY
    },
    // Of several batches, so that there is some.
    Kind {
        name: "progress",
        is_meant: |it| it.does("watermark_record = n.record"),
        keys: ["", "batch_rows = 5\n"],
        ..ORDINARY
    },
    Kind {
        name: "files that become COMMITTED",
        is_meant: |it| it.does("'COMMITTED'") && it.does("delete from ingestd.checkpoints"),
        keyed: true,
        bad: true,
        ..ORDINARY
    },
    Kind {
        name: "where a file is about to go",
        is_meant: |it| it.does("set archive_path"),
        ..ORDINARY
    },
    Kind {
        name: "that a file has gone",
        is_meant: |it| it.does("then 'ARCHIVED'"),
        ..ORDINARY
    },
    Kind {
        name: "the move of a whole file",
        is_meant: |it| it.does("'COMMITTED'") && it.does("DROP TABLE"),
        keys: ["", "all_or_nothing = true\nmax_errors = 10\n"],
        bad: true,
        ..ORDINARY
    },
    Kind {
        name: "the lease",
        is_meant: |it| it.does("lease_expires = case"),
        keyed: true,
        bad: true,
        keys: ["lease = \"1s\"\n", ""],
        ..ORDINARY
    },
];

#[test]
fn every_fault_at_every_kind_of_commit() {
    std::thread::scope(|scope| {
        for kind in &KINDS {
            scope.spawn(move || load_through(kind));
        }
    });
}

/// Loads file after file until all has happened to the kind of transaction.
fn load_through(kind: &Kind) {
    let [service, pipeline] = kind.keys;
    let mut behind = Behind::new(kind.keyed, &format!("{service}{PATIENCE}"), pipeline);
    behind.migrate();
    let left = arm(&behind.proxy, &FAULTS, kind.spared, kind.is_meant);
    let service = behind.home.run();
    let mut files = 0;
    while !is_over(&left) {
        files += 1;
        let now = left.lock().expect("no panic").front().copied();
        let place = format!("{}, {now:?}", kind.name);
        assert!(files < 1_000, "{place} does not come about");
        let started = Instant::now();
        behind.drop_file(kind.bad);
        behind.wait_for_all();
        let spent = started.elapsed();
        assert!(spent < BOUND, "{place}: {spent:?}");
    }
    // What was met last is over too.
    behind.drop_file(kind.bad);
    behind.wait_for_all();
    behind.assert_exactly_once();
    service.stop();
}

/// The pool handed it to whoever asked for one next, who waited for it in vain.
#[test]
fn a_connection_that_the_lease_has_given_up_is_nobody_elses() {
    let mut behind = Behind::new(true, "lease = \"1s\"\n", "");
    behind.migrate();
    let service = behind.home.run();
    behind.drop_file(true);
    behind.wait_for_all();
    let silent = [Fault::After(Way::Silent), Fault::Within(Way::Silent)];
    let left = arm(&behind.proxy, &silent, 1, |it| {
        it.does("lease_expires = case")
    });
    wait_until(Duration::from_secs(20), || is_over(&left));
    let started = Instant::now();
    for _ in 0..5 {
        behind.drop_file(true);
        behind.wait_for_all();
    }
    // Long before anything counts as silent, which it does after a minute.
    assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
    behind.assert_exactly_once();
    service.stop();
}

/// Each on a database of its own: a ledger is made once.
#[test]
fn every_fault_at_the_commit_of_a_migration() {
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
