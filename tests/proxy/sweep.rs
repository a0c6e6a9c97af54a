//! The connections are cut at every Nth byte of what is said while a small file is loaded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Behind;
use crate::support::proxy::{Side, Verdict, Way};

/// How many services are cut at once, each at other bytes.
const SERVICES: u64 = 5;
/// In how many places each is cut.
const CUTS: u64 = 15;

#[test]
fn what_the_program_sends_is_cut_at_every_nth_byte() {
    sweep(Side::Client);
}

#[test]
fn what_the_server_answers_is_cut_at_every_nth_byte() {
    sweep(Side::Server);
}

fn sweep(side: Side) {
    std::thread::scope(|scope| {
        for number in 0..SERVICES {
            scope.spawn(move || cut_again_and_again(side, number));
        }
    });
}

/// Loads a file for each cut. They lie over the length that a file's loading has without any.
fn cut_again_and_again(side: Side, number: u64) {
    let mut behind = Behind::new(number.is_multiple_of(2), "", "");
    behind.migrate();
    let next = Arc::new(AtomicU64::new(u64::MAX));
    let cuts = Arc::new(AtomicU64::new(0));
    let (place, counted) = (Arc::clone(&next), Arc::clone(&cuts));
    behind.proxy.rule(move |message| {
        let place = &place;
        let next = place.load(Ordering::Acquire);
        let end = message.offset + message.bytes.len() as u64;
        if message.from != side || end <= next {
            return Verdict::Pass;
        }
        place.store(u64::MAX, Ordering::Release);
        counted.fetch_add(1, Ordering::Relaxed);
        Verdict::End(next.saturating_sub(message.offset) as usize, Way::Both)
    });
    let service = behind.home.run();
    behind.drop_file(true);
    behind.wait_for_all();
    let before = behind.proxy.bytes(side);
    behind.drop_file(true);
    behind.wait_for_all();
    let length = behind.proxy.bytes(side) - before;
    for cut in 0..CUTS {
        let step = length * (cut * SERVICES + number) / (CUTS * SERVICES);
        next.store(behind.proxy.bytes(side) + step, Ordering::Release);
        behind.drop_file(true);
        behind.wait_for_all();
    }
    // The last ones may lie behind the end, where a loading has less to say than the first.
    let cuts = cuts.load(Ordering::Relaxed);
    assert!(cuts > CUTS / 2, "{cuts} cuts of {length} bytes");
    behind.drop_file(true);
    behind.wait_for_all();
    behind.assert_exactly_once();
    service.stop();
}
