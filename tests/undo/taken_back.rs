//! Files whose rows are taken back, and come again.

use rustix::process::Signal;

use super::*;

#[test]
fn exactly_the_files_rows_go_and_it_is_loaded_once_when_it_comes_again() {
    let mut place = Place::new(BY_NUMBER, "id bigint, note text, file bigint");
    let a = place.load("a.csv", &(text(0..5, "a") + "x,no number\n"));
    place.load("b.csv", &text(3..8, "b"));
    let copy = place.load("copy.csv", &(text(0..5, "a") + "x,no number\n"));
    assert_eq!(place.state(copy), "SKIPPED");
    let number = a.to_string();

    let seen = place.told(&["undo", &number, "--dry-run", "--json"]);
    assert_eq!(
        (&seen["rows"], &seen["dead_letters"]),
        (&5.into(), &1.into()),
        "{seen:#}"
    );
    assert_eq!(seen["told_by"][0], "file");
    assert_eq!(seen["duplicates"][0]["file"], copy);
    assert_eq!(place.rows().len(), 10, "nothing was changed");
    assert_eq!(place.state(a), "ARCHIVED");

    let asks = place.ask(&["undo", &number]);
    assert_eq!(asks.status.code(), Some(2), "{asks:?}");
    assert!(err(&asks).contains("say --yes"), "{}", err(&asks));

    let done = out(&place.ask(&["undo", "a.csv", "--yes"]));
    assert!(
        done.contains("5 rows were removed from \"public\".\"one\", by its column \"file\""),
        "{done}"
    );
    assert!(done.contains("was skipped as its duplicate"), "{done}");
    assert_eq!(place.rows(), ["3 b", "4 b", "5 b", "6 b", "7 b"]);
    assert_eq!(place.state(a), "SKIPPED");
    let letters = format!(
        "select count(*) from ingestd.dead_letters where file_id = {a} and status = 'DISCARDED'"
    );
    assert_eq!(place.count(&letters), 1);
    let noted = format!(
        "select undone_rows from ingestd.files where file_id = {a} and undone_at is not null and undone_by = session_user"
    );
    assert_eq!(place.count(&noted), 5);

    assert_eq!(place.told(&["why", &number, "--json"])["stage"], "undone");
    let audited = place.ask(&["audit", &number]);
    assert_eq!(audited.status.code(), Some(0), "{audited:?}");
    assert!(
        out(&audited).contains("it was taken back"),
        "{}",
        out(&audited)
    );
    let again = place.ask(&["undo", &number, "--yes"]);
    assert_eq!(again.status.code(), Some(0));
    assert!(
        out(&again).contains("was taken back before"),
        "{}",
        out(&again)
    );

    // The service that runs has seen all of them before.
    let once_more = place.load("a.csv", &(text(0..5, "a") + "x,no number\n"));
    assert_eq!(place.state(once_more), "ARCHIVED");
    let skipped = place.load("copy.csv", &(text(0..5, "a") + "x,no number\n"));
    assert_eq!(
        place.state(skipped),
        "SKIPPED",
        "its content is loaded again by now"
    );
    let of_it = format!("select count(*) from one where note = 'a' and file = {once_more}");
    assert_eq!(place.count(&of_it), 5);
    assert_eq!(place.rows().len(), 10);
    place.stop();
}

#[test]
fn what_was_skipped_as_its_duplicate_is_loaded_once_it_is_dropped_again() {
    let mut place = Place::new(BY_NUMBER, "id bigint, note text, file bigint");
    let a = place.load("a.csv", &text(0..4, "a"));
    let copy = place.load("copy.csv", &text(0..4, "a"));
    assert_eq!(place.state(copy), "SKIPPED");
    place.told(&["undo", &a.to_string(), "--yes", "--json"]);
    let copy = place.load("copy.csv", &text(0..4, "a"));
    assert_eq!(place.state(copy), "ARCHIVED");
    assert_eq!(place.rows().len(), 4);
    place.stop();
}

#[test]
fn rows_that_a_later_file_has_overwritten_are_the_later_ones() {
    let keys = format!("key = [\"id\"]\n{BY_NUMBER}");
    let mut place = Place::new(&keys, "id bigint primary key, note text, file bigint");
    place.load("1.csv", &text(0..4, "first"));
    let middle = place.load("2.csv", &text(2..8, "middle"));
    place.load("3.csv", &text(6..9, "last"));
    let done = place.told(&["undo", &middle.to_string(), "--yes", "--json"]);
    assert_eq!(done["outcome"], "undone", "{done:#}");
    for (key, expected) in [("rows", 4), ("updated", 2), ("no_longer_its", 2)] {
        assert_eq!(done[key], expected, "{key}: {done:#}");
    }
    assert_eq!(
        place.rows(),
        ["0 first", "1 first", "6 last", "7 last", "8 last"]
    );
    place.stop();
}

#[test]
fn a_time_and_a_name_together_tell_a_files_rows() {
    let keys = "columns = [{ name = \"id\" }, { name = \"note\" }, { name = \"source\", from = \"file_name\" }, { name = \"at\", from = \"load_time\" }]\nredropped = { same = \"reload\" }";
    let table = "id bigint, note text, source text, at timestamptz";
    let mut place = Place::new(keys, table);
    let first = place.load("a.csv", &text(0..3, "a"));
    let second = place.load("a.csv", &text(0..3, "a"));
    assert_eq!(place.rows().len(), 6);
    let done = place.told(&["undo", &first.to_string(), "--yes", "--json"]);
    assert_eq!(done["rows"], 3, "{done:#}");
    let left = format!(
        "select count(*) from one o join ingestd.files f on f.load_time = o.at where f.file_id = {second}"
    );
    assert_eq!(place.count(&left), 3);
    place.stop();
}

#[test]
fn a_file_that_was_refused_half_loaded_can_be_taken_back_and_loads_afresh() {
    let keys = format!("batch_rows = 10\nmax_errors = 0\n{BY_NUMBER}");
    let mut place = Place::new(&keys, "id bigint, note text, file bigint");
    place
        .client
        .batch_execute("alter table one add constraint small check (id < 5000)")
        .expect("a constraint");
    let file = place.load("a.csv", &text(0..5001, "a"));
    assert_eq!(place.state(file), "QUARANTINED");
    assert!(!place.rows().is_empty(), "some of it is loaded");
    place.told(&["undo", &file.to_string(), "--yes", "--json"]);
    assert_eq!(place.rows().len(), 0);
    assert_eq!(place.state(file), "QUARANTINED");
    place
        .client
        .batch_execute("alter table one drop constraint small")
        .expect("dropped");
    let newest = place.count("select max(file_id) from ingestd.files");
    let retried = place.ask(&["retry", &file.to_string()]);
    assert!(out(&retried).contains("looked at afresh"), "{retried:?}");
    let again = place.wait_for_end(newest);
    assert_eq!(place.state(again), "ARCHIVED");
    assert_eq!(place.rows().len(), 5001);
    place.stop();
}

#[test]
fn whoever_kills_it_leaves_all_or_nothing_and_a_file_that_comes_meanwhile_is_loaded_after_it() {
    let mut place = Place::new(BY_NUMBER, "id bigint, note text, file bigint");
    let a = place.load("a.csv", &text(0..5, "a"));
    place
        .client
        .batch_execute(
            "create table pace (seconds float8); insert into pace values (600);
             create function slow() returns trigger language plpgsql as
                 $$ begin perform pg_sleep(seconds) from pace; return null; end $$;
             create trigger slow after delete on one for each statement execute function slow()",
        )
        .expect("a trigger");
    let number = a.to_string();
    let is_at_it = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'
                    and query like 'delete from%' and datname = current_database()";
    let undo = place.home.start(&["undo", &number, "--yes"]);
    wait_until(PATIENCE, || place.count(is_at_it) == 1);
    undo.kill();
    // The backend notices at its next word to the client; a server that is told so notices now.
    let end =
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where wait_event = 'PgSleep'
               and query like 'delete from%' and datname = current_database()";
    place.count(end);
    wait_until(PATIENCE, || place.count(is_at_it) == 0);
    assert_eq!(
        (place.rows().len(), place.state(a)),
        (5, "ARCHIVED".to_owned())
    );

    place
        .client
        .batch_execute("update pace set seconds = 2")
        .expect("faster");
    let undo = place.home.start(&["undo", &number, "--yes"]);
    wait_until(PATIENCE, || place.count(is_at_it) == 1);
    // It is looked at while the file that it equals is loaded still, and about to be taken back.
    let newest = place.load("again.csv", &text(0..5, "a"));
    assert_eq!(undo.wait(PATIENCE).code(), Some(0));
    assert_eq!(place.state(newest), "ARCHIVED", "it is no duplicate");
    let of_it = format!("select count(*) from one where file = {newest}");
    assert_eq!((place.count(&of_it), place.rows().len()), (5, 5));
    place.stop();
}

#[test]
fn a_file_of_the_same_keys_that_is_loaded_meanwhile_loses_nothing() {
    let keys = format!("key = [\"id\"]\nbatch_rows = 100\n{BY_NUMBER}");
    let mut place = Place::new(&keys, "id bigint primary key, note text, file bigint");
    let a = place.load("a.csv", &text(0..20_000, "a"));
    place.drop_text("b.csv", &text(0..20_000, "b"));
    wait_until(PATIENCE, || {
        place.count("select count(*) from one where note = 'b'") > 0
    });
    let done = place.told(&["undo", &a.to_string(), "--yes", "--json"]);
    eprintln!("{} rows were left of the first file", done["rows"]);
    let b = place.wait_for_end(a);
    let of_b = format!("select count(*) from one where file = {b} and note = 'b'");
    assert_eq!(
        (place.count(&of_b), place.count("select count(*) from one")),
        (20_000, 20_000)
    );
    let audited = place.ask(&["audit", &b.to_string()]);
    assert_eq!(audited.status.code(), Some(0), "{audited:?}");
    let service = place.service.take().expect("it runs");
    service.signal(Signal::TERM);
    assert_eq!(service.wait(PATIENCE).code(), Some(0));
}

/// It was told to mend the file and retry it, which was refused; what to do instead nobody said.
#[test]
fn a_quarantined_file_is_mended_as_why_says() {
    let keys = format!("{BY_NUMBER}\nmax_errors = 0\nbatch_rows = 100\npartitions = 1");
    let mut place = Place::new(&keys, "id bigint, note text, file bigint");
    let good = text(0..20_000, "x");
    let over = place.load("over.csv", &format!("{good}x,bad\n"));
    assert_eq!(place.state(over), "QUARANTINED");
    assert!(
        place.count("select count(*) from one") > 0,
        "loaded in part"
    );
    let number = over.to_string();
    let why = place.told(&["why", &number, "--json"]);
    let stands = why["stands_at"].as_str().expect("a place").to_owned();
    let advice = why["advice"].as_str().expect("advice");
    let steps = format!("`ingestd undo {over}`, mend {stands}, then `ingestd retry {over}`");
    assert!(advice.contains(&steps), "{advice}");
    std::fs::write(&stands, &good).expect("mended");
    let refused = place.ask(&["retry", &number]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let said = err(&refused);
    assert!(
        said.contains(&format!("`ingestd undo {over}` takes those back")),
        "{said}"
    );
    assert!(said.contains("--pipeline one --again`"), "{said}");
    place.told(&["undo", &number, "--yes", "--json"]);
    let retried = place.ask(&["retry", &number]);
    assert_eq!(retried.status.code(), Some(0), "{retried:?}");
    let again = place.wait_for_end(over);
    assert_eq!(place.state(again), "ARCHIVED");
    assert_eq!(place.count("select count(distinct id) from one"), 20_000);
    assert_eq!(place.count("select count(*) from one"), 20_000);
    let why = place.told(&["why", &number, "--json"]);
    let because = why["because"].as_str().expect("a reason");
    assert!(because.ends_with(&format!(": file {again}")), "{why:#}");
    place.stop();
}
