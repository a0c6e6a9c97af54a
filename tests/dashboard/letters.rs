//! Dead letters: from the group to the record, and away.

use super::*;
use crate::http::{home, start, wait_for_archived, wait_until_ready};
use crate::support::database;
use crate::support::home::drop_file;

#[test]
fn a_record_is_found_by_its_reason_seen_with_its_fault_discarded_and_replayed() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    wait_until_ready(&answering.api);
    let browser = look(&answering, 1360, 1000);
    let text =
        "id,note\n1,good\nx,<img src=q onerror=window.hit=1>\u{202e}\u{1b}</script>\ny,2\n3,a,b\n";
    drop_file(&home.directory("inbox/one"), "letters.csv", text);
    wait_for_archived(&mut database.client(), 1);
    browser.wait_for_text("#letters-sum", "3 new");
    browser.wait_for_text("#letter-groups", "invalid value");
    browser.click("//section[@id='letters']//button[.='invalid value']");
    browser.wait("document.querySelectorAll('dialog .letters > li').length === 2");
    browser.click("(//dialog//summary)[1]");
    browser.wait_for_text("dialog pre.record mark", "x");
    let record = browser.text("dialog pre.record");
    assert_eq!(
        record,
        "x,<img src=q onerror=window.hit=1>\\u{202e}\\u{1b}</script>"
    );
    assert!(
        browser.text("dialog .letter").contains("bigint"),
        "what would have been right"
    );
    browser.click("//dialog//summary[.='Its fields']");
    browser.wait_for_text("dialog .fields tr.bad", "at fault");
    assert!(browser.text("dialog .fields tr.bad").starts_with("id"));

    // Nobody needs it: it asks why.
    browser.click("//dialog//div[@class='letter']//button[.='Discard']");
    browser.wait("document.querySelector('dialog.ask input[name=because]') !== null");
    browser.keys("a test");
    browser.click("//dialog[@class='ask']//button[.='Discard']");
    browser.wait("document.querySelectorAll('dialog .letters > li').length === 1");
    let mut client = database.client();
    let query = "select status, resolved_by, resolution from ingestd.dead_letters where record = 2";
    let row = client.query_one(query, &[]).expect("it is kept");
    let row: (String, String, String) = (row.get(0), row.get(1), row.get(2));
    let expected = ("DISCARDED", "http 127.0.0.1", "a test");
    assert_eq!((row.0.as_str(), row.1.as_str(), row.2.as_str()), expected);

    // The other one would be taken now.
    client
        .batch_execute("alter table one alter column id type text")
        .expect("altered");
    browser.click("//dialog//button[.='Replay all of these']");
    browser.click("//dialog[@class='ask']//button[.='Replay']");
    browser.wait_for_text("dialog.ask", "1 resolved");
    browser.click("//dialog[@class='ask']//button[.='Close']");
    browser.wait_for_text("dialog.drawer", "None of them is new any more");
    browser.keys(ESCAPE);
    browser.wait("document.querySelector('dialog') === null");
    browser.wait_for_text("#letters-sum", "1 new");
    let rows = client.query("select from one where id = 'y'", &[]);
    assert_eq!(rows.expect("rows").len(), 1);
    // Nothing of the record has become an element, or has run.
    assert_eq!(browser.js("return document.images.length"), 1);
    assert_eq!(
        browser.js("return window.hit ?? null"),
        serde_json::Value::Null
    );
    assert_quiet(&browser, &answering);
    answering.service.stop();
}
