//! Reloads and commands at random while files arrive, and a SIGKILL between: nothing is lost or
//! doubled.

use std::fs;
use std::thread;

use rand::{RngExt, SeedableRng};
use rustix::process::Signal;

use super::*;
use crate::support::database;
use crate::support::home::replaced;
use crate::support::scene::{Scene, Watcher};

const RELOADS: u32 = 20;
const FILES: u64 = 24;
const BROKEN: &str = "batch_rows = \"many\"";

#[test]
fn reloads_at_random_while_files_arrive_with_a_key() {
    storm(true);
}

/// Without a key, so that a row that is loaded twice is seen.
#[test]
fn reloads_at_random_while_files_arrive_without_a_key() {
    storm(false);
}

fn storm(keyed: bool) {
    let database = database();
    let scene = Scene::small_batches(Some(&database.url), keyed, FILES, 4_000);
    let mut random = rand::rngs::StdRng::seed_from_u64(scene.seed);
    let home = &scene.home;
    let base = home.config();
    let inbox = home.directory("inbox/ecommerce");
    let outside = home.directory("outside");
    let mut files: Vec<String> = (1..=FILES)
        .map(|file| scene.generator.file_name(file))
        .collect();
    for file in &files {
        fs::rename(inbox.join(file), outside.join(file)).expect("renamed");
    }
    files.reverse();

    let mut service = home.run();
    let mut starts = 1;
    wait_until_said(home, "service is ready", starts);
    for reload in 1..=RELOADS {
        for _ in 0..random.random_range(0..3) {
            if let Some(file) = files.pop() {
                fs::rename(outside.join(&file), inbox.join(&file)).expect("renamed");
            }
        }
        let text = variant(&base, &mut random);
        home.configure(&text);
        service.signal(Signal::HUP);
        if random.random_range(0..3) == 0 {
            service.signal(Signal::HUP);
        }
        match random.random_range(0..8) {
            0 => drop(home.ask(&["pause", "ecommerce", "--no-wait"])),
            1 => drop(home.ask(&["drain", "ecommerce", "--no-wait"])),
            2 => service.signal(Signal::USR1),
            _ => service.signal(Signal::USR2),
        }
        thread::sleep(Duration::from_millis(random.random_range(0..300)));
        if reload % 7 == 0 {
            service.kill();
            // None starts with a broken one.
            if text.contains(BROKEN) {
                home.configure(&base);
            }
            service = home.run();
            starts += 1;
            wait_until_said(home, "service is ready", starts);
        }
    }
    for file in files {
        fs::rename(outside.join(&file), inbox.join(&file)).expect("renamed");
    }
    home.configure(&base);
    service.signal(Signal::HUP);
    let output = home.ask(&["resume"]);
    assert!(output.status.success(), "{output:?}");
    Watcher::new(&database.url)
        .wait_for(|now| now.is_all() && crate::support::home::names_in(&inbox).is_empty());
    scene.assert_exactly_once(&database.url);
    service.stop();
}

/// The same, otherwise: with other batches, other partitions, another pipeline beside, without the
/// pipeline, or broken.
fn variant(base: &str, random: &mut rand::rngs::StdRng) -> String {
    let beside = "[pipelines.beside]\ndirectory = \"inbox/beside\"\ntable = \"raw_events\"\n";
    match random.random_range(0..6) {
        0 => base.to_owned(),
        1 => format!("{base}{beside}"),
        2 => {
            let at = base.find("[pipelines.").expect("a pipeline");
            format!("{}{beside}", &base[..at])
        }
        3 => replaced(base, "batch_rows = 100", "batch_rows = 1000"),
        4 => replaced(base, "partitions = 3", "partitions = 2"),
        _ => replaced(base, "batch_rows = 100", BROKEN),
    }
}
