//! The server is stopped as by a crash, and started again, while the program runs on.

use std::time::Duration;

use postgres::Client;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::scene::{Scene, Watcher};
use crate::support::{OwnServer, wait_until};

const STOPS: u32 = 10;
const FILES: u64 = 3;
const ROWS_PER_FILE: u64 = 20_000;
/// The most records that are committed between two stops.
const MOST: i64 = 4_000;

#[test]
fn ten_times_with_a_key() {
    stop_and_compare(OwnServer::start_new(), true);
}

#[test]
fn ten_times_without_a_key() {
    stop_and_compare(OwnServer::start_new(), false);
}

/// What it has acknowledged lately is lost each time, and has to be loaded again.
#[test]
fn ten_times_where_commits_do_not_wait_for_the_disk() {
    stop_and_compare(forgetful_server(), true);
}

/// A number or an epoch that a crash took back would be given out once more, while what its first
/// holder has sent under it is still on its way.
#[test]
fn a_claim_is_on_the_disk_where_commits_do_not_wait_for_it() {
    let mut server = forgetful_server();
    let scene = Scene::small_batches(Some(&server.url()), true, 1, 100_000);
    for expected in 1..=3 {
        let service = scene.home.run();
        let mut client = server.client();
        wait_until(Duration::from_secs(60), || epoch(&mut client) == expected);
        service.kill();
        server.stop_immediate();
        server.start();
        assert_eq!(epoch(&mut server.client()), expected);
    }
}

/// The service has done with such a file, and looked at it no more: it stayed COMMITTED until the next start.
#[test]
fn what_has_left_the_inbox_stays_archived_where_commits_do_not_wait_for_the_disk() {
    let mut server = forgetful_server();
    let scene = Scene::small_batches(Some(&server.url()), true, 1, 100);
    let mut watcher = Watcher::new(&server.url());
    let service = scene.home.run();
    watcher.wait_for(|now| now.is_all());
    server.stop_immediate();
    server.start();
    watcher.wait_for(|now| now.is_all());
    scene.assert_exactly_once(&server.url());
    service.kill();
}

/// The newest claim of the only file; 0 where it is not known.
fn epoch(client: &mut Client) -> i64 {
    let newest = client.query_one("select coalesce(max(epoch), 0) from ingestd.files", &[]);
    newest.map_or(0, |row| row.get(0))
}

/// One whose crash takes back what it has acknowledged lately.
fn forgetful_server() -> OwnServer {
    let server = OwnServer::start_new();
    let mut client = server.client();
    for setting in [
        "alter system set synchronous_commit = off",
        "alter system set wal_writer_delay = '10s'",
        "select pg_reload_conf()",
    ] {
        client.batch_execute(setting).expect(setting);
    }
    server
}

fn stop_and_compare(mut server: OwnServer, keyed: bool) {
    let scene = Scene::small_batches(Some(&server.url()), keyed, FILES, ROWS_PER_FILE);
    let mut random = StdRng::seed_from_u64(scene.seed);
    let mut watcher = Watcher::new(&server.url());
    let service = scene.home.run();
    for stop in 1..=STOPS {
        let amount = random.random_range(1..=MOST);
        let mut first = None;
        let last = watcher.wait_for(|now| {
            let first = *first.get_or_insert(now.records);
            now.is_all() || now.records >= first + amount
        });
        assert!(!last.is_all(), "all is loaded before stop {stop}");
        server.stop_immediate();
        server.start();
    }
    watcher.wait_for(|now| now.is_all());
    scene.assert_exactly_once(&server.url());
    service.stop();
}
