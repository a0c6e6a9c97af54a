//! A retry beside the archive: its moves, and its retention.

use super::*;

/// It was moved into the quarantine all the same, and nobody read it there.
#[test]
fn a_file_that_is_retried_before_it_was_moved_away_stays_and_goes_on() {
    let shop = Shop::new(SLOW, "batch_rows = 20\n");
    shop.half_way_and(|| {
        let (said, code) = shop.retry(&["1"]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("goes on"), "{said}");
    });
    assert_eq!(shop.states(), ["READING"]);
    assert_eq!(names_in(&shop.at("inbox")), ["a.csv"]);
    shop.finish();
    shop.assert_exactly_once();
}

#[test]
fn a_file_whose_move_begins_while_it_is_looked_at_is_not_retried() {
    let shop = Shop::new(SLOW, "batch_rows = 20\n");
    shop.half_way_and(|| {
        let mut client = shop.database.client();
        let mut service = client.transaction().expect("a transaction");
        // As a service does that has just started.
        let begin = "update ingestd.files set archive_path = '/somewhere/a.csv'";
        service.batch_execute(begin).expect("begun");
        std::thread::scope(|scope| {
            let retry = scope.spawn(|| shop.retry(&["1"]));
            wait_until(TIMEOUT, || shop.number(WAITING) > 0);
            service.commit().expect("committed");
            let (said, code) = retry.join().expect("ended");
            assert_ne!(code, Some(0), "{said}");
            assert!(said.contains("has just changed its state"), "{said}");
        });
        assert_eq!(shop.states(), ["QUARANTINED"]);
        let back = "update ingestd.files set archive_path = null";
        client.batch_execute(back).expect("as it was");
    });
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(0), "{said}");
    shop.finish();
    shop.assert_exactly_once();
}

/// Nothing of it was loaded: it is SKIPPED for the new file that it is to be, and stands in the
/// quarantine until it is moved. It was taken for one of the archive's.
#[test]
fn the_archives_retention_leaves_a_file_alone_that_a_killed_retry_has_left_in_the_quarantine() {
    let table = "create table events (id int primary key, price int)";
    let shop = Shop::new(table, "archive_retention = \"1h\"\n");
    fs::write(shop.at("inbox/a.csv"), "id,cost\n1,2\n").expect("written");
    fs::write(shop.at("inbox/b.csv"), "id,price\n2,2\n").expect("written");
    let service = shop.home.run();
    let left = "select count(*) from ingestd.files where archived_at is not null";
    wait_until(TIMEOUT, || shop.number(left) == 2);
    service.stop();
    let (pipeline, mut client) = (shop.pipeline(), shop.database.client());
    client
        .batch_execute(
            "update ingestd.files set archived_at = archived_at - interval '2 hours';
             alter table events rename price to cost",
        )
        .expect("time has passed");
    let mut retry = Retry::new(1, &pipeline);
    for _ in 0..2 {
        retry.advance(&mut client).expect("a step");
    }
    assert_eq!(shop.states(), ["SKIPPED", "ARCHIVED"]);
    let service = shop.home.run();
    let archive = shop.at("archive/events");
    wait_until(TIMEOUT, || names_in(&archive).is_empty());
    assert_eq!(names_in(&shop.at("quarantine/events")), ["a.csv"]);
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(0), "{said}");
    wait_until(TIMEOUT, || {
        shop.states() == ["SKIPPED", "ARCHIVED", "ARCHIVED"]
    });
    service.stop();
    assert_eq!(shop.number("select count(*) from events"), 2);
}

/// It is locked until its removal is noted: a retry in between found it in the ledger, and lost it.
#[test]
fn a_file_that_the_quarantines_retention_is_removing_is_not_retried() {
    let shop = Shop::new(SLOW, "batch_rows = 20\nquarantine_retention = \"1h\"\n");
    shop.half_way();
    let mut client = shop.database.client();
    // The note of the removal takes until the lock is free; the file is gone by then.
    client
        .batch_execute(
            "update ingestd.files set archived_at = archived_at - interval '2 hours';
             create function wait() returns trigger language plpgsql as
                 $$ begin perform pg_advisory_xact_lock(1); return new; end $$;
             create trigger wait before update of archive_removed_at on ingestd.files
                 for each row execute function wait()",
        )
        .expect("time has passed");
    let quarantine = shop.at("quarantine/events");
    let file = fs::read(quarantine.join("a.csv")).expect("there");
    let mut lock = client.transaction().expect("a transaction");
    lock.batch_execute("select pg_advisory_xact_lock(1)")
        .expect("locked");
    let service = shop.home.run();
    wait_until(TIMEOUT, || names_in(&quarantine).is_empty());
    // As it stands there while the sweeper looks at it.
    fs::write(quarantine.join("a.csv"), file).expect("written");
    std::thread::scope(|scope| {
        let retry = scope.spawn(|| shop.retry(&["1"]));
        wait_until(TIMEOUT, || shop.number(WAITING) > 1 || retry.is_finished());
        lock.rollback().expect("released");
        let (said, code) = retry.join().expect("ended");
        assert_ne!(code, Some(0), "{said}");
    });
    assert_eq!(shop.states(), ["QUARANTINED"]);
    service.stop();
}
