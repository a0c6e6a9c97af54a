//! `ingestd why`: every stage, of a service that runs, and of one that doesn't.

mod held_up;
mod places;

use postgres::Client;
use serde_json::Value;

use crate::support::home::{Home, drop_file};
use crate::support::{PATIENCE, TestDatabase, wait_until};

/// A home with one pipeline and its table.
fn home(database: &TestDatabase, keys: &str) -> Home {
    let text = format!(
        "[pipelines.one]\ndirectory = \"inbox/one\"\ntable = \"one\"\nsettle = \"10ms\"\n{keys}\n"
    );
    let home = Home::new(Some(&database.url), "", &text);
    home.directory("inbox/one");
    let table = "create table one (id bigint, note text)";
    database.client().batch_execute(table).expect("a table");
    home
}

/// Drops a file, and returns its path.
fn drop_rows(home: &Home, name: &str, rows: u64) -> String {
    let mut text = "id,note\n".to_owned();
    for id in 0..rows {
        text.push_str(&format!("{id},of {name}\n"));
    }
    let inbox = home.directory("inbox/one");
    drop_file(&inbox, name, text);
    inbox.join(name).display().to_string()
}

/// What is said of a file.
fn why(home: &Home, file: &str) -> Value {
    let output = home.ask(&["why", file, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Asks until a file is in a stage.
fn wait_for_stage(home: &Home, file: &str, stage: &str) -> Value {
    wait_for(home, file, |answer| answer["stage"] == stage)
}

/// Asks until the answer is one that is wanted.
fn wait_for(home: &Home, file: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let output = home.ask(&["why", file, "--json"]);
        let answer = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if wanted(&answer) {
            return answer;
        }
        assert!(std::time::Instant::now() < deadline, "{answer:#}");
    }
}

fn text<'a>(answer: &'a Value, key: &str) -> &'a str {
    answer[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key}: {answer:#}"))
}

fn says(answer: &Value, words: &[&str]) {
    let because = text(answer, "because");
    for word in words {
        assert!(because.contains(word), "{word:?}: {because}");
    }
}

/// Waits until the service has the pipeline.
fn wait_until_ready(client: &mut Client) {
    let query = "select count(*) from ingestd.live_instances where pipeline = 'one'";
    wait_until(PATIENCE, || {
        client
            .query_one(query, &[])
            .is_ok_and(|row| row.get::<_, i64>(0) == 1)
    });
}
