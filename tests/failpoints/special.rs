//! What takes more than one service, or none.

use std::collections::BTreeSet;
use std::time::Duration;

use ingestd_actors::failpoint::Step;

use super::lives::{Cell, strike, wait};
use super::place::{PIPELINES, Place};
use super::signs::Signs;
use super::table::Recovery;

/// Its pipelines began again and again then, until the process gave up: it still thought that it held the
/// lease, and every transaction said that it did not.
#[test]
fn one_whose_renewal_hangs_is_taken_over_and_waits_for_its_turn() {
    let mut place = Place::new("lease = \"1s\"");
    let holder = "select lease_instance::text from ingestd.pipelines where name = 'items'";
    let first = place.start("lease.renew=return(hang)");
    wait(&mut place, "it holds the pipeline", |place| {
        !place.text(holder).is_empty()
    });
    let before = place.text(holder);
    wait(&mut place, "its renewals hang", |place| {
        let signs = Signs::of(&place.home.log());
        signs.struck.len() == PIPELINES
    });
    let second = place.start("");
    wait(&mut place, "the other one takes it over", |place| {
        let now = place.text(holder);
        !now.is_empty() && now != before
    });
    place.drop_wave();
    wait(&mut place, "all is loaded", Place::is_at_rest);
    wait(&mut place, "the first one waits", |place| {
        place
            .home
            .log()
            .contains("pipeline items is loaded by process")
    });
    let seen = Signs::of(&place.home.log()).seen;
    assert_eq!(seen, BTreeSet::from([Recovery::Pipeline]));
    second.stop();
    // It goes on where the other one has ended.
    place.drop_wave();
    wait(&mut place, "the first one loads again", Place::is_at_rest);
    first.stop();
    place.assert_exactly_once();
}

/// It stood in the quarantine, and the ledger said until the next start that it was still on its way.
#[test]
fn a_panic_beside_a_file_that_has_moved_is_no_reason_to_let_go_of_it() {
    let cell = Cell {
        step: Step::ArchiveExplained,
        fault: "panic",
    };
    strike(&[cell], "");
}

/// The list that the cells are made of has every step that can be written down in the program.
#[test]
fn no_step_is_missing_in_the_list() {
    let source = include_str!("../../actors/src/failpoint/steps.rs");
    let (_, steps) = source.split_once("pub enum Step {").expect("the steps");
    let (steps, _) = steps.split_once("\n}").expect("their end");
    let lines = steps.lines().map(str::trim);
    let count = lines.filter(|line| line.ends_with(',')).count();
    assert_eq!(count, Step::ALL.len());
    let names: BTreeSet<&str> = Step::ALL.into_iter().map(Step::name).collect();
    assert_eq!(names.len(), count, "two steps have one name");
}

#[test]
fn a_step_that_there_is_not_is_no_failpoint() {
    let place = Place::new("");
    for wrong in ["batch.comit=return(kill)", "batch.commit=return(explode)"] {
        let status = place.start(wrong).wait(Duration::from_secs(10));
        assert_eq!(status.code(), Some(101), "{wrong}");
    }
}
