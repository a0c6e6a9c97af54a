//! Commands to a service that runs, by SQL, by the command line and by signals; and reloads.

mod commands;
mod drain;
mod reload;
mod storm;

use std::time::{Duration, Instant};

use postgres::Client;

use crate::support::home::{Home, drop_file};
use crate::support::{PATIENCE, TestDatabase, wait_until};

/// What is meant to take less than a second, on a machine that is busy.
const SOON: Duration = Duration::from_secs(5);

/// A pipeline into a table of its name.
fn pipeline(name: &str, keys: &str) -> String {
    format!(
        "[pipelines.{name}]\ndirectory = \"inbox/{name}\"\ntable = \"{name}\"\nsettle = \"10ms\"\n{keys}\n"
    )
}

/// A home with these pipelines, and their tables.
fn home(database: &TestDatabase, names: &[&str]) -> Home {
    let text: String = names.iter().map(|name| pipeline(name, "")).collect();
    let home = Home::new(Some(&database.url), "", &text);
    for name in names {
        make(&home, database, name);
    }
    home
}

/// What a pipeline of this name needs.
fn make(home: &Home, database: &TestDatabase, name: &str) {
    home.directory(&format!("inbox/{name}"));
    let table = format!("create table {name} (id bigint, note text)");
    database.client().batch_execute(&table).expect("a table");
}

/// Drops a file of some rows, whose ids begin here.
fn drop_rows(home: &Home, pipeline: &str, file: &str, from: u64, rows: u64) {
    let mut text = "id,note\n".to_owned();
    for id in from..from + rows {
        text.push_str(&format!("{id},of {file}\n"));
    }
    drop_file(&home.directory(&format!("inbox/{pipeline}")), file, text);
}

fn count(client: &mut Client, query: &str) -> i64 {
    client.query_one(query, &[]).expect("a count").get(0)
}

fn rows_in(client: &mut Client, table: &str) -> i64 {
    count(client, &format!("select count(*) from {table}"))
}

/// Waits until a table has exactly so many rows, each once, for as long as more come.
fn wait_for_rows(client: &mut Client, table: &str, rows: i64) {
    let mut there = rows_in(client, table);
    while there < rows {
        let before = there;
        wait_until(PATIENCE, || {
            there = rows_in(client, table);
            there > before
        });
    }
    let distinct = format!("select count(distinct id) from {table}");
    assert_eq!(
        (rows_in(client, table), count(client, &distinct)),
        (rows, rows)
    );
}

/// Waits until the one service that runs has done the last command, and returns how long that took.
fn wait_until_done(client: &mut Client, pipeline: &str, state: &str) -> Duration {
    let started = Instant::now();
    wait_until(PATIENCE, || is_done(client, pipeline, state));
    started.elapsed()
}

fn is_done(client: &mut Client, pipeline: &str, state: &str) -> bool {
    let query = "select count(*) from ingestd.pipelines p
                 join ingestd.service_pipelines s on s.pipeline = p.name and s.command = p.command
                 join ingestd.live_services l using (service)
                 where p.name = $1 and s.state = $2 and p.wanted = $2";
    let row = client.query_one(query, &[&pipeline, &state]);
    row.is_ok_and(|row| row.get::<_, i64>(0) == 1)
}

/// Which life holds a pipeline, and since when.
fn lease(client: &mut Client, pipeline: &str) -> Option<String> {
    let query = "select instance::text || ' ' || backend::text from ingestd.live_instances where pipeline = $1";
    // Before the first start there is no ledger, and before its own no such row.
    let row = client.query_opt(query, &[&pipeline]).ok().flatten();
    row.and_then(|row| row.get(0))
}

/// What `ingestd status` says of a pipeline.
fn status(home: &Home, pipeline: &str) -> serde_json::Value {
    let output = home.ask(&["status", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let all: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut all = all.as_array().expect("a list").iter();
    let found = all.find(|one| one["pipeline"] == pipeline);
    found.expect("a pipeline of that name").clone()
}

/// How often the log has said something.
fn said(home: &Home, what: &str) -> usize {
    home.log().matches(what).count()
}

fn wait_until_said(home: &Home, what: &str, times: usize) {
    wait_until(PATIENCE, || said(home, what) >= times);
}
