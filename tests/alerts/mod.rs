//! Alerts: each rule by what it is about, each sink by somebody who really listens.

mod command;
mod encrypted;
mod instances;
mod lives;
mod receiver;
mod rules;
mod webhook;

use std::time::Duration;

use postgres::{Client, Transaction};
use serde_json::Value;

use crate::support::home::{Home, drop_file};
use crate::support::{PATIENCE, wait_until};

/// Looks often, and at once; nothing is built in.
const SOON: &str = "[alerting]\ndefaults = false\ninterval = \"100ms\"\nquiet_start = \"0s\"\n";

/// A rule that any file in quarantine makes fire, and a file that comes to be there.
const BAD: &str = "[alerts.bad]\nwhen = \"file_quarantined\"\n";
const BAD_FILE: &str = "no,such\n1,2\n";

fn pipeline(name: &str, keys: &str) -> String {
    format!(
        "[pipelines.{name}]\ndirectory = \"inbox/{name}\"\ntable = \"{name}\"\nsettle = \"10ms\"\n\
         scan_interval = \"200ms\"\n{keys}\n"
    )
}

/// A home with a pipeline `items`, its table, and these alerts.
fn home(url: &str, client: &mut Client, alerts: &str) -> Home {
    let text = format!("{SOON}{alerts}\n{}", pipeline("items", ""));
    make(client, "items");
    let home = Home::new(Some(url), "", &text);
    home.directory("inbox/items");
    home
}

fn make(client: &mut Client, table: &str) {
    let table = format!("create table {table} (id bigint, note text)");
    client.batch_execute(&table).expect("a table");
}

fn drop_rows(home: &Home, file: &str, rows: usize) {
    let lines: String = (0..rows).map(|id| format!("{id},x\n")).collect();
    let text = format!("id,note\n{lines}");
    drop_file(&home.directory("inbox/items"), file, text);
}

/// Loads rows before the service runs: however slow the machine is, nothing that it sees has waited.
fn load_rows(home: &Home, file: &str, rows: usize) {
    drop_rows(home, file, rows);
    let path = home.directory("inbox/items").join(file);
    let output = home.ask(&["load", "--archive", path.to_str().expect("text")]);
    assert!(output.status.success(), "{output:?}");
}

/// Drops a file that goes to the quarantine.
fn drop_bad(home: &Home) {
    drop_file(&home.directory("inbox/items"), "bad.csv", BAD_FILE);
}

/// Takes all files out of the quarantine, as if by hand.
fn mend(client: &mut Client) {
    client
        .batch_execute("update ingestd.files set state = 'SKIPPED' where state = 'QUARANTINED'")
        .expect("updated");
}

/// Lets nobody write to the table until it is dropped or rolled back.
fn hold_items(client: &mut Client) -> Transaction<'_> {
    let mut held = client.transaction().expect("a transaction");
    held.batch_execute("lock table items in access exclusive mode")
        .expect("locked");
    held
}

/// What a query counts; 0 where there is no such table yet.
fn count(client: &mut Client, query: &str) -> i64 {
    client.query_one(query, &[]).map_or(0, |row| row.get(0))
}

/// Waits until a query counts so many.
fn wait_for(client: &mut Client, query: &str, expected: i64) {
    wait_until(PATIENCE, || count(client, query) == expected);
}

/// Waits until so many rows are in the table.
fn wait_for_items(client: &mut Client, rows: i64) {
    wait_for(client, "select count(*) from items", rows);
}

/// What was noted of an alert among the events, the oldest first.
fn events(client: &mut Client, alert: &str) -> Vec<String> {
    let query =
        "select kind from ingestd.events where kind like 'alert.%' and subject = $1 order by at";
    let rows = client.query(query, &[&alert]).expect("events");
    rows.iter().map(|row| row.get(0)).collect()
}

/// The log's lines of an alert, oldest first: what was told, and its fields.
fn told(home: &Home, alert: &str) -> Vec<(String, Value)> {
    let lines = home.log();
    let lines = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told = lines.filter(|line| line["alert"] == alert && line["look_at"].is_string());
    told.map(|line| {
        let message = line["msg"].as_str().expect("a message");
        let word = message.strip_prefix("alert is ").unwrap_or(message);
        (word.to_owned(), line)
    })
    .collect()
}

/// What was told, in words.
fn words(home: &Home, alert: &str) -> Vec<String> {
    told(home, alert)
        .into_iter()
        .map(|(word, _)| word)
        .collect()
}

/// Waits until so much was told of an alert, and returns the last of it.
fn wait_until_told(home: &Home, alert: &str, expected: &[&str]) -> Value {
    wait_until(PATIENCE, || words(home, alert).len() >= expected.len());
    assert_eq!(words(home, alert), expected);
    told(home, alert).pop().expect("one").1
}

/// What `ingestd alerts --json` says.
fn alerts(home: &Home, arguments: &[&str]) -> Vec<Value> {
    let output = home.ask(&[&["alerts", "--json"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    let alerts: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    alerts.as_array().expect("a list").clone()
}

/// How many alerts fire, by the view.
fn firing(client: &mut Client) -> i64 {
    count(client, "select count(*) from ingestd.firing_alerts")
}

/// How many of them the sinks are done with.
fn notified(client: &mut Client) -> i64 {
    let query = "select count(*) from ingestd.firing_alerts where notified_at is not null";
    count(client, query)
}

/// Waits until the service has looked so many times more.
fn wait_for_looks(client: &mut Client, looks: u64) {
    // A connection of its own asks once for each look: what it has asked is seen in its transactions.
    let query = "select coalesce(sum(xact_commit), 0)::bigint from pg_stat_database
                 where datname = current_database()";
    let mut commits = || {
        let flush = client.batch_execute("select pg_stat_clear_snapshot()");
        flush.expect("cleared");
        client
            .query_one(query, &[])
            .expect("a count")
            .get::<_, i64>(0)
    };
    let before = commits();
    wait_until(PATIENCE, || commits() > before + looks as i64 * 3);
}

fn text(output: &std::process::Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}
