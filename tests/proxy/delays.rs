//! A slow network, and one that stops in the middle of a COPY.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Behind;
use crate::support::proxy::{Side, Verdict, Way};
use crate::support::wait_until;

/// Nothing times out, and nothing is given up.
#[test]
fn a_slow_network_is_waited_for() {
    for (milliseconds, keyed) in [(10, true), (50, false)] {
        let mut behind = Behind::new(keyed, "stuck_after = \"1s\"\n", "");
        behind.migrate();
        behind.proxy.delay(Duration::from_millis(milliseconds));
        let service = behind.home.run();
        for number in 0..4 {
            behind.drop_file(number % 2 == 1);
        }
        behind.wait_for_all();
        behind.assert_exactly_once();
        service.stop();
        let log = behind.home.log();
        for word in ["again", "given up", "degraded", "lost", "closed"] {
            assert!(!log.contains(word), "{word:?}: {log}");
        }
    }
}

/// A statement may take longer than nothing may come over a connection.
#[test]
fn a_server_that_is_at_work_is_waited_for() {
    let mut behind = Behind::new(true, "stuck_after = \"1s\"\n", "");
    behind.migrate();
    let slow = "create function slow() returns trigger language plpgsql as
                    $$ begin perform pg_sleep(3); return null; end $$;
                create trigger slow before insert on items
                    for each statement execute function slow()";
    behind
        .database
        .client()
        .batch_execute(slow)
        .expect("a trigger");
    let service = behind.home.run();
    behind.drop_file(false);
    behind.wait_for_all();
    behind.assert_exactly_once();
    service.stop();
    let log = behind.home.log();
    assert!(!log.contains("given up") && !log.contains("again"), "{log}");
}

/// The one that has the COPY is stopped, so that it can't notice by itself; the other takes over, though the
/// server waits for the rest of the data and holds the locks.
#[test]
fn another_instance_takes_over_from_a_copy_that_stalls() {
    for keyed in [true, false] {
        let mut behind = Behind::new(keyed, "lease = \"1s\"\n", "");
        behind.migrate();
        let stalled = stall_first_copy(&behind);
        let first = behind.home.run();
        behind.drop_file(false);
        wait_until(Duration::from_secs(20), || stalled.load(Ordering::Acquire));
        first.signal(rustix::process::Signal::STOP);
        let second = behind.home.run();
        behind.wait_for_all();
        first.signal(rustix::process::Signal::CONT);
        behind.drop_file(true);
        behind.wait_for_all();
        second.stop();
        // It has learnt that it was taken for dead, and goes on.
        behind.drop_file(true);
        behind.wait_for_all();
        behind.assert_exactly_once();
        first.stop();
    }
}

/// The service that has the COPY notices by itself, and begins it again.
#[test]
fn a_copy_that_stalls_is_begun_again() {
    let mut behind = Behind::new(true, "stuck_after = \"1s\"\n", "");
    behind.migrate();
    let stalled = stall_first_copy(&behind);
    let service = behind.home.run();
    behind.drop_file(false);
    wait_until(Duration::from_secs(20), || stalled.load(Ordering::Acquire));
    let since = Instant::now();
    behind.wait_for_all();
    assert!(
        since.elapsed() < Duration::from_secs(10),
        "{:?}",
        since.elapsed()
    );
    behind.assert_exactly_once();
    assert!(
        behind.home.log().contains("given up"),
        "{}",
        behind.home.log()
    );
    service.stop();
}

/// Whether the first COPY has stalled: half of its data has come through.
fn stall_first_copy(behind: &Behind) -> Arc<AtomicBool> {
    let stalled = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stalled);
    behind.proxy.rule(move |message| {
        let is_data = message.from == Side::Client && message.tag == b'd';
        if !is_data || seen.swap(true, Ordering::AcqRel) {
            return Verdict::Pass;
        }
        Verdict::End(message.bytes.len() / 2, Way::Silent)
    });
    stalled
}
