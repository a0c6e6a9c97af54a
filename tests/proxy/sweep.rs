//! The connection is cut at every Nth byte of a small load's conversation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Behind;
use crate::support::proxy::{Side, Verdict, Way};

/// How many services are cut at once, each at other bytes.
const SERVICES: u64 = 3;
/// How many times each is cut, in each direction.
const CUTS: u64 = 25;

#[test]
fn what_the_program_sends_is_cut_at_every_nth_byte() {
    sweep(Side::Client, 977);
}

#[test]
fn what_the_server_answers_is_cut_at_every_nth_byte() {
    sweep(Side::Server, 397);
}

fn sweep(side: Side, step: u64) {
    std::thread::scope(|scope| {
        for service in 0..SERVICES {
            scope.spawn(move || cut(side, step, service));
        }
    });
}

fn cut(side: Side, step: u64, number: u64) {
    let mut behind = Behind::new(number % 2 == 0, "", "");
    behind.migrate();
    let done = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&done);
    let mut next = behind.proxy.bytes(side) + step * number / SERVICES;
    behind.proxy.rule(move |message| {
        let end = message.offset + message.bytes.len() as u64;
        if message.from != side || end <= next || counted.load(Ordering::Relaxed) >= CUTS {
            return Verdict::Pass;
        }
        let passed = next.saturating_sub(message.offset);
        // What follows comes over a connection of its own; so where a cut falls differs from run to run.
        next = end + step;
        counted.fetch_add(1, Ordering::Relaxed);
        Verdict::End(passed as usize, Way::Both)
    });
    let service = behind.home.run();
    let mut files = 0;
    while done.load(Ordering::Relaxed) < CUTS {
        files += 1;
        assert!(files < 100, "{done:?} cuts only");
        behind.drop_file(files % 2 == 0);
        behind.wait_for_all();
    }
    behind.drop_file(true);
    behind.wait_for_all();
    behind.assert_exactly_once();
    service.stop();
}
