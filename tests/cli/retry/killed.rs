//! A retry is killed, at any of its steps.

use super::*;

/// Whatever step it is killed after: typed again, or with nothing but the next life of the service.
#[test]
fn a_retry_that_is_killed_at_any_step_loses_and_doubles_nothing() {
    for again in [true, false] {
        for steps in 0..=3 {
            let shop = Shop::new(SLOW, "batch_rows = 20\n");
            shop.half_way();
            let (pipeline, mut client) = (shop.pipeline(), shop.database.client());
            let mut retry = Retry::new(1, &pipeline);
            let mut last = None;
            for _ in 0..steps {
                last = retry.advance(&mut client).expect("a step");
            }
            assert_eq!(last.is_some(), steps == 3, "there are three steps");
            let begun = shop.states() != ["QUARANTINED"];
            assert_eq!(begun, steps >= 2);
            if again {
                let (said, code) = shop.retry(&["--all"]);
                assert_eq!(code, Some(0), "{said}");
                let (said, code) = shop.retry(&["1"]);
                assert_eq!(code, Some(0), "after {steps} steps: {said}");
            }
            shop.finish();
            if again || begun {
                shop.assert_exactly_once();
            } else {
                assert_eq!(shop.states(), ["QUARANTINED"]);
            }
        }
    }
}

/// It goes on by the ledger, but stands in the quarantine, where a service that runs does not look.
#[test]
fn a_killed_retry_of_all_is_ended_by_the_next_beside_a_running_service() {
    let shop = Shop::new(SLOW, "batch_rows = 20\n");
    shop.half_way();
    let service = shop.home.run();
    let lives = "select count(*) from ingestd.live_instances";
    wait_until(TIMEOUT, || shop.number(lives) == 1);
    wait_until(TIMEOUT, || {
        shop.home.log().matches("\"msg\":\"ready\"").count() == 2
    });
    let (pipeline, mut client) = (shop.pipeline(), shop.database.client());
    let mut retry = Retry::new(1, &pipeline);
    for _ in 0..2 {
        retry.advance(&mut client).expect("a step");
    }
    assert_eq!(shop.states(), ["READING"]);
    let (said, code) = shop.retry(&["--all"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("is on its way"), "{said}");
    wait_until(TIMEOUT, || shop.states() == ["ARCHIVED"]);
    service.stop();
    shop.assert_exactly_once();
    assert_eq!(names_in(&shop.at("quarantine/events")), [""; 0]);
}

/// In the middle of the move the file has a private name.
#[test]
fn a_retry_that_is_killed_in_the_middle_of_its_move_goes_on() {
    let shop = Shop::new(SLOW, "batch_rows = 20\n");
    shop.half_way();
    let (pipeline, mut client) = (shop.pipeline(), shop.database.client());
    let mut retry = Retry::new(1, &pipeline);
    for _ in 0..2 {
        retry.advance(&mut client).expect("a step");
    }
    let quarantine = shop.at("quarantine/events");
    fs::rename(
        quarantine.join("a.csv"),
        quarantine.join(".ingestd-1.moving"),
    )
    .expect("taken");
    // A file of that name that comes meanwhile is not replaced.
    fs::write(shop.at("inbox/a.csv"), "id,price\n").expect("written");
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("another file stands there by now"), "{said}");
    fs::remove_file(shop.at("inbox/a.csv")).expect("removed");
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(names_in(&quarantine), [""; 0]);
    shop.finish();
    shop.assert_exactly_once();
}

#[test]
fn a_retry_that_is_killed_while_it_waits_for_the_ledger_changes_nothing() {
    let shop = Shop::new(SLOW, "batch_rows = 20\n");
    shop.half_way();
    let mut client = shop.database.client();
    let mut lock = client.transaction().expect("a transaction");
    lock.batch_execute("lock table ingestd.files in exclusive mode")
        .expect("locked");
    let waiting = shop.home.start(&["retry", "1"]);
    wait_until(TIMEOUT, || {
        shop.number("select count(*) from pg_locks where not granted") > 0
    });
    waiting.kill();
    lock.rollback().expect("released");
    assert_eq!(shop.states(), ["QUARANTINED"]);
    assert!(shop.at("quarantine/events/a.csv").exists());
    let (said, code) = shop.retry(&["1", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let report: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(report[0]["outcome"], "goes_on");
    shop.finish();
    shop.assert_exactly_once();
}

#[test]
fn afresh_too_it_may_be_killed_at_any_step() {
    for steps in 0..=3 {
        let shop = Shop::new("create table events (id int primary key, price int)", "");
        fs::write(shop.at("inbox/a.csv"), "id,cost\n1,2\n").expect("written");
        shop.finish();
        wait_until(TIMEOUT, || shop.states() == ["QUARANTINED"]);
        let mut client = shop.database.client();
        client
            .batch_execute("alter table events rename price to cost")
            .expect("altered");
        let pipeline = shop.pipeline();
        let mut retry = Retry::new(1, &pipeline);
        for step in 1..=steps {
            let retried = retry.advance(&mut client).expect("a step");
            assert_eq!(retried, (step == 3).then_some(Retried::Afresh));
        }
        let (said, code) = shop.retry(&["1"]);
        assert_eq!(code, Some(0), "after {steps} steps: {said}");
        shop.finish();
        assert_eq!(
            shop.states(),
            ["SKIPPED", "ARCHIVED"],
            "after {steps} steps"
        );
        assert_eq!(shop.number("select count(*) from events"), 1);
    }
}
