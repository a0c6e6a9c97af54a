//! Files of a service that runs and can't go on, or was told not to.

use super::*;
use crate::support::database;

#[test]
fn a_paused_and_a_drained_pipeline_say_by_whom() {
    let database = database();
    let home = home(&database, "");
    let service = home.run();
    let mut client = database.client();
    wait_until_ready(&mut client);
    for (command, stage) in [("pause", "paused"), ("drain", "drained")] {
        assert!(home.ask(&[command, "one"]).status.success());
        let path = drop_rows(&home, &format!("{command}.csv"), 2);
        let found = wait_for_stage(&home, &path, stage);
        let user: String = client
            .query_one("select wanted_by from ingestd.pipelines", &[])
            .expect("a row")
            .get(0);
        says(&found, &[&format!("by {user}")]);
        assert!(found["since"].is_string(), "{found:#}");
        assert_eq!(found["advice"], "`ingestd resume one`");
        assert!(home.ask(&["resume", "one"]).status.success());
        wait_for_stage(&home, &path, "archived");
    }
    service.stop();
}

#[test]
fn a_lock_of_somebody_else_is_named_and_a_file_behind_tells_what_it_waits_for() {
    let database = database();
    // So little memory that the first file is not read to its end while nothing is written.
    let home = home(&database, "memory = \"4MiB\"\nbatch_rows = 1000");
    let first = drop_rows(&home, "1.csv", 1_000_000);
    let second = drop_rows(&home, "2.csv", 10);
    let mut client = database.client();
    let mut other = database.client();
    other
        .batch_execute(
            "set application_name = 'an editor'; begin; lock table one in exclusive mode",
        )
        .expect("a lock");
    let pid: i32 = other
        .query_one("select pg_backend_pid()", &[])
        .expect("a row")
        .get(0);
    let service = home.run();
    wait_until_ready(&mut client);
    let found = wait_for_stage(&home, &first, "blocked_by_lock");
    says(
        &found,
        &[
            &format!("a lock that backend {pid} holds"),
            "application an editor",
            "idle in transaction",
        ],
    );
    let advice = text(&found, "advice");
    assert!(
        advice.contains(&format!("pg_terminate_backend({pid})")),
        "{advice}"
    );

    let mut behind = wait_for_stage(&home, &second, "waiting_behind");
    // Between two attempts nobody waits for the lock, and the pipeline is degraded for it.
    let deadline = std::time::Instant::now() + PATIENCE;
    while behind["waits_for"]["stage"] != "blocked_by_lock" {
        assert!(std::time::Instant::now() < deadline, "{behind:#}");
        behind = why(&home, &second);
    }
    says(&behind, &["1.csv"]);
    assert_eq!(behind["waits_for"]["file"], found["file"]);
    let words = home.ask(&["why", &second]);
    let words = String::from_utf8(words.stdout).expect("text");
    assert!(words.contains("stage         waiting behind"), "{words}");
    assert!(words.contains("that one:\n  file        1 ("), "{words}");

    other.batch_execute("rollback").expect("let go");
    wait_for_stage(&home, &second, "archived");
    service.stop();
}

/// It was advised to end the service's own backend by force.
#[test]
fn a_lock_of_the_service_itself_is_followed_to_whom_that_one_waits_for() {
    let database = database();
    let home = home(&database, "");
    let mut client = database.client();
    client
        .batch_execute("create table other (id int)")
        .expect("a table");
    let service = home.run();
    wait_until_ready(&mut client);
    let pid = |client: &mut Client| -> i32 {
        let row = client.query_one("select pg_backend_pid()", &[]);
        row.expect("a row").get(0)
    };
    let (mut own, mut stranger) = (database.client(), database.client());
    let (own_pid, stranger_pid) = (pid(&mut own), pid(&mut stranger));
    // As another writer of the service stands in the ledger.
    client
        .execute(
            "insert into ingestd.writers (pipeline, lane, instance, backend, backend_start)
             select i.pipeline, 7, i.instance, a.pid, a.backend_start
             from ingestd.live_instances i, pg_stat_activity a where a.pid = $1",
            &[&own_pid],
        )
        .expect("a writer");
    own.batch_execute("begin; lock table one in exclusive mode")
        .expect("a lock");
    stranger
        .batch_execute("begin; lock table other in exclusive mode")
        .expect("a lock");
    let path = drop_rows(&home, "a.csv", 3);
    let waits = "select count(*) from pg_stat_activity
                 where $1 = any(pg_blocking_pids(pid)) and now() - query_start > interval '2.5 s'";
    wait_until(PATIENCE, || {
        let row = client.query_one(waits, &[&own_pid]).expect("a count");
        row.get::<_, i64>(0) > 0
    });
    let found = why(&home, &path);
    assert_ne!(found["stage"], "blocked_by_lock", "{found:#}");
    let waiting = std::thread::spawn(move || {
        own.batch_execute("lock table other in exclusive mode; rollback")
            .expect("locked at last");
    });
    let holds = format!("backend {stranger_pid} holds");
    let found = wait_for(&home, &path, |answer| {
        let because = answer["because"].as_str();
        because.is_some_and(|it| it.contains(&holds))
    });
    assert_eq!(found["stage"], "blocked_by_lock");
    stranger.batch_execute("rollback").expect("let go");
    waiting.join().expect("it ends");
    wait_for_stage(&home, &path, "archived");
    service.stop();
}

/// Nobody waits for the lock between two attempts to look at the table: it was called a degraded pipeline.
#[test]
fn a_table_that_nobody_else_can_even_look_at_names_who_has_locked_it() {
    let database = database();
    let home = home(&database, "");
    let mut client = database.client();
    let mut other = database.client();
    other
        .batch_execute("begin; lock table one in access exclusive mode")
        .expect("a lock");
    let pid = "select pg_backend_pid()";
    let pid: i32 = other.query_one(pid, &[]).expect("a row").get(0);
    let service = home.run();
    wait_until_ready(&mut client);
    let path = drop_rows(&home, "a.csv", 3);
    let found = wait_for(&home, &path, |answer| {
        let because = answer["because"].as_str();
        because.is_some_and(|it| it.contains("has locked its table"))
    });
    assert_eq!(found["stage"], "blocked_by_lock");
    says(
        &found,
        &[&format!("backend {pid} has"), "idle in transaction"],
    );
    // Whoever asks for less is told whom to ask.
    let status = home.ask(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    let degraded = status[0]["degraded"].as_str().unwrap_or_default();
    assert!(degraded.contains("`ingestd why FILE`"), "{status:#}");
    assert!(!text(&found, "because").contains("ingestd why"));
    let advice = text(&found, "advice");
    assert!(
        advice.contains(&format!("pg_terminate_backend({pid})")),
        "{advice}"
    );
    other.batch_execute("rollback").expect("let go");
    wait_for_stage(&home, &path, "archived");
    service.stop();
}

#[test]
fn a_file_that_is_read_slowly_says_how_far_it_is_and_whom_it_waits_for() {
    let database = database();
    let home = home(
        &database,
        "memory = \"4MiB\"\nbatch_rows = 100\npartitions = 1",
    );
    let mut client = database.client();
    client
        .batch_execute(
            "create table pace (seconds float8);
             insert into pace values (0.05);
             create function slow() returns trigger language plpgsql as
                 $$ begin perform pg_sleep((select max(seconds) from pace)); return null; end $$;
             create trigger slow after insert on one for each statement execute function slow()",
        )
        .expect("a trigger");
    let path = drop_rows(&home, "a.csv", 200_000);
    let service = home.run();
    wait_until_ready(&mut client);
    let mut found = wait_for_stage(&home, &path, "reading");
    let deadline = std::time::Instant::now() + PATIENCE;
    while found["estimate_seconds"].is_null() {
        assert!(std::time::Instant::now() < deadline, "{found:#}");
        found = wait_for_stage(&home, &path, "reading");
    }
    says(&found, &["by process", "records a second", " %"]);
    client
        .batch_execute("update pace set seconds = 600")
        .expect("slower");
    let found = wait_for_stage(&home, &path, "writers_busy");
    says(&found, &["lane 0", "at one statement for", "PgSleep"]);
    drop(service);
}

#[test]
fn a_pipeline_that_cant_go_on_says_why() {
    let database = database();
    let home = home(&database, "");
    let mut client = database.client();
    client
        .batch_execute("alter table one rename to other")
        .expect("renamed");
    let service = home.run();
    wait_until_ready(&mut client);
    let path = drop_rows(&home, "a.csv", 3);
    let found = wait_for_stage(&home, &path, "degraded");
    says(&found, &["no table one"]);
    client
        .batch_execute("alter table other rename to one")
        .expect("renamed");
    wait_for_stage(&home, &path, "archived");
    service.stop();
    client
        .batch_execute("delete from ingestd.services")
        .expect("cleared");
    let path = drop_rows(&home, "b.csv", 3);
    let found = wait_for_stage(&home, &path, "no_service");
    assert!(text(&found, "advice").contains("ingestd run"));
}
