//! SIGHUP: what differs is taken on, what does not goes on without a gap, and a bad file changes
//! nothing.

use std::thread;

use rustix::process::Signal;

use super::*;
use crate::support::home::{Service, replaced};
use crate::support::{OwnServer, database};

/// Records of 800 bytes: four times what may be in flight.
const HALF_READ: u64 = 20_000;

/// Has the service read its configuration again, and waits until it says that it has.
fn reload(home: &Home, service: &Service) {
    let before = said(home, "\"reloaded\"");
    service.signal(Signal::HUP);
    wait_until_said(home, "\"reloaded\"", before + 1);
}

fn refused(home: &Home, service: &Service) {
    let before = said(home, "not reloaded: the old configuration stays");
    service.signal(Signal::HUP);
    wait_until_said(
        home,
        "not reloaded: the old configuration stays",
        before + 1,
    );
}

/// How often a pipeline's reader has begun from the ledger.
fn lives(home: &Home, pipeline: &str) -> usize {
    let log = home.log();
    let of_it =
        |line: &&str| line.contains("\"ready\"") && line.contains(&format!("\"{pipeline}\""));
    log.lines().filter(of_it).count()
}

#[test]
fn pipelines_come_go_and_change_and_the_unchanged_do_not_notice() {
    let database = database();
    let home = home(&database, &["stays", "goes", "changes"]);
    make(&home, &database, "comes");
    let service = home.run();
    let mut client = database.client();
    for name in ["stays", "goes", "changes"] {
        drop_rows(&home, name, "1.csv", 0, 10);
        wait_for_rows(&mut client, name, 10);
    }
    let kept = lease(&mut client, "stays");
    let other = lease(&mut client, "changes");
    let text = replaced(
        &home.config(),
        &pipeline("goes", ""),
        &pipeline("comes", ""),
    );
    let changed = pipeline("changes", "batch_rows = 3\narchive = \"done\"");
    home.configure(&replaced(&text, &pipeline("changes", ""), &changed));
    for name in ["goes", "comes", "changes", "stays"] {
        drop_rows(&home, name, "2.csv", 100, 10);
    }
    reload(&home, &service);
    wait_until(PATIENCE, || lease(&mut client, "comes").is_some());
    for (name, before) in [("stays", 20), ("changes", 20), ("comes", 10)] {
        wait_for_rows(&mut client, name, before);
        drop_rows(&home, name, "3.csv", 200, 10);
        wait_for_rows(&mut client, name, before + 10);
    }
    assert_eq!(lease(&mut client, "stays"), kept, "the same life has it");
    assert_ne!(lease(&mut client, "changes"), other, "another life has it");
    assert_eq!(lease(&mut client, "goes"), None, "nobody has it");
    assert_eq!((lives(&home, "stays"), lives(&home, "changes")), (1, 2));
    for line in [
        "pipeline is removed: it commits what is in flight, and stops",
        "pipeline is changed: it commits what is in flight, and starts anew",
        "pipeline is added",
        "pipeline is unchanged",
    ] {
        assert_eq!(said(&home, line), 1, "{line}");
    }
    let served = "select count(*) from ingestd.service_pipelines where pipeline = 'goes'";
    wait_until(SOON, || count(&mut client, served) == 0);
    // What goes may have been in time for its second file; what it has is whole.
    let gone = rows_in(&mut client, "goes");
    assert!(gone == 10 || gone == 20, "{gone}");
    drop_rows(&home, "goes", "3.csv", 200, 10);

    // It comes back, and goes on where it was.
    let text = format!("{}{}", home.config(), pipeline("goes", ""));
    home.configure(&text);
    reload(&home, &service);
    wait_for_rows(&mut client, "goes", 30);
    assert_eq!(lease(&mut client, "stays"), kept);
    service.stop();
}

#[test]
fn a_bad_file_is_refused_with_all_its_problems_and_nothing_changes() {
    let database = database();
    let home = home(&database, &["one", "two"]);
    let service = home.run();
    let mut client = database.client();
    wait_until(PATIENCE, || {
        lease(&mut client, "one").is_some() && lease(&mut client, "two").is_some()
    });
    let kept = [lease(&mut client, "one"), lease(&mut client, "two")];
    let good = home.config();

    let bad = replaced(
        &good,
        &pipeline("one", ""),
        &pipeline("one", "batch_rows = 0\npatern = \"x\""),
    );
    home.configure(&replaced(&bad, &pipeline("two", ""), &pipeline("new", "")));
    refused(&home, &service);
    assert!(
        home.log().contains("did you mean \\\"pattern\\\""),
        "{}",
        home.log()
    );
    assert!(
        home.log().contains("pipelines.one.batch_rows"),
        "{}",
        home.log()
    );

    // What is right in itself, and can't be had: nothing of it is taken on.
    let nowhere = pipeline("new", "").replace("inbox/new", "/nowhere/at/all");
    for text in [
        format!("{good}{nowhere}"),
        replaced(&good, "[log]\nformat = \"json\"\n", "not toml"),
        "[log]\nformat = \"json\"\n".to_owned(),
        replaced(&good, &database.url, "postgresql://elsewhere/shop"),
        replaced(&good, "/data\"", "/other\""),
    ] {
        home.configure(&text);
        refused(&home, &service);
    }
    assert!(
        home.log()
            .contains("[database] can't be changed while the service runs")
    );
    assert!(
        home.log()
            .contains("service.data_dir can't be changed while the service runs")
    );
    assert_eq!([lease(&mut client, "one"), lease(&mut client, "two")], kept);
    assert_eq!(said(&home, "pipeline is added"), 0);
    for name in ["one", "two"] {
        drop_rows(&home, name, "1.csv", 0, 10);
        wait_for_rows(&mut client, name, 10);
    }

    // The rest of what can't be changed is said, and the pipelines' part is taken on.
    let text = replaced(&good, "[log]\n", "[log]\nlevel = \"debug\"\n");
    home.configure(&replaced(
        &text,
        &pipeline("two", ""),
        &pipeline("two", "batch_rows = 7"),
    ));
    reload(&home, &service);
    assert_eq!(said(&home, "this change needs a restart"), 1);
    wait_until(PATIENCE, || lives(&home, "two") == 2);
    assert_eq!(lease(&mut client, "one"), kept[0]);
    service.stop();
}

/// A batch takes 80 ms, until this is dropped: so the file is half read for as long as the test needs, and what is
/// in flight is committed in time.
const SLOW: &str = "
    create function slow() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.08); return null; end $$;
    create trigger slow before insert on big for each statement execute function slow();";

#[test]
fn a_file_that_is_half_read_ends_under_the_plan_that_it_was_begun_with() {
    let database = database();
    let text = pipeline("big", "batch_rows = 100\nmemory = \"4MiB\"\npartitions = 2");
    let home = Home::new(Some(&database.url), "", &text);
    make(&home, &database, "big");
    let mut client = database.client();
    client
        .batch_execute(&format!(
            "create table other (id bigint, note text); {SLOW}"
        ))
        .expect("a table");
    let mut large = "id,note\n".to_owned();
    for id in 0..HALF_READ {
        large.push_str(&format!("{id},{:0>800}\n", "of 1.csv"));
    }
    drop_file(&home.directory("inbox/big"), "1.csv", large);
    let service = home.run();
    wait_until(PATIENCE, || rows_in(&mut client, "big") > 1_000);
    home.configure(&replaced(
        &home.config(),
        "table = \"big\"",
        "table = \"other\"",
    ));
    drop_rows(&home, "big", "2.csv", 500_000, 1_000);
    reload(&home, &service);
    let records = HALF_READ as i64;
    assert!(rows_in(&mut client, "big") < records, "it was half read");
    client
        .batch_execute("drop trigger slow on big")
        .expect("dropped");
    wait_for_rows(&mut client, "big", records);
    wait_for_rows(&mut client, "other", 1_000);
    let mixed = "select (select count(*) from big where id >= 500000)
                      + (select count(*) from other where id < 500000)";
    assert_eq!(count(&mut client, mixed), 0);
    service.stop();
}

#[test]
fn a_paused_and_a_drained_pipeline_stay_so_and_go_on_as_they_are_configured_then() {
    let database = database();
    let home = home(&database, &["one", "two"]);
    let service = home.run();
    let mut client = database.client();
    wait_until(PATIENCE, || is_done(&mut client, "two", "running"));
    home.ask(&["pause", "one"]);
    home.ask(&["drain", "two"]);
    let old = home.config();
    let text = replaced(
        &old,
        &pipeline("one", ""),
        &pipeline("one", "").replace("= \"one\"", "= \"one_b\""),
    );
    home.configure(&replaced(
        &text,
        &pipeline("two", ""),
        &pipeline("two", "").replace("= \"two\"", "= \"two_b\""),
    ));
    for name in ["one", "two"] {
        client
            .batch_execute(&format!("create table {name}_b (id bigint, note text)"))
            .expect("a table");
        drop_rows(&home, name, "1.csv", 0, 10);
    }
    reload(&home, &service);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(status(&home, "one")["state"], "paused");
    assert_eq!(status(&home, "two")["state"], "drained");
    assert_eq!(
        rows_in(&mut client, "one_b") + rows_in(&mut client, "two_b"),
        0
    );
    assert_eq!(lease(&mut client, "two"), None);
    home.ask(&["resume"]);
    wait_for_rows(&mut client, "one_b", 10);
    wait_for_rows(&mut client, "two_b", 10);
    service.stop();
}

#[test]
fn a_reload_while_the_database_is_down_comes_about_when_it_is_back() {
    let mut server = OwnServer::start_new();
    let text = format!("{}{}", pipeline("one", ""), pipeline("two", ""));
    let home = Home::new(Some(&server.url()), "shutdown_timeout = \"1s\"", &text);
    let mut client = server.client();
    for name in ["one", "two", "three"] {
        home.directory(&format!("inbox/{name}"));
        let table = format!("create table {name} (id bigint, note text)");
        client.batch_execute(&table).expect("a table");
    }
    let service = home.run();
    for name in ["one", "two"] {
        drop_rows(&home, name, "1.csv", 0, 10);
        wait_for_rows(&mut client, name, 10);
    }
    drop(client);
    server.stop_immediate();
    for name in ["one", "two", "three"] {
        drop_rows(&home, name, "2.csv", 100, 10);
    }
    let text = replaced(
        &home.config(),
        &pipeline("two", ""),
        &pipeline("two", "batch_rows = 3"),
    );
    home.configure(&format!("{text}{}", pipeline("three", "")));
    reload(&home, &service);
    // And two more at once, of which nothing comes.
    service.signal(Signal::HUP);
    service.signal(Signal::HUP);
    server.start();
    let mut client = server.client();
    for (name, rows) in [("one", 20), ("two", 20), ("three", 10)] {
        wait_for_rows(&mut client, name, rows);
    }
    wait_until_said(&home, "\"reloaded\"", 2);
    service.stop();
}
