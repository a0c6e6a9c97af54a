//! Memory is bounded by what the pipeline may have in flight, not by the size of a file.

use crate::support::database;
use crate::support::scene::{Scene, Watcher, answer_to};

/// About 64 MB.
const ROWS: u64 = 520_000;
/// In KiB: the 16 MiB in flight, what the allocator keeps beside them, and the program itself.
const MOST: u64 = 100 << 10;

#[test]
fn a_file_of_64_mb_is_loaded_with_16_mb() {
    let database = database();
    let keys = "memory = \"16MiB\"\npartitions = 2\n";
    let scene = Scene::new(Some(&database.url), "", keys, false, answer_to(1, ROWS));
    let inbox = scene.home.directory("inbox/ecommerce");
    let file = inbox.join(scene.generator.file_name(1));
    let size = file.metadata().expect("a file").len();
    assert!(size >= 64_000_000, "{size} bytes");

    let service = scene.home.run();
    Watcher::new(&database.url).wait_for(|now| now.is_all());
    let peak = service.peak_memory();
    eprintln!("peak resident memory: {peak} KiB");
    assert!(peak < MOST, "peak resident memory: {peak} KiB");
    service.stop();
    scene.assert_exactly_once(&database.url);
}
