//! How the page is handed out, and to whom.

use super::*;
use crate::http::{home, start, start_with, wait_until_ready};
use crate::support::database;

#[test]
fn the_page_comes_with_a_strict_policy_and_its_files_are_kept() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let api = &answering.api;
    let page = api.get("/");
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    // What a browser has is not sent again.
    let etag = page.header("etag").expect("a tag");
    let again = api.ask("GET /", &[("If-None-Match", etag)], "");
    assert_eq!((again.status, again.body.len()), (304, 0));
    let (_, rest) = page.body.split_once("/assets/").expect("assets");
    let digest = rest.split('/').next().expect("a digest");
    for (name, kind) in [
        ("main.js", "text/javascript; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
        ("chart.umd.js", "text/javascript; charset=utf-8"),
    ] {
        let asset = api.get(&format!("/assets/{digest}/{name}"));
        assert_eq!(asset.status, 200, "{name}");
        assert_eq!(asset.header("content-type"), Some(kind), "{name}");
        assert!(
            asset
                .header("cache-control")
                .is_some_and(|it| it.contains("immutable")),
            "{name}"
        );
        assert_eq!(asset.header("content-encoding"), None);
    }
    // Of another program than this one there is nothing.
    assert_eq!(api.get("/assets/0000/main.js").problem()["status"], 404);
    assert_eq!(
        api.get(&format!("/assets/{digest}/nothing.js")).problem()["status"],
        404
    );
    let posted = api.post("/").problem();
    assert_eq!(posted["status"], 405);
    // A name that leads here from elsewhere (DNS rebinding) gets no page, either.
    let other = api.ask("GET /", &[("Host", "evil.example")], "");
    assert_eq!(other.problem()["status"], 421);
    answering.service.stop();
}

#[test]
fn where_a_token_is_wanted_the_page_asks_for_it_and_keeps_it_for_the_tab_alone() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start_with(&home, &[("INGESTD_HTTP_TOKEN", "s3cret-of-ours")]);
    let browser = Browser::open(1000, 800);
    browser.go(&url(&answering));
    browser.wait_for_text("dialog h2", "A token is needed");
    // Without it nothing is to be seen, and it can't be got around.
    browser.keys(ESCAPE);
    browser.wait_for_text("dialog h2", "A token is needed");
    assert!(!browser.text("#pipeline-rows").contains("one"));
    browser.click("//dialog//input");
    browser.keys(&format!("another{ENTER}"));
    browser.wait_for_text("dialog", "has refused that token");
    browser.click("//dialog//input");
    browser.keys(&format!("s3cret-of-ours{ENTER}"));
    browser.wait_for_text("#link-text", "live");
    browser.wait_for_text("#pipeline-rows", "one");
    browser.wait_for_text("#tree-root", "file reader");
    assert_eq!(
        browser
            .js("return document.cookie + JSON.stringify(localStorage) + location.href")
            .as_str()
            .map(|it| it.contains("s3cret")),
        Some(false)
    );
    // Whoever loads the page again in this tab is not asked again.
    browser.go(&url(&answering));
    browser.wait_for_text("#link-text", "live");
    assert!(browser.requests().iter().all(|it| !it.contains("s3cret")));
    answering.service.stop();
}

#[test]
fn the_tree_is_told_with_its_parts() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let api = &answering.api;
    wait_until_ready(api);
    crate::http::drop_rows(&home, "one", "1.csv", 0, 5);
    crate::http::wait_for_archived(&mut database.client(), 1);
    let tree = api.json("/api/v1/tree");
    assert!(tree["process"].as_u64().is_some_and(|it| it > 0));
    assert_eq!(tree["children"][0]["child"], "control");
    let one = &tree["pipelines"][0];
    assert_eq!(one["pipeline"], "one");
    let children = one["children"].as_array().expect("children");
    let names: Vec<&str> = children
        .iter()
        .filter_map(|it| it["child"].as_str())
        .collect();
    assert!(
        names.contains(&"file reader") && names.contains(&"checkpointer"),
        "{names:?}"
    );
    assert!(children.iter().all(|it| it["restarts"] == 0));
    assert_eq!(one["drop_to_commit"]["count"], 1);
    assert!(
        one["drop_to_commit"]["seconds"]
            .as_f64()
            .is_some_and(|it| it > 0.0)
    );
    let writers = one["writers"].as_array().expect("writers");
    let batches: u64 = writers.iter().filter_map(|it| it["batches"].as_u64()).sum();
    assert_eq!(batches, 1, "{one}");
    // What waits is told with the state.
    let state = api.json("/api/v1/state");
    assert_eq!(state["in_flight"], serde_json::json!([]));
    answering.service.stop();
}
