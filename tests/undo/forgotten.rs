//! Files that the ledger forgets.

use std::io::Write;

use super::*;

#[test]
fn a_forgotten_file_that_comes_again_is_loaded_and_was_warned_of() {
    let mut place = Place::new("", "id bigint, note text");
    let a = place.load("a.csv", &(text(0..3, "a") + "x,bad\n"));
    let number = a.to_string();
    let asks = place.ask(&["forget", &number]);
    assert_eq!(asks.status.code(), Some(2), "{asks:?}");
    let warned = out(&asks);
    assert!(
        warned.contains(
            "3 records of it are loaded, and stay in \"public\".\"one\": loaded again, they are there twice"
        ),
        "{warned}"
    );
    assert!(
        warned.contains("1 dead letter forgotten with it"),
        "{warned}"
    );

    let done = place.told(&["forget", &number, "--yes", "--json"]);
    assert_eq!(
        (&done["outcome"], &done["would_double"]),
        (&"forgotten".into(), &true.into())
    );
    assert_eq!(place.count("select count(*) from ingestd.files"), 0);
    assert_eq!(place.count("select count(*) from ingestd.dead_letters"), 0);
    assert_eq!(place.rows().len(), 3);
    let again = place.load("a.csv", &(text(0..3, "a") + "x,bad\n"));
    assert_eq!(place.state(again), "ARCHIVED");
    assert_eq!(place.rows(), ["0 a", "0 a", "1 a", "1 a", "2 a", "2 a"]);
    place.stop();
}

#[test]
fn a_forgotten_file_that_stands_in_the_inbox_is_loaded_again_at_once_and_once() {
    let keys = "archive = false\nkey = [\"id\"]\nscan_interval = \"100ms\"";
    let mut place = Place::new(keys, "id bigint primary key, note text");
    let a = place.load("a.csv", &text(0..3, "a"));
    place
        .client
        .batch_execute("delete from one")
        .expect("deleted");
    let done = place.ask(&["forget", &a.to_string(), "--yes"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(
        out(&done).contains("loads it again at once"),
        "{}",
        out(&done)
    );
    let again = place.wait_for_end(a);
    assert_eq!(place.state(again), "COMMITTED");
    assert_eq!(place.rows().len(), 3);
    // Scans go on, and find it loaded.
    let scans = place.ask(&["rescan", "one"]);
    assert!(scans.status.success(), "{scans:?}");
    assert_eq!(place.count("select count(*) from ingestd.files"), 1);
    place.stop();
    let service = place.home.run();
    let b = place.load("b.csv", &text(7..8, "b"));
    assert!(b > again);
    assert_eq!(
        place.count("select count(*) from ingestd.files"),
        2,
        "nor does a restart"
    );
    service.stop();
}

/// They vanished with it, and nobody was told.
#[test]
fn what_was_added_to_a_forgotten_file_is_named_before_it_goes_too() {
    let keys = "archive = false\nquarantine = false\nmax_errors = 0\nscan_interval = \"100ms\"";
    let mut place = Place::new(keys, "id bigint, note text");
    let a = place.load("a.csv", &text(0..3, "a"));
    // What is added is over its budget: nothing of it is loaded.
    let path = place.home.directory("inbox/one").join("a.csv");
    let file = std::fs::OpenOptions::new().append(true).open(path);
    let mut file = file.expect("the file");
    file.write_all(b"x,bad\ny,bad\n").expect("written");
    let added = "select coalesce(max(file_id), 0) from ingestd.files
                 where parent_id is not null and state = 'QUARANTINED'";
    wait_until(PATIENCE, || place.count(added) > 0);
    let tail = place.count(added);
    place.stop();
    let query = format!("select count(*) from ingestd.dead_letters where file_id = {tail}");
    let letters = place.count(&query);

    let asks = out(&place.ask(&["forget", &a.to_string()]));
    let named = format!("file {tail} (");
    let line = asks.lines().find(|line| line.contains(&named));
    let line = line.unwrap_or_else(|| panic!("{asks}"));
    assert!(
        line.contains("QUARANTINED), which was added to it, is forgotten with it"),
        "{line}"
    );
    assert!(
        line.contains(&format!("its {letters} dead letter")),
        "{line}"
    );
    assert_eq!(place.count("select count(*) from ingestd.files"), 2);

    let done = place.told(&["forget", &a.to_string(), "--yes", "--json"]);
    assert_eq!(done["tails"][0]["file"], tail);
    assert_eq!(done["tails"][0]["dead_letters"], letters);
    assert_eq!(place.count("select count(*) from ingestd.files"), 0);
}

/// It lay there for ever, and `why` knew of no pipeline that has to do with it.
#[test]
fn what_a_forgotten_file_leaves_in_the_quarantine_is_named() {
    let mut place = Place::new("", "id bigint, note text");
    let bad = place.load("bad.csv", "no,such\n1,2\n");
    assert_eq!(place.state(bad), "QUARANTINED");
    let shown = out(&place.ask(&["files", "show", &bad.to_string()]));
    assert!(shown.contains("quarantined at"), "{shown}");
    let why = place.told(&["why", &bad.to_string(), "--json"]);
    let stands = why["stands_at"].as_str().expect("a place").to_owned();
    assert!(std::path::Path::new(&stands).exists(), "{stands}");
    let done = out(&place.ask(&["forget", &bad.to_string(), "--yes"]));
    let words = format!("it stays at {stands}, with its .reason");
    assert!(done.contains(&words), "{done}");
    let why = place.told(&["why", &stands, "--json"]);
    let because = why["because"].as_str().expect("a reason");
    assert!(
        because.contains("the quarantine of pipeline one"),
        "{why:#}"
    );
    let directory = place.told(&["why", "", "--json"]);
    assert_eq!(directory["because"], "it is a directory");
    place.stop();
}
