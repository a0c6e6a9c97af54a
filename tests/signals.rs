//! What the service does when it is told to end, to pause and to go on.

use std::time::{Duration, Instant};

use postgres::Client;
use rustix::process::Signal;

use crate::support::home::{Home, drop_file};
use crate::support::scene::{Scene, Watcher, answer_to};
use crate::support::{PATIENCE, Scratch, TestDatabase, database, wait_until};

const SMALL: &str = "batch_rows = 500\nmemory = \"4MiB\"\npartitions = 2\n";
fn scene(database: &TestDatabase, service: &str, pipeline: &str) -> Scene {
    let keys = format!("{SMALL}{pipeline}");
    let files = answer_to(2, 50_000);
    Scene::new(Some(&database.url), service, &keys, false, files)
}

#[test]
fn sigterm_commits_what_is_in_flight() {
    drains(Signal::TERM);
}

#[test]
fn sigint_commits_what_is_in_flight() {
    drains(Signal::INT);
}

fn drains(signal: Signal) {
    let database = database();
    let scene = scene(&database, "", "");
    let mut watcher = Watcher::new(&database.url);
    let service = scene.home.run();
    let now = watcher.wait_for(|now| now.records > 2_000);
    assert!(!now.is_all());
    service.signal(signal);
    let status = service.wait(PATIENCE);
    assert_eq!(status.code(), Some(0), "{status}");

    // Nothing half: of what was read, each lane has committed all.
    let mut client = database.client();
    let unfinished = client
        .query(
            "select s.path, f.watermark_record, s.inserted + s.rejected from ingestd.file_status s
             join ingestd.files f using (file_id) where f.state <> 'ARCHIVED'",
            &[],
        )
        .expect("files");
    assert!(!unfinished.is_empty(), "it was not read to its end");
    for row in &unfinished {
        let (path, watermark): (String, i64) = (row.get(0), row.get(1));
        assert_eq!(row.get::<_, i64>(2), watermark, "committed of {path}");
    }
    let leases = "select count(lease_instance) from ingestd.pipelines";
    let leases: i64 = client.query_one(leases, &[]).expect("a count").get(0);
    assert_eq!(leases, 0, "the lease is given back");

    goes_on(&scene, &database);
}

#[test]
fn a_stop_while_the_database_is_waited_for_is_an_orderly_end() {
    let nobody = Scratch::new();
    let url = format!("host={} user=nobody dbname=none", nobody.path().display());
    let home = Home::new(
        Some(&url),
        "",
        "[pipelines.events]\ndirectory = \"inbox\"\ntable = \"events\"\n",
    );
    let service = home.run();
    wait_until(PATIENCE, || home.log().contains("does not answer"));
    let started = Instant::now();
    service.signal(Signal::TERM);
    let status = service.wait(PATIENCE);
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let database = database();
    let scene = scene(&database, "", "");
    let service = scene.home.run();
    Watcher::new(&database.url).wait_for(|now| now.records > 2_000);
    let lock = Lock::of_the_table(&database);
    service.signal(Signal::TERM);
    wait_until(PATIENCE, || scene.home.log().contains("\"stopping: "));
    let started = Instant::now();
    service.signal(Signal::INT);
    let status = service.wait(PATIENCE);
    assert_eq!(status.code(), Some(1), "{status}");
    assert!(started.elapsed() < Duration::from_secs(3));
    drop(lock);
    goes_on(&scene, &database);
}

#[test]
fn what_takes_too_long_is_cut_and_read_again() {
    let database = database();
    let scene = scene(&database, "shutdown_timeout = \"1s\"", "");
    let service = scene.home.run();
    Watcher::new(&database.url).wait_for(|now| now.records > 2_000);
    let lock = Lock::of_the_table(&database);
    let started = Instant::now();
    service.signal(Signal::TERM);
    let status = service.wait(PATIENCE);
    let took = started.elapsed();
    assert_eq!(status.code(), Some(1), "{status}");
    assert!(took >= Duration::from_secs(1), "{took:?}");
    assert!(took < Duration::from_secs(4), "{took:?}");
    drop(lock);
    goes_on(&scene, &database);
}

#[test]
fn a_pause_reads_nothing_new_and_survives_a_restart() {
    let database = database();
    let pipeline = scene(&database, "", "");
    let inbox = pipeline.home.directory("inbox/ecommerce");
    // The last file comes while the pipeline is paused.
    let late = pipeline.generator.file_name(2);
    std::fs::remove_file(inbox.join(&late)).expect("removed");
    let mut watcher = Watcher::new(&database.url);

    let service = pipeline.home.run();
    watcher.wait_for(|now| now.records > 2_000);
    service.signal(Signal::USR1);
    wait_until(PATIENCE, || state(&pipeline) == "paused");
    // What was in flight commits.
    let mut records = [0, 1];
    wait_until(PATIENCE, || {
        std::thread::sleep(Duration::from_millis(300));
        records = [records[1], watcher.wait_for(|_| true).records];
        records[0] == records[1]
    });
    drop_file(&inbox, &late, pipeline.generator.file(2));
    assert_nothing_moves(&mut watcher);
    service.stop();
    assert_eq!(state(&pipeline), "stopped (paused)");

    let service = pipeline.home.run();
    wait_until(PATIENCE, || state(&pipeline) == "paused");
    assert_nothing_moves(&mut watcher);
    service.signal(Signal::USR2);
    watcher.wait_for(|now| now.is_all() && now.records == 100_000);
    assert_eq!(state(&pipeline), "running");
    pipeline.assert_exactly_once(&database.url);
    service.stop();
}

/// For longer than it takes to scan the directory.
fn assert_nothing_moves(watcher: &mut Watcher) {
    let before = watcher.wait_for(|_| true);
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(watcher.wait_for(|_| true), before);
}

/// What `ingestd status` says of the pipeline.
fn state(scene: &Scene) -> String {
    let output = scene.home.ask(&["status", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    status[0]["state"].as_str().unwrap_or_default().to_owned()
}

/// The next life loads the rest, and everything is there once.
fn goes_on(scene: &Scene, database: &TestDatabase) {
    let service = scene.home.run();
    Watcher::new(&database.url).wait_for(|now| now.is_all());
    service.stop();
    scene.assert_exactly_once(&database.url);
}

/// A lock on the table, which nobody can write to while it is held.
struct Lock {
    _client: Client,
}

impl Lock {
    fn of_the_table(database: &TestDatabase) -> Lock {
        let mut client = database.client();
        client
            .batch_execute("begin; lock table raw_events in share mode")
            .expect("locked");
        Lock { _client: client }
    }
}
