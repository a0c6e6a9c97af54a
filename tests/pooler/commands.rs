//! The commands, and what is said where nobody has told of the pooler.

use ingestd::generate::files::FileWriter;

use super::{assert_sessions_clean, home};
use crate::support::home::{ECOMMERCE, Home, drop_file};
use crate::support::scene::answer_to;
use crate::support::{Pooler, database};

/// More than the 16 MiB from which on a `load` puts indexes off.
const MANY: u64 = 140_000;

#[test]
fn a_first_load_builds_its_indexes_after_it() {
    let database = database();
    let pooler = Pooler::start_new(&database.url, 3, "");
    let home = home(&pooler, &database, ECOMMERCE);
    let (_, generator) = answer_to(1, MANY);
    let given = home.directory("given");
    let mut writer = FileWriter::new(&given).expect("a directory");
    writer.write(&generator, 1).expect("written");
    let file = given.join(generator.file_name(1));
    let file = file.to_str().expect("a plain path");
    let said = home.ask(&["load", "--pipeline", "ecommerce", file]);
    let out = String::from_utf8_lossy(&said.stdout).into_owned();
    let err = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(0), "{out}{err}");
    assert!(out.contains("3 indexes were built after the load"), "{out}");
    let mut client = database.client();
    let valid = "select count(*) from pg_index
                 where indrelid = 'raw_events'::regclass and indisvalid";
    let row = client.query_one(valid, &[]).expect("a count");
    assert_eq!(row.get::<_, i64>(0), 4);
    let mut expected = Vec::new();
    let expected = generator.write_expected_table(&mut expected);
    let row = client.query_one("select count(*) from raw_events", &[]);
    assert_eq!(
        row.expect("a count").get::<_, i64>(0).cast_unsigned(),
        expected.expect("counted")
    );
    assert_sessions_clean(&pooler, &database);
}

#[test]
fn every_command_works_through_it() {
    let database = database();
    let sql = "create table things (id bigint primary key, value int check (value < 100))";
    database.client().batch_execute(sql).expect("a table");
    let pooler = Pooler::start_new(&database.url, 1, "");
    let pipeline =
        "[pipelines.things]\ndirectory = \"inbox\"\ntable = \"public.things\"\nkey = [\"id\"]\n";
    let home = home(&pooler, &database, pipeline);
    let ask = |arguments: &[&str]| {
        let said = home.ask(arguments);
        let err = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(said.status.code(), Some(0), "{arguments:?}: {err}");
        String::from_utf8(said.stdout).expect("text")
    };
    let given = home.directory("given");
    drop_file(&given, "a.csv", "id,value\n1,1\n2,200\n3,x\n4,4\n");
    let file = given.join("a.csv");
    assert!(ask(&["migrate"]).contains("applied ledger"));
    let loaded = ask(&[
        "load",
        "--pipeline",
        "things",
        file.to_str().expect("plain"),
    ]);
    assert!(loaded.contains("2 inserted, 2 refused"), "{loaded}");
    assert!(ask(&["status"]).contains("things"));
    assert!(ask(&["files"]).contains("COMMITTED"));
    let letters = ask(&["dead-letters", "list", "--json"]);
    assert!(
        letters.contains("23514") && letters.contains("22P02"),
        "{letters}"
    );
    assert!(ask(&["dead-letters", "show", "1", "2"]).contains("2,200"));
    assert!(ask(&["reset", "things", "--yes"]).contains("is forgotten"));
    assert_sessions_clean(&pooler, &database);
}

#[test]
fn without_the_key_it_is_told_what_to_set() {
    let database = database();
    for (more, says) in [
        ("", "unsupported startup parameter"),
        (
            "ignore_startup_parameters = options",
            "a pooler stands before the database",
        ),
    ] {
        let pooler = Pooler::start_new(&database.url, 2, more);
        let home = Home::new(
            Some(&pooler.url(&database.url)),
            "",
            "[pipelines.things]\ndirectory = \"inbox\"\ntable = \"things\"\n",
        );
        for command in ["run", "migrate"] {
            let said = home.ask(&[command]);
            let err = String::from_utf8_lossy(&said.stderr).into_owned();
            assert_eq!(said.status.code(), Some(2), "{err}");
            assert!(err.contains(says), "{err}");
            assert!(err.contains("pooler = \"transaction\""), "{err}");
        }
    }
}
