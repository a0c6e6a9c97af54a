//! Each rule, by what it is about.

use super::*;
use crate::support::{Mounted, OwnServer, database};

#[test]
fn a_pipeline_that_is_held_up_by_a_lock_lags_and_is_failing() {
    let database = database();
    let mut client = database.client();
    let alerts = "[alerts.late]\nwhen = \"lag\"\nabove = \"1s\"\nuntil = \"500ms\"\nfor = \"200ms\"\n\
                  [alerts.stuck]\nwhen = \"batch_failing\"\nlonger_than = \"100ms\"\n";
    let home = home(&database.url, &mut client, alerts);
    load_rows(&home, "1.csv", 10);
    let service = home.run();
    wait_for_looks(&mut client, 15);
    assert_eq!(words(&home, "late"), [""; 0], "nothing waits");
    let mut holder = database.client();
    let held = hold_items(&mut holder);
    drop_rows(&home, "2.csv", 20);
    let late = wait_until_told(&home, "late", &["firing"]);
    assert_eq!(
        (&late["pipeline"], &late["unit"]),
        (&"items".into(), &"seconds".into())
    );
    assert!(late["value"].as_f64().expect("a number") > 1.0, "{late}");
    assert!(
        late["text"].as_str().expect("text").contains("2.csv"),
        "{late}"
    );
    let stuck = wait_until_told(&home, "stuck", &["firing"]);
    assert!(
        stuck["text"].as_str().expect("text").contains("lock"),
        "{stuck}"
    );

    // What fires is shown everywhere.
    wait_until(PATIENCE, || firing(&mut client) == 2);
    let listed = super::alerts(&home, &[]);
    assert_eq!(listed.len(), 2);
    assert!(
        listed
            .iter()
            .all(|it| it["pipeline"] == "items" && it["resolved_at"].is_null())
    );
    let (status, _) = text(&home.ask(&["status"]));
    assert!(status.contains("2 alerts fire:"), "{status}");
    let status: Value =
        serde_json::from_slice(&home.ask(&["status", "--json"]).stdout).expect("JSON");
    assert_eq!(status[0]["alerts"].as_array().expect("alerts").len(), 2);
    let (list, _) = text(&home.ask(&["alerts"]));
    assert!(list.contains("lags behind by"), "{list}");

    held.rollback().expect("let go");
    wait_until_told(&home, "late", &["firing", "resolved"]);
    wait_until_told(&home, "stuck", &["firing", "resolved"]);
    wait_until(PATIENCE, || firing(&mut client) == 0);
    let kinds = ["alert.fired", "alert.resolved"];
    assert_eq!(events(&mut client, "late"), kinds);
    let fired =
        "select count(*) from ingestd.events where kind = 'alert.fired' and pipeline = 'items'
                 and subject = 'late' and message like '%2.csv%'";
    assert_eq!(count(&mut client, fired), 1);
    let ended = super::alerts(&home, &["--all"]);
    assert!(ended.len() == 2 && ended.iter().all(|it| it["resolved_at"].is_string()));
    assert_eq!(text(&home.ask(&["alerts"])).0, "no alert fires\n");
    service.stop();
}

#[test]
fn dead_letters_are_too_many_of_the_records() {
    let database = database();
    let mut client = database.client();
    let alerts =
        "[alerts.errors]\nwhen = \"error_ratio\"\nabove = 0.1\nover = \"2s\"\nmin_records = 50\n";
    let home = home(&database.url, &mut client, alerts);
    let service = home.run();
    let inbox = home.directory("inbox/items");
    drop_rows(&home, "good.csv", 100);
    wait_for_items(&mut client, 100);
    wait_for_looks(&mut client, 5);
    assert_eq!(words(&home, "errors"), [""; 0]);
    // Few records say nothing, however bad they are.
    drop_file(&inbox, "few.csv", "id,note\n1,x\nx,x\nx,y\n");
    let letters = "select count(*) from ingestd.dead_letters";
    wait_for(&mut client, letters, 2);
    let good: String = (0..60).map(|id| format!("{id},x\n")).collect();
    let bad = "bad,x\n".repeat(40);
    drop_file(&inbox, "mixed.csv", format!("id,note\n{good}{bad}"));
    let told = wait_until_told(&home, "errors", &["firing"]);
    let ratio = told["value"].as_f64().expect("a ratio");
    assert!((0.1..=0.45).contains(&ratio), "{told}");
    assert!(
        !told.to_string().contains("bad,x"),
        "no cell is told: {told}"
    );
    wait_until_told(&home, "errors", &["firing", "resolved"]);
    service.stop();
}

#[test]
fn a_pipeline_is_too_slow_only_while_files_wait() {
    let database = database();
    let mut client = database.client();
    let alerts = "[alerts.slow]\nwhen = \"throughput\"\nbelow = 1_000_000_000\nover = \"1s\"\n";
    let home = home(&database.url, &mut client, alerts);
    load_rows(&home, "1.csv", 10);
    let service = home.run();
    wait_for_looks(&mut client, 15);
    assert_eq!(words(&home, "slow"), [""; 0], "nothing waits");
    let mut holder = database.client();
    let held = hold_items(&mut holder);
    drop_rows(&home, "2.csv", 20);
    let told = wait_until_told(&home, "slow", &["firing"]);
    assert_eq!(told["value"], 0.0, "{told}");
    held.rollback().expect("let go");
    wait_until_told(&home, "slow", &["firing", "resolved"]);
    service.stop();
}

#[test]
fn a_file_in_quarantine_is_told_and_so_is_its_end_by_a_retry() {
    let database = database();
    let mut client = database.client();
    let home = home(&database.url, &mut client, BAD);
    let service = home.run();
    let inbox = home.directory("inbox/items");
    drop_file(&inbox, "bad.csv", "id,note,more\n1,x,y\n");
    let told = wait_until_told(&home, "bad", &["firing"]);
    let said = told["text"].as_str().expect("text");
    assert!(
        said.contains("1 file in quarantine") && said.contains("bad.csv"),
        "{said}"
    );
    assert_eq!(
        told["look_at"],
        "ingestd files --pipeline items --state QUARANTINED"
    );
    client
        .batch_execute("alter table items add column more text")
        .expect("altered");
    wait_until(PATIENCE, || {
        let output = home.ask(&["retry", "bad.csv"]);
        output.status.success()
    });
    wait_until_told(&home, "bad", &["firing", "resolved"]);
    service.stop();
}

#[test]
fn a_database_that_is_away_is_told_at_once_and_written_down_later() {
    let mut server = OwnServer::start_new();
    let mut client = server.client();
    let alerts = "[alerts.away]\nwhen = \"database_unreachable\"\nlonger_than = \"300ms\"\n\
                  [alerts.late]\nwhen = \"lag\"\nabove = \"1h\"\n";
    let home = home(&server.url(), &mut client, alerts);
    let service = home.run();
    drop_rows(&home, "1.csv", 10);
    wait_for_items(&mut client, 10);
    drop(client);
    server.stop_immediate();
    let told = wait_until_told(&home, "away", &["firing"]);
    assert!(told["pipeline"].is_null(), "{told}");
    server.start();
    wait_until_told(&home, "away", &["firing", "resolved"]);
    let mut client = server.client();
    let written = "select count(*) from ingestd.alerts
                   where alert = 'away' and resolved_at > fired_at and notified_at is not null";
    wait_for(&mut client, written, 1);
    let kinds = ["alert.fired", "alert.resolved"];
    assert_eq!(events(&mut client, "away"), kinds, "it was noted later");
    assert_eq!(words(&home, "late"), [""; 0]);
    service.stop();
}

#[test]
fn a_disk_is_nearly_full_until_there_is_room() {
    let database = database();
    let mut client = database.client();
    let alerts =
        "[alerts.disk]\nwhen = \"disk_nearly_full\"\nfree_below = \"4MiB\"\nuntil = \"6MiB\"\n";
    let home = home(&database.url, &mut client, alerts);
    let inbox = home.directory("inbox/items");
    let Some(small) = Mounted::new(&inbox, "size=8m,mode=755") else {
        return;
    };
    let service = home.run();
    let filling = inbox.join(".filling");
    wait_until(PATIENCE, || {
        firing(&mut client) == 0 && home.log().contains("service is ready")
    });
    std::fs::write(&filling, vec![0; 5 << 20]).expect("written");
    let told = wait_until_told(&home, "disk", &["firing"]);
    let said = told["text"].as_str().expect("text");
    assert!(
        said.contains(&inbox.canonicalize().expect("there").display().to_string()),
        "{said}"
    );
    // Between the two bounds nothing changes.
    std::fs::write(&filling, vec![0; 3 << 20]).expect("written");
    wait_for_looks(&mut client, 5);
    assert_eq!(words(&home, "disk"), ["firing"]);
    std::fs::remove_file(&filling).expect("removed");
    wait_until_told(&home, "disk", &["firing", "resolved"]);
    service.stop();
    drop(small);
}
