//! Commands come about through it, though nobody hears of them there, and though there is one
//! connection for all.

use super::{assert_sessions_clean, home};
use crate::support::home::{Home, drop_file};
use crate::support::{PATIENCE, Pooler, TestDatabase, database, wait_until};

/// Two pipelines, and their tables.
fn steered(pooler: &Pooler, database: &TestDatabase) -> Home {
    let mut text = String::new();
    for name in ["one", "two"] {
        text.push_str(&format!(
            "[pipelines.{name}]\ndirectory = \"inbox/{name}\"\ntable = \"{name}\"\n\
             settle = \"10ms\"\nscan_interval = \"1h\"\n"
        ));
        let table = format!("create table {name} (id bigint, note text)");
        database.client().batch_execute(&table).expect("a table");
    }
    let home = home(pooler, database, &text);
    home.directory("inbox/one");
    home.directory("inbox/two");
    home
}

/// What a command says, and its exit code.
fn said(home: &Home, arguments: &[&str]) -> (String, Option<i32>) {
    let output = home.ask(arguments);
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).expect("text"), output.status.code())
}

fn number(database: &TestDatabase, query: &str) -> i64 {
    let row = database.client().query_one(query, &[]);
    row.expect("a row").get(0)
}

#[test]
fn commands_come_about() {
    let database = database();
    // What is left in the session stays there to be seen.
    let pooler = Pooler::start_new(&database.url, 1, "server_lifetime = 3600");
    let home = steered(&pooler, &database);
    let service = home.run();
    wait_until(PATIENCE, || home.log().contains("\"msg\":\"ready\""));
    for (round, (command, state)) in [
        ("pause", "paused"),
        ("resume", "running"),
        ("drain", "drained"),
        ("resume", "running"),
    ]
    .into_iter()
    .enumerate()
    {
        let (text, code) = said(&home, &[command]);
        assert_eq!(code, Some(0), "{text}");
        for name in ["one", "two"] {
            assert!(text.contains(&format!("{name}: {state}")), "{text}");
        }
        let (text, _) = said(&home, &["status", "--json"]);
        let shown = format!("\"state\":\"{state}\"");
        assert_eq!(text.replace(' ', "").matches(&shown).count(), 2, "{text}");
        let file = format!("id,note\n{round},x\n");
        drop_file(&home.directory("inbox/one"), &format!("{round}.csv"), file);
        if state == "running" {
            let (text, code) = said(&home, &["rescan", "one"]);
            assert_eq!(code, Some(0), "{text}");
            assert!(text.contains("looked through its directory"), "{text}");
            let rows = round as i64 + 1;
            wait_until(PATIENCE, || {
                number(&database, "select count(*) from one") == rows
            });
        }
    }
    let mut client = postgres::Client::connect(&pooler.url(&database.url), postgres::NoTls)
        .expect("a connection");
    client
        .batch_execute("select ingestd.pause('two')")
        .expect("a command");
    wait_until(PATIENCE, || {
        let done = "select count(*) from ingestd.pipelines p
                    join ingestd.service_pipelines s on s.pipeline = p.name
                    where p.name = 'two' and s.command = p.command and s.state = 'paused'";
        number(&database, done) == 1
    });
    drop(client);
    service.stop();
    assert_eq!(
        number(&database, "select count(*) from ingestd.services"),
        0
    );
    assert_sessions_clean(&pooler, &database);
}

/// No backend is a service's own, so that one which is killed is waited for until its time is over.
#[test]
fn a_killed_service_is_known_by_time_alone() {
    let database = database();
    let pooler = Pooler::start_new(&database.url, 2, "");
    let home = steered(&pooler, &database);
    let service = home.run();
    wait_until(PATIENCE, || home.log().contains("\"msg\":\"ready\""));
    let (text, code) = said(&home, &["rescan"]);
    assert_eq!(code, Some(0), "{text}");
    let services = "select count(*) from ingestd.services where backend is null
                    and backend_start is null";
    assert_eq!(number(&database, services), 1);
    service.kill();
    let (text, code) = said(&home, &["pause", "one", "--timeout", "500ms"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("has not answered within 500ms"), "{text}");
    let later = "update ingestd.services set seen_at = seen_at - interval '20 s'";
    database.client().batch_execute(later).expect("later");
    let (text, code) = said(&home, &["resume", "one"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("one: no service runs"), "{text}");
}

/// One that had to wait for a connection for so long that another service took it for dead.
#[test]
fn a_service_that_was_struck_from_the_list_comes_back() {
    let database = database();
    let pooler = Pooler::start_new(&database.url, 2, "");
    let home = steered(&pooler, &database);
    let service = home.run();
    wait_until(PATIENCE, || home.log().contains("\"msg\":\"ready\""));
    let (text, code) = said(&home, &["pause"]);
    assert_eq!(code, Some(0), "{text}");
    let strike = "delete from ingestd.services";
    database.client().batch_execute(strike).expect(strike);
    let listed = "select count(*) from ingestd.service_pipelines s
                  join ingestd.live_services l using (service) where s.state = 'paused'";
    wait_until(PATIENCE, || number(&database, listed) == 2);
    let (text, code) = said(&home, &["resume"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("no service runs"), "{text}");
    service.stop();
}
