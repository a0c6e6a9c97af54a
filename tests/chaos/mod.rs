//! `ingestd chaos`: that it lets every fault strike, and that its comparison finds what is wrong.

use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use crate::support::{OwnServer, Scratch, TestDatabase, database, ingestd};

/// Runs it, with a directory of its own.
fn chaos(arguments: &str, url: Option<&str>) -> (Output, String) {
    let scratch = Scratch::new();
    let mut command = ingestd();
    command
        .arg("chaos")
        .args(arguments.split_whitespace())
        .arg("--data-dir")
        .arg(scratch.path().join("chaos"));
    if let Some(url) = url {
        command.args(["--url", url]);
    }
    let output = command.output().expect("the program");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    eprintln!("{said}{error}");
    (output, said)
}

/// A line of the table, as words.
fn line_of(said: &str, name: &str) -> Vec<String> {
    let line = said.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no line {name}"));
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn every_fault_is_survived_and_nothing_is_lost_or_doubled() {
    let (output, said) = chaos("--seed 7 --times 10 --rows 8000", None);
    assert_eq!(output.status.code(), Some(0));
    for fault in [
        "kill", "cut", "server", "lock", "pause", "grow", "replace", "inbox", "archive", "writer",
    ] {
        let words = line_of(&said, fault);
        assert_eq!(words[1..5], ["1", "1", "0", "0"], "{fault}");
    }
    assert!(said.contains("verdict: every row exactly once"), "{said}");
}

/// On somebody's server: the fault that needs the server's process is left out, and what was made is
/// dropped at the end.
#[test]
fn somebodys_database_is_left_as_it_was() {
    let database = database();
    let (output, said) = chaos(
        "--times 2 --rows 2000 --faults cut,server",
        Some(&database.url),
    );
    assert_eq!(output.status.code(), Some(0));
    assert!(said.contains("whose server is not stopped"), "{said}");
    assert_eq!(line_of(&said, "cut")[1], "2");
    let left = "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where n.nspname = 'ingestd' or c.relname like 'chaos\\_%'";
    let row = database.client().query_one(left, &[]).expect("an answer");
    assert_eq!(row.get::<_, i64>(0), 0);
}

/// Once, a run without any fault said that everything was survived.
#[test]
fn without_a_fault_nothing_is_shown() {
    let (output, said) = chaos("--minutes 0.0001 --rows 100", None);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("verdict: none"), "{said}");
}

#[test]
fn a_soak_that_could_not_be_judged_is_not_begun() {
    let (output, said) = chaos("--soak --minutes 1", None);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(said, "");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("--minutes 9"), "{error}");
}

/// It was removed with what was in it.
#[test]
fn a_directory_that_was_there_stays_and_one_that_was_not_goes() {
    let scratch = Scratch::new();
    let there = scratch.path().join("there");
    std::fs::create_dir(&there).expect("a directory");
    for directory in [&there, &scratch.path().join("new")] {
        let was_there = directory.exists();
        let mut command = ingestd();
        command.args([
            "chaos", "--times", "1", "--faults", "kill", "--rows", "1000",
        ]);
        command.arg("--data-dir").arg(directory);
        assert!(command.output().expect("the program").status.success());
        assert_eq!(directory.exists(), was_there);
    }
    let left = std::fs::read_dir(&there).expect("a directory").count();
    assert_eq!(left, 0);
}

/// It was made, with all that is above it.
#[test]
fn nothing_is_made_where_temporary_files_have_no_place() {
    let scratch = Scratch::new();
    let nowhere = scratch.path().join("nowhere");
    let mut command = ingestd();
    command
        .args(["chaos", "--times", "1"])
        .env("TMPDIR", &nowhere);
    let output = command.output().expect("the program");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        output.stdout, b"",
        "nothing is announced that does not begin"
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("--data-dir"));
    assert!(!nowhere.exists());
}

#[test]
fn nobodys_data_are_touched() {
    let refused = |database: &TestDatabase, names: &str| {
        let (output, said) = chaos("--times 1", Some(&database.url));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(
            error.contains("not empty") && error.contains(names),
            "{error}"
        );
        assert!(!said.contains("verdict"), "{said}");
    };
    let with_table = database();
    let mut client = with_table.client();
    client
        .batch_execute("create table orders (id int)")
        .expect("a table");
    refused(&with_table, "public.orders");

    let with_ledger = database();
    let mut migrate = ingestd();
    migrate.args(["migrate", "--database-url", &with_ledger.url]);
    assert!(migrate.output().expect("the program").status.success());
    refused(&with_ledger, "ingestd");

    let scratch = Scratch::new();
    scratch.write("precious", "data");
    let mut command = ingestd();
    command.args(["chaos", "--data-dir"]).arg(scratch.path());
    let output = command.output().expect("the program");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is something in"));
}

/// Somebody drops a row on its way, doubles one, and swallows a dead letter.
const TAMPER: &str = "
    create sequence public.tampered;
    create function public.lose() returns trigger language plpgsql as
        $$ begin if nextval('public.tampered') = 1 then return null; end if; return new; end $$;
    create trigger lose before insert on chaos_keyed for each row execute function public.lose();
    create sequence public.doubled;
    create function public.twice() returns trigger language plpgsql as
        $$ begin if nextval('public.doubled') = 1 then insert into chaos_plain select new.*; end if;
           return null; end $$;
    create trigger twice after insert on chaos_plain for each row execute function public.twice();
    create sequence public.swallowed;
    create function public.swallow() returns trigger language plpgsql as
        $$ begin if nextval('public.swallowed') = 1 then return null; end if; return new; end $$;
    create trigger swallow before insert on ingestd.dead_letters
        for each row execute function public.swallow();";

#[test]
fn a_lost_row_a_doubled_row_and_a_missing_dead_letter_are_found() {
    // Of its own, so that nobody drops what the test has added to the database.
    let server = OwnServer::start_new();
    let url = server.url();
    let tamperer = thread::spawn({
        let url = url.clone();
        move || {
            let deadline = Instant::now() + Duration::from_secs(30);
            let mut client = Client::connect(&url, NoTls).expect("a connection");
            // As soon as there is a ledger, before much is loaded.
            while client.batch_execute(TAMPER).is_err() {
                assert!(Instant::now() < deadline, "there is no ledger");
                thread::sleep(Duration::from_millis(2));
            }
        }
    });
    let (output, said) = chaos("--seed 3 --times 1 --rows 30000 --faults pause", Some(&url));
    tamperer.join().expect("tampered with");
    assert_eq!(output.status.code(), Some(1));
    let rows = line_of(&said, "rows");
    assert_eq!(rows[3..], ["1", "missing,", "1", "too", "many"], "{said}");
    let letters = line_of(&said, "dead letters");
    assert_eq!(
        letters[4..],
        ["1", "missing,", "0", "too", "many"],
        "{said}"
    );
    assert!(said.contains("verdict: NOT as it has to be"), "{said}");
    let pause = line_of(&said, "pause");
    assert_eq!(pause[3..5], ["2", "1"], "lost and doubled: {said}");
}

#[test]
fn a_soak_says_what_it_costs_and_judges_it() {
    let (output, said) = chaos("--soak --every 500ms --minutes 0.17 --rows 10000", None);
    assert!(said.contains("descriptors"), "{said}");
    for figure in [
        "memory, MB",
        "descriptors",
        "ledger bytes/file",
        "records/s",
    ] {
        let line = said.lines().find(|line| line.starts_with(figure));
        assert!(
            line.is_some_and(|line| line.ends_with("flat")),
            "{figure}: {said}"
        );
    }
    // So short a run may well be bent; what it says is what it answers with.
    let is_flat = said.contains("soak: flat");
    assert_eq!(output.status.code(), Some(i32::from(!is_flat)), "{said}");
    assert!(said.contains("verdict: every row exactly once"), "{said}");
}
