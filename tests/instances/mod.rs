//! Two services on the same inbox and database: one loads and the other waits where order matters, both
//! load where it does not. They are killed, and stopped for so long that they count as dead.

mod alone;
mod inboxes;
mod shared;

use std::collections::BTreeSet;
use std::time::Duration;

use ingestd::generate::expected::ROW_COLUMNS;
use postgres::Client;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;

use crate::support::home::{Home, Service};
use crate::support::scene::{Scene, Watcher, answer_to};
use crate::support::{TestDatabase, database, wait_until};

/// Short, so that a process that is stopped counts as dead soon.
pub const LEASE: &str = "lease = \"1s\"\n";
/// Small batches, so that each life commits some and leaves much undone.
pub const SMALL: &str = "batch_rows = 100\nmemory = \"4MiB\"\npartitions = 3\n";

/// Each batch takes 20 ms at least, so that it doesn't depend on the machine how far they have come.
const SLOW: &str = "
    create function slow() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.02); return null; end $$;
    create trigger slow before insert on raw_events
        for each statement execute function slow();";

/// Makes the table, in which each batch takes its time.
pub fn make_slow_table(client: &mut Client, keyed: bool) {
    let key = if keyed {
        ", primary key (event_id)"
    } else {
        ""
    };
    let table = format!("create table raw_events ({ROW_COLUMNS}{key}); {SLOW}");
    client.batch_execute(&table).expect("a table");
}

/// A database with files waiting before it.
pub fn scene(keyed: bool, files: u64, rows: u64) -> (TestDatabase, Scene) {
    let database = database();
    make_slow_table(&mut database.client(), keyed);
    let scene = Scene::new(
        Some(&database.url),
        LEASE,
        SMALL,
        keyed,
        answer_to(files, rows),
    );
    (database, scene)
}

/// Two processes of one home, one or the other of which dies again and again, or seems to. The instances that
/// have had files in hand.
pub fn kill_and_compare(keyed: bool, files: u64, rows: u64, rounds: u32) -> BTreeSet<String> {
    let (database, scene) = scene(keyed, files, rows);
    let mut random = StdRng::seed_from_u64(scene.seed);
    let mut watcher = Watcher::new(&database.url);
    let mut services = vec![scene.home.run(), scene.home.run()];
    let mut owners = BTreeSet::new();
    let mut client = database.client();
    for round in 1..=rounds {
        let amount = random.random_range(1..=1_500);
        let mut first = None;
        let last = watcher.wait_for(|now| {
            let first = *first.get_or_insert(now.records);
            now.is_all() || now.records >= first + amount
        });
        assert!(
            !last.is_all(),
            "all is loaded before round {round}: {last:?}"
        );
        let owning = "select distinct owner::text from ingestd.files where owner is not null";
        let rows = client.query(owning, &[]).expect("the owners");
        owners.extend(rows.iter().map(|row| row.get::<_, String>(0)));
        let victim = random.random_range(0..2);
        if random.random::<bool>() {
            eprintln!("round {round}: kill {victim} at {last:?}");
            services.remove(victim).kill();
            services.push(scene.home.run());
        } else {
            eprintln!("round {round}: stop {victim} at {last:?}");
            stop_until_dead(&services[victim], &database);
        }
    }
    watcher.wait_for(|now| now.is_all());
    scene.assert_exactly_once(&database.url);
    for service in services {
        service.stop();
    }
    let left = "select (select count(*) from ingestd.instances)
                       + (select count(lease_instance) from ingestd.pipelines)";
    let row = client.query_one(left, &[]).expect("a count");
    assert_eq!(row.get::<_, i64>(0), 0, "an orderly end leaves nothing");
    owners
}

/// Stops a process for longer than its lease lasts, lets the other one take over, and wakes it up.
pub fn stop_until_dead(service: &Service, database: &TestDatabase) {
    service.signal(Signal::STOP);
    let process = service.pid().as_raw_nonzero().get();
    let mut client = database.client();
    let lives = "select exists (select from ingestd.live_instances where process = $1)";
    wait_until(Duration::from_secs(10), || {
        let row = client.query_one(lives, &[&process]).expect("an answer");
        !row.get::<_, bool>(0)
    });
    // The other one has time to take over; whether it does is chance, as it is outside.
    let records = "select coalesce(sum(inserted), 0)::bigint from ingestd.file_status";
    let mut count = || -> i64 { client.query_one(records, &[]).expect("a sum").get(0) };
    let before = count();
    let deadline = std::time::Instant::now() + Duration::from_millis(700);
    while count() < before + 500 && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    service.signal(Signal::CONT);
}

/// What `status` says of the only pipeline.
pub fn status(home: &Home) -> serde_json::Value {
    let said = home.ask(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&said.stdout).expect("JSON");
    status[0].clone()
}
