//! What holds a pipeline up can be seen from outside, as long as it does.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::run;
use crate::support::{Scratch, TestDatabase, database, ingestd, wait_until};

/// A service that does not outlive its test.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn state(database: &TestDatabase) -> (String, Option<String>) {
    let said = run(ingestd().args(["status", "--json", "--database-url", &database.url]));
    let status: serde_json::Value = serde_json::from_str(&said.out).unwrap_or_default();
    let text = |key: &str| status[0][key].as_str().map(str::to_owned);
    (text("state").unwrap_or_default(), text("degraded"))
}

#[test]
fn a_missing_table_shows_in_status_until_it_is_there() {
    let (database, scratch) = (database(), Scratch::new());
    let inbox = scratch.path().join("inbox");
    std::fs::create_dir(&inbox).expect("a directory");
    std::fs::write(inbox.join("a.csv"), "id\n1\n").expect("written");
    let config = scratch.write(
        "ingestd.toml",
        format!(
            "[pipelines.late]\ndirectory = {:?}\ntable = \"late\"\nsettle = \"10ms\"\n",
            inbox.display().to_string()
        ),
    );
    let child = ingestd()
        .args(["run", "--config"])
        .arg(&config)
        .args(["--database-url", &database.url])
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let mut service = Service(child);

    let timeout = Duration::from_secs(60);
    wait_until(timeout, || {
        let (state, why) = state(&database);
        state == "degraded" && why.is_some_and(|why| why.contains("no table late"))
    });
    // For people: the reason below the table, whose lines stay short; and on each line of a watch.
    let ask = |arguments: &[&str]| {
        let mut command = ingestd();
        run(command
            .args(arguments)
            .args(["--database-url", &database.url]))
    };
    let said = ask(&["status"]).out;
    let heading = said.lines().next().expect("a heading");
    assert!(heading.contains("backlog  lag"), "{said}");
    assert!(said.lines().take(2).all(|line| line.len() <= 110), "{said}");
    assert!(said.contains("\nlate is held up by: "), "{said}");
    let said = ask(&["resume", "late"]).out;
    assert!(said.starts_with("late: running; degraded: "), "{said}");
    let mut watch = ingestd()
        .args(["status", "--watch", "--database-url", &database.url])
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut line = String::new();
    let mut lines = BufReader::new(watch.stdout.take().expect("piped"));
    lines.read_line(&mut line).expect("a line");
    watch.kill().expect("it runs");
    watch.wait().expect("ended");
    assert!(line.contains(" late: degraded, files 0"), "{line}");
    assert!(line.contains("; held up by: "), "{line}");

    let mut client = database.client();
    client
        .batch_execute("create table late (id int)")
        .expect("a table");
    wait_until(timeout, || state(&database) == ("running".to_owned(), None));
    let count = "select count(*) from late";
    wait_until(timeout, || {
        client
            .query_one(count, &[])
            .expect("a row")
            .get::<_, i64>(0)
            == 1
    });

    let process = Pid::from_child(&service.0);
    kill_process(process, Signal::TERM).expect("it runs");
    assert_eq!(service.0.wait().expect("ended").code(), Some(0));
}
