//! What becomes of files that are not simply loaded, and what is asked about them.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use super::{assert_sessions_clean, home};
use crate::support::home::{Home, drop_file, names_in};
use crate::support::{PATIENCE, Pooler, TestDatabase, database, wait_until};

struct Shop {
    home: Home,
    pooler: Pooler,
    database: TestDatabase,
}

impl Shop {
    /// One pipeline; `size` connections for all of its writers and whatever is asked meanwhile.
    fn new(size: u32, keys: &str) -> Shop {
        let database = database();
        let table = "create table things (id bigint primary key, value int check (value < 100))";
        database.client().batch_execute(table).expect("a table");
        let pooler = Pooler::start_new(&database.url, size, "");
        let pipeline = format!(
            "[pipelines.things]\ndirectory = \"inbox\"\ntable = \"things\"\nkey = [\"id\"]\n\
             settle = \"10ms\"\nscan_interval = \"50ms\"\npartitions = 2\nbatch_rows = 10\n{keys}\n"
        );
        let home = home(&pooler, &database, &pipeline);
        home.directory("inbox");
        Shop {
            home,
            pooler,
            database,
        }
    }

    fn drop(&self, name: &str, text: &str) {
        drop_file(&self.home.directory("inbox"), name, text);
    }

    /// What a command prints that has to go well.
    fn ask(&self, arguments: &[&str]) -> String {
        let said = self.home.ask(arguments);
        let err = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(said.status.code(), Some(0), "{arguments:?}: {err}");
        String::from_utf8(said.stdout).expect("text")
    }

    fn number(&self, query: &str) -> i64 {
        let row = self.database.client().query_one(query, &[]);
        row.expect("a row").get(0)
    }

    /// The files' states, once all of them have left the inbox.
    fn states(&self) -> Vec<String> {
        wait_until(PATIENCE, || {
            names_in(&self.home.directory("inbox")).is_empty()
        });
        let waiting = "select count(*) from ingestd.files where archived_at is null";
        wait_until(PATIENCE, || self.number(waiting) == 0);
        let query = "select state from ingestd.files order by file_id";
        let rows = self.database.client().query(query, &[]).expect("files");
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// Rows with these ids; every one whose id `bad` divides is no row.
fn rows(ids: std::ops::RangeInclusive<u32>, bad: u32) -> String {
    let mut text = "id,value\n".to_owned();
    for id in ids {
        text.push_str(&match id % bad {
            0 if id % (2 * bad) == 0 => format!("{id},200\n"),
            0 => format!("{id},x\n"),
            _ => format!("{id},{}\n", id % 100),
        });
    }
    text
}

#[test]
fn a_file_over_its_budget_goes_on_once_that_is_raised() {
    for whole in ["", "all_or_nothing = true"] {
        let shop = Shop::new(1, &format!("max_errors = 5\n{whole}"));
        let service = shop.home.run();
        shop.drop("bad.csv", &rows(1..=400, 20));
        assert_eq!(shop.states(), ["QUARANTINED"]);
        service.stop();
        let there = shop.number("select count(*) from things");
        assert!(whole.is_empty() || there == 0, "{there}");
        shop.home.replace("max_errors = 5", "max_errors = 50");
        let said = shop.ask(&["retry", "1"]);
        assert!(said.contains("no service"), "{said}");
        let service = shop.home.run();
        wait_until(PATIENCE, || {
            shop.number("select count(*) from ingestd.files where state = 'ARCHIVED'") == 1
        });
        service.stop();
        assert_eq!(shop.number("select count(*) from things"), 380);
        let letters = "select count(*) from ingestd.dead_letters";
        assert_eq!(shop.number(letters), 20);
        let said = shop.ask(&["audit", "--all"]);
        assert!(said.contains("holds"), "{said}");
        let staged = "select count(*) from pg_class where relname ~ '^staged_'";
        assert_eq!(shop.number(staged), 0);
        assert_sessions_clean(&shop.pooler, &shop.database);
    }
}

#[test]
fn a_retry_beside_a_running_service_knows_of_it() {
    let shop = Shop::new(2, "max_errors = 0");
    let service = shop.home.run();
    shop.drop("bad.csv", "id,value\n1,x\n2,y\n");
    assert_eq!(shop.states(), ["QUARANTINED"]);
    let said = shop.ask(&["retry", "bad.csv"]);
    assert!(!said.contains("no service"), "{said}");
    wait_until(PATIENCE, || {
        shop.number("select count(*) from ingestd.files where state = 'QUARANTINED'") == 1
            && shop.number("select count(*) from ingestd.files") == 2
    });
    service.stop();
}

#[test]
fn manifests_and_files_that_come_again_are_judged() {
    let shop = Shop::new(2, "manifest = \".manifest\"\npattern = \"*.csv\"");
    let service = shop.home.run();
    let drop = |name: &str, text: &str, manifest: &str| {
        shop.drop(name, text);
        shop.drop(&format!("{name}.manifest"), manifest);
    };
    drop("a.csv", "id,value\n1,1\n2,2\n", "2");
    assert_eq!(shop.states(), ["ARCHIVED"]);
    drop("b.csv", "id,value\n3,3\n", "7");
    assert_eq!(shop.states(), ["ARCHIVED", "QUARANTINED"]);
    drop("c.csv", "id,value\n1,1\n2,2\n", "2");
    assert_eq!(shop.states(), ["ARCHIVED", "QUARANTINED", "SKIPPED"]);
    service.stop();
    let reason = "select count(*) from ingestd.files
                  where reason = 'the manifest says 7 records, the file has 1'";
    assert_eq!(shop.number(reason), 1);
    assert_sessions_clean(&shop.pooler, &shop.database);
}

#[test]
fn whatever_is_asked_is_answered() {
    let shop = Shop::new(1, "");
    let given = shop.home.directory("given");
    drop_file(&given, "new.csv", "id,value\n1,1\n2,200\n3,x\n");
    let new = given.join("new.csv");
    let new = new.to_str().expect("a plain path");
    shop.ask(&["migrate"]);
    let checked = shop.ask(&["check"]);
    for hint in [
        "up to date",
        "behind a pooler",
        "max_client_conn",
        "has the rights",
    ] {
        assert!(checked.contains(hint), "{hint}: {checked}");
    }
    let tried = shop
        .home
        .ask(&["check", "--pipeline", "things", "--dry-run", new]);
    let text = String::from_utf8(tried.stdout).expect("text");
    assert_eq!(tried.status.code(), Some(1), "{text}");
    assert!(
        text.contains("23514") || text.contains("value_check"),
        "{text}"
    );
    assert_eq!(shop.number("select count(*) from things"), 0);
    let missing = shop.home.ask(&["files", "show", "nothing.csv"]);
    assert_eq!(missing.status.code(), Some(2));
    let loaded = shop.ask(&["load", "--pipeline", "things", new]);
    assert!(loaded.contains("1 inserted, 2 refused"), "{loaded}");
    let shown = shop.ask(&["files", "show", "new.csv"]);
    assert!(shown.contains("COMMITTED"), "{shown}");
    assert!(
        shop.ask(&["files", "--pipeline", "things"])
            .contains("new.csv")
    );
    assert!(shop.ask(&["audit", new]).contains("holds"));
    assert!(shop.ask(&["status", "--json"]).contains("\"things\""));
    let none = shop.ask(&["dead-letters", "list", "--reason", "nothing"]);
    assert!(none.contains("the reasons are"), "{none}");
    let config = shop.ask(&["config", "show"]);
    assert!(config.contains("pooler = \"transaction\""), "{config}");
    let mut watch = shop
        .home
        .command(&["status", "--watch", "--interval", "50ms"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let lines = BufReader::new(watch.stdout.take().expect("piped")).lines();
    for line in lines.take(10) {
        let line = line.expect("text");
        assert!(line.contains("files 1 and 0 waiting"), "{line}");
    }
    kill_process(Pid::from_child(&watch), Signal::INT).expect("it runs");
    assert_eq!(watch.wait().expect("ended").code(), Some(0));
    assert_sessions_clean(&shop.pooler, &shop.database);
}
