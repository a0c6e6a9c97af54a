//! Memory is bounded by what the pipeline may have in flight, not by the size of a file.

use postgres::{Client, NoTls};

use crate::support::database;
use crate::support::scene::{Scene, Watcher, answer_to};

/// About 64 MB.
const ROWS: u64 = 520_000;
/// In KiB: the 16 MiB in flight, and what four writers and the allocator need beside them and beside
/// what the program takes for a file of a few rows.
const MOST: u64 = (16 + 8) << 10;

#[test]
fn a_file_of_64_mb_is_loaded_with_16_mb() {
    let database = database();
    let keys = "memory = \"16MiB\"\npartitions = 4\n";
    let scene = Scene::new(Some(&database.url), "", keys, false, answer_to(1, ROWS));
    let inbox = scene.home.directory("inbox/ecommerce");
    let file = inbox.join(scene.generator.file_name(1));
    let size = file.metadata().expect("a file").len();
    assert!(size >= 64_000_000, "{size} bytes");

    let service = scene.home.run();
    let mut watcher = Watcher::new(&database.url);
    watcher.wait_for(|now| now.records > 0);
    // Now all batches wait, and reading goes on for as long as there is memory to read into.
    let mut client = Client::connect(&database.url, NoTls).expect("a connection");
    let mut holding = client.transaction().expect("a transaction");
    let lock = holding.batch_execute("lock table raw_events in exclusive mode");
    lock.expect("the table");
    service.wait_until_reading_rests();
    drop(holding);

    watcher.wait_for(|now| now.is_all());
    let peak = service.peak_memory();
    let itself = peak_for_a_small_file(keys);
    eprintln!("peak resident memory: {peak} KiB, {itself} KiB of it for a small file");
    assert!(
        peak < itself + MOST,
        "peak resident memory: {peak} KiB, {itself} KiB for a small file"
    );
    service.stop();
    scene.assert_exactly_once(&database.url);
}

/// What the program takes itself: it is large where it is not optimised.
fn peak_for_a_small_file(keys: &str) -> u64 {
    let database = database();
    let scene = Scene::new(Some(&database.url), "", keys, false, answer_to(1, 100));
    let service = scene.home.run();
    Watcher::new(&database.url).wait_for(|now| now.is_all());
    let peak = service.peak_memory();
    service.stop();
    peak
}
