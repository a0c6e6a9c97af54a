//! A ledger of 100,000 files.

use super::*;
use crate::support::database;

/// More than any of the answers may take by far, on a machine that does a hundred things at once; the
/// quickest of several is what the answer costs.
const LIMIT: Duration = Duration::from_millis(50);

/// Puts 100,000 files of the pipeline `one` into a ledger, a second from each other: a few of them are in
/// trouble, and some were there before.
pub fn fill(client: &mut Client) {
    client
        .batch_execute(
            "insert into ingestd.files (pipeline, path, size, modified, device, inode, head_hash,
                    tail_hash, content_hash, state, reason, records, inserted, updated, unchanged,
                    duplicate, deleted, filtered, rejected, archive_path, discovered_at, started_at,
                    completed_at, committed_at, archived_at)
             select 'one', '/srv/drop/in/events-' || n || '.csv', 5000, n, 1, n,
                    decode(md5(n::text), 'hex'), decode(md5(n::text), 'hex'),
                    decode(md5(n::text), 'hex'),
                    case when n % 20000 = 7 then 'QUARANTINED' when n % 1000 = 1 then 'SKIPPED'
                         else 'ARCHIVED' end,
                    case when n % 20000 = 7 then 'over its budget' end,
                    100, 100, 0, 0, 0, 0, 0, 0, '/srv/archive/events-' || n || '.csv', t, t, t, t, t
             from generate_series(1, 100000) n,
                  lateral (select now() - (100001 - n) * interval '1 s' as t) times;
             analyze ingestd.files",
        )
        .expect("files");
}

#[test]
fn answers_about_a_hundred_thousand_files_come_at_once() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let api = &answering.api;
    wait_until_ready(api);
    let mut client = database.client();
    fill(&mut client);
    wait_until(PATIENCE, || {
        api.json("/api/v1/pipelines/one")["files"]["archived"] == 99_895
    });
    let first = api.json("/api/v1/files?limit=1");
    let newest = first["files"][0]["file"].as_i64().expect("a number");
    let middle = api.json("/api/v1/events?limit=1000");
    let deep = middle["next"].as_str().expect("more");
    for path in [
        "/health/ready".to_owned(),
        "/api/v1/pipelines".to_owned(),
        "/api/v1/state".to_owned(),
        "/api/v1/instances".to_owned(),
        "/api/v1/files".to_owned(),
        "/api/v1/files?state=QUARANTINED".to_owned(),
        "/api/v1/files?state=FAILED".to_owned(),
        "/api/v1/files?state=SKIPPED".to_owned(),
        "/api/v1/files?state=READING".to_owned(),
        "/api/v1/files?pipeline=one&since=2h".to_owned(),
        "/api/v1/files?name=events-77.csv".to_owned(),
        "/api/v1/files?name=nothing-*.csv".to_owned(),
        format!("/api/v1/files?cursor={}", newest / 2),
        format!("/api/v1/files/{}", newest / 2),
        "/api/v1/events".to_owned(),
        "/api/v1/events?pipeline=one".to_owned(),
        format!("/api/v1/events?cursor={deep}"),
    ] {
        let mut quickest = Duration::MAX;
        for _ in 0..40 {
            let asked = Instant::now();
            let answer = api.get(&path);
            quickest = quickest.min(asked.elapsed());
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            if quickest < LIMIT {
                break;
            }
        }
        eprintln!("{quickest:?} {path}");
        assert!(quickest < LIMIT, "{path}: {quickest:?}");
    }
    // What is rare is found all the same, page by page.
    let mut found = 0;
    let mut cursor = String::new();
    loop {
        let page = api.json(&format!(
            "/api/v1/files?state=SKIPPED&name=events-1.csv{cursor}"
        ));
        found += page["files"].as_array().map_or(0, Vec::len);
        match page["next"].as_i64() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, 1);
    answering.service.stop();
}
