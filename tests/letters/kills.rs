//! A replay that is killed at each message, and COMMITs whose answers are lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::PATIENCE;
use super::{Shop, assert_figures, pipeline};
use crate::support::home::Home;
use crate::support::proxy::{Proxy, Side, Verdict, Way};
use crate::support::wait_until;

/// Without a key a row that is written twice is seen.
const TABLE: &str = "create table items (id bigint, name text, amount integer
    constraint not_negative check (amount >= 0))";

/// Five letters, of which one fails again.
const FILE: &str = "id,name,amount\n1,a,-1\n2,b,-2\n3,c,x\n4,d,-4\n5,e,-5\n";

struct Behind {
    shop: Shop,
    proxy: Proxy,
    home: Home,
}

impl Behind {
    fn new() -> Behind {
        let mut shop = Shop::with_table(TABLE, "");
        shop.load(FILE);
        shop.client()
            .batch_execute("alter table items drop constraint not_negative")
            .expect("altered");
        let proxy = Proxy::before(&shop.database.url);
        let home = Home::new(Some(&proxy.url(&shop.database.name)), "", &pipeline(""));
        home.directory("inbox");
        Behind { shop, proxy, home }
    }

    /// Rows and RESOLVED letters go together: all of a part or nothing.
    fn assert_whole(&self, at: usize) {
        let rows = self.shop.number("select count(*) from items");
        let letters = "select count(*) from ingestd.dead_letters where status = 'RESOLVED'";
        assert_eq!(self.shop.number(letters), rows, "killed at message {at}");
        assert!(
            rows == 0 || rows == 4,
            "killed at message {at}: {rows} rows"
        );
    }

    fn assert_done(&self, at: usize) {
        assert_eq!(
            self.shop.rows(),
            ["1 'a' -1", "2 'b' -2", "4 'd' -4", "5 'e' -5"],
            "killed at message {at}"
        );
        self.shop.assert_audited();
    }

    /// As it was before any replay.
    fn again(&self) {
        self.shop
            .client()
            .batch_execute(
                "truncate items; delete from ingestd.replays;
                 update ingestd.dead_letters set status = 'NEW', resolved_at = null, attempts = 1,
                     resolved_by = null, resolution = null",
            )
            .expect("set back");
    }
}

#[test]
fn killed_at_any_message_of_its_transaction_nothing_is_lost_or_doubled() {
    let behind = Behind::new();
    let mut at = 0;
    loop {
        let reached = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&reached);
        let mut seen = 0;
        // From the BEGIN of the part on, the message of this number is the first that nobody gets.
        behind.proxy.rule(move |message| {
            let is_meant = message.does("ingestd.replays") || message.does("transaction_is_open");
            if message.from == Side::Server || !is_meant {
                return Verdict::Pass;
            }
            seen += 1;
            if seen <= at {
                return Verdict::Pass;
            }
            flag.store(true, Ordering::Release);
            Verdict::End(0, Way::Silent)
        });
        let mut replay = behind.home.start(&["dead-letters", "replay", "--all"]);
        let mut ended = false;
        wait_until(PATIENCE, || {
            ended = replay.ended().is_some();
            ended || reached.load(Ordering::Acquire)
        });
        if ended && !reached.load(Ordering::Acquire) {
            break;
        }
        replay.kill();
        behind.proxy.rule(|_| Verdict::Pass);
        // What its backend was about to do is over once the locks are gone.
        behind
            .shop
            .client()
            .batch_execute(
                "select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()",
            )
            .expect("ended");
        wait_until(PATIENCE, || {
            behind.shop.number(
                "select count(*) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()
                   and backend_type = 'client backend'",
            ) == 0
        });
        behind.assert_whole(at);
        let report = behind.shop.replay(&["--all"]);
        assert_eq!(report["failed"], 1, "killed at message {at}: {report}");
        behind.assert_done(at);
        behind.again();
        at += 1;
    }
    assert!(at > 10, "only {at} messages were there");
    behind.assert_done(at);
}

#[test]
fn a_commit_whose_answer_is_lost_is_looked_up() {
    for before in [true, false] {
        let behind = Behind::new();
        let met = Arc::new(Mutex::new(0));
        let count = Arc::clone(&met);
        let mut waits = None;
        behind.proxy.rule(move |message| {
            let place = (message.connection, message.turn);
            if message.from == Side::Server {
                // With its last message the server has committed.
                return match waits {
                    Some(it) if it == place && message.tag == b'Z' => {
                        waits = None;
                        Verdict::End(0, Way::Both)
                    }
                    Some(it) if it == place => Verdict::Hold,
                    _ => Verdict::Pass,
                };
            }
            let mut met = count.lock().expect("no panic");
            if *met > 0 || !message.commits || !message.does("update ingestd.dead_letters") {
                return Verdict::Pass;
            }
            *met += 1;
            match before {
                true => Verdict::End(0, Way::Both),
                false => {
                    waits = Some(place);
                    Verdict::Pass
                }
            }
        });
        let mut replay = behind.home.start(&["dead-letters", "replay", "--all"]);
        wait_until(PATIENCE, || replay.ended().is_some());
        assert_eq!(
            replay.wait(Duration::from_secs(1)).code(),
            Some(1),
            "{}",
            behind.home.log()
        );
        assert_eq!(*met.lock().expect("no panic"), 1);
        behind.assert_done(0);
        assert_eq!(
            behind.shop.lines(
                "select concat_ws(' ', state, parts, inserted, failed) from ingestd.replays"
            ),
            ["DONE 1 4 1"],
            "before: {before}"
        );
        assert_eq!(behind.shop.letters()[2], "3 NEW 2 invalid_value");
    }
}

#[test]
fn a_zombie_writes_nothing_after_it_was_taken_over_from() {
    let behind = Behind::new();
    let (shop, proxy) = (&behind.shop, &behind.proxy);
    // It is held before its part begins, and another one raises the epoch.
    let held = Arc::new(AtomicBool::new(false));
    let let_go = Arc::new(AtomicBool::new(false));
    let (flag, go) = (Arc::clone(&held), Arc::clone(&let_go));
    proxy.rule(move |message| {
        if message.from == Side::Client
            && message.does("update ingestd.replays")
            && message.does("at_file = $5")
        {
            flag.store(true, Ordering::Release);
            while !go.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Verdict::Pass
    });
    let mut replay = behind.home.start(&["dead-letters", "replay", "--all"]);
    wait_until(PATIENCE, || held.load(Ordering::Acquire));
    shop.client()
        .batch_execute("update ingestd.replays set epoch = epoch + 1")
        .expect("taken over");
    assert_figures(&shop.replay(&["--all"]), &[("inserted", 4), ("failed", 1)]);
    let_go.store(true, Ordering::Release);
    wait_until(PATIENCE, || replay.ended().is_some());
    assert_eq!(replay.wait(Duration::from_secs(1)).code(), Some(1));
    assert!(
        behind.home.log().contains("has taken the replay over"),
        "{}",
        behind.home.log()
    );
    behind.assert_done(0);
}
