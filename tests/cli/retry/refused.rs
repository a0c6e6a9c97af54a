//! What can't go on is refused, and stays as it is.

use super::*;

#[test]
fn what_can_not_go_on_is_refused_and_stays_as_it_is() {
    let shop = Shop::new(SLOW, "batch_rows = 20\n");
    shop.half_way();
    let file = shop.at("quarantine/events/a.csv");
    let whole = fs::read(&file).expect("there");
    let refused = |hint: &str, arguments: &[&str]| {
        let (said, code) = shop.retry(arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(hint), "{hint}: {said}");
        assert_eq!(shop.states(), ["QUARANTINED"]);
    };
    fs::write(shop.at("inbox/a.csv"), "id,price\n").expect("written");
    refused("another file stands there", &["1"]);
    fs::remove_file(shop.at("inbox/a.csv")).expect("removed");
    let mut changed = whole.clone();
    changed[12] = b'7';
    fs::write(&file, &changed).expect("written");
    refused("its content has changed", &["1"]);
    fs::remove_file(&file).expect("removed");
    refused("is gone", &["1"]);
    refused("no file 77", &["77"]);
    refused("did you mean \"a.csv\"?", &["b.csv"]);
    fs::write(&file, &whole).expect("written");
    let mut client = shop.database.client();
    let mut older = |statement: &str| client.batch_execute(statement).expect(statement);
    older(
        "create table kept as select * from ingestd.checkpoints; delete from ingestd.checkpoints",
    );
    refused("kept no checkpoints", &["1"]);
    older("insert into ingestd.checkpoints select * from kept; drop table kept");
    let mut rename = |name: &str| {
        let statement = format!("update ingestd.files set pipeline = '{name}'");
        client.batch_execute(&statement).expect("renamed");
    };
    rename("gone");
    refused("not configured", &["1"]);
    rename("events");
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(0), "the content is what it was: {said}");
    shop.finish();
    shop.assert_exactly_once();
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("ARCHIVED: all of it is loaded"), "{said}");
    client
        .batch_execute("update ingestd.files set state = 'FAILED', reason = 'lost'")
        .expect("failed");
    let (said, code) = shop.retry(&["--all", "--state", "failed"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("a.csv --pipeline events --again`"), "{said}");
}

/// What stands there was touched, and so it was loaded once more where `redropped` says so.
#[test]
fn a_file_whose_place_another_one_has_taken_is_refused() {
    let table = "create table events (id int primary key, price int)";
    let keys = "archive = false\nquarantine = false\nredropped = { same = \"reload\" }\n";
    let shop = Shop::new(table, keys);
    let path = shop.at("inbox/a.csv");
    fs::write(&path, "id,cost\n1,2\n").expect("written");
    let service = shop.home.run();
    wait_until(TIMEOUT, || shop.states() == ["QUARANTINED"]);
    fs::write(&path, "id,price\n1,2\n").expect("written");
    wait_until(TIMEOUT, || shop.states() == ["QUARANTINED", "COMMITTED"]);
    service.stop();
    let before = fs::metadata(&path).and_then(|found| found.modified());
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("file 2 stands at"), "{said}");
    let after = fs::metadata(&path).and_then(|found| found.modified());
    assert_eq!(before.expect("there"), after.expect("there"));
    assert_eq!(shop.states(), ["QUARANTINED", "COMMITTED"]);
}

/// Looked at afresh, it would be loaded from its start, which is in the table.
#[test]
fn a_file_that_begins_with_what_is_loaded_is_refused() {
    let table = "create table events (id int primary key, price int)";
    let shop = Shop::new(table, "archive = false\n");
    let path = shop.at("inbox/a.csv");
    fs::write(&path, "id,price\n1,1").expect("written");
    let service = shop.home.run();
    wait_until(TIMEOUT, || shop.states() == ["COMMITTED"]);
    fs::write(&path, "id,price\n1,12\n2,2\n").expect("written");
    wait_until(TIMEOUT, || {
        shop.number("select count(*) from ingestd.files where state = 'QUARANTINED' and archived_at is not null") == 1
    });
    service.stop();
    let (said, code) = shop.retry(&["2"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("begins with what is loaded as file 1"),
        "{said}"
    );
    assert!(names_in(&shop.at("inbox")).is_empty());
}
