//! What a user can do wrong: a message that says what, and exit code 2.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::run;
use crate::support::{Scratch, database, ingestd};

#[test]
fn files_and_tables_that_can_not_be_loaded_are_named() {
    let (database, scratch) = (database(), Scratch::new());
    database
        .client()
        .batch_execute("create table plain (id int); create view seen as select 1 as id")
        .expect("tables");
    scratch.write("ok.csv", "id\n1\n");
    std::fs::create_dir(scratch.path().join("dir.csv")).expect("a directory");
    for (line, hint) in [
        ("missing.csv --table plain", "missing.csv can't be loaded"),
        ("dir.csv --table plain", "it is a directory"),
        ("ok.csv --table nosuch", "no table nosuch"),
        ("ok.csv --table seen", "seen is no table"),
        ("ok.csv --table ingestd.files", "own ledger"),
        ("ok.csv --table plain --key id", "unique index"),
        ("ok.csv --table plain --key nope", "no column of table"),
        ("ok.csv --table plain --key id,id", "named twice"),
        ("ok.csv", "no configuration"),
        ("ok.csv --config missing.toml", "missing.toml"),
    ] {
        let said = run(ingestd()
            .current_dir(scratch.path())
            .arg("load")
            .args(line.split(' '))
            .args(["--database-url", &database.url]));
        assert_eq!(said.code, Some(2), "{line}: {}", said.err);
        assert!(said.err.contains(hint), "{line}: {}", said.err);
        assert!(said.err.starts_with("ingestd: "), "{line}: {}", said.err);
    }
}

#[test]
fn databases_that_can_not_be_used_are_told_apart_and_no_password_is_shown() {
    let database = database();
    let nowhere = "postgresql://me:pa55word@127.0.0.1:1/shop";
    let other = database.url.replace(&database.name, "nosuch");
    for command in ["status", "files", "migrate"] {
        for (url, hint) in [
            (nowhere, "Connection refused"),
            (other.as_str(), "\"nosuch\" does not exist"),
            ("mysql://me:pa55word@db/shop", "no connection string"),
        ] {
            let said = run(ingestd().args([command, "--database-url", url]));
            assert_eq!(said.code, Some(2), "{command} {url}: {}", said.err);
            assert!(said.err.contains(hint), "{command} {url}: {}", said.err);
            assert!(said.err.contains("--database-url"), "{}", said.err);
            assert!(!said.err.contains("pa55word"), "{}", said.err);
        }
    }
}

#[test]
fn an_older_ledger_is_to_be_migrated() {
    let database = database();
    let ask = |command| run(ingestd().args([command, "--database-url", &database.url]));
    assert_eq!(ask("migrate").code, Some(0));
    let mut client = database.client();
    client
        .batch_execute(
            "create table taken as
             select * from ingestd.migrations order by version desc limit 1;
             delete from ingestd.migrations where version = (select version from taken)",
        )
        .expect("a ledger that seems older");
    let said = ask("status");
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("`ingestd migrate`"), "{}", said.err);
    client
        .batch_execute("insert into ingestd.migrations select * from taken")
        .expect("put back");
    assert_eq!(ask("status").code, Some(0));
}

#[test]
fn what_is_no_postgresql_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    // Asked for TLS first, and then without.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("somebody comes");
            let mut asked = [0; 1024];
            let length = stream.read(&mut asked).expect("a request");
            assert!(length > 0, "it says nothing");
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").ok();
        }
    });
    let url = format!("postgresql://me@127.0.0.1:{port}/shop");
    let said = run(ingestd().args(["status", "--database-url", &url]));
    assert_eq!(said.code, Some(2), "{}", said.err);
    let words = "what answers there speaks another protocol";
    assert!(said.err.contains(words), "{}", said.err);
}
