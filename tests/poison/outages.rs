//! The connection or the server is lost in the middle of the search: what is refused is a dead letter once, and
//! nothing else is one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
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
fn the_connection_is_cut_in_the_middle() {
    let database = database();
    let mut place = Place::new(&database.url, &database.name);
    let left = Arc::new(Mutex::new(VecDeque::new()));
    let queue = Arc::clone(&left);
    place.proxy.rule(move |message| {
        let Some(number) = attempt(message) else {
            return Verdict::Pass;
        };
        let mut queue = queue.lock().expect("no panic");
        if queue.front() != Some(&number) {
            return Verdict::Pass;
        }
        queue.pop_front();
        Verdict::End(0, Way::Both)
    });
    let service = place.home.run();
    for poison in [Poison::Check, Poison::Deferrable] {
        // Each time it begins from the start, and comes further.
        *left.lock().expect("no panic") = VecDeque::from([2, 8, 15, 23, 32, 42]);
        let file = place.drop_file(ROWS, &BAD, poison);
        place.wait_for(&file);
        let left = left.lock().expect("no panic");
        assert!(left.is_empty(), "not cut at {left:?}");
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
        place.wait_for(&file);
    }
    place.assert_exactly_once();
    service.stop();
}
