//! Where order does not matter, both load: without a key, so that a row that is loaded twice is seen.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use super::{kill_and_compare, scene, status};
use crate::support::home::{ECOMMERCE, Home, drop_file, replaced};
use crate::support::scene::Watcher;
use crate::support::{Scratch, database, wait_until};

#[test]
fn both_load_and_status_shows_them() {
    let (database, scene) = scene(false, 8, 4_000);
    let inbox = scene.home.data().join("inbox/ecommerce");
    let aside = scene.home.directory("aside");
    let name = |file| scene.generator.file_name(file);
    for file in 1..=2 {
        fs::rename(inbox.join(name(file)), aside.join(name(file))).expect("a move");
    }
    let mut watcher = Watcher::new(&database.url);
    let services = [scene.home.run(), scene.home.run()];
    let both = "select count(*) = 2 from ingestd.live_instances";
    let mut client = database.client();
    wait_until(Duration::from_secs(20), || {
        client.query_one(both, &[]).is_ok_and(|row| row.get(0))
    });
    let said = status(&scene.home);
    assert_eq!(
        said["instances"].as_array().map(Vec::len),
        Some(2),
        "{said}"
    );
    assert_eq!(said["state"], "running");
    let text = String::from_utf8(scene.home.ask(&["status"]).stdout).expect("text");
    for service in &services {
        let process = service.pid().as_raw_nonzero().to_string();
        assert!(text.contains(&process), "{text}");
    }
    let mut records = watcher.wait_for(|now| now.is_all()).records;
    // The first one that looks may have taken them all: each gets a file while the other is stopped.
    for (other, file) in services.iter().zip(1..) {
        other.signal(Signal::STOP);
        fs::rename(aside.join(name(file)), inbox.join(name(file))).expect("a move");
        let all = watcher.wait_for(|now| now.is_all() && now.records > records);
        records = all.records;
        other.signal(Signal::CONT);
    }
    scene.assert_exactly_once(&database.url);
    let owners = "select count(distinct owner) from ingestd.files";
    let row = database.client().query_one(owners, &[]).expect("a count");
    assert!(row.get::<_, i64>(0) >= 2, "both have loaded");
    for service in services {
        service.stop();
    }
}

#[test]
fn either_is_killed_or_stopped_for_longer_than_its_lease() {
    // In the end the last one may have taken all of them over.
    let owners = kill_and_compare(false, 40, 5_000, 10);
    assert!(owners.len() >= 2, "both have loaded: {owners:?}");
}

/// `load` of files that the service has in hand, or is about to have.
#[test]
fn a_load_beside_the_service_doubles_nothing() {
    let (database, scene) = scene(false, 6, 2_000);
    let inbox = scene.home.data().join("inbox/ecommerce");
    let mut watcher = Watcher::new(&database.url);
    let service = scene.home.run();
    watcher.wait_for(|now| now.records > 0);
    let files: Vec<String> = (1..=scene.generator.files())
        .map(|file| inbox.join(scene.generator.file_name(file)))
        .filter(|path| path.exists())
        .map(|path| path.to_str().expect("a plain path").to_owned())
        .collect();
    let mut arguments = vec!["load", "--pipeline", "ecommerce", "--archive"];
    arguments.extend(files.iter().map(String::as_str));
    let load = scene.home.start(&arguments);
    watcher.wait_for(|now| now.is_all());
    load.wait(Duration::from_secs(30));
    scene.assert_exactly_once(&database.url);
    service.stop();
}

/// Both find no table, and one of them creates it.
#[test]
fn a_first_load_is_begun_by_both() {
    let database = database();
    let place = Scratch::new();
    let inbox = place.path().join("in");
    std::fs::create_dir(&inbox).expect("a directory");
    let text = replaced(ECOMMERCE, "key = [\"event_id\"]\n", "");
    let text = replaced(
        &text,
        "directory = \"inbox/ecommerce\"",
        &format!("directory = \"{}\"", inbox.display()),
    );
    let (_, generator) = crate::support::scene::answer_to(8, 500);
    for file in 1..=generator.files() {
        drop_file(&inbox, &generator.file_name(file), generator.file(file));
    }
    let homes = [(); 2].map(|()| Home::new(Some(&database.url), super::LEASE, &text));
    let services = homes.each_ref().map(Home::run);
    Watcher::new(&database.url).wait_for(|now| now.is_all());
    for service in services {
        service.stop();
    }
    let mut client = database.client();
    crate::support::answer::assert_loaded_once(&mut client, &generator, false);
    let indexes = "select count(*) from pg_index where indrelid = 'raw_events'::regclass";
    let row = client.query_one(indexes, &[]).expect("a count");
    assert_eq!(row.get::<_, i64>(0), 3);
}
