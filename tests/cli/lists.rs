//! `files`, `dead-letters`, `status --watch`, `config show`: what is asked, and what is answered.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Said, run};
use crate::support::{OwnServer, Scratch, TestDatabase, database, ingestd};

/// Two files are loaded, of which one has two dead letters; a third one is quarantined.
struct Shop {
    scratch: Scratch,
    database: TestDatabase,
}

impl Shop {
    fn new() -> Shop {
        let shop = Shop {
            scratch: Scratch::new(),
            database: database(),
        };
        let table = "create table plain (id int check (id < 1000), name text)";
        shop.database.client().batch_execute(table).expect(table);
        let write = |name: &str, text: &str| shop.scratch.write(name, text);
        write("a-1.csv", "id,name\n1,x\n2,y\n");
        write("a-2\u{1b}[31m.csv", "id,name\n3,x\nsecret,y\n5000,z\n6\n");
        write("b.csv", "nope\n1\n");
        let said = shop.ask(&[
            "load",
            "a-1.csv",
            "a-2\u{1b}[31m.csv",
            "b.csv",
            "--table",
            "plain",
        ]);
        assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
        shop
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = ingestd();
        command
            .args(arguments)
            .args(["--database-url", &self.database.url])
            .current_dir(self.scratch.path());
        command
    }

    fn ask(&self, arguments: &[&str]) -> Said {
        run(&mut self.command(arguments))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let said = self.ask(&[arguments, &["--json"]].concat());
        assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.err);
        serde_json::from_str(&said.out).expect("JSON")
    }

    /// The numbers of the files that a list has.
    fn files(&self, arguments: &[&str]) -> Vec<i64> {
        let list = self.json(&[&["files"], arguments].concat());
        let files = list.as_array().expect("a list").iter();
        files
            .map(|file| file["file"].as_i64().expect("a number"))
            .collect()
    }
}

#[test]
fn files_are_narrowed_by_every_filter() {
    let shop = Shop::new();
    let all = shop.json(&["files"]);
    let number = |name: &str| {
        let mut files = all.as_array().expect("a list").iter();
        let found = files.find(|it| it["path"].as_str().is_some_and(|path| path.contains(name)));
        found.expect("there")["file"].as_i64().expect("a number")
    };
    let (one, two, bad) = (number("a-1"), number("a-2"), number("b.csv"));
    let both = {
        let mut both = vec![one, two];
        both.sort_unstable();
        both
    };
    for (filter, wanted) in [
        (vec!["--name", "a-*.csv"], both.clone()),
        (vec!["--name", "a-[!1]*"], vec![two]),
        (vec!["--name", "b.c"], vec![bad]),
        (vec!["--name", "*/b.csv"], vec![bad]),
        (vec!["--state", "committed"], both.clone()),
        (vec!["--reason", "THE HEADER"], vec![bad]),
        (vec!["--since", "1h", "--state", "QUARANTINED"], vec![bad]),
        (vec!["--until", "1h"], vec![]),
        (vec!["--since", "2020-01-01", "--name", "b.csv"], vec![bad]),
        (vec!["--pipeline", "load_plain", "--name", "a-1"], vec![one]),
    ] {
        assert_eq!(shop.files(&filter), wanted, "{filter:?}");
    }
    let said = shop.ask(&["files", "--name", "nothing"]);
    assert_eq!((said.out.as_str(), said.code), ("no files\n", Some(0)));
    let said = shop.ask(&["files", "--pipeline", "load_plan"]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("did you mean \"load_plain\"?"),
        "{}",
        said.err
    );
    let said = shop.ask(&["files", "--since", "yesterday"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("7days"), "{}", said.err);
}

#[test]
fn lists_are_csv_too_and_hostile_names_are_harmless_there() {
    let shop = Shop::new();
    for arguments in [&["files", "--csv"][..], &["dead-letters", "list", "--csv"]] {
        let said = shop.ask(arguments);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(!said.out.contains('\u{1b}'), "{:?}", said.out);
        let mut reader = csv::Reader::from_reader(said.out.as_bytes());
        let heading = reader.headers().expect("a heading").clone();
        assert!(heading.iter().any(|name| name == "path"), "{heading:?}");
        let rows = reader.records().collect::<Result<Vec<_>, _>>();
        assert_eq!(rows.expect("CSV").len(), 3);
    }
}

#[test]
fn one_file_is_shown_with_its_stages() {
    let shop = Shop::new();
    let shown = shop.json(&["files", "show", "a-1.csv"]);
    assert_eq!(
        (&shown["state"], &shown["inserted"]),
        (&"COMMITTED".into(), &2.into())
    );
    let stages = shown["stages"].as_array().expect("a list");
    let names: Vec<&str> = stages
        .iter()
        .filter_map(|it| it["stage"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "discovered",
            "started",
            "completed",
            "committed",
            "archived"
        ]
    );
    for stage in &stages[..4] {
        assert!(
            stage["at"].is_string() && stage["seconds"].is_number(),
            "{stage}"
        );
    }
    assert_eq!(shown["content_hash"].as_str().map(str::len), Some(64));
    let said = shop.ask(&["files", "show", "b.csv"]);
    assert!(said.out.contains("QUARANTINED"), "{}", said.out);
    let said = shop.ask(&["files", "show", "a-3.csv"]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("did you mean \"a-1.csv\"?"),
        "{}",
        said.err
    );
}

#[test]
fn dead_letters_are_narrowed_and_counted() {
    let shop = Shop::new();
    let records = |arguments: &[&str]| -> Vec<i64> {
        let list = shop.json(&[&["dead-letters", "list"], arguments].concat());
        let letters = list.as_array().expect("a list").iter();
        letters
            .map(|it| it["record"].as_i64().expect("a number"))
            .collect()
    };
    let file = {
        let list = shop.json(&["files", "--name", "a-2"]);
        list[0]["file"].to_string()
    };
    assert_eq!(records(&[]), [2, 3, 4]);
    assert_eq!(
        records(&["--column", "id", "--reason", "invalid_value"]),
        [2]
    );
    assert_eq!(records(&["--sqlstate", "23514"]), [3]);
    assert_eq!(records(&["--file", &file, "--since", "1h"]), [2, 3, 4]);
    assert_eq!(records(&["--file", "b.csv"]), [0; 0]);
    let groups = shop.json(&["dead-letters", "list", "--by", "reason"]);
    let first = &groups[0];
    assert_eq!(groups.as_array().map(Vec::len), Some(3));
    assert_eq!(
        (&first["reason"], &first["count"]),
        (&"field_count".into(), &1.into())
    );
    assert_eq!(first["first_record"], 4);
    let said = shop.ask(&["files", "--limit", "0"]);
    assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
    let said = shop.ask(&["dead-letters", "list", "--by", "file"]);
    assert!(said.out.starts_with("file "), "{}", said.out);
    let said = shop.ask(&["dead-letters", "list", "--reason", "field_cuont"]);
    assert_eq!(
        said.out,
        "no dead letters; did you mean the reason \"field_count\"?\n"
    );
}

#[test]
fn a_watch_goes_on_until_it_is_told_to_stop() {
    let shop = Shop::new();
    for signal in [Signal::INT, Signal::TERM] {
        let mut child = shop
            .command(&["status", "--watch", "--interval", "50ms"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut line = || lines.next().expect("a line").expect("text");
        let first = line();
        assert!(
            first.contains("load_plain: stopped, files 2 and 0 waiting, records 6"),
            "{first}"
        );
        assert!(!first.contains("a second"), "{first}");
        let second = line();
        assert!(
            second.contains("records 6, 0 a second, rejected 3"),
            "{second}"
        );
        kill_process(Pid::from_child(&child), signal).expect("it runs");
        assert_eq!(child.wait().expect("ended").code(), Some(0));
    }
    let said = shop.ask(&["status", "--interval", "1s"]);
    assert_eq!(said.code, Some(2));
}

#[test]
fn a_watch_outlives_the_server() {
    let mut server = OwnServer::start_new();
    let said = run(ingestd().args(["migrate", "--database-url", &server.url()]));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let mut child = ingestd()
        .args([
            "status",
            "--watch",
            "--interval",
            "50ms",
            "--database-url",
            &server.url(),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut until = |hint: &str| {
        let mut lines = lines.by_ref().map(|line| line.expect("text"));
        assert!(lines.any(|line| line.contains(hint)), "{hint} never came");
    };
    until("no pipeline has run yet");
    server.stop_immediate();
    until("trying again");
    server.start();
    until("no pipeline has run yet");
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}

#[test]
fn the_configuration_is_shown_with_its_sources() {
    let scratch = Scratch::new();
    let config = "[pipelines.a]\ndirectory = \"in\"\ntable = \"t\"\n";
    scratch.write("a.toml", config);
    let mut command = ingestd();
    command
        .args([
            "config",
            "show",
            "--config",
            "a.toml",
            "--database-url",
            "postgresql://me:s3cret@db/x",
        ])
        .env("INGESTD__LOG__LEVEL", "debug")
        .current_dir(scratch.path());
    let said = run(&mut command);
    assert_eq!(said.code, Some(0), "{}", said.err);
    for line in [
        "url = \"postgresql://me:***@db/x\" # --database-url",
        "level = \"debug\" # INGESTD__LOG__LEVEL",
        "table = \"t\" # a.toml:3",
    ] {
        assert!(said.out.contains(line), "{line}: {}", said.out);
    }
    assert!(!said.out.contains("# default"), "{}", said.out);
    let said = run(command.args(["--all", "--json"]));
    let list: Value = serde_json::from_str(&said.out).expect("JSON");
    let values = list.as_array().expect("a list");
    let of = |key: &str| values.iter().find(|it| it["key"] == key).expect(key);
    assert_eq!(of("pipelines.a.batch_rows")["source"], "default");
    assert_eq!(of("pipelines.a.table")["value"], "t");
}
