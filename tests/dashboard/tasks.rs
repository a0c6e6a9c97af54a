//! What an operator does.

use super::*;
use crate::http::{drop_rows, home, start, start_with, wait_for_archived, wait_until_ready};
use crate::support::home::drop_file;
use crate::support::{PATIENCE, database, wait_until};

#[test]
fn a_file_is_seen_to_load_and_a_pipeline_is_paused_and_let_go_on() {
    let database = database();
    let home = home(&database, &["one", "two"]);
    let answering = start(&home);
    wait_until_ready(&answering.api);
    let browser = look(&answering, 1360, 1000);
    browser.js("window.same = true");
    browser.wait_for_text("#status", "Nothing has arrived yet");
    drop_rows(&home, "one", "first.csv", 0, 5);
    browser.wait_for_text("#status", "All files loaded");
    browser.wait_for_text("#event-list", "first.csv");
    browser.wait_for_text("#file-rows", "first.csv");
    browser.wait(
        "document.querySelector('tr[data-key=\"one\"] [data-label=Loaded]').textContent === '1'",
    );
    // The charts come once all else is there, and say what they show to those who can't see it.
    browser.wait("document.querySelector('#chart-rows canvas')?.width > 300");
    browser.wait("document.querySelector('#chart-backlog canvas')?.getAttribute('aria-label').includes('0 now')");
    browser.wait_for_text("#tree-root", "file reader");

    // One of them, stage by stage.
    browser.click("//section[@id='files']//button[.='first.csv']");
    browser.wait_for_text("dialog.drawer", "committed");
    browser.wait_for_text("dialog.drawer", "inserted");
    browser.click("//dialog//button[.='Close']");
    browser.wait("document.querySelector('dialog') === null");
    assert_eq!(
        browser.js("return document.activeElement.textContent"),
        "first.csv"
    );

    // It asks before it pauses, and whoever thinks better of it has changed nothing.
    browser.click(&format!("{}//button[.='Pause']", row("one")));
    browser.click("//dialog//button[.='Cancel']");
    browser.wait("document.querySelector('dialog') === null");
    let mut client = database.client();
    let mut wanted = || -> (String, Option<String>) {
        let query = "select wanted, wanted_by from ingestd.pipelines where name = 'one'";
        let row = client.query_one(query, &[]).expect("a pipeline");
        (row.get(0), row.get(1))
    };
    assert_eq!(wanted().0, "running");
    browser.click(&format!("{}//button[.='Pause']", row("one")));
    browser.click("//dialog//button[.='Pause']");
    browser.wait_for_text("tr[data-key=one] .state", "paused");
    assert_eq!(
        wanted(),
        ("paused".to_owned(), Some("http 127.0.0.1".to_owned()))
    );
    browser.wait_for_text("#status", "One is paused by http 127.0.0.1");
    browser.wait_for_text("#event-list", "pipeline paused");
    drop_rows(&home, "one", "second.csv", 10, 5);
    drop_rows(&home, "two", "other.csv", 10, 5);
    wait_for_archived(&mut database.client(), 2);
    browser.click(&format!("{}//button[.='Resume']", row("one")));
    wait_for_archived(&mut database.client(), 3);
    browser.wait_for_text("#status", "All files loaded");
    browser.wait(
        "document.querySelector('tr[data-key=\"one\"] [data-label=Loaded]').textContent === '2'",
    );
    browser.click(&format!("{}//button[.='Rescan']", row("one")));
    assert_eq!(
        browser.js("return window.same"),
        true,
        "the page was never loaded again"
    );
    assert_quiet(&browser, &answering);
    answering.service.stop();
}

#[test]
fn a_quarantined_file_is_seen_found_and_retried() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    wait_until_ready(&answering.api);
    let browser = look(&answering, 1360, 1000);
    drop_rows(&home, "one", "good.csv", 0, 5);
    drop_file(&home.directory("inbox/one"), "bad.csv", "id,nothing\n1,2\n");
    browser.wait_for_text("#status", "1 file in trouble: one");
    assert_eq!(
        browser.js("return document.getElementById('status').dataset.level"),
        "bad"
    );
    // It is found among the others.
    browser.js("const form = document.getElementById('file-filters'); form.elements.state.value = 'QUARANTINED'; form.dispatchEvent(new Event('input'))");
    browser.wait("document.querySelectorAll('#file-rows tr').length === 1");
    browser.wait_for_text("#file-rows", "bad.csv");
    browser.wait_for_text("#file-rows", "nothing");
    let moved = "select from ingestd.files where state = 'QUARANTINED' and archived_at is not null";
    let mut client = database.client();
    wait_until(PATIENCE, || {
        client.query(moved, &[]).is_ok_and(|rows| rows.len() == 1)
    });
    // What is wrong with it is still wrong, and the page says so.
    browser.click("//section[@id='files']//button[.='bad.csv']");
    browser.wait_for_text("dialog.drawer", "quarantined");
    client
        .batch_execute("alter table one add column nothing text")
        .expect("mended");
    browser.click("//dialog[@class='drawer']//button[.='Retry']");
    browser.click("//dialog[@class='ask']//button[.='Retry']");
    wait_for_archived(&mut client, 2);
    browser.keys(ESCAPE);
    browser.wait_for_text("#status", "All files loaded");
    assert_quiet(&browser, &answering);
    answering.service.stop();
}

#[test]
fn the_page_says_when_it_is_cut_off_and_comes_back_by_itself() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    wait_until_ready(&answering.api);
    let browser = look(&answering, 1000, 800);
    drop_rows(&home, "one", "first.csv", 0, 5);
    browser.wait_for_text("#file-rows", "first.csv");
    browser.js("window.same = true");
    let address = answering.api.address.clone();
    answering.service.stop();
    browser.wait_for_text("#link-text", "cut off");
    browser.wait_for_text("#status", "Cut off from the service");
    // What was known stands there still.
    assert!(browser.text("#file-rows").contains("first.csv"));
    let again = start_with(&home, &[("INGESTD__HTTP__LISTEN", &address)]);
    browser.wait_for_text("#link-text", "live");
    drop_rows(&home, "one", "second.csv", 10, 5);
    browser.wait_for_text("#event-list", "second.csv");
    browser.wait_for_text("#status", "All files loaded");
    assert_eq!(browser.js("return window.same"), true);
    again.service.stop();
}
