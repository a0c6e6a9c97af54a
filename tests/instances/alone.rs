//! Where order matters, one loads and the other waits for its end.

use std::time::{Duration, Instant};

use super::{kill_and_compare, status};
use crate::support::home::Service;
use crate::support::scene::{Scene, Watcher};
use crate::support::{TestDatabase, database, wait_until};

const FILES: u64 = 3;
const ROWS_PER_FILE: u64 = 30_000;
const TAKEOVERS: u32 = 4;

#[test]
fn one_loads_and_the_other_takes_over_when_it_is_killed() {
    let database = database();
    let scene = Scene::small_batches(Some(&database.url), true, FILES, ROWS_PER_FILE);
    let mut watcher = Watcher::new(&database.url);
    let mut instances = vec![scene.home.run(), scene.home.run()];
    for takeover in 1..=TAKEOVERS {
        let first = watcher.wait_for(|_| true).records;
        let last = watcher.wait_for(|now| now.is_all() || now.records > first + 1_000);
        assert!(!last.is_all(), "all is loaded before takeover {takeover}");
        let waits = format!(
            "pipeline ecommerce is loaded by process {}",
            holder(&database)
        );
        wait_until(Duration::from_secs(10), || {
            scene.home.log().contains(&waits)
        });
        let index = position_of_holder(&instances, &database);
        instances.remove(index).kill();
        instances.push(scene.home.run());
    }
    watcher.wait_for(|now| now.is_all());
    scene.assert_exactly_once(&database.url);
    let loaded_by = &status(&scene.home)["instances"];
    assert_eq!(loaded_by.as_array().map(Vec::len), Some(1), "{loaded_by}");
    // The one that waits has nothing in flight: it ends in order too.
    for instance in instances {
        instance.stop();
    }
}

#[test]
fn either_is_killed_or_stopped_for_longer_than_its_lease() {
    kill_and_compare(true, 20, 6_000, 8);
}

#[test]
fn the_one_that_waits_ends_in_order_at_once() {
    let database = database();
    let scene = Scene::small_batches(Some(&database.url), true, 1, ROWS_PER_FILE);
    let loads = scene.home.run();
    let mut watcher = Watcher::new(&database.url);
    watcher.wait_for(|now| now.is_all());
    let waits = scene.home.run();
    wait_until(Duration::from_secs(10), || {
        scene.home.log().contains("pipeline ecommerce is loaded by")
    });
    let asked = Instant::now();
    waits.stop();
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "{:?}",
        asked.elapsed()
    );
    loads.stop();
    scene.assert_exactly_once(&database.url);
}

fn position_of_holder(instances: &[Service], database: &TestDatabase) -> usize {
    let holder = holder(database);
    let pid = |instance: &Service| instance.pid().as_raw_nonzero().get();
    let position = instances.iter().position(|one| pid(one) == holder);
    position.expect("one of them has the lease")
}

/// The process that has the lease.
fn holder(database: &TestDatabase) -> i32 {
    let query = "select lease_process from ingestd.pipelines";
    let row = database.client().query_one(query, &[]);
    row.expect("a pipeline").get(0)
}
