//! For whom it is there: a narrow screen, a keyboard alone, a dark room.

use super::*;
use crate::http::{drop_rows, home, start, wait_until_ready};
use crate::support::database;

/// By how much the page, and a dialog on it, are wider than what is to be seen of them.
fn overflow(browser: &Browser) -> serde_json::Value {
    browser.js(
        "const wider = (it) => it === null ? 0 : it.scrollWidth - it.clientWidth;
         return [document.documentElement, document.querySelector('dialog')].map(wider)",
    )
}

#[test]
fn on_a_narrow_screen_nothing_goes_beyond_its_edge() {
    let database = database();
    let home = home(
        &database,
        &[
            "one",
            "a_pipeline_with_a_name_as_long_as_a_name_may_be_here",
        ],
    );
    let answering = start(&home);
    wait_until_ready(&answering.api);
    let browser = look(&answering, 360, 740);
    let name = format!("{}.csv", "long-".repeat(40));
    drop_rows(&home, "one", &name, 0, 5);
    browser.wait_for_text("#status", "All files loaded");
    browser.wait_for_text("#file-rows", &name);
    browser.wait("document.querySelector('#chart-rows canvas')?.width > 100");
    assert_eq!(overflow(&browser), serde_json::json!([0, 0]));
    assert_eq!(browser.js("return innerWidth"), 360);
    browser.click("//section[@id='files']//button[contains(., 'long-')]");
    browser.wait_for_text("dialog.drawer", "inserted");
    assert_eq!(overflow(&browser), serde_json::json!([0, 0]));
    browser.keys(ESCAPE);
    browser.wait("document.querySelector('dialog') === null");
    // What can be done can be done here, too.
    browser.click(&format!("{}//button[.='Pause']", row("one")));
    browser.wait("document.querySelector('dialog.ask') !== null");
    assert_eq!(
        browser
            .js("return document.querySelector('dialog.ask').getBoundingClientRect().right <= 360"),
        true
    );
    browser.click("//dialog//button[.='Pause']");
    browser.wait_for_text("tr[data-key=one] .state", "paused");
    assert_quiet(&browser, &answering);
    answering.service.stop();
}

/// Goes on with Tab until an expression about `it`, the element with the focus, is true.
fn tab_to(browser: &Browser, expression: &str) {
    for _ in 0..60 {
        browser.keys(TAB);
        let there = browser.js(&format!(
            "const it = document.activeElement; return Boolean({expression})"
        ));
        if there == true {
            return;
        }
    }
    panic!("the keyboard does not lead to {expression}");
}

#[test]
fn a_keyboard_is_enough() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    wait_until_ready(&answering.api);
    let browser = look(&answering, 1360, 1000);
    browser.wait("document.querySelector('tr[data-key=one]') !== null");
    tab_to(&browser, "it.className === 'skip'");
    tab_to(&browser, "it.getAttribute('aria-label') === 'Pause one'");
    // It can be seen where one is.
    let outline = browser.js("return getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(outline, "solid");
    browser.keys(ENTER);
    browser.wait("document.querySelector('dialog:modal') !== null");
    // The focus stays within the dialog: nothing of the page behind it gets it.
    for _ in 0..6 {
        browser.keys(TAB);
        let inside = "const it = document.activeElement; return it === document.body || it.closest('dialog') !== null";
        assert_eq!(browser.js(inside), true);
    }
    browser.keys(ESCAPE);
    browser.wait("document.querySelector('dialog') === null");
    assert_eq!(
        browser.js("return document.activeElement.getAttribute('aria-label')"),
        "Pause one"
    );
    browser.keys(ENTER);
    browser.wait("document.querySelector('dialog:modal') !== null");
    tab_to(
        &browser,
        "it.textContent === 'Pause' && it.closest('dialog') !== null",
    );
    browser.keys(ENTER);
    browser.wait_for_text("tr[data-key=one] .state", "paused");
    answering.service.stop();
}

#[test]
fn light_and_dark_follow_the_system() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let browser = look(&answering, 1360, 1000);
    let grounds = |scheme: &str| {
        browser.prefer("prefers-color-scheme", scheme);
        browser.js("return getComputedStyle(document.body).backgroundColor")
    };
    assert_ne!(grounds("light"), grounds("dark"));
    answering.service.stop();
}
