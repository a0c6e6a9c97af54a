//! The program is killed.

use ingestd::generate::expected::ROW_COLUMNS;
use ingestd::local_server::use_or_start;
use postgres::{Client, NoTls};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::database;
use crate::support::scene::{Scene, Watcher};

const KILLS: u32 = 50;
/// How many of them must come while a file is being read and a batch was committed in that life.
const TELLING: u32 = 40;
/// Much longer than what is in flight, so that they are in READING for most of their time.
const FILES: u64 = 3;
const ROWS_PER_FILE: u64 = 40_000;
/// The most records that a life gets to commit before it is killed, where its file is known to be
/// in READING.
const MOST: i64 = 1_000;
/// How many more it gets while its file is not known to be so: then the kill comes all the same.
const GRACE: i64 = 10_000;

/// Each batch takes 10 ms at least, so that it doesn't depend on the machine how far a file has
/// come when the ledger is first told that it is in READING.
const SLOW: &str = "
    create function slow() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.01); return null; end $$;
    create trigger slow before insert on raw_events
        for each statement execute function slow();";

#[test]
fn fifty_times_while_the_server_lives_on_with_a_key() {
    outlived_by_the_server(true);
}

#[test]
fn fifty_times_while_the_server_lives_on_without_a_key() {
    outlived_by_the_server(false);
}

#[test]
fn fifty_times_together_with_its_private_server_with_a_key() {
    together_with_the_server(true);
}

#[test]
fn fifty_times_together_with_its_private_server_without_a_key() {
    together_with_the_server(false);
}

fn outlived_by_the_server(keyed: bool) {
    let database = database();
    let scene = Scene::small_batches(Some(&database.url), keyed, FILES, ROWS_PER_FILE);
    make_slow_table(&mut database.client(), keyed);
    kill_and_compare(&scene, &database.url);
}

fn together_with_the_server(keyed: bool) {
    let scene = Scene::small_batches(None, keyed, FILES, ROWS_PER_FILE);
    let server = use_or_start(&scene.home.data()).expect("a server");
    let client = Client::connect(server.url(), NoTls);
    make_slow_table(&mut client.expect("a connection"), keyed);
    let url = server.url().to_owned();
    drop(server);
    kill_and_compare(&scene, &url);
}

fn make_slow_table(client: &mut Client, keyed: bool) {
    let key = if keyed {
        ", primary key (event_id)"
    } else {
        ""
    };
    let table = format!("create table raw_events ({ROW_COLUMNS}{key}); {SLOW}");
    client.batch_execute(&table).expect("a table");
}

fn kill_and_compare(scene: &Scene, url: &str) {
    let mut random = StdRng::seed_from_u64(scene.seed);
    let mut watcher = Watcher::new(url);
    let mut telling = 0;
    for kill in 1..=KILLS {
        let amount = random.random_range(1..=MOST);
        // Every tenth kill comes whatever the file's state.
        let grace = if kill % 10 == 0 { 0 } else { GRACE };
        let service = scene.home.run();
        let mut first = None;
        let last = watcher.wait_for(|now| {
            let first = *first.get_or_insert(now.records);
            let more = now.records - first - amount;
            now.is_all() || more >= grace || (more >= 0 && now.reading > 0)
        });
        service.kill();
        assert!(!last.is_all(), "all is loaded before kill {kill}: {last:?}");
        eprintln!("kill {kill}: wanted {amount} more than {first:?}, {last:?}");
        telling += u32::from(last.reading > 0 && Some(last.records) > first);
    }
    eprintln!(
        "{telling} of {KILLS} kills with a file in READING and a batch committed in that life"
    );
    assert!(telling >= TELLING, "only {telling} kills tell something");

    let service = scene.home.run();
    watcher.wait_for(|now| now.is_all());
    scene.assert_exactly_once(url);
    service.stop();
}
