//! What others do to files.

use std::fs::{self, File, FileTimes};
use std::time::{Duration, SystemTime};

use super::{PATIENCE, Site};
use crate::support::home::names_in;
use crate::support::wait_until;

const THINGS: &str = "create table things (id int, name text)";

#[test]
fn telegraf_moves_a_file_away_before_its_rows_are_committed() {
    let mut site = Site::new(THINGS, "table = \"things\"\narchive = \"done\"");
    let mut other = site._database.client();
    let mut lock = other.transaction().expect("a transaction");
    let sql = "lock table things in share mode";
    lock.batch_execute(sql).expect("a lock");
    site.drop_file("a.csv", "id,name\n1,one\n");
    let waiting =
        "select count(*) from pg_locks where relation = 'things'::regclass and not granted";
    wait_until(PATIENCE, || site.number(waiting) > 0);
    assert_eq!(names_in(&site.inbox()), ["a.csv"]);
    assert_eq!(names_in(&site.home.directory("done")), [""; 0]);
    lock.rollback().expect("unlocked");
    site.wait_for(1, "ARCHIVED");
    assert_eq!(names_in(&site.home.directory("done")), ["a.csv"]);
    assert_eq!(site.number("select count(*) from things"), 1);
}

#[test]
fn telegraf_takes_the_age_of_a_file_from_its_last_reading() {
    let site = Site::prepare(THINGS, "table = \"things\"\nsettle = \"1h\"");
    let path = site.inbox().join("a.csv");
    fs::write(&path, "id,name\n1,one\n").expect("a file");
    let long_ago = SystemTime::now() - Duration::from_secs(2 * 3600);
    let times = FileTimes::new()
        .set_modified(long_ago)
        .set_accessed(SystemTime::now());
    let file = File::options().write(true).open(&path).expect("the file");
    file.set_times(times).expect("its times");
    drop(file);
    site.started().wait_for(1, "ARCHIVED");
}

#[test]
fn telegraf_writes_over_a_finished_file_of_the_same_name() {
    let mut site = Site::new(THINGS, "table = \"things\"\narchive = \"done\"");
    for (files, content) in [(1, "id,name\n1,one\n"), (2, "id,name\n2,two\n")] {
        site.drop_file("a.csv", content);
        site.wait_for(files, "ARCHIVED");
    }
    let done = site.home.directory("done");
    let mut contents: Vec<_> = names_in(&done)
        .iter()
        .map(|name| fs::read_to_string(done.join(name)).expect("a file"))
        .collect();
    contents.sort();
    assert_eq!(contents, ["id,name\n1,one\n", "id,name\n2,two\n"]);
}

#[test]
fn telegraf_deletes_a_file_whose_move_failed() {
    let mut site = Site::new(THINGS, "table = \"things\"\narchive = \"done\"");
    let done = site.home.directory("done");
    fs::remove_dir(&done).expect("removed");
    fs::write(&done, "no directory").expect("a file in its place");
    site.drop_file("a.csv", "id,name\n1,one\n");
    site.wait_for(1, "COMMITTED");
    wait_until(PATIENCE, || site.home.log().contains("a.csv to "));
    assert_eq!(names_in(&site.inbox()).len(), 1);
    fs::remove_file(&done).expect("removed");
    site.wait_for(1, "ARCHIVED");
    assert_eq!(names_in(&done), ["a.csv"]);
    assert_eq!(names_in(&site.inbox()), [""; 0]);
    assert_eq!(site.number("select count(*) from things"), 1);
}

#[test]
fn telegraf_reads_a_bad_file_for_ever_where_it_may_not_move_it() {
    let mut site = Site::new(THINGS, "table = \"things\"\nquarantine = false");
    site.drop_file("a.csv", "id,colour\n1,red\n");
    site.wait_for(1, "QUARANTINED");
    // Files that come later are found by later scans.
    for (files, name) in [(1, "b.csv"), (2, "c.csv"), (3, "d.csv")] {
        site.drop_file(name, format!("id,name\n{files},{name}\n"));
        site.wait_for(files, "ARCHIVED");
    }
    let of_a = "select count(*) from ingestd.files where path like '%/a.csv'";
    assert_eq!(site.number(of_a), 1);
    assert_eq!(names_in(&site.inbox()), ["a.csv"]);
    assert_eq!(site.number("select count(*) from things"), 3);
}

#[test]
fn vector_takes_files_with_the_same_first_lines_for_one() {
    let mut site = Site::new(THINGS, "table = \"things\"");
    let first: String = (1..=2_000).map(|id| format!("{id},name\n")).collect();
    // Of one size, and with the same first 20 KB.
    site.drop_file("a.csv", format!("id,name\n{first}8001,a\n"));
    site.drop_file("b.csv", format!("id,name\n{first}8002,b\n"));
    site.wait_for(2, "ARCHIVED");
    assert_eq!(site.number("select count(*) from things"), 4_002);
    assert_eq!(
        site.number("select count(*) from things where id > 8000"),
        2
    );
}

#[test]
fn vector_does_not_see_a_file_of_a_few_bytes() {
    let mut site = Site::new("create table things (i int)", "table = \"things\"");
    site.drop_file("a.csv", "i\n7");
    site.wait_for(1, "ARCHIVED");
    assert_eq!(site.texts("select i::text from things"), ["7"]);
}

#[test]
fn logstash_deletes_what_it_has_read_unless_told_otherwise() {
    let mut site = Site::new(THINGS, "table = \"things\"");
    let content = "id,name\n1,one\n2,\"two\r\n\"\n";
    site.drop_file("a.csv", content);
    site.wait_for(1, "ARCHIVED");
    let archived = site.home.directory("archive/things").join("a.csv");
    assert_eq!(fs::read_to_string(archived).expect("the file"), content);
}
