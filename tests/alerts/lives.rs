//! Restarts, kills, pauses, stops and reloads: nothing is told twice, and nothing is left out.

use rustix::process::Signal;

use super::receiver::{Answer, Webhook};
use super::*;
use crate::support::{OwnServer, database};

#[test]
fn a_restart_tells_nothing_again_and_tells_what_has_ended_meanwhile() {
    let database = database();
    let mut client = database.client();
    let home = home(&database.url, &mut client, BAD);
    drop_bad(&home);
    let service = home.run();
    wait_until_told(&home, "bad", &["firing"]);
    wait_until(PATIENCE, || notified(&mut client) == 1);
    service.kill();
    let service = home.run();
    wait_until(PATIENCE, || {
        home.log().matches("service is ready").count() == 2
    });
    wait_for_looks(&mut client, 5);
    assert_eq!(words(&home, "bad"), ["firing"], "it was told before");
    service.stop();
    mend(&mut client);
    assert_eq!(firing(&mut client), 1);
    let service = home.run();
    wait_until_told(&home, "bad", &["firing", "resolved"]);
    assert_eq!(firing(&mut client), 0);
    service.stop();
}

#[test]
fn what_was_on_its_way_as_the_process_was_killed_is_sent_by_its_next_life() {
    let (database, webhook) = (database(), Webhook::new(vec![Answer::Hang]));
    let mut client = database.client();
    let alerts = format!("{BAD}sinks = [\"ops\"]\n{}", webhook.sink(""));
    let home = home(&database.url, &mut client, &alerts);
    drop_bad(&home);
    let service = home.run();
    let first = webhook.next().json();
    service.kill();
    let service = home.run();
    let again = webhook.next().json();
    assert_eq!(
        (&again["id"], &again["status"]),
        (&first["id"], &"firing".into())
    );
    webhook.assert_silent();
    assert_eq!(firing(&mut client), 1);
    service.stop();
}

#[test]
fn a_pause_is_silent_and_its_time_does_not_count() {
    let database = database();
    let mut client = database.client();
    let home = home(
        &database.url,
        &mut client,
        "[alerts.late]\nwhen = \"lag\"\nabove = \"5s\"\n[alerts.slow]\nwhen = \"throughput\"\nbelow = 1e9\nover = \"5s\"\n",
    );
    load_rows(&home, "1.csv", 10);
    let service = home.run();
    // A file that is read but can't be written, in a pipeline that is paused then, for longer than it may lag.
    let mut holder = database.client();
    let held = hold_items(&mut holder);
    drop_rows(&home, "2.csv", 15);
    let open =
        "select count(*) from ingestd.files where state in ('SCHEDULED', 'READING', 'COMPLETED')";
    wait_for(&mut client, open, 1);
    client
        .batch_execute("select ingestd.pause('items')")
        .expect("paused");
    let begun = std::time::Instant::now();
    wait_until(PATIENCE, || begun.elapsed() > Duration::from_millis(7500));
    assert_eq!(
        (words(&home, "late").len(), words(&home, "slow").len()),
        (0, 0)
    );
    held.rollback().expect("let go");
    client
        .batch_execute("select ingestd.resume('items')")
        .expect("resumed");
    wait_for_items(&mut client, 25);
    wait_for_looks(&mut client, 5);
    assert_eq!(
        (words(&home, "late").len(), words(&home, "slow").len()),
        (0, 0)
    );
    service.stop();
}

#[test]
fn nothing_is_told_in_the_first_seconds_nor_during_an_orderly_stop() {
    let mut server = OwnServer::start_new();
    let mut client = server.client();
    let alerts = "[alerts.away]\nwhen = \"database_unreachable\"\nlonger_than = \"100ms\"\n";
    let home = home(&server.url(), &mut client, &format!("{BAD}{alerts}"));
    home.replace("quiet_start = \"0s\"", "quiet_start = \"1h\"");
    home.replace("[service]\n", "[service]\nshutdown_timeout = \"3s\"\n");
    drop_bad(&home);
    let service = home.run();
    let bad = "select count(*) from ingestd.files where state = 'QUARANTINED'";
    wait_for(&mut client, bad, 1);
    wait_for_looks(&mut client, 5);
    assert_eq!(firing(&mut client), 0);
    service.stop();
    home.replace("quiet_start = \"1h\"", "quiet_start = \"0s\"");
    let service = home.run();
    wait_until_told(&home, "bad", &["firing"]);
    // It has a batch that it can't commit, and is told to stop: it waits for a while, and says nothing.
    let held = hold_items(&mut client);
    drop_rows(&home, "2.csv", 10);
    wait_until(PATIENCE, || home.log().contains("55P03"));
    service.signal(Signal::TERM);
    wait_until(PATIENCE, || {
        home.log().contains("stopping: what is in flight")
    });
    drop(held);
    drop(client);
    server.stop_immediate();
    service.wait(Duration::from_secs(30));
    assert_eq!(words(&home, "away"), [""; 0]);
}

#[test]
fn a_reload_takes_on_new_rules_and_sinks_and_ends_what_is_watched_no_more() {
    let (database, webhook) = (database(), Webhook::new(Vec::new()));
    let mut client = database.client();
    let home = home(&database.url, &mut client, BAD);
    drop_bad(&home);
    let service = home.run();
    wait_until_told(&home, "bad", &["firing"]);
    let worse = BAD.replace("bad", "worse");
    let text = format!("{worse}sinks = [\"ops\"]\n{}", webhook.sink(""));
    home.configure(&home.config().replace(BAD, &text));
    service.signal(Signal::HUP);
    let told = webhook.next().json();
    let other = webhook.next().json();
    let of = |alert: &str| {
        [&told, &other]
            .into_iter()
            .find(|it| it["alert"] == alert)
            .expect("told")
    };
    assert_eq!(of("worse")["status"], "firing");
    assert_eq!(of("bad")["status"], "resolved");
    assert!(
        of("bad")["text"]
            .as_str()
            .expect("text")
            .contains("watched no more")
    );
    wait_until_told(&home, "bad", &["firing", "resolved"]);
    assert!(home.log().contains("alerts are changed"));
    assert_eq!(firing(&mut client), 1);
    webhook.assert_silent();
    // A mistake changes nothing.
    home.configure(&home.config().replace("file_quarantined", "file_quarantine"));
    service.signal(Signal::HUP);
    wait_until(PATIENCE, || home.log().contains("not reloaded"));
    mend(&mut client);
    assert_eq!(webhook.next().json()["status"], "resolved");
    service.stop();
}

#[test]
fn an_alert_is_repeated_as_often_as_it_is_asked_for() {
    let database = database();
    let mut client = database.client();
    let alerts = format!("{BAD}repeat = \"1s\"\n");
    let home = home(&database.url, &mut client, &alerts);
    drop_bad(&home);
    let service = home.run();
    wait_until_told(&home, "bad", &["firing", "firing still", "firing still"]);
    service.stop();
}
