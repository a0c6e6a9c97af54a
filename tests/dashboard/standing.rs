//! What the line on top says, and what leads on from it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::http::{drop_rows, home, home_with, start, wait_for_archived, wait_until_ready};
use crate::support::database;
use crate::support::home::drop_file;
use rustix::process::Signal;

/// How the page puts a state.
fn words(browser: &Browser, all: &Value) -> Value {
    browser.js_later(&format!(
        "const own = new URL(document.querySelector('script').src);
         import(new URL('findings.js', own)).then((it) => done(it.words({all})), (error) => done(String(error)))"
    ))
}

fn pipeline(name: &str) -> Value {
    json!({"pipeline": name, "state": "running", "wanted": "running", "wanted_by": null, "wanted_at": null,
        "degraded": null, "degraded_at": null, "here": true, "lag_seconds": 0, "freshness_seconds": 30,
        "backlog": {"files": 0, "bytes": 0}, "files": {"quarantined": 0, "failed": 0}})
}

/// A state of so many pipelines, each of which is changed.
fn state(count: usize, change: impl Fn(usize, &mut Value)) -> Value {
    let pipelines = (0..count).map(|number| {
        let mut one = pipeline(&format!("p{number:03}"));
        change(number, &mut one);
        one
    });
    let pipelines: Vec<Value> = pipelines.collect();
    json!({"state": {"at": "2026-01-01T00:00:00Z", "pipelines": pipelines}, "problem": null, "live": true,
        "alerts": [], "silent": 0, "skew": 0})
}

#[test]
fn it_says_what_is_wrong_once_and_counts_what_is_many() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let browser = look(&answering, 1000, 800);
    let say = |all: &Value| {
        let said = words(&browser, all);
        let details = said["details"]
            .as_array()
            .unwrap_or_else(|| panic!("{said}"));
        let texts = details
            .iter()
            .map(|it| it["text"].as_str().expect("a text").to_owned());
        (
            said["line"].as_str().expect("a line").to_owned(),
            texts.collect::<Vec<String>>(),
        )
    };
    let nothing: Vec<String> = Vec::new();
    let all_paused = state(200, |_, it| {
        it["state"] = json!("paused");
        it["wanted"] = json!("paused");
        it["backlog"] = json!({"files": 1, "bytes": 5});
    });
    assert_eq!(
        say(&all_paused),
        (
            "200 pipelines are paused; 200 files wait".to_owned(),
            nothing.clone()
        )
    );
    // One cause is told once, whomever it holds up; that they are late is no second fault.
    let all_stuck = state(200, |_, it| {
        it["degraded"] = json!("disk full");
        it["lag_seconds"] = json!(900);
    });
    assert_eq!(
        say(&all_stuck),
        (
            "200 pipelines can't go on: disk full".to_owned(),
            nothing.clone()
        )
    );
    let two = state(2, |number, it| match number {
        0 => it["files"]["quarantined"] = json!(1),
        _ => {
            it["wanted"] = json!("paused");
            it["backlog"] = json!({"files": 1, "bytes": 5});
        }
    });
    let (line, details) = say(&two);
    assert_eq!(line, "1 file in trouble: p000");
    assert_eq!(details, ["p001 is paused; 1 file waits"]);
    // What is in trouble stays so, though nobody runs its pipeline any more.
    let left = state(1, |_, it| {
        it["state"] = json!("stopped");
        it["files"]["failed"] = json!(2);
    });
    assert_eq!(say(&left).0, "2 files in trouble: p000");
    let history = state(1, |_, it| it["state"] = json!("stopped"));
    assert_eq!(say(&history).0, "No pipeline runs");
    let mut silent = state(1, |_, _| {});
    silent["silent"] = json!(9);
    assert!(
        say(&silent)
            .0
            .starts_with("The service says nothing any more")
    );
    let mut skewed = state(1, |_, _| {});
    skewed["skew"] = json!(3600);
    let (line, details) = say(&skewed);
    assert_eq!(
        line,
        "All files loaded, newest commit less than a minute ago"
    );
    assert!(
        details[0].starts_with("this browser's clock is 60 min behind the service's"),
        "{details:?}"
    );
    answering.service.stop();
}

#[test]
fn a_service_that_says_nothing_any_more_is_not_live() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    wait_until_ready(&answering.api);
    let browser = look(&answering, 1000, 800);
    browser.wait_for_text("#status", "Nothing has arrived yet");
    answering.service.signal(Signal::STOP);
    browser.wait_for_text("#status", "The service says nothing any more");
    browser.wait_for_text("#link-text", "silent, ");
    assert_eq!(
        browser.js("return document.getElementById('link').dataset.level"),
        "bad"
    );
    assert!(browser.text("#link-text").ends_with("s old"));
    answering.service.signal(Signal::CONT);
    browser.wait("document.querySelector('#link-text').textContent === 'live'");
    browser.wait_for_text("#status", "Nothing has arrived yet");
    answering.service.stop();
}

#[test]
fn ages_are_right_whatever_the_browsers_clock_says() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    wait_until_ready(&answering.api);
    let browser = Browser::open(1000, 800);
    browser.before_all("const now = Date.now; Date.now = () => now() - 3600000;");
    browser.go(&url(&answering));
    browser.wait_for_text("#details", "clock is 60 min behind the service's");
    drop_rows(&home, "one", "first.csv", 0, 5);
    browser.wait(
        "document.querySelector('#event-list li:first-child time')?.textContent.endsWith(' s ago')",
    );
    assert_eq!(browser.text("#link-text"), "live");
    answering.service.stop();
}

#[test]
fn what_is_wrong_leads_to_its_files_and_what_holds_them_up() {
    let database = database();
    let home = home_with(&database, &["one", "two"], "");
    let answering = start(&home);
    wait_until_ready(&answering.api);
    let browser = look(&answering, 1360, 1000);
    drop_rows(&home, "two", "good.csv", 0, 5);
    drop_file(&home.directory("inbox/one"), "bad.csv", "id,nothing\n1,2\n");
    browser.wait_for_text("#status", "1 file in trouble: one");
    browser.click("//p[@id='status-lead']//button[.='Show']");
    browser.wait("document.querySelectorAll('#file-rows tr').length === 1");
    browser.wait_for_text("#file-rows", "bad.csv");
    assert_eq!(
        browser.js("return document.activeElement.id"),
        "files-title"
    );
    browser.js("for (const it of document.getElementById('file-filters').elements) it.value = ''; document.getElementById('file-filters').requestSubmit()");
    // The same from the pipeline's own line.
    browser.wait("document.querySelectorAll('#file-rows tr').length === 2");
    browser.click(&format!(
        "{}//td[@data-label='In trouble']//button",
        row("one")
    ));
    browser.wait("document.querySelectorAll('#file-rows tr').length === 1");

    // What arrives while a pipeline is paused waits, though nobody has read it.
    answering.api.post("/api/v1/pipelines/two/pause?wait=30");
    drop_rows(&home, "two", "later.csv", 10, 5);
    browser.wait_for_text("#details", "two is paused by http 127.0.0.1");
    browser.wait_for_text("#details", "; 1 file waits");
    browser.wait("document.querySelector('tr[data-key=two] [data-label=Waiting]').textContent.startsWith('1 ')");
    answering.api.post("/api/v1/pipelines/two/resume?wait=30");
    wait_for_archived(&mut database.client(), 2);

    // A file that takes long says so, and why.
    let mut client = database.client();
    let mut lock = client.transaction().expect("a transaction");
    lock.batch_execute("lock table two").expect("locked");
    drop_rows(&home, "two", "slow.csv", 20, 5);
    browser.wait_for_text("#flight-list", "slow.csv");
    browser.click("//ul[@id='flight-list']//button[.='Why?']");
    browser.wait_for_text("dialog.drawer .because", "Why: ");
    lock.rollback().expect("unlocked");
    // The dialog goes on with the file.
    browser.wait_for_text("dialog.drawer .facts", "archived");
    browser.wait_for_text("dialog.drawer", "ingestd undo");
    assert_quiet(&browser, &answering);
    answering.service.stop();
}

#[test]
fn many_pipelines_can_be_sifted() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    wait_until_ready(&answering.api);
    let mut client = database.client();
    client
        .batch_execute("insert into ingestd.pipelines (name) select 'former_' || lpad(n::text, 3, '0') from generate_series(1, 199) n")
        .expect("pipelines that were there once");
    let browser = look(&answering, 1000, 800);
    browser.wait("document.querySelectorAll('#pipeline-rows tr').length === 200");
    // The one that is run stands on top.
    assert_eq!(
        browser.js("return document.querySelector('#pipeline-rows tr').dataset.key"),
        "one"
    );
    browser.click("//form[@id='pipeline-filters']//input");
    browser.keys("former_04");
    browser.wait("document.querySelectorAll('#pipeline-rows tr').length === 10");
    browser.wait_for_text("#pipelines-sum", "10 of 200");
    browser.keys("x");
    browser.wait("!document.getElementById('no-such-pipelines').hidden");
    answering.service.stop();
}

#[test]
fn a_page_that_was_left_keeps_no_connection() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    wait_until_ready(&answering.api);
    let browser = Browser::open(1000, 800);
    // A browser has six connections to a service, and keeps some of the pages that were left. Each that
    // kept its stream would leave one less, until it has said nothing for 25 seconds.
    let mut slowest = Duration::ZERO;
    for _ in 0..9 {
        browser.go("about:blank");
        let begun = Instant::now();
        browser.go(&url(&answering));
        browser.wait("performance.getEntriesByName('whole').length === 1");
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_secs(20), "{slowest:?}");
    answering.service.stop();
}

#[test]
fn tabs_that_nobody_looks_at_leave_the_connections_to_those_that_somebody_does() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    wait_until_ready(&answering.api);
    let browser = look(&answering, 1000, 800);
    // What it is like where nobody looks at it can be seen from the others.
    browser.js(
        "new MutationObserver(() => { localStorage.first = `${document.hidden} ${document.title}`; })
            .observe(document.querySelector('title'), { childList: true })",
    );
    let first = browser.open_tab();
    // A browser has six connections to a service.
    for tab in 0..6 {
        if tab > 0 {
            browser.open_tab();
        }
        browser.go(&url(&answering));
        browser.wait_for_text("#link-text", "live");
    }
    drop_file(&home.directory("inbox/one"), "bad.csv", "id,nothing\n1,2\n");
    // Its title says so.
    browser.wait("localStorage.first?.startsWith('true ! 1 file in trouble')");
    browser.look_at(&first);
    browser.wait_for_text("#link-text", "live");
    browser.wait_for_text("#event-list", "bad.csv");
    browser.wait_for_text("#file-rows", "bad.csv");
    assert_eq!(browser.js("return document.hidden"), false);
    answering.service.stop();
}

/// Somebody may look at it again while its first glance is on its way: the events since then were lost.
#[test]
fn a_tab_that_has_only_begun_to_rest_misses_nothing_either() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    wait_until_ready(&answering.api);
    let browser = Browser::open(1000, 800);
    browser.before_all(
        "const ask = window.fetch;
         window.fetch = (path, options) => {
             if (path !== '/api/v1/state') return ask(path, options);
             localStorage.glance = 'asked';
             return new Promise((_, fail) => options.signal.addEventListener('abort', () => fail(options.signal.reason)));
         };",
    );
    browser.go(&url(&answering));
    browser.wait_for_text("#link-text", "live");
    let first = browser.open_tab();
    browser.go(&url(&answering));
    browser.wait("localStorage.glance === 'asked'");
    let happens = "insert into ingestd.event_log (kind, pipeline, message)
                   values ('pipeline.paused', 'one', 'by somebody')";
    database.client().batch_execute(happens).expect(happens);
    // Once it was told, nobody is told of it again.
    browser.wait_for_text("#event-list", "by somebody");
    browser.look_at(&first);
    browser.wait_for_text("#event-list", "by somebody");
    answering.service.stop();
}
