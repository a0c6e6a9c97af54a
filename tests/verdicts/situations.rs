//! Each situation, for files that leave the inbox and for files that stay: what comes of each of its rules,
//! and the same in a process that is killed at each step.

use std::thread;

use super::{cells, crashes};

#[test]
fn same_files_that_leave() {
    each("same", true);
}

#[test]
fn same_files_that_stay() {
    each("same", false);
}

#[test]
fn appended_files_that_leave() {
    each("appended", true);
}

#[test]
fn appended_files_that_stay() {
    each("appended", false);
}

#[test]
fn changed_files_that_leave() {
    each("changed", true);
}

#[test]
fn changed_files_that_stay() {
    each("changed", false);
}

#[test]
fn renamed_files_that_leave() {
    each("renamed", true);
}

#[test]
fn renamed_files_that_stay() {
    each("renamed", false);
}

fn each(situation: &'static str, archive: bool) {
    thread::scope(|threads| {
        threads.spawn(|| cells::each(situation, archive));
        threads.spawn(|| crashes::each(situation, archive));
    });
}
