//! `load --table`: counts, cells, duplicates, exit codes.

use std::process::Command;

use super::{Said, run};
use crate::support::{Scratch, TestDatabase, database, ingestd};

fn load(database: &TestDatabase, line: &str, scratch: &Scratch) -> Said {
    let mut command: Command = ingestd();
    command
        .current_dir(scratch.path())
        .arg("load")
        .args(line.split(' '))
        .args(["--database-url", &database.url]);
    run(&mut command)
}

#[test]
fn cells_arrive_as_they_are_written() {
    let (database, scratch) = (database(), Scratch::new());
    let mut client = database.client();
    client
        .batch_execute("create table cells (n int primary key, a text, b text)")
        .expect("a table");
    scratch.write(
        "cells.csv",
        "n,a,b\r\n1,\"one, two\",\"say \"\"hi\"\"\"\r\n2,\"line\r\nbreak\",\r\n3,\"\",ʤ\r\n",
    );
    let said = load(&database, "cells.csv --table cells --key n", &scratch);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.out.contains("cells.csv: 3 records: 3 inserted"),
        "{}",
        said.out
    );
    let rows = client.query("select a, b from cells order by n", &[]);
    let cells: Vec<(Option<String>, Option<String>)> = rows
        .expect("rows")
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        cells,
        [
            (text("one, two"), text("say \"hi\"")),
            (text("line\r\nbreak"), None),
            (text(""), text("ʤ")),
        ]
    );
}

#[test]
fn a_compressed_file_is_taken_as_it_is() {
    let (database, scratch) = (database(), Scratch::new());
    let mut client = database.client();
    client
        .batch_execute("create table plain (id int)")
        .expect("a table");
    let zstd = zstd::encode_all(&b"id\n1\n2\n"[..], 0).expect("in memory");
    scratch.write("one.csv.zst", &zstd);
    let said = load(&database, "one.csv.zst --table plain", &scratch);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("2 records: 2 inserted"), "{}", said.out);
    scratch.write("cut.csv.zst", &zstd[..zstd.len() - 1]);
    let said = load(&database, "cut.csv.zst --table plain", &scratch);
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(
        said.out.contains("quarantined: its zstd data end"),
        "{}",
        said.out
    );
    let row = client.query_one("select count(*) from plain", &[]);
    assert_eq!(row.expect("a row").get::<_, i64>(0), 2);
}

#[test]
fn a_file_is_loaded_once_unless_it_is_wanted_again() {
    let (database, scratch) = (database(), Scratch::new());
    let mut client = database.client();
    client
        .batch_execute("create table plain (id int)")
        .expect("a table");
    scratch.write("one.csv", "id\n1\n");
    let mut count = || -> i64 {
        let row = client.query_one("select count(*) from plain", &[]);
        row.expect("a row").get(0)
    };
    let first = load(&database, "one.csv --table plain", &scratch);
    assert!(first.out.contains("1 record: 1 inserted"), "{}", first.out);
    let second = load(&database, "one.csv --table plain", &scratch);
    assert_eq!(second.code, Some(0));
    assert!(second.out.contains("skipped: "), "{}", second.out);
    assert!(second.out.contains("--again"), "{}", second.out);
    assert_eq!(count(), 1);
    let third = load(&database, "one.csv --table plain --again", &scratch);
    assert_eq!(third.code, Some(0), "{}", third.err);
    assert_eq!(count(), 2);
}

#[test]
fn what_is_refused_is_told_with_the_command_that_shows_it() {
    let (database, scratch) = (database(), Scratch::new());
    database
        .client()
        .batch_execute("create table plain (id int)")
        .expect("a table");
    scratch.write("bad.csv", "id\n1\nsecret-cell\n");
    let said = load(&database, "bad.csv --table plain --verbose", &scratch);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("1 inserted, 1 refused"), "{}", said.out);
    let (_, hint) = said
        .out
        .split_once("the refused records: ")
        .expect("a hint");
    let shown = run(Command::new("sh").arg("-c").arg(hint));
    assert_eq!(shown.code, Some(0), "{hint}: {}", shown.err);
    assert!(shown.out.contains("invalid_value"), "{}", shown.out);
    let log = said.err + said.out.as_str();
    assert!(!log.contains("secret-cell"), "{log}");

    let strict = load(
        &database,
        "bad.csv --table plain --strict --again",
        &scratch,
    );
    assert_eq!(strict.code, Some(1));
}

#[test]
fn a_header_that_does_not_fit_quarantines_the_file_where_it_stands() {
    let (database, scratch) = (database(), Scratch::new());
    database
        .client()
        .batch_execute("create table plain (id int)")
        .expect("a table");
    let file = scratch.write("wrong.csv", "nope\n1\n");
    let said = load(&database, "wrong.csv --table plain", &scratch);
    assert_eq!(said.code, Some(1));
    assert!(said.out.contains("quarantined: the header names \"nope\""));
    assert!(file.exists());
}

/// What stands in the way is mended, and the same command goes on: a file is not loaded twice.
#[test]
fn a_load_that_had_to_end_goes_on_when_it_is_repeated() {
    let (database, scratch) = (database(), Scratch::new());
    let mut client = database.client();
    // The row statement itself fails with a configuration error while the gate is closed.
    client
        .batch_execute(
            "create table plain (id int);
             create function gate() returns trigger language plpgsql as $$
             begin perform from open_gate; return new; end $$;
             create trigger gate before insert on plain for each row execute function gate()",
        )
        .expect("a table");
    scratch.write("one.csv", "id\n1\n2\n");
    let line = "one.csv --table plain --again";
    let held_up = load(&database, line, &scratch);
    assert_eq!(held_up.code, Some(2), "{}{}", held_up.out, held_up.err);
    assert!(held_up.err.contains("42P01"), "{}", held_up.err);

    client
        .batch_execute("create table open_gate ()")
        .expect("a table");
    let done = load(&database, line, &scratch);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(!done.out.contains("skipped"), "{}", done.out);
    let row = client.query_one("select count(*) from plain", &[]);
    assert_eq!(row.expect("a row").get::<_, i64>(0), 2);
}
