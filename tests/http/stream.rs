//! The stream: the state, what happens, and its end.

use super::client::Message;
use super::*;
use crate::support::database;
use crate::support::proxy::{Proxy, Verdict, Way};

fn is_event(kind: &str) -> impl Fn(&Message) -> bool {
    move |message| message.event == "event" && message.data["kind"] == kind
}

#[test]
fn a_stream_has_the_state_each_second_and_what_happens_as_it_does() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let api = &answering.api;
    wait_until_ready(api);
    let mut messages = api.stream(&[]);
    let first = messages.wait_for(|message| message.event == "state");
    assert_eq!(first.data["pipelines"][0]["pipeline"], "one");
    assert_eq!(first.data["services"].as_array().map(Vec::len), Some(1));
    let second = messages.wait_for(|message| message.event == "state");
    assert_ne!(first.data["at"], second.data["at"]);
    drop_rows(&home, "one", "1.csv", 0, 5);
    let archived = messages.wait_for(is_event("file.archived"));
    assert_eq!(archived.data["pipeline"], "one");
    assert_eq!(archived.data["file"], 1);
    api.post("/api/v1/pipelines/one/pause");
    let paused = messages.wait_for(is_event("pipeline.paused"));
    assert_eq!(paused.data["message"], "by http 127.0.0.1");
    assert_eq!(paused.id.as_deref(), paused.data["id"].as_str());
    // Where counting takes long, the files that have ended are counted a little later.
    messages.wait_for(|message| {
        let pipeline = &message.data["pipelines"][0];
        message.event == "state"
            && pipeline["state"] == "paused"
            && pipeline["files"]["archived"] == 1
    });

    // Whoever comes back gets what it has missed.
    drop(messages);
    api.post("/api/v1/pipelines/one/resume");
    let last = archived.id.expect("an id");
    let mut again = api.stream(&[("Last-Event-ID", &last)]);
    again.wait_for(is_event("pipeline.paused"));
    again.wait_for(is_event("pipeline.resumed"));
    let wrong = api.ask("GET /api/v1/stream", &[("Last-Event-ID", "x")], "");
    assert_eq!(wrong.problem()["status"], 400);
    // An open stream holds up no end.
    let asked = Instant::now();
    answering.service.stop();
    assert!(
        asked.elapsed() < Duration::from_secs(6),
        "{:?}",
        asked.elapsed()
    );
    while again.next().is_some() {}
}

#[test]
fn what_happens_before_the_first_reading_is_not_missed_by_whoever_listens() {
    let database = database();
    let home = home(&database, &["one"]);
    let mut client = database.client();
    let answering = start(&home);
    let taken = "select count(*) from ingestd.event_log where kind = 'lease.taken'";
    wait_until(PATIENCE, || {
        let row = client.query_one(taken, &[]);
        row.is_ok_and(|row| row.get::<_, i64>(0) == 1)
    });
    // The state can't be read for a while, and nobody has asked for it yet.
    let mut held = client.transaction().expect("a transaction");
    held.batch_execute("lock table ingestd.pipelines in access exclusive mode")
        .expect("locked");
    let mut messages = answering.api.stream(&[("Last-Event-ID", "0.n.0")]);
    messages.wait_for(is_event("lease.taken"));
    held.batch_execute(
        "insert into ingestd.event_log (kind, pipeline) values ('pipeline.paused', 'one')",
    )
    .expect("noted");
    held.commit().expect("let go");
    messages.wait_for(is_event("pipeline.paused"));
    answering.service.stop();
}

/// Once the database was away for more than ten seconds, only what had happened within the last five was told of.
#[test]
fn what_happens_while_the_database_is_away_is_told_once_it_is_back() {
    let database = database();
    let home = home(&database, &["one"]);
    let proxy = Proxy::before(&database.url);
    home.replace(&database.url, &proxy.url(&database.name));
    let answering = start(&home);
    wait_until_ready(&answering.api);
    let mut messages = answering.api.stream(&[]);
    messages.wait_for(|message| message.event == "state");
    proxy.rule(|_| Verdict::End(0, Way::Both));
    messages.wait_for(|message| message.event == "problem");
    // Others still reach it.
    let happens =
        "insert into ingestd.event_log (kind, pipeline) values ('pipeline.paused', 'one')";
    database.client().batch_execute(happens).expect(happens);
    messages.wait_for_heartbeat();
    proxy.rule(|_| Verdict::Pass);
    messages.wait_for(is_event("pipeline.paused"));
    answering.service.stop();
}

#[test]
fn there_are_as_many_streams_as_there_may_be() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let api = &answering.api;
    wait_until_ready(api);
    let mut streams: Vec<_> = (0..64).map(|_| api.stream(&[])).collect();
    for messages in &mut streams {
        messages.wait_for(|message| message.event == "state");
    }
    let answer = api.get("/api/v1/stream");
    assert_eq!(
        answer.problem()["type"],
        "urn:ingestd:problem:too-many-streams"
    );
    assert_eq!(api.get("/api/v1/pipelines").status, 200);
    // A place is free once its stream is closed.
    streams.pop();
    wait_until(PATIENCE, || {
        let asked = std::panic::catch_unwind(|| api.stream(&[]));
        asked.is_ok()
    });
    answering.service.stop();
}
