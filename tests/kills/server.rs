//! The server is stopped as by a crash, and started again, while the program runs on.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::OwnServer;
use crate::support::scene::{Scene, Watcher};

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
    let server = OwnServer::start_new();
    let mut client = server.client();
    for setting in [
        "alter system set synchronous_commit = off",
        "alter system set wal_writer_delay = '10s'",
        "select pg_reload_conf()",
    ] {
        client.batch_execute(setting).expect(setting);
    }
    stop_and_compare(server, true);
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
