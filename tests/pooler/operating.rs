//! What an operator does, behind the pooler and straight at the server: each comes to the same.

use std::time::Duration;

use regex::Regex;
use serde_json::{Value, json};

use super::{assert_sessions_clean, keys};
use crate::http::client::Api;
use crate::http::{Answering, start, wait_until_ready};
use crate::support::home::{Home, drop_file};
use crate::support::{PATIENCE, Pooler, TestDatabase, database, wait_until};

/// Three are refused by the table, one is no number, and one has a field too many.
const FILE: &str = "id,note\n1,good\n2,bad\n3,bad\n4,bad\nx,good\n6,a,b\n7,good\n";
const MEND: &str = "alter table things drop constraint no_bad";

/// Knows the files' rows, and looks often.
const PIPELINE: &str = "[alerting]\ndefaults = false\ninterval = \"100ms\"\nquiet_start = \"0s\"\n\
    [alerts.bad]\nwhen = \"file_quarantined\"\n\
    [pipelines.things]\ndirectory = \"inbox\"\ntable = \"things\"\nsettle = \"10ms\"\nscan_interval = \"200ms\"\n\
    columns = [{ name = \"id\" }, { name = \"note\" }, { name = \"file\", from = \"file_id\" }]\n";

/// A place with a database of its own, behind a pooler or not.
struct World {
    home: Home,
    pooler: Option<Pooler>,
    database: TestDatabase,
    /// What was said, without what differs from one day to the next.
    said: Vec<String>,
}

impl World {
    fn new(pooled: bool) -> World {
        let database = database();
        let table =
            "create table things (id bigint, note text constraint no_bad check (note <> 'bad'),
                     file bigint)";
        database.client().batch_execute(table).expect(table);
        // Fewer connections than there are askers.
        let pooler = pooled.then(|| Pooler::start_new(&database.url, 2, ""));
        let home = match &pooler {
            Some(pooler) => Home::new(None, &keys(pooler, &database), PIPELINE),
            None => Home::new(Some(&database.url), crate::instances::LEASE, PIPELINE),
        };
        home.directory("inbox");
        World {
            home,
            pooler,
            database,
            said: Vec::new(),
        }
    }

    fn drop_file(&self, name: &str, text: &str) {
        drop_file(&self.home.directory("inbox"), name, text);
    }

    fn number(&self, query: &str) -> i64 {
        let row = self.database.client().query_one(query, &[]);
        row.expect(query).get(0)
    }

    fn wait_for(&self, query: &str, number: i64) {
        wait_until(PATIENCE, || {
            let row = self.database.client().query_one(query, &[]);
            row.is_ok_and(|row| row.get::<_, i64>(0) == number)
        });
    }

    fn load(&self, name: &str, text: &str) {
        let ended = "select count(*) from ingestd.files where archived_at is not null";
        let row = self.database.client().query_one(ended, &[]);
        let before = row.map_or(0, |row| row.get(0));
        self.drop_file(name, text);
        self.wait_for(ended, before + 1);
    }

    /// Asks a command, and keeps what it says.
    fn ask(&mut self, arguments: &[&str]) -> String {
        let output = self.home.ask(arguments);
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        self.keep(format!(
            "{arguments:?}: {:?}\n{out}{err}",
            output.status.code()
        ));
        out
    }

    fn get(&mut self, api: &Api, path: &str) -> Value {
        let answer = api.get(path);
        let status = answer.status;
        self.keep(format!("GET {path}: {status}\n{}", answer.body));
        answer.json()
    }

    fn post(&mut self, api: &Api, path: &str, body: &Value) -> Value {
        let headers = [("Content-Type", "application/json")];
        let answer = api.ask(&format!("POST {path}"), &headers, &body.to_string());
        self.keep(format!("POST {path}: {}\n{}", answer.status, answer.body));
        answer.json()
    }

    fn keep(&mut self, text: String) {
        let place = self.home.data();
        let place = place.parent().expect("a place").display().to_string();
        let text = text.replace(&place, "PLACE");
        let text = text.replace(&self.database.name, "DATABASE");
        // Times, ages, processes, and the numbers by which instances are told.
        let patterns = [
            (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?Z?", "TIME"),
            (
                r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
                "UUID",
            ),
            (r"(backend|process|pid|port)\W{0,4}\d+", "$1 N"),
            (
                r#""(\w*_(seconds|ms|micros)|id|port|value|cursor|next)": ?("[^"]*"|[0-9.e-]+)"#,
                "\"$1\":N",
            ),
            (r"\d+(\.\d+)?\s?(ms|s|min|m)\b", "AGE"),
            (r"\s+", " "),
        ];
        let text = patterns.iter().fold(text, |text, (pattern, with)| {
            let pattern = Regex::new(pattern).expect("a pattern");
            pattern.replace_all(&text, *with).into_owned()
        });
        self.said.push(text);
    }

    fn rows(&mut self) {
        let query = "select coalesce(string_agg(id || ' ' || note || ' ' || file, ', ' order by id, file), '')
                     from things";
        let row = self.database.client().query_one(query, &[]).expect("rows");
        self.said.push(row.get(0));
        let query = "select coalesce(string_agg(concat_ws(' ', file_id, record, status, attempts, reason,
                            resolution), ', ' order by file_id, record), '') from ingestd.dead_letters";
        let row = self
            .database
            .client()
            .query_one(query, &[])
            .expect("letters");
        self.said.push(row.get(0));
    }
}

/// Does the same in both, at the same time, and compares what was said.
fn same_in_both(scenario: fn(&mut World)) {
    let [direct, pooled] = std::thread::scope(|scope| {
        let worlds = [false, true].map(|pooled| {
            scope.spawn(move || {
                let mut world = World::new(pooled);
                scenario(&mut world);
                if let Some(pooler) = &world.pooler {
                    assert_sessions_clean(pooler, &world.database);
                }
                world.said
            })
        });
        worlds.map(|world| world.join().expect("no panic"))
    });
    assert!(!direct.is_empty());
    for (direct, pooled) in direct.iter().zip(&pooled) {
        assert_eq!(direct, pooled);
    }
    assert_eq!(direct.len(), pooled.len());
}

#[test]
fn letters_are_shown_mended_replayed_and_discarded_as_they_are_without_it() {
    same_in_both(|world| {
        let service = world.home.run();
        world.load("1.csv", FILE);
        service.stop();
        for arguments in [
            &["dead-letters", "list", "--json"][..],
            &["dead-letters", "list", "--csv"],
            &["dead-letters", "stats", "--csv"],
            &["dead-letters", "show", "1", "2", "--json"],
            &["dead-letters", "show", "1", "5"],
            &["dead-letters", "replay", "--all", "--dry-run", "--json"],
            &["dead-letters", "replay", "--all", "--json"],
        ] {
            world.ask(arguments);
        }
        world.rows();
        world.database.client().batch_execute(MEND).expect(MEND);
        world.ask(&[
            "dead-letters",
            "replay",
            "--where",
            "reason=refused",
            "--dry-run",
            "--json",
        ]);
        world.rows();
        world.ask(&[
            "dead-letters",
            "replay",
            "--where",
            "reason=refused",
            "--json",
        ]);
        world.rows();
        let export = world.ask(&[
            "dead-letters",
            "export",
            "--out",
            "-",
            "--where",
            "reason=invalid_value",
        ]);
        let mended = world.home.data().join("mended.csv");
        std::fs::write(&mended, export.replace(",x,", ",5,")).expect("written");
        let mended = mended.display().to_string();
        world.ask(&["dead-letters", "replay", "--file", &mended, "--json"]);
        world.ask(&["dead-letters", "replay", "--file", &mended, "--json"]);
        world.ask(&[
            "dead-letters",
            "discard",
            "1",
            "6",
            "--because",
            "a test",
            "--yes",
        ]);
        world.ask(&["dead-letters", "list", "--status", "all", "--json"]);
        world.rows();
        world.ask(&["audit", "--all"]);
    });
}

#[test]
fn a_file_is_taken_back_and_forgotten_as_it_is_without_it() {
    same_in_both(|world| {
        let service = world.home.run();
        for number in 1..=3 {
            world.load(
                &format!("{number}.csv"),
                &format!("id,note\n{number},good\n{number}0,bad\n"),
            );
        }
        world.database.client().batch_execute(MEND).expect(MEND);
        world.ask(&["dead-letters", "replay", "2", "--json"]);
        world.ask(&["undo", "2", "--dry-run", "--json"]);
        world.rows();
        world.ask(&["undo", "2", "--yes", "--json"]);
        world.rows();
        world.ask(&["undo", "2", "--yes", "--json"]);
        world.ask(&["forget", "3", "--dry-run", "--json"]);
        world.ask(&["forget", "3", "--yes", "--json"]);
        world.ask(&["forget", "3", "--yes", "--json"]);
        world.rows();
        world.load("2.csv", "id,note\n2,good\n20,good\n");
        world.load("3.csv", "id,note\n3,good\n30,good\n");
        world.rows();
        world.ask(&["files", "--json"]);
        world.ask(&["audit", "--all"]);
        service.stop();
    });
}

fn answering(world: &World) -> Answering {
    let answering = start(&world.home);
    wait_until_ready(&answering.api);
    answering
}

#[test]
fn the_api_answers_and_replays_as_it_does_without_it() {
    same_in_both(|world| {
        let answering = answering(world);
        let api = &answering.api;
        world.load("1.csv", FILE);
        world.database.client().batch_execute(MEND).expect(MEND);
        let figures = |api: &Api| api.json("/api/v1/pipelines/things");
        wait_until(PATIENCE, || {
            let figures = figures(api);
            figures["files"]["archived"] == 1 && figures["dead_letters"] == 5
        });
        for path in [
            "/api/v1/files",
            "/api/v1/files?state=ARCHIVED&name=1.csv",
            "/api/v1/dead-letters?limit=2",
            "/api/v1/dead-letters/groups",
            "/api/v1/dead-letters/1/2",
            "/api/v1/alerts",
            "/api/v1/files/1/why",
            "/api/v1/files/4711",
        ] {
            world.get(api, path);
        }
        let replay = json!({"meant": {"reason": "refused"}});
        let done = world.post(api, "/api/v1/dead-letters/replay?wait=30", &replay);
        assert_eq!(done[0]["state"], "DONE", "{done}");
        world.get(api, "/api/v1/replays/1");
        let discard = json!({"meant": {"reason": "field_count"}, "because": "a test"});
        world.post(api, "/api/v1/dead-letters/discard", &discard);
        world.post(api, "/api/v1/pipelines/things/pause?wait=30", &json!({}));
        wait_until(PATIENCE, || figures(api)["state"] == "paused");
        world.post(api, "/api/v1/pipelines/things/resume?wait=30", &json!({}));
        wait_until(PATIENCE, || figures(api)["state"] == "running");
        world.rows();
        // What has happened, whenever that was.
        let events = api.json("/api/v1/events");
        let events = events["events"].as_array().expect("events");
        let mut kinds: Vec<String> = events
            .iter()
            .map(|event| {
                format!(
                    "{} {} {}",
                    event["kind"], event["pipeline"], event["message"]
                )
            })
            .collect();
        kinds.sort();
        world.keep(kinds.join("\n"));
        // The snapshots go on, and so does what comes as it happens.
        let mut stream = api.stream(&[]);
        let first = stream.wait_for(|message| message.event == "state");
        let second = stream.wait_for(|message| message.event == "state");
        assert_ne!(first.data["at"], second.data["at"]);
        world.drop_file("2.csv", "id,note\n8,good\n");
        stream.wait_for(|message| {
            message.event == "event" && message.data["kind"] == "file.archived"
        });
        drop(stream);
        answering.service.stop();
    });
}

#[test]
fn an_alert_fires_once_over_a_restart_and_ends_as_it_does_without_it() {
    same_in_both(|world| {
        let service = world.home.run();
        world.load("bad.csv", "no,such\n1,2\n");
        let firing = "select count(*) from ingestd.firing_alerts where notified_at is not null";
        world.wait_for(firing, 1);
        world.ask(&["alerts", "--json"]);
        service.kill();
        let service = world.home.run();
        wait_until(PATIENCE, || {
            world.home.log().matches("service is ready").count() == 2
        });
        // Behind the pooler a killed service is known by time alone.
        world.wait_for("select count(*) from ingestd.live_services", 1);
        let told = |world: &World, word: &str| {
            world
                .home
                .log()
                .matches(&format!("\"msg\":\"alert is {word}\""))
                .count()
        };
        let looks = std::time::Instant::now();
        wait_until(PATIENCE, || looks.elapsed() > Duration::from_secs(2));
        assert_eq!(
            (told(world, "firing"), told(world, "resolved")),
            (1, 0),
            "{}",
            world.home.log()
        );
        assert_eq!(world.number("select count(*) from ingestd.alerts"), 1);
        let mend = "update ingestd.files set state = 'SKIPPED' where state = 'QUARANTINED'";
        world.database.client().batch_execute(mend).expect(mend);
        wait_until(PATIENCE, || told(world, "resolved") == 1);
        world.wait_for("select count(*) from ingestd.firing_alerts", 0);
        world.ask(&["alerts", "--all", "--json"]);
        assert_eq!(told(world, "firing"), 1);
        service.stop();
    });
}

#[test]
fn a_lock_is_named_as_it_is_without_it() {
    same_in_both(|world| {
        let service = world.home.run();
        world.load("1.csv", "id,note\n1,good\n");
        let mut other = world.database.client();
        let lock = "set application_name = 'an editor'; begin; lock table things in exclusive mode";
        other.batch_execute(lock).expect(lock);
        world.drop_file("2.csv", "id,note\n2,good\n");
        let mut answer = Value::Null;
        wait_until(PATIENCE, || {
            let output = world.home.ask(&["why", "2", "--json"]);
            answer = serde_json::from_slice(&output.stdout).unwrap_or_default();
            answer["stage"] == "blocked_by_lock"
        });
        world.keep(format!("{} {}", answer["because"], answer["advice"]));
        let because = answer["because"].as_str().expect("text");
        assert!(because.contains("application an editor"), "{because}");
        other.batch_execute("rollback").expect("let go");
        world.wait_for("select count(*) from things", 2);
        service.stop();
    });
}
