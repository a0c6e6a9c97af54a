//! What comes from outside is text, whatever it looks like.

use super::*;
use crate::http::{drop_rows, home, start, wait_until_ready};
use crate::support::database;
use crate::support::home::drop_file;

const MARKUP: &str = "<img src=x onerror=window.hit=1>";
const TURNED: &str = "\u{202e}vsc.exe";

#[test]
fn names_of_files_and_values_stay_text() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    wait_until_ready(&answering.api);
    let browser = look(&answering, 1360, 1000);
    let name = format!("{MARKUP}{TURNED}\u{7}.csv");
    drop_rows(&home, "one", &name, 0, 5);
    // A header that becomes the reason of a quarantine.
    let header = "id,</script><script>window.hit=2</script>\n1,2\n";
    drop_file(&home.directory("inbox/one"), "header.csv", header);
    let shown = format!("{MARKUP}\\u202evsc.exe\\x07.csv");
    browser.wait_for_text("#file-rows", &shown);
    browser.wait_for_text("#event-list", &shown);
    browser.wait_for_text("#file-rows", "</script><script>window.hit=2</script>");
    // As its drawer shows it.
    browser.click(&format!(
        "//section[@id='files']//button[contains(., '{MARKUP}')]"
    ));
    browser.wait_for_text("dialog.drawer .big", &shown);
    browser.wait_for_text("dialog.drawer", "inserted");
    // Nothing has become an element, and nothing has run.
    assert_eq!(
        browser.js("return [...document.images].map((it) => it.getAttribute('alt'))"),
        serde_json::json!([""])
    );
    assert_eq!(browser.js("return document.scripts.length"), 1);
    assert_eq!(
        browser.js("return window.hit ?? null"),
        serde_json::Value::Null
    );
    // And where a script had a fault, the policy would stand in its way.
    let refused = browser.js(
        "try { document.createElement('p').innerHTML = '<b>'; return 'taken'; } catch (error) { return error.name; }",
    );
    assert_eq!(refused, "TypeError");
    let complaints = browser.complaints();
    assert!(
        complaints.iter().all(|it| it.contains("TrustedHTML")),
        "{complaints:?}"
    );
    answering.service.stop();
}
