//! Retried files go on: from their checkpoints, afresh, from where they stand.

use super::*;

#[test]
fn a_file_goes_on_from_its_checkpoints_beside_a_running_service() {
    let shop = Shop::new(SLOW, "batch_rows = 20\n");
    shop.half_way();
    let before = shop.number("select count(*) from events");
    assert!(before > 0 && before < ROWS / 2, "{before}");
    let service = shop.home.run();
    wait_until(TIMEOUT, || {
        shop.number("select count(*) from ingestd.live_instances") == 1
    });
    let (said, code) = shop.retry(&["a.csv"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("goes on from its checkpoints"), "{said}");
    assert!(!said.contains("no service"), "{said}");
    assert!(!said.contains("does not stand in the inbox"), "{said}");
    wait_until(TIMEOUT, || shop.states() == ["ARCHIVED"]);
    service.stop();
    shop.assert_exactly_once();
    assert_eq!(names_in(&shop.at("quarantine/events")), [""; 0]);
    assert_eq!(names_in(&shop.at("archive/events")), ["a.csv"]);
}

/// Such a pipeline has no lease of its own: its instances lease files.
#[test]
fn a_service_that_loads_without_a_key_is_seen_too() {
    let database = database();
    let mut client = database.client();
    client
        .batch_execute("create table events (id int, price int)")
        .expect("a table");
    let home = Home::new(
        Some(&database.url),
        "",
        "[pipelines.events]\ndirectory = \"inbox\"\ntable = \"events\"\n\
         settle = \"10ms\"\nscan_interval = \"50ms\"\n",
    );
    fs::write(home.directory("inbox").join("a.csv"), "id,cost\n1,2\n").expect("written");
    let mut is_quarantined = |file: i64| -> bool {
        let query = "select from ingestd.files
                     where file_id = $1 and state = 'QUARANTINED' and archived_at is not null";
        let row = client.query_opt(query, &[&file]);
        row.is_ok_and(|row| row.is_some())
    };
    let retry = |file: &str| {
        let output = home.ask(&["retry", file]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let service = home.run();
    wait_until(TIMEOUT, || is_quarantined(1));
    let said = retry("1");
    assert!(said.ends_with("as a new file\n"), "{said}");
    wait_until(TIMEOUT, || is_quarantined(2));
    service.stop();
    let said = retry("2");
    assert!(
        said.ends_with("no service runs: `ingestd run` takes it up\n"),
        "{said}"
    );
}

#[test]
fn a_file_of_which_nothing_was_loaded_is_looked_at_afresh() {
    for stays in [false, true] {
        let keys = if stays { "quarantine = false\n" } else { "" };
        let shop = Shop::new("create table events (id int primary key, price int)", keys);
        fs::write(shop.at("inbox/a.csv"), "id,cost\n1,2\nx,3\n").expect("written");
        let service = shop.home.run();
        let gone = || stays || names_in(&shop.at("inbox")).is_empty();
        wait_until(TIMEOUT, || shop.states() == ["QUARANTINED"] && gone());
        service.stop();
        shop.database
            .client()
            .batch_execute("alter table events rename price to cost")
            .expect("altered");
        let service = shop.home.run();
        let leased = "select count(*) from ingestd.live_instances";
        wait_until(TIMEOUT, || shop.number(leased) == 1);
        let (said, code) = shop.retry(&["--all"]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("looked at afresh"), "{said}");
        wait_until(TIMEOUT, || shop.states() == ["SKIPPED", "ARCHIVED"]);
        service.stop();
        assert_eq!(shop.number("select count(*) from events"), 1);
        assert_eq!(shop.number("select count(*) from ingestd.dead_letters"), 1);
        let (said, code) = shop.retry(&["--all"]);
        assert_eq!((code, said.as_str()), (Some(0), "no file is QUARANTINED\n"));
    }
}

/// Whoever shares a pipeline has no lease of it alone.
#[test]
fn a_service_that_shares_its_pipeline_is_seen_to_run() {
    let shop = Shop::new("create table events (id int, price int)", "");
    shop.home.replace("key = [\"id\"]\n", "");
    fs::write(shop.at("inbox/a.csv"), "id,cost\n1,2\n").expect("written");
    let service = shop.home.run();
    let left = "select count(*) from ingestd.files where archived_at is not null";
    wait_until(TIMEOUT, || shop.number(left) == 1);
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("no service runs"), "{said}");
    service.stop();
}

/// A file that was loaded by its name has no place in the inbox.
#[test]
fn a_file_that_was_named_from_elsewhere_stays_there() {
    let shop = Shop::new("create table events (id int primary key, price int)", "");
    let file = shop.home.data().join("mine.csv");
    fs::write(&file, "id,cost\n1,2\n").expect("written");
    let load = || {
        let output = shop.home.ask(&["load", file.to_str().expect("plain")]);
        output.status.code()
    };
    assert_eq!(load(), Some(1));
    assert_eq!(shop.states(), ["QUARANTINED"]);
    let mut client = shop.database.client();
    client
        .batch_execute("alter table events rename price to cost")
        .expect("altered");
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("does not stand in the inbox"), "{said}");
    assert!(file.exists() && names_in(&shop.at("inbox")).is_empty());
    assert_eq!(load(), Some(0));
    assert_eq!(shop.states(), ["SKIPPED", "COMMITTED"]);
    // One that is being loaded from elsewhere is left alone too.
    client
        .batch_execute(
            "update ingestd.files set state = 'READING', load_path = path where file_id = 2",
        )
        .expect("unfinished");
    let (said, code) = shop.retry(&["2"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("on its way already"), "{said}");
    assert!(file.exists() && names_in(&shop.at("inbox")).is_empty());
}
