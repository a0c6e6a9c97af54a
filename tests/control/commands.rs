//! Each command, each way, and what is said about it.

use std::process::Output;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::*;
use crate::support::{Scratch, database, ingestd};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn each_command_comes_about_within_a_second_by_sql_and_by_the_command_line() {
    let database = database();
    let home = home(&database, &["one", "two"]);
    let service = home.run();
    let mut client = database.client();
    wait_until(PATIENCE, || is_done(&mut client, "two", "running"));
    let mut latest = Duration::ZERO;
    for (round, (command, state)) in [
        ("pause", "paused"),
        ("resume", "running"),
        ("drain", "drained"),
        ("resume", "running"),
    ]
    .into_iter()
    .enumerate()
    {
        let query = format!("select ingestd.{command}('one')");
        let said: String = client.query_one(&query, &[]).expect("a command").get(0);
        assert!(said.starts_with(&format!("one: {state}")), "{said}");
        let by_sql = wait_until_done(&mut client, "one", state);

        let started = Instant::now();
        let output = home.ask(&[command, "two"]);
        let by_command = started.elapsed();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(
            out(&output).starts_with(&format!("two: {state}")),
            "{output:?}"
        );
        assert!(is_done(&mut client, "two", state), "it was waited for");
        eprintln!("{command}: {by_sql:?} by SQL, {by_command:?} with the start of a process");
        latest = latest.max(by_sql).max(by_command);

        for name in ["one", "two"] {
            // One that was drained takes its lease first.
            wait_until(PATIENCE, || status(&home, name)["state"] == state);
            drop_rows(&home, name, &format!("{round}.csv"), round as u64 * 100, 10);
        }
        if state == "running" {
            // What has come while nothing was read is read now, too.
            wait_for_rows(&mut client, "one", (round as i64 + 1) * 10);
            wait_for_rows(&mut client, "two", (round as i64 + 1) * 10);
        } else {
            std::thread::sleep(Duration::from_millis(300));
            assert_eq!(rows_in(&mut client, "one"), round as i64 * 10);
        }
    }
    assert!(latest < SOON, "{latest:?}");
    service.stop();
}

#[test]
fn without_a_name_all_are_meant() {
    let database = database();
    let home = home(&database, &["one", "two"]);
    let service = home.run();
    let mut client = database.client();
    wait_until(PATIENCE, || is_done(&mut client, "two", "running"));
    // A table that was loaded by hand is none of them.
    let file = home.data().join("by-hand.csv");
    std::fs::write(&file, "id,note\n1,a\n").expect("written");
    let load = home.ask(&["load", file.to_str().expect("UTF-8"), "--table", "one"]);
    assert!(load.status.success(), "{load:?}");
    let rows = client.query("select ingestd.pause()", &[]).expect("rows");
    let said: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        said,
        ["one: paused (was running)", "two: paused (was running)"]
    );
    wait_until_done(&mut client, "one", "paused");
    wait_until_done(&mut client, "two", "paused");
    let output = home.ask(&["resume"]);
    assert_eq!(out(&output), "one: running\ntwo: running\n");
    service.stop();
}

#[test]
fn a_pause_by_sql_ends_by_a_signal_and_one_by_a_signal_by_sql() {
    let database = database();
    let home = home(&database, &["one"]);
    let service = home.run();
    let mut client = database.client();
    wait_until(PATIENCE, || is_done(&mut client, "one", "running"));
    client
        .execute("select ingestd.pause(null)", &[])
        .expect("a command");
    wait_until_done(&mut client, "one", "paused");
    let user: String = client
        .query_one("select session_user::text", &[])
        .expect("a name")
        .get(0);
    let paused = status(&home, "one");
    assert_eq!(paused["wanted_by"], user.as_str());
    assert!(paused["wanted_at"].is_string());
    let table = out(&home.ask(&["status"]));
    assert!(
        table.contains(&format!("paused by {user} since 20")),
        "{table}"
    );

    service.signal(Signal::USR2);
    wait_until_done(&mut client, "one", "running");
    service.signal(Signal::USR1);
    wait_until_done(&mut client, "one", "paused");
    let by = status(&home, "one")["wanted_by"].to_string();
    assert!(by.contains("a signal to process"), "{by}");
    client
        .execute("select ingestd.resume('one')", &[])
        .expect("a command");
    wait_until_done(&mut client, "one", "running");
    drop_rows(&home, "one", "a.csv", 0, 10);
    wait_for_rows(&mut client, "one", 10);
    service.stop();
}

#[test]
fn of_two_signals_at_once_the_second_counts() {
    let database = database();
    let home = home(&database, &["one"]);
    let service = home.run();
    let mut client = database.client();
    wait_until(PATIENCE, || is_done(&mut client, "one", "running"));
    let commands = "select command from ingestd.pipelines";
    for round in 1..=20 {
        service.signal(Signal::USR1);
        service.signal(Signal::USR2);
        wait_until(PATIENCE, || count(&mut client, commands) == 2 * round);
        let running = "select count(*) from ingestd.pipelines where wanted = 'running'";
        assert_eq!(count(&mut client, running), 1, "round {round}");
    }
    service.stop();
}

#[test]
fn a_pause_while_nothing_runs_waits_for_the_start() {
    let database = database();
    let home = home(&database, &["one"]);
    assert!(home.ask(&["migrate"]).status.success());
    // It has never run: the configuration alone knows it.
    let output = home.ask(&["pause", "one"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        out(&output),
        "one: no service runs: it will be paused when one starts\n"
    );
    assert_eq!(status(&home, "one")["state"], "stopped (paused)");
    let output = home.ask(&["rescan"]);
    assert_eq!(
        out(&output),
        "one: no service runs: one that starts looks by itself\n"
    );

    drop_rows(&home, "one", "a.csv", 0, 10);
    let service = home.run();
    let mut client = database.client();
    wait_until(PATIENCE, || is_done(&mut client, "one", "paused"));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(rows_in(&mut client, "one"), 0);
    let output = home.ask(&["resume", "one"]);
    assert_eq!(out(&output), "one: running\n");
    wait_for_rows(&mut client, "one", 10);
    service.stop();
    let output = home.ask(&["drain", "one", "--no-wait"]);
    assert_eq!(out(&output), "one: is to be drained\n");
    let output = home.ask(&["pause", "one"]);
    let stays = "one: no service runs: it is drained, and stays so when one starts\n";
    assert_eq!(out(&output), stays);
}

#[test]
fn unknown_names_are_wrong_usage_and_change_nothing() {
    let database = database();
    let home = home(&database, &["purchases", "two"]);
    let output = home.ask(&["pause"]);
    assert_eq!(output.status.code(), Some(2), "no ledger: {output:?}");
    assert!(home.ask(&["migrate"]).status.success());
    let output = home.ask(&["pause", "two", "purchase"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        err(&output).contains("did you mean \"purchases\"?"),
        "{output:?}"
    );
    let mut client = database.client();
    let paused = "select count(*) from ingestd.pipelines where paused";
    assert_eq!(count(&mut client, paused), 0);

    let unknown = client.query("select ingestd.pause('purchase')", &[]);
    let error = unknown.expect_err("there is none");
    let error = error.as_db_error().expect("the server says so").clone();
    assert_eq!(error.message(), "there is no pipeline \"purchase\"");
    let hint = error.hint().expect("a hint");
    assert!(hint.contains("None has run"), "{hint}");
    client
        .execute(
            "insert into ingestd.pipelines (name) values ('purchases'), ('two')",
            &[],
        )
        .expect("inserted");
    let unknown = client.query("select ingestd.drain('purchase')", &[]);
    let error = unknown.expect_err("there is none");
    let hint = error.as_db_error().and_then(|error| error.hint());
    assert_eq!(hint, Some("There are: purchases, two."));

    // Without any configuration, the ledger's names are known.
    let scratch = Scratch::new();
    let output = ingestd()
        .args([
            "pause",
            "two",
            "--database-url",
            &database.url,
            "--data-dir",
        ])
        .arg(scratch.path())
        .output()
        .expect("the program");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_service_that_does_not_answer_is_named() {
    let database = database();
    let home = home(&database, &["one"]);
    let service = home.run();
    let mut client = database.client();
    wait_until(PATIENCE, || is_done(&mut client, "one", "running"));
    // Not in the middle of its start.
    wait_until_said(&home, "\"msg\":\"ready\"", 1);
    service.signal(Signal::STOP);
    let output = home.ask(&["pause", "one", "--timeout", "300ms"]);
    service.signal(Signal::CONT);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let process = format!("process {} on host", service.pid().as_raw_nonzero());
    assert!(err(&output).contains(&process), "{output:?}");
    // The command stands.
    wait_until_done(&mut client, "one", "paused");
    // One that is killed is not waited for.
    service.kill();
    let output = home.ask(&["resume", "one"]);
    assert_eq!(
        out(&output),
        "one: no service runs: it will load when one starts\n"
    );
}

/// A service that is stopped in the middle of a transaction holds the pipeline's row.
#[test]
fn a_command_does_not_wait_for_ever_for_the_pipelines_row() {
    let database = database();
    let home = home(&database, &["one"]);
    assert!(home.ask(&["migrate"]).status.success());
    assert!(home.ask(&["pause", "one"]).status.success());
    let mut client = database.client();
    let mut holding = client.transaction().expect("a transaction");
    holding
        .batch_execute("select from ingestd.pipelines for update")
        .expect("locked");
    for command in ["resume", "rescan"] {
        let output = home.ask(&[command, "one", "--timeout", "100ms"]);
        assert_ne!(output.status.code(), Some(0), "{output:?}");
        assert!(
            err(&output).contains("holds the pipeline's row"),
            "{output:?}"
        );
    }
    holding.rollback().expect("unlocked");
    assert_eq!(status(&home, "one")["state"], "stopped (paused)");
}

#[test]
fn a_look_finds_what_no_event_and_no_interval_would() {
    let database = database();
    let text = pipeline("one", "scan_interval = \"1h\"");
    let home = Home::new(Some(&database.url), "", &text);
    make(&home, &database, "one");
    let service = home.run();
    let mut client = database.client();
    wait_until(PATIENCE, || is_done(&mut client, "one", "running"));
    // The inbox's watch is on a directory that is not there any more: no event tells of the new one.
    let inbox = home.data().join("inbox/one");
    let aside = home.directory("aside");
    drop_file(&aside, "a.csv", "id,note\n1,a\n");
    std::fs::rename(&inbox, home.data().join("old")).expect("renamed");
    std::fs::rename(&aside, &inbox).expect("renamed");
    std::thread::sleep(Duration::from_millis(500));
    let output = home.ask(&["rescan", "one"]);
    assert_eq!(out(&output), "one: looked through its directory\n");
    wait_until(SOON, || rows_in(&mut client, "one") == 1);
    client
        .execute("select ingestd.rescan()", &[])
        .expect("asked");
    home.ask(&["pause", "one"]);
    let output = home.ask(&["rescan"]);
    let said = "one: looked through its directory; it is paused, and reads nothing\n";
    assert_eq!(out(&output), said);
    service.stop();
}

#[test]
fn a_health_check_fails_where_no_service_looks_after_a_pipeline() {
    let database = database();
    let home = home(&database, &["one", "two"]);
    assert!(home.ask(&["migrate"]).status.success());
    let output = home.ask(&["status", "--check"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        out(&output),
        "one: no service runs it\ntwo: no service runs it\n"
    );
    let service = home.run();
    let is_healthy = || home.ask(&["status", "--check"]).status.code() == Some(0);
    wait_until(PATIENCE, is_healthy);
    assert!(home.ask(&["drain", "two"]).status.success());
    assert!(is_healthy(), "it was told to let go");
    service.kill();
    wait_until(PATIENCE, || !is_healthy());
}

#[test]
fn a_reset_says_who_loads_the_pipeline_and_how_to_have_it_let_go() {
    let database = database();
    let home = home(&database, &["one"]);
    let service = home.run();
    let mut client = database.client();
    wait_until(PATIENCE, || is_done(&mut client, "one", "running"));
    drop_rows(&home, "one", "a.csv", 0, 10);
    wait_for_rows(&mut client, "one", 10);
    let output = home.ask(&["reset", "one", "--yes"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = err(&output);
    assert!(said.contains("is running: process "), "{said}");
    let command = said.split('`').nth(1).expect("a command");
    assert_eq!(command, "ingestd drain one");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    assert!(home.ask(&words).status.success());
    let output = home.ask(&["reset", "one", "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    service.stop();
    // The next service knows nothing of what was loaded, and loads.
    drop_rows(&home, "one", "b.csv", 10, 10);
    let service = home.run();
    wait_for_rows(&mut client, "one", 20);
    service.stop();
}
