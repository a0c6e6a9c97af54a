//! Every cell of the table, step × fault.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex};
use std::thread;

use ingestd_actors::failpoint::{FAULTS, Step};

use super::lives::{Cell, strike};
use super::table::{Recovery, recovery};

/// So many places of a fault are struck at the same time, since most of the time they wait; and so many of all
/// faults together, however many tests run at once.
const AT_ONCE: usize = 4;
const ALL_AT_ONCE: usize = 8;
/// So many cells share a place: those that restart a pipeline, each with a longer wait, and others.
const TOGETHER: [usize; 2] = [6, 9];

/// How many places are struck now.
static STRUCK: Mutex<usize> = Mutex::new(0);
static ONE_IS_DONE: Condvar = Condvar::new();

/// Waits for its turn.
fn in_turn(strike: impl FnOnce()) -> thread::Result<()> {
    let struck = STRUCK.lock().expect("no panic");
    let is_full = |struck: &mut usize| *struck >= ALL_AT_ONCE;
    let mut struck = ONE_IS_DONE.wait_while(struck, is_full).expect("no panic");
    *struck += 1;
    drop(struck);
    let result = catch_unwind(AssertUnwindSafe(strike));
    *STRUCK.lock().expect("no panic") -= 1;
    ONE_IS_DONE.notify_one();
    result
}

/// Lets a fault strike at every step; those that are recovered from in the same way share a place.
fn strike_everywhere(fault: &'static str) {
    let mut alike: BTreeMap<Option<Recovery>, Vec<Cell>> = BTreeMap::new();
    for step in Step::ALL {
        // Named by hand, one alone: TEST_CELL="batch.commit panic".
        let cell = Cell { step, fault };
        let wanted = std::env::var("TEST_CELL").unwrap_or_default();
        let recovery = recovery(step, fault);
        // Another instance belongs to those.
        let alone = recovery != Some(Recovery::Takeover);
        if alone && (wanted.is_empty() || wanted == cell.name()) {
            alike.entry(recovery).or_default().push(cell);
        }
    }
    let groups = alike.into_values().flat_map(|cells| {
        let few = matches!(fault, "panic" | "hang");
        let together = TOGETHER[usize::from(!few)];
        let groups = cells.chunks(together).map(<[Cell]>::to_vec);
        groups.collect::<Vec<_>>()
    });
    let groups: Mutex<VecDeque<Vec<Cell>>> = Mutex::new(groups.collect());
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = groups.lock().expect("no panic").pop_front();
                    let Some(cells) = next else { break };
                    if in_turn(|| strike(&cells, keys_for(&cells))).is_err() {
                        let names = cells.iter().map(|cell| cell.name());
                        let names: Vec<String> = names.collect();
                        failed.lock().expect("no panic").push(names.join(", "));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no panic");
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

/// Only a hang needs somebody who notices soon, or lets go soon.
fn keys_for(cells: &[Cell]) -> &'static str {
    let first = cells[0];
    match recovery(first.step, first.fault) {
        Some(
            Recovery::StuckChild | Recovery::StuckWriter | Recovery::StuckPart | Recovery::Process,
        ) => "lease = \"1s\"\nstuck_after = \"2s\"",
        Some(Recovery::Operator | Recovery::Cut) => "lease = \"1s\"\nshutdown_timeout = \"500ms\"",
        _ => "lease = \"1s\"",
    }
}

#[test]
fn a_panic_at_any_step_loses_nothing_and_doubles_nothing() {
    strike_everywhere(FAULTS[0]);
}

#[test]
fn an_error_at_any_step_loses_nothing_and_doubles_nothing() {
    strike_everywhere(FAULTS[1]);
}

#[test]
fn a_hang_at_any_step_is_noticed_or_ended_by_hand_and_loses_nothing() {
    strike_everywhere(FAULTS[2]);
}

#[test]
fn a_kill_at_any_step_loses_nothing_and_doubles_nothing() {
    strike_everywhere(FAULTS[3]);
}
