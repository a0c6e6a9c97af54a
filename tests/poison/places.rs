//! Each constraint, with bad rows at the first, the middle and the last place of a batch, scattered over it,
//! and everywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Place, Poison};
use crate::support::proxy::{Side, Verdict};
use crate::support::{database, wait_until};

const ROWS: usize = 10_000;
/// As many as may be bad without a good one among them until a file is quarantined for it.
const ALL: usize = 999;

#[test]
fn a_check() {
    everywhere(Poison::Check);
}

#[test]
fn a_foreign_key() {
    everywhere(Poison::ForeignKey);
}

#[test]
fn an_exception_of_a_trigger() {
    everywhere(Poison::Trigger);
}

#[test]
fn a_unique_constraint_other_than_the_key() {
    everywhere(Poison::OtherUnique);
}

#[test]
fn a_deferrable_constraint() {
    everywhere(Poison::Deferrable);
}

#[test]
fn a_row_too_long_for_an_index() {
    everywhere(Poison::LongIndexRow);
}

fn everywhere(poison: Poison) {
    let database = database();
    let mut place = Place::new(&database.url, &database.name);
    let counts = count_statements(&place);
    let service = place.home.run();
    let scattered = [2, 777, 3_333, 3_334, 6_001, 8_191, 9_998];
    let all: Vec<usize> = (1..=ALL).collect();
    for (rows, bad) in [
        (ROWS, &[1][..]),
        (ROWS, &[ROWS / 2]),
        (ROWS, &[ROWS]),
        (ROWS, &scattered),
        (ALL, &all),
    ] {
        let statements = load_as_one_batch(&mut place, &counts, rows, bad, poison);
        let bound = bound(rows, bad.len());
        assert!(
            statements <= bound,
            "{statements} statements for {} of {rows}",
            bad.len()
        );
    }
    place.assert_exactly_once();
    service.stop();
}

/// How many statements it may take: to halve the batch down to each bad row, at most two attempts a level;
/// an attempt is a savepoint, the statement, and the end of the savepoint. The rest is what each batch
/// needs: it is copied in vain, begun again, staged, counted, committed.
fn bound(rows: usize, bad: usize) -> u64 {
    let levels = u64::from(rows.ilog2()) + 1;
    let halving = (2 * bad as u64 * levels).min(2 * rows as u64);
    3 * (1 + halving) + 30
}

/// What the writer's connection was asked.
#[derive(Default)]
struct Counts {
    /// Simple queries and executions: all that the server carries out for it.
    statements: AtomicU64,
    /// Transactions that were committed.
    commits: AtomicU64,
}

/// Counts at the proxy what goes over connections that copy into the table.
fn count_statements(place: &Place) -> Arc<Counts> {
    let counts = Arc::new(Counts::default());
    let shared = Arc::clone(&counts);
    let mut writer = None;
    place.proxy.rule(move |message| {
        if message.from == Side::Client {
            let said = message.statements.last().map_or("", String::as_str);
            if said.starts_with("COPY \"public\".\"items\"") {
                writer = Some(message.connection);
            }
            if writer == Some(message.connection) && matches!(message.tag, b'Q' | b'E') {
                shared.statements.fetch_add(1, Ordering::Relaxed);
                if message.commits && message.bytes.ends_with(b"COMMIT\0") {
                    shared.commits.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        Verdict::Pass
    });
    counts
}

/// Loads a file whose rows are one batch: while all of it is read, the writer waits for a lock with the row of
/// another file. How many statements the batch took.
fn load_as_one_batch(
    place: &mut Place,
    counts: &Counts,
    rows: usize,
    bad: &[usize],
    poison: Poison,
) -> u64 {
    let mut other = postgres::Client::connect(&place.url, postgres::NoTls).expect("a connection");
    let mut lock = other.transaction().expect("a transaction");
    lock.batch_execute("lock table items").expect("locked");
    let first = place.drop_file(1, &[], poison);
    let waits = "select exists (select from pg_locks where not granted
                                and relation = 'items'::regclass)";
    wait_until(Duration::from_secs(20), || {
        place
            .client
            .query_one(waits, &[])
            .expect("an answer")
            .get(0)
    });
    let file = place.drop_file(rows, bad, poison);
    wait_until(Duration::from_secs(20), || place.is(&file, &["COMPLETED"]));
    let before = counts.statements.load(Ordering::Relaxed);
    let commits = counts.commits.load(Ordering::Relaxed);
    lock.rollback().expect("unlocked");
    place.wait_for(&first);
    place.wait_for(&file);
    // One for the row that waited, and one for all others.
    assert_eq!(
        counts.commits.load(Ordering::Relaxed) - commits,
        2,
        "batches"
    );
    counts.statements.load(Ordering::Relaxed) - before
}
