//! The connection or the server is lost in the middle of the search: what is refused is a dead letter once, and
//! nothing else is one.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Place, Poison};
use crate::support::proxy::{Message, Side, Verdict, Way};
use crate::support::{OwnServer, database, wait_until};

const ROWS: usize = 1_000;
const BAD: [usize; 4] = [1, 300, 301, 1_000];

/// Whether a message begins an attempt to write some of the rows, and which of its transaction that is.
fn attempt(message: &Message<'_>) -> Option<usize> {
    let is_savepoint = |statement: &&String| statement.starts_with("SAVEPOINT");
    let begins = message.from == Side::Client
        && message.tag == b'Q'
        && message.statements.last().as_ref().is_some_and(is_savepoint);
    begins.then(|| message.statements.iter().filter(is_savepoint).count())
}

#[test]
fn the_connection_is_cut_at_every_third_attempt() {
    let database = database();
    let mut place = Place::new(&database.url, &database.name);
    let cuts = Arc::new(std::sync::Mutex::new(HashSet::new()));
    let seen = Arc::clone(&cuts);
    place.proxy.rule(move |message| match attempt(message) {
        Some(number) if number % 3 == 0 && seen.lock().expect("no panic").insert(number) => {
            Verdict::End(0, Way::Both)
        }
        _ => Verdict::Pass,
    });
    let service = place.home.run();
    for poison in [Poison::Check, Poison::Deferrable] {
        let file = place.drop_file(ROWS, &BAD, poison);
        place.wait_for(file);
        let count = std::mem::take(&mut *cuts.lock().expect("no panic")).len();
        assert!(count >= 10, "{count} cuts");
    }
    place.assert_exactly_once();
    service.stop();
}

#[test]
fn the_server_is_killed_in_the_middle() {
    let mut server = OwnServer::start_new();
    let mut place = Place::new(&server.url(), "postgres");
    let service = place.home.run();
    for number in [2, 7, 19] {
        let stands = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stands);
        let mut held = None;
        place.proxy.rule(move |message| {
            if held.is_none() && attempt(message) == Some(number) {
                held = Some(message.connection);
                seen.store(true, Ordering::Release);
            }
            match held == Some(message.connection) && message.from == Side::Client {
                true => Verdict::Hold,
                false => Verdict::Pass,
            }
        });
        let file = place.drop_file(ROWS, &BAD, Poison::Check);
        wait_until(Duration::from_secs(20), || stands.load(Ordering::Acquire));
        server.stop_immediate();
        server.start();
        place.client = server.client();
        place.wait_for(file);
    }
    place.assert_exactly_once();
    service.stop();
}
