//! Dead letters over HTTP: found, shown, exported, discarded, replayed.

use serde_json::{Value, json};

use super::*;
use crate::support::database;
use crate::support::home::drop_file;

/// Two that are no numbers, and one with a field too many.
const FILE: &str = "id,note\n1,good\nx,<b>bold</b>\ny,\"two\nlines\"\n2,good\n3,a,b\n";

fn ask(api: &Api, path: &str, body: &Value) -> client::Answer {
    let headers = [("Content-Type", "application/json")];
    api.ask(&format!("POST {path}"), &headers, &body.to_string())
}

fn loaded(home: &Home, database: &TestDatabase) {
    drop_file(&home.directory("inbox/one"), "1.csv", FILE);
    wait_for_archived(&mut database.client(), 1);
}

#[test]
fn dead_letters_are_listed_shown_and_exported() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let api = &answering.api;
    wait_until_ready(api);
    assert_eq!(api.json("/api/v1/dead-letters/groups"), json!([]));
    loaded(&home, &database);
    let groups = api.json("/api/v1/dead-letters/groups");
    let figures: Vec<(&str, Option<&str>, u64)> = groups
        .as_array()
        .expect("groups")
        .iter()
        .map(|it| {
            let reason = it["reason"].as_str().expect("a reason");
            let new = it["new"].as_u64().expect("a number");
            (reason, it["column"].as_str(), new)
        })
        .collect();
    assert_eq!(
        figures,
        [("invalid_value", Some("id"), 2), ("field_count", None, 1)]
    );
    // Page by page, to the end.
    let first = api.json("/api/v1/dead-letters?limit=2");
    assert_eq!(first["letters"].as_array().map(Vec::len), Some(2));
    let next = first["next"].as_str().expect("more");
    let second = api.json(&format!("/api/v1/dead-letters?limit=2&cursor={next}"));
    assert_eq!(second["letters"][0]["reason"], "field_count");
    assert!(second["next"].is_null());
    // The empty text stands for no column.
    for (query, count) in [
        ("column=id", 2),
        ("column=", 1),
        ("reason=field_count", 1),
        ("status=resolved", 0),
        ("status=all&since=1h", 3),
    ] {
        let page = api.json(&format!("/api/v1/dead-letters?{query}"));
        assert_eq!(
            page["letters"].as_array().map(Vec::len),
            Some(count),
            "{query}"
        );
    }
    for wrong in [
        "status=old",
        "since=yesterday",
        "cursor=1",
        "reson=x",
        "limit=0",
        "limit=abc",
        "file=x",
    ] {
        let problem = api.get(&format!("/api/v1/dead-letters?{wrong}")).problem();
        assert_eq!(problem["status"], 400, "{wrong}");
        let (name, _) = wrong.split_once('=').expect("a pair");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains(name), "{wrong}: {detail}");
    }
    for (path, name) in [("files/abc", "id"), ("dead-letters/1/x", "record")] {
        let problem = api.get(&format!("/api/v1/{path}")).problem();
        assert_eq!(problem["status"], 404, "{path}");
        let detail = problem["detail"].as_str().expect("a detail");
        let right = format!(": {name} is a whole number");
        assert!(detail.contains(&right), "{path}: {detail}");
    }
    let file = first["letters"][0]["file"].as_i64().expect("a number");
    let shown = api.json(&format!("/api/v1/dead-letters/{file}/3"));
    assert_eq!(shown["raw"], "y,\"two\nlines\"");
    assert_eq!(
        shown["record_shown"],
        json!([{"text": "y", "bad": true}, {"text": ",\"two\\n\nlines\"", "bad": false}])
    );
    assert_eq!(
        shown["fields"],
        json!([{"name": "id", "text": "y", "bad": true}, {"name": "note", "text": "two\nlines", "bad": false}])
    );
    assert_eq!(shown["expected"]["sql_type"], "bigint");
    assert_eq!(
        api.get("/api/v1/dead-letters/1/99").problem()["status"],
        404
    );
    // Files: a CSV that can be mended, and a line for each.
    let csv = api.get("/api/v1/dead-letters/export.csv?column=id");
    assert_eq!(csv.status, 200, "{csv:?}");
    assert!(
        csv.header("content-disposition")
            .is_some_and(|it| it.contains("dead-letters.csv"))
    );
    assert!(
        csv.body
            .starts_with("_file,_record,_reason,_column,_message,id,note,_raw\n"),
        "{}",
        csv.body
    );
    let lines = api.get("/api/v1/dead-letters/export.ndjson").body;
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["raw"], "x,<b>bold</b>");
    // Of files with different headers there is no one CSV.
    drop_file(&home.directory("inbox/one"), "2.csv", "note,id\na,z\n");
    wait_for_archived(&mut database.client(), 2);
    let refused = api
        .get("/api/v1/dead-letters/export.csv?column=id")
        .problem();
    assert_eq!(refused["status"], 409);
    assert!(
        refused["detail"]
            .as_str()
            .is_some_and(|it| it.contains("2 different headers")),
        "{refused}"
    );
    // What holds a file up is told, and that nothing does.
    let why = api.json(&format!("/api/v1/files/{file}/why"));
    assert_eq!(why["file"], file);
    assert!(
        why["because"].as_str().is_some_and(|it| !it.is_empty()),
        "{why}"
    );
    assert_eq!(api.get("/api/v1/files/4711/why").problem()["status"], 404);
    assert_eq!(api.json("/api/v1/alerts"), json!([]));
    answering.service.stop();
}

#[test]
fn dead_letters_are_discarded_and_replayed_exactly_once() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let api = &answering.api;
    wait_until_ready(api);
    loaded(&home, &database);
    let mut client = database.client();
    // Nobody means all by mistake.
    for path in [
        "/api/v1/dead-letters/discard",
        "/api/v1/dead-letters/replay",
    ] {
        let answer = ask(api, path, &json!({"meant": {}, "because": "x"}));
        assert_eq!(answer.problem()["status"], 400, "{path}");
    }
    let unread = json!({"meant": {"reson": "field_count"}, "because": "x"});
    let unread = ask(api, "/api/v1/dead-letters/discard", &unread);
    assert_eq!(unread.problem()["status"], 400);
    let silent = json!({"meant": {"reason": "field_count"}, "because": " "});
    let silent = ask(api, "/api/v1/dead-letters/discard", &silent);
    assert_eq!(silent.problem()["status"], 400);
    let why = json!({"meant": {"reason": "field_count"}, "because": "a test"});
    let discarded = ask(api, "/api/v1/dead-letters/discard", &why);
    assert_eq!(discarded.json(), json!({"discarded": 1}));
    let query =
        "select resolved_by, resolution from ingestd.dead_letters where status = 'DISCARDED'";
    let row = client.query_one(query, &[]).expect("one of them");
    assert_eq!((row.get(0), row.get(1)), ("http 127.0.0.1", "a test"));
    // What is wrong is still wrong.
    let all = json!({"meant": {"pipeline": "one"}});
    let again = ask(api, "/api/v1/dead-letters/replay?wait=30", &all).json();
    assert_eq!(
        (&again[0]["state"], &again[0]["failed"]),
        (&json!("DONE"), &json!(2)),
        "{again}"
    );
    client
        .batch_execute("alter table one alter column id type text")
        .expect("altered");
    let done = ask(api, "/api/v1/dead-letters/replay?wait=30", &all).json();
    assert_eq!(
        (&done[0]["state"], &done[0]["resolved"]),
        (&json!("DONE"), &json!(2)),
        "{done}"
    );
    let number = done[0]["replay"].as_i64().expect("a number");
    assert_eq!(api.json(&format!("/api/v1/replays/{number}")), done[0]);
    assert_eq!(api.get("/api/v1/replays/4711").problem()["status"], 404);
    // There is nothing more to be replayed.
    let nothing = ask(api, "/api/v1/dead-letters/replay?wait=30", &all).json();
    assert_eq!(nothing, json!([]));
    let rows = "select count(*) from one where id in ('x', 'y')";
    let rows: i64 = client.query_one(rows, &[]).expect("a count").get(0);
    assert_eq!(rows, 2);
    let by = "select asked_by from ingestd.replays order by replay_id desc limit 1";
    let by = client.query_one(by, &[]).expect("a replay");
    assert_eq!(by.get::<_, &str>(0), "http 127.0.0.1");
    answering.service.stop();
}

/// The document's own `{"all": true}` was refused: `meant` was missing.
#[test]
fn the_bodies_of_the_document_are_taken() {
    let database = database();
    let home = home(&database, &["events"]);
    let answering = start(&home);
    let api = &answering.api;
    wait_until_ready(api);
    // The document speaks of a file 3.
    for number in 1..=3 {
        let name = format!("{number}.csv");
        let text = format!("{FILE}{number}0,another\n");
        drop_file(&home.directory("inbox/events"), &name, text);
        wait_for_archived(&mut database.client(), number);
    }
    let document = include_str!("../../docs/http.md").replace("\\\n", " ");
    let sent = document.lines().filter_map(|line| {
        let (_, rest) = line.split_once(" -d '")?;
        let (body, rest) = rest.split_once('\'')?;
        let (_, path) = rest.split_once("localhost:8474")?;
        let path = path.split(['\'', ' ']).next()?;
        Some((path.to_owned(), body.to_owned()))
    });
    let sent: Vec<(String, String)> = sent.collect();
    assert!(sent.len() >= 3, "{sent:?}");
    for (path, body) in sent {
        let headers = [("Content-Type", "application/json")];
        let answer = api.ask(&format!("POST {path}"), &headers, &body);
        assert_eq!(answer.status, 200, "{path} {body}: {answer:?}");
    }
    answering.service.stop();
}

#[test]
fn names_that_nobody_knows_are_told_and_so_is_a_replay_that_nobody_takes_up() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let api = &answering.api;
    wait_until_ready(api);
    for (query, kind) in [
        ("pipeline=nosuch", "unknown-pipeline"),
        ("file=99", "unknown-file"),
    ] {
        let kind = format!("urn:ingestd:problem:{kind}");
        for path in ["", "/groups", "/export.csv", "/export.ndjson"] {
            let problem = api.get(&format!("/api/v1/dead-letters{path}?{query}"));
            let problem = problem.problem();
            assert_eq!(
                (&problem["status"], &problem["type"]),
                (&json!(404), &json!(kind))
            );
        }
        let (name, value) = query.split_once('=').expect("a pair");
        let meant = match value.parse::<i64>() {
            Ok(number) => json!({name: number}),
            Err(_) => json!({name: value}),
        };
        let replay = json!({"meant": meant.clone()});
        let discard = json!({"meant": meant, "because": "x"});
        for (path, body) in [("replay", replay), ("discard", discard)] {
            let problem = ask(api, &format!("/api/v1/dead-letters/{path}"), &body).problem();
            assert_eq!(
                (&problem["status"], &problem["type"]),
                (&json!(404), &json!(kind))
            );
        }
    }
    // No service has what a load has made; what the problem says, helps.
    let path = home.data().join("by_hand.csv");
    std::fs::write(&path, FILE).expect("written");
    let path = path.to_str().expect("text");
    home.ask(&["load", path, "--table", "one"]);
    let all = ask(
        api,
        "/api/v1/dead-letters/replay?wait=0",
        &json!({"all": true}),
    );
    let asked = &all.json()[0];
    assert_eq!(asked["pipeline"], "load_one");
    assert_eq!(asked["state"], "WAITING");
    let problem = asked["problem"].as_str().expect("a problem");
    let command = problem.split('`').nth(1).expect("a command");
    assert!(
        problem.contains("no service has it configured"),
        "{problem}"
    );
    // It takes them up, and finds what is wrong with them once more.
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let said = home.ask(&words);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("pipeline load_one: "), "{command}: {said}");
    assert!(said.contains("3 still NEW: failed again"), "{said}");
    // It went on waiting for ever, with the advice to do what was done.
    let number = asked["replay"].as_i64().expect("a number");
    let now = api.json(&format!("/api/v1/replays/{number}"));
    assert_eq!(now["state"], "DONE", "{now}");
    let problem = now["problem"].as_str().expect("a word");
    assert!(problem.contains("nothing is left to be done"), "{problem}");
    // One that somebody settles in another way is ended by the service.
    let all = ask(
        api,
        "/api/v1/dead-letters/replay?wait=0",
        &json!({"all": true}),
    );
    let number = all.json()[0]["replay"].as_i64().expect("a number");
    assert_eq!(all.json()[0]["state"], "WAITING");
    let mut client = database.client();
    let discard = "select ingestd.discard_dead_letters('sent again', pipeline => 'load_one')";
    client.query_one(discard, &[]).expect(discard);
    wait_until(PATIENCE, || {
        api.json(&format!("/api/v1/replays/{number}"))["state"] == "DONE"
    });
    answering.service.stop();
}
