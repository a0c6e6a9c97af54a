//! The demo's last words: a verdict, and commands that can be copied.

use std::process::Command;

use super::run;
use crate::support::{Scratch, database, ingestd};

#[test]
fn the_demos_commands_work_as_they_are_printed() {
    let (database, scratch) = (database(), Scratch::new());
    // A directory whose name a shell takes apart, and a variable that would mislead.
    let data_dir = scratch.path().join("my data");
    let demo = run(ingestd()
        .args(["demo", "--rows", "1000", "--data-dir"])
        .arg(&data_dir)
        .env("DATABASE_URL", &database.url));
    assert_eq!(demo.code, Some(0), "{}{}", demo.out, demo.err);
    assert!(demo.out.contains("every row exactly once"), "{}", demo.out);
    let commands: Vec<&str> = demo
        .out
        .lines()
        .filter(|line| line.starts_with("look at "))
        .filter_map(|line| line.split_once(":  "))
        .map(|(_, command)| command.trim())
        .collect();
    assert_eq!(commands.len(), 3, "{}", demo.out);
    for (command, shown) in commands.iter().zip(["event_id", "field_count", "ARCHIVED"]) {
        let said = run(Command::new("sh")
            .args(["-c", command])
            .env("DATABASE_URL", &database.url)
            .env("PAGER", "cat"));
        assert_eq!(said.code, Some(0), "{command}: {}", said.err);
        assert!(said.out.contains(shown), "{command}: {}", said.out);
    }

    let other = run(ingestd()
        .args(["demo", "--rows", "2000", "--data-dir"])
        .arg(&data_dir));
    assert_eq!(other.code, Some(2));
    assert!(other.err.contains("--fresh"), "{}", other.err);
}

#[test]
fn the_demo_keeps_its_table_out_of_the_ledgers_schema() {
    let (database, scratch) = (database(), Scratch::new());
    let demo = run(ingestd()
        .args(["demo", "--rows", "100", "--database-url", &database.url])
        .arg("--data-dir")
        .arg(scratch.path()));
    assert_eq!(demo.code, Some(0), "{}{}", demo.out, demo.err);
    let schema = "select schemaname::text from pg_tables where tablename = 'raw_events'";
    let row = database.client().query_one(schema, &[]);
    assert_eq!(row.expect("a row").get::<_, &str>(0), "public");
}
