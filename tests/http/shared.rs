//! Answers that many get, since one question is asked very often.

use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;

use super::*;
use crate::support::database;

const QUESTION: &str = "/api/v1/events?limit=1";

/// The newest event, by the list of them.
fn newest(api: &Api) -> serde_json::Value {
    api.json(QUESTION)["events"][0].clone()
}

/// Does something while others ask as often as they can.
fn in_a_flood(api: &Api, work: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    api.get(QUESTION);
                }
            });
        }
        let _ends = Ends(&over);
        work();
    });
}

#[test]
fn nobody_misses_in_a_list_what_the_stream_has_told_before() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let api = &answering.api;
    wait_until_ready(api);
    let mut messages = api.stream(&[]);
    messages.wait_for(|message| message.event == "state");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = database.client();
            let happens = "insert into ingestd.event_log (kind) values ('test.happens')";
            while !over.load(Ordering::Relaxed) {
                client.batch_execute(happens).expect(happens);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        in_a_flood(api, || {
            let _ends = Ends(&over);
            let (mut states, mut read_at) = (0, Timestamp::UNIX_EPOCH);
            while states < 8 {
                let message = messages.next().expect("the stream goes on");
                let at = message.data["at"].as_str().expect("a time");
                let at: Timestamp = at.parse().expect("a time");
                if message.event == "state" {
                    (states, read_at) = (states + 1, at);
                } else if at > read_at - Duration::from_millis(40) {
                    // It is told of as soon as it has happened: an older list lacks it.
                    let listed = newest(api);
                    let newest = listed["at"].as_str().expect("a time").parse();
                    assert!(
                        newest.is_ok_and(|newest: Timestamp| newest >= at),
                        "{listed}"
                    );
                }
            }
        });
    });
    answering.service.stop();
}

#[test]
fn nobody_misses_in_a_list_what_they_have_commanded_before() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let api = &answering.api;
    wait_until_ready(api);
    in_a_flood(api, || {
        for _ in 0..5 {
            for (command, kind) in [("pause", "pipeline.paused"), ("resume", "pipeline.resumed")] {
                let path = format!("/api/v1/pipelines/one/{command}?wait=0");
                assert_eq!(api.post(&path).status, 200);
                assert_eq!(newest(api)["kind"], kind);
            }
        }
    });
    answering.service.stop();
}

/// Says that it is over, however it ends.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
