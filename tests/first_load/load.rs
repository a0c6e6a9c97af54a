//! `load`, from its start to its end.

use rustix::process::Signal;

use super::{ALL_VALID, FEW, MANY, PATIENCE, Place};
use crate::support::{database, wait_until};

#[test]
fn they_are_built_at_its_end_and_it_says_so() {
    let database = database();
    let mut place = Place::new(&database.url, MANY);
    let said = place.home.ask(&["load", place.file()]);
    let out = String::from_utf8_lossy(&said.stdout);
    assert_eq!(said.status.code(), Some(0), "{out}");
    let built = "3 indexes were built after the load, in ";
    assert!(out.contains(built), "{out}");
    place.assert_indexed();
    place.assert_rows();

    let again = place.home.ask(&["load", place.file()]);
    let out = String::from_utf8_lossy(&again.stdout);
    assert!(out.contains("skipped") && !out.contains(built), "{out}");
    let status = place.home.ask(&["status"]);
    let status = String::from_utf8_lossy(&status.stdout);
    assert!(!status.contains("still to be built"), "{status}");
}

#[test]
fn status_shows_what_is_missing_and_what_is_being_built() {
    let database = database();
    let mut place = Place::new(&database.url, MANY);
    let old = place.old_transaction();
    let load = place.home.start(&["load", place.file()]);
    place.wait_for_builder();
    let [first, second, third] = place.status().try_into().expect("three of them");
    assert_eq!(first.0, ALL_VALID[0]);
    assert!(first.1.is_some_and(|since| since.ends_with('Z')));
    assert_eq!(second, (ALL_VALID[1].to_owned(), None));
    assert_eq!(third, (ALL_VALID[3].to_owned(), None));
    let said = place.home.ask(&["status"]);
    let out = String::from_utf8_lossy(&said.stdout);
    let line = "ecommerce: 3 indexes still to be built after the first load: \
                raw_events_event_time_idx (being built since ";
    assert!(out.contains(line), "{out}");
    drop(old);
    assert_eq!(load.wait(PATIENCE).code(), Some(0));
    place.assert_indexed();
}

#[test]
fn a_stop_while_they_are_built_is_no_success() {
    let database = database();
    let mut place = Place::new(&database.url, MANY);
    let old = place.old_transaction();
    let load = place.home.start(&["load", place.file()]);
    place.wait_for_builder();
    load.signal(Signal::TERM);
    assert_eq!(load.wait(PATIENCE).code(), Some(1));
    let log = place.home.log();
    assert!(
        log.contains("interrupted while building index raw_events_event_time_idx"),
        "{log}"
    );
    drop(old);
    let again = place.home.ask(&["load", place.file()]);
    assert_eq!(again.status.code(), Some(0));
    place.assert_indexed();
    place.assert_rows();
}

#[test]
fn one_that_can_not_be_built_ends_it_with_what_to_do() {
    let database = database();
    let mut place = Place::new(&database.url, MANY);
    place.killed_while_building();
    place
        .client
        .batch_execute(
            "drop index raw_events_event_time_idx; create table raw_events_event_time_idx ()",
        )
        .expect("something else");
    let held_up = place.home.ask(&["load", place.file()]);
    let err = String::from_utf8_lossy(&held_up.stderr);
    assert_eq!(held_up.status.code(), Some(2), "{err}");
    assert!(err.contains("something else has that name"), "{err}");
    assert_eq!(place.missing(), [ALL_VALID[0]], "the others are built");

    place
        .client
        .batch_execute("drop table raw_events_event_time_idx")
        .expect("dropped");
    let done = place.home.ask(&["load", place.file()]);
    assert_eq!(done.status.code(), Some(0));
    place.assert_indexed();
}

#[test]
fn a_reset_keeps_the_list_with_the_table_and_drops_it_with_the_table() {
    let database = database();
    let mut place = Place::new(&database.url, MANY);
    place.killed_while_building();
    let said = reset(&place, &[]);
    assert!(said.contains("builds what its table lacks"), "{said}");
    assert_eq!(place.missing().len(), 3);
    let again = place.home.ask(&["load", place.file()]);
    assert_eq!(again.status.code(), Some(0));
    place.assert_indexed();
    place.assert_rows();

    place
        .client
        .batch_execute("drop table raw_events")
        .expect("dropped");
    place.killed_while_building();
    let said = reset(&place, &["--drop-table"]);
    assert!(!said.contains("lacks"), "{said}");
    assert_eq!(place.missing(), [""; 0]);
}

/// Resets the pipeline, once the lease of the process that was killed has ended.
fn reset(place: &Place, more: &[&str]) -> String {
    let arguments = [&["reset", "ecommerce", "--yes"], more].concat();
    let mut text = String::new();
    wait_until(PATIENCE, || {
        let said = place.home.ask(&arguments);
        text = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
        !text.contains("is running")
    });
    assert!(text.contains("is forgotten"), "{text}");
    text
}

/// It was held up for as long as anybody's transaction was open.
#[test]
fn a_small_load_into_a_new_table_waits_for_no_other_transaction() {
    let database = database();
    let mut place = Place::new(&database.url, FEW);
    let _old = place.old_transaction();
    let load = place.home.start(&["load", place.file()]);
    assert_eq!(load.wait(PATIENCE).code(), Some(0));
    place.assert_indexed();
    place.assert_rows();
}
