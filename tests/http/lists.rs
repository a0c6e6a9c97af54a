//! Files and events, page by page.

use std::collections::BTreeSet;

use super::*;
use crate::support::database;

/// All pages of a list, to the end.
fn pages(api: &Api, path: &str, list: &str, mut between: impl FnMut()) -> Vec<serde_json::Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.json(&format!("{path}{cursor}"));
        all.extend(page[list].as_array().expect("a list").iter().cloned());
        between();
        let next = match &page["next"] {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Number(number) => number.to_string(),
            _ => return all,
        };
        cursor = format!("&cursor={next}");
    }
}

#[test]
fn pages_have_no_gaps_and_no_doubles_while_files_arrive() {
    let database = database();
    let home = home(&database, &["one", "two"]);
    let answering = start(&home);
    let api = &answering.api;
    wait_until_ready(api);
    let mut client = database.client();
    for number in 0..20 {
        drop_rows(&home, "one", &format!("{number:03}.csv"), number * 10, 3);
    }
    wait_for_archived(&mut client, 20);
    let mut more = 20;
    let mut arrive = || {
        drop_rows(&home, "two", &format!("{more:03}.csv"), more * 10, 3);
        more += 1;
        wait_for_archived(&mut client, more as i64);
    };
    let files = pages(api, "/api/v1/files?limit=3", "files", &mut arrive);
    let numbers: Vec<i64> = files
        .iter()
        .map(|it| it["file"].as_i64().expect("a number"))
        .collect();
    assert!(numbers.is_sorted_by(|a, b| a > b), "{numbers:?}");
    let distinct: BTreeSet<i64> = numbers.iter().copied().collect();
    assert!((1..=20).all(|file| distinct.contains(&file)), "{numbers:?}");
    let events = pages(api, "/api/v1/events?limit=3", "events", &mut arrive);
    let ids: Vec<&str> = events
        .iter()
        .map(|it| it["id"].as_str().expect("an id"))
        .collect();
    let distinct: BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
    let of_files: BTreeSet<i64> = events.iter().filter_map(|it| it["file"].as_i64()).collect();
    assert!(
        (1..=20).all(|file| of_files.contains(&file)),
        "{of_files:?}"
    );
    let times: Vec<&str> = events
        .iter()
        .map(|it| it["at"].as_str().expect("a time"))
        .collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");

    let named = api.json("/api/v1/files?name=00*.csv&state=archived&since=1h");
    assert_eq!(named["files"].as_array().map(Vec::len), Some(10), "{named}");
    let none = api.json("/api/v1/files?pipeline=two&name=00*.csv");
    assert_eq!(none["files"].as_array().map(Vec::len), Some(0));
    let of_one = api.json("/api/v1/events?pipeline=one&limit=1000");
    let of_one = of_one["events"].as_array().expect("events");
    assert!(of_one.iter().all(|it| it["pipeline"] == "one"));
    answering.service.stop();
}

#[test]
fn a_file_is_shown_with_its_stages_and_a_pipeline_with_its_figures() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let api = &answering.api;
    wait_until_ready(api);
    let mut client = database.client();
    drop_file(
        &home.directory("inbox/one"),
        "a.csv",
        "id,note\n1,a\nx,b\n2,c\n",
    );
    wait_for_archived(&mut client, 1);
    let file = api.json("/api/v1/files/1");
    assert_eq!(file["state"], "ARCHIVED");
    assert_eq!(
        (&file["records"], &file["inserted"], &file["rejected"]),
        (&3.into(), &2.into(), &1.into())
    );
    let stages = file["stages"].as_array().expect("stages");
    assert_eq!(stages.len(), 5);
    assert!(stages.iter().all(|it| it["at"].is_string()), "{file}");
    assert_eq!(file["progress"]["share"], 1.0);
    assert_eq!(file["progress"]["of"], file["bytes"]);
    let listed = api.json("/api/v1/files");
    assert_eq!(listed["files"][0]["file"], 1);
    let shown = || api.json("/api/v1/pipelines/one");
    wait_until(PATIENCE, || shown()["files"]["archived"] == 1);
    let one = shown();
    assert_eq!(one["state"], "running");
    assert_eq!(one["here"], true);
    assert_eq!(one["dead_letters"], 1);
    assert_eq!(one["backlog"], serde_json::json!({"files": 0, "bytes": 0}));
    assert_eq!(one["lag_seconds"], 0.0);
    let age = one["freshness_seconds"].as_f64().expect("an age");
    assert!((0.0..600.0).contains(&age), "{one}");
    assert!(
        one["last_commit_at"]
            .as_str()
            .is_some_and(|it| it.ends_with('Z'))
    );
    assert_eq!(one["instances"].as_array().map(Vec::len), Some(1));
    let services = api.json("/api/v1/instances");
    assert_eq!(services[0]["pipelines"][0]["pipeline"], "one");
    assert_eq!(services[0]["pipelines"][0]["loads"], true);

    // What waits is behind.
    api.post("/api/v1/pipelines/one/pause?wait=30");
    client
        .batch_execute(
            "insert into ingestd.files (pipeline, path, size, modified, device, inode, head_hash,
                                        tail_hash, state, discovered_at, watermark_offset)
             values ('one', '/in/waits', 1000, 1, 1, 1, '', '', 'READING', now() - interval '1 h', 400)",
        )
        .expect("a file that waits");
    wait_until(PATIENCE, || shown()["backlog"]["files"] == 1);
    let one = shown();
    assert_eq!(one["backlog"]["bytes"], 600);
    assert!(
        one["lag_seconds"].as_f64().is_some_and(|it| it >= 3600.0),
        "{one}"
    );
    let waits = api.json("/api/v1/files?state=READING");
    let number = waits["files"][0]["file"].as_i64().expect("a number");
    let progress = &api.json(&format!("/api/v1/files/{number}"))["progress"];
    assert_eq!(progress["share"], 0.4);
    answering.service.stop();
}
