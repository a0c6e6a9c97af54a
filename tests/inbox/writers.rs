//! When a file counts as written.

use std::fs::File;
use std::io::Write;
use std::thread;
use std::time::Duration;

use super::{Things, append, csv};

#[test]
fn a_file_that_is_written_slowly_is_read_once_it_is_closed() {
    let mut things = Things::new("settle = \"2s\"");
    let mut file = File::create(things.inbox.join("slow.csv")).expect("a file");
    file.write_all(b"id,name\n").expect("written");
    for id in 1..=6 {
        writeln!(file, "{id},name").expect("written");
        thread::sleep(Duration::from_millis(400));
        assert_eq!(things.files(), []);
    }
    drop(file);
    things.wait_for(1, "ARCHIVED");
    assert_eq!(things.ids(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_file_that_nobody_closes_is_read_once_it_has_settled() {
    let mut things = Things::new("settle = \"600ms\"\narchive = false");
    let mut file = File::create(things.inbox.join("open.csv")).expect("a file");
    file.write_all(b"id,name\n").expect("written");
    for id in 1..=6 {
        writeln!(file, "{id},name").expect("written");
        thread::sleep(Duration::from_millis(200));
        assert_eq!(things.files(), []);
    }
    things.wait_for(1, "COMMITTED");
    assert_eq!(things.ids(), [1, 2, 3, 4, 5, 6]);
    drop(file);
}

#[test]
fn a_file_that_grows_after_it_was_loaded_has_its_tail_loaded() {
    let mut things = Things::new("settle = \"200ms\"\narchive = false");
    things.drop_file("growing.csv", csv(1..=3));
    things.wait_for(1, "COMMITTED");
    append(&things.inbox.join("growing.csv"), "4,name\n5,name\n");
    things.wait_for(2, "COMMITTED");
    things.restart();
    append(&things.inbox.join("growing.csv"), "6,name\n");
    things.wait_for(3, "COMMITTED");
    things.let_it_scan();
    assert_eq!(things.ids(), [1, 2, 3, 4, 5, 6]);
    let states: Vec<_> = things.files().into_iter().map(|file| file.1).collect();
    assert_eq!(states, ["COMMITTED"; 3]);
    assert_eq!(things.left(), ["growing.csv"]);
}
