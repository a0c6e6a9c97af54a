//! Commands over HTTP come about, and the ledger knows who gave them.

use serde_json::json;

use super::*;
use crate::support::database;

fn state_of(api: &Api, pipeline: &str) -> String {
    let shown = api.json(&format!("/api/v1/pipelines/{pipeline}"));
    shown["state"].as_str().expect("a state").to_owned()
}

#[test]
fn pipelines_are_paused_drained_and_let_go_on() {
    let database = database();
    let home = home(&database, &["one", "two"]);
    let answering = start(&home);
    let api = &answering.api;
    wait_until_ready(api);
    let mut client = database.client();
    let answer = api.post("/api/v1/pipelines/one/pause?wait=30");
    assert_eq!(answer.status, 200, "{answer:?}");
    let said = answer.json();
    assert_eq!(said["pipeline"], "one");
    assert_eq!(said["wanted"], "paused");
    assert_eq!(said["obeyed"], true);
    assert_eq!(said["services"].as_array().map(Vec::len), Some(1));
    let by = "select wanted_by from ingestd.pipelines where name = 'one'";
    let row = client.query_one(by, &[]).expect("a pipeline");
    assert_eq!(row.get::<_, &str>(0), "http 127.0.0.1");
    drop_rows(&home, "one", "1.csv", 0, 5);
    drop_rows(&home, "two", "1.csv", 0, 5);
    wait_for_archived(&mut client, 1);
    wait_until(PATIENCE, || state_of(api, "one") == "paused");
    // Paused on purpose is as it has to be.
    assert_eq!(api.get("/health/ready").status, 200);
    let all = api.post("/api/v1/pipelines/drain?wait=30").json();
    let all = all.as_array().expect("a list");
    assert!(
        all.iter()
            .all(|it| it["wanted"] == "drained" && it["obeyed"] == true),
        "{all:?}"
    );
    // Whoever is drained looks for nothing until it is resumed.
    let looked = api.post("/api/v1/pipelines/one/rescan?wait=30").json();
    assert_eq!(
        (&looked["obeyed"], &looked["services"][0]["done"]),
        (&json!(false), &json!(false)),
        "{looked}"
    );
    // Less than what is: it stays drained, and says so.
    let less = api.post("/api/v1/pipelines/one/pause").json();
    assert_eq!(less["wanted"], "drained");
    let all = api.post("/api/v1/pipelines/resume?wait=30").json();
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    wait_for_archived(&mut client, 2);
    let looked = api.post("/api/v1/pipelines/one/rescan?wait=30").json();
    assert_eq!(looked["obeyed"], true);
    assert_eq!(api.post("/api/v1/pipelines/rescan").status, 200);
    assert_eq!(
        api.post("/api/v1/pipelines/none/pause").problem()["status"],
        404
    );
    assert_eq!(
        api.post("/api/v1/pipelines/one/stop").problem()["status"],
        404
    );
    assert_eq!(
        api.post("/api/v1/pipelines/one/pause?wait=31").problem()["status"],
        400
    );
    let kinds: Vec<String> = api.json("/api/v1/events?limit=1000")["events"]
        .as_array()
        .expect("events")
        .iter()
        .filter(|it| it["pipeline"] == "one" && it["file"].is_null())
        .map(|it| it["kind"].as_str().expect("a kind").to_owned())
        .filter(|kind| !kind.starts_with("lease"))
        .collect();
    assert_eq!(
        kinds,
        ["pipeline.resumed", "pipeline.drained", "pipeline.paused"]
    );
    answering.service.stop();
}

#[test]
fn the_configuration_is_read_again() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let api = &answering.api;
    wait_until_ready(api);
    let table = "create table two (id bigint, note text)";
    database.client().batch_execute(table).expect("a table");
    home.directory("inbox/two");
    home.configure(&format!("{}{}", home.config(), pipeline("two")));
    let done = api.post("/api/v1/service/reload?wait=30").json();
    assert_eq!(done["done"], true, "{done}");
    assert_eq!(done["outcome"]["reloaded"], true, "{done}");
    assert_eq!(done["outcome"]["added"][0], "two");
    drop_rows(&home, "two", "1.csv", 0, 5);
    wait_for_archived(&mut database.client(), 1);
    wait_until(PATIENCE, || {
        let shown = api.get("/api/v1/pipelines/two");
        shown.status == 200 && shown.json()["state"] == "running"
    });
    let good = home.config();
    home.configure(&format!("{good}\npatern = 1\n"));
    let done = api.post("/api/v1/service/reload?wait=30").json();
    assert_eq!(done["outcome"]["reloaded"], false, "{done}");
    let problem = done["outcome"]["problems"][0].as_str().expect("a problem");
    assert!(problem.contains("did you mean \"pattern\""), "{problem}");
    // What is said of the listener counts from the next start on.
    home.configure(&format!("{good}\n").replace("[http]", "[http]\ntoken_file = \"later\""));
    let done = api.post("/api/v1/service/reload?wait=30").json();
    assert_eq!(done["outcome"]["needs_restart"][0], "[http]", "{done}");
    assert_eq!(api.get("/api/v1/pipelines").status, 200);
    answering.service.stop();
}

#[test]
fn a_quarantined_file_goes_on() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let api = &answering.api;
    wait_until_ready(api);
    drop_file(&home.directory("inbox/one"), "bad.csv", "id,nothing\n1,2\n");
    let mut client = database.client();
    let quarantined = "select file_id from ingestd.files
                       where state = 'QUARANTINED' and archived_at is not null";
    let mut file = 0_i64;
    wait_until(PATIENCE, || match client.query_opt(quarantined, &[]) {
        Ok(Some(row)) => {
            file = row.get(0);
            true
        }
        _ => false,
    });
    let listed = api.json("/api/v1/files?state=quarantined");
    assert_eq!(listed["files"][0]["file"], file);
    assert!(listed["next"].is_null());
    let answer = api.post(&format!("/api/v1/files/{file}/retry"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["outcome"], "afresh");
    assert_eq!(answer.json()["taken_up"], true);
    // It is looked at as a new file, and is as wrong as it was.
    let again = "select count(*) from ingestd.files where state = 'QUARANTINED'";
    wait_until(PATIENCE, || {
        let row = client.query_one(again, &[]).expect("a count");
        row.get::<_, i64>(0) == 1
    });
    drop_rows(&home, "one", "good.csv", 0, 5);
    wait_for_archived(&mut client, 1);
    let loaded = client.query_one(
        "select file_id from ingestd.files where state = 'ARCHIVED'",
        &[],
    );
    let loaded: i64 = loaded.expect("a file").get(0);
    let refused = api.post(&format!("/api/v1/files/{loaded}/retry")).problem();
    assert_eq!(refused["status"], 409);
    assert!(
        refused["detail"]
            .as_str()
            .is_some_and(|it| it.contains("all of it is loaded"))
    );
    assert_eq!(
        api.post("/api/v1/files/4711/retry").problem()["status"],
        404
    );
    answering.service.stop();
}
