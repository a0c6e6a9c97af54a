//! Replays beside others: another replay, a service that loads the same keys, a file that is on its way.

use std::thread;

use super::PATIENCE;
use super::{Shop, assert_figures, text};
use crate::support::home::drop_file;
use crate::support::wait_until;

const MEND: &str = "alter table items drop constraint not_negative";

/// A file of so many records that are all refused.
fn refused(records: usize) -> String {
    let lines = (1..=records).map(|id| format!("{id},letter,-1\n"));
    format!("id,name,amount\n{}", lines.collect::<String>())
}

#[test]
fn of_two_replays_at_once_each_letter_is_one_s() {
    // Without a key in the table a row that is written twice is seen.
    let mut shop = Shop::with_table(
        "create table items (id bigint, name text, amount integer constraint not_negative check (amount >= 0))",
        "",
    );
    shop.load(refused(1200));
    shop.client().batch_execute(MEND).expect(MEND);
    let reports: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| shop.replay(&["--all"])))
            .collect();
        running
            .into_iter()
            .map(|it| it.join().expect("a report"))
            .collect()
    });
    let sum = |name: &str| {
        reports
            .iter()
            .filter_map(|it| it[name].as_u64())
            .sum::<u64>()
    };
    assert_eq!((sum("inserted"), sum("failed")), (1200, 0), "{reports:?}");
    assert_eq!(shop.number("select count(*) from items"), 1200);
    assert_eq!(shop.number("select count(distinct id) from items"), 1200);
    shop.assert_audited();
}

#[test]
fn what_the_service_loads_meanwhile_stands_in_the_end() {
    let mut shop = Shop::new("key = [\"id\"]\nbatch_rows = 200\npartitions = 2");
    shop.load(refused(3000));
    shop.client().batch_execute(MEND).expect(MEND);
    let service = shop.home.run();
    // The same keys, in another order.
    for part in 0..10 {
        let lines = (1..=300)
            .rev()
            .map(|id| format!("{},loaded,{part}\n", part * 300 + id));
        let content = format!("id,name,amount\n{}", lines.collect::<String>());
        drop_file(
            &shop.home.directory("inbox"),
            &format!("new-{part}.csv"),
            &content,
        );
    }
    let report = shop.replay(&["--all"]);
    let of = |name: &str| report[name].as_u64().expect("a number");
    assert_eq!(of("inserted") + of("there"), 3000, "{report}");
    wait_until(PATIENCE, || {
        shop.number("select count(*) from ingestd.files where state in ('COMMITTED', 'ARCHIVED')")
            == 11
    });
    service.stop();
    assert_eq!(shop.number("select count(*) from items"), 3000);
    assert_eq!(
        shop.number("select count(*) from items where name = 'loaded'"),
        3000
    );
    assert_eq!(
        shop.home.log().matches("restarts").count(),
        0,
        "{}",
        shop.home.log()
    );
    shop.assert_audited();
}

#[test]
fn letters_of_a_file_that_may_come_again_wait() {
    let mut shop = Shop::new("key = [\"id\"]\nmax_errors = 1");
    shop.load("id,name,amount\n1,a,-1\n2,b,-2\n3,c,-3\n");
    assert_eq!(
        shop.lines("select state from ingestd.files"),
        ["QUARANTINED"]
    );
    shop.client().batch_execute(MEND).expect(MEND);
    let report = shop.replay(&["--all"]);
    assert!(report["not_ready"].as_u64() >= Some(1), "{report}");
    assert_eq!(report["inserted"], 0);
    assert!(shop.rows().is_empty());
    let said = shop.said(1, &["replay", "--all"]);
    assert!(said.contains("not COMMITTED"), "{said}");
}

#[test]
fn whoever_takes_a_file_s_rows_back_waits_for_the_part_or_the_part_for_it() {
    let mut shop = Shop::new("key = [\"id\"]");
    shop.load(refused(3));
    shop.client().batch_execute(MEND).expect(MEND);
    // As an undo would: it changes the file's row, and takes its time.
    let mut undo = shop.client();
    let mut undoing = undo.transaction().expect("a transaction");
    undoing
        .batch_execute("update ingestd.files set state = 'SKIPPED' where file_id = 1")
        .expect("changed");
    let report = thread::scope(|scope| {
        let replaying = scope.spawn(|| shop.replay(&["--all"]));
        wait_until(PATIENCE, || {
            shop.number("select count(*) from pg_locks where not granted") > 0
        });
        undoing.commit().expect("committed");
        replaying.join().expect("a report")
    });
    assert_figures(&report, &[("not_ready", 3)]);
    assert!(shop.rows().is_empty());
    // Forgotten meanwhile, there is nothing to be done.
    shop.client()
        .batch_execute("delete from ingestd.files")
        .expect("deleted");
    assert!(text(&shop.ask(&["replay", "--all"]).stdout).contains("no dead letters"));
}

#[test]
fn a_deadlock_is_tried_again() {
    let mut shop = Shop::new("key = [\"id\"]");
    shop.load(refused(2));
    shop.client().batch_execute(MEND).expect(MEND);
    let mut other = shop.client();
    let mut first = other.transaction().expect("a transaction");
    first
        .batch_execute(
            "set local deadlock_timeout = '1h'; insert into items values (2, 'other', 2)",
        )
        .expect("a row");
    let report = thread::scope(|scope| {
        let replaying = scope.spawn(|| shop.replay(&["--all"]));
        wait_until(PATIENCE, || {
            shop.number("select count(*) from pg_locks where not granted") > 0
        });
        // The replay holds key 1 and waits for 2: it is the one that notices.
        first
            .batch_execute("insert into items values (1, 'other', 1)")
            .expect("the replay is the victim");
        first.commit().expect("committed");
        replaying.join().expect("a report")
    });
    assert_figures(&report, &[("there", 2)]);
    assert_eq!(shop.rows(), ["1 'other' 1", "2 'other' 2"]);
}
