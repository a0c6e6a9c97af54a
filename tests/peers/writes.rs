//! What others do when they write.

use super::{PATIENCE, Site};
use crate::support::wait_until;

#[test]
fn vector_writes_null_where_a_column_has_a_default() {
    let table = "create table things (id int, name text not null default 'nameless',
                                      at timestamptz not null default now())";
    let mut site = Site::new(table, "table = \"things\"");
    site.drop_file("a.csv", "id\n1\n");
    site.drop_file("b.csv", "id,name\n2,two\n");
    site.wait_for(2, "ARCHIVED");
    let names = site.texts("select name from things where at is not null order by id");
    assert_eq!(names, ["nameless", "two"]);
}

#[test]
fn redpanda_connect_repeats_a_batch_for_ever_for_one_row_that_the_table_refuses() {
    let table = "create table things (id int check (id <> 50), name text)";
    let mut site = Site::new(table, "table = \"things\"");
    let rows: String = (1..=100).map(|id| format!("{id},name\n")).collect();
    site.drop_file("a.csv", format!("id,name\n{rows}"));
    site.wait_for(1, "ARCHIVED");
    assert_eq!(site.number("select count(*) from things"), 99);
    let letter = "select format('%s %s %s', record, line, sqlstate) from ingestd.dead_letters";
    assert_eq!(site.texts(letter), ["50 51 23514"]);
}

#[test]
fn telegraf_counts_no_error_when_a_write_fails() {
    let table = "create table things (id int check (id > 0), name text)";
    let mut site = Site::new(table, "table = \"things\"");
    site.drop_file("a.csv", "id,name\n1,one\n-2,two\nx,three\n");
    site.wait_for(1, "ARCHIVED");
    let counts =
        "select format('%s records, %s inserted, %s rejected', records, inserted, rejected)
                  from ingestd.files";
    assert_eq!(site.texts(counts), ["3 records, 1 inserted, 2 rejected"]);
}

#[test]
fn nifi_and_telegraf_write_rows_twice_when_a_connection_is_lost() {
    let table = "create table things (id int, name text)";
    let keys = "table = \"things\"\nbatch_rows = 200\npartitions = 2";
    let mut site = Site::new(table, keys);
    for file in 0..40 {
        let rows: String = (1..=1_000)
            .map(|row| format!("{},name\n", file * 1_000 + row))
            .collect();
        site.drop_file(&format!("{file}.csv"), format!("id,name\n{rows}"));
    }
    let cut = "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
               where pid <> pg_backend_pid() and datname = current_database()
                 and query ~ 'things'";
    let mut cuts = 0;
    let loaded = "select count(*) from ingestd.files where state = 'ARCHIVED'";
    wait_until(PATIENCE, || {
        if cuts < 10 {
            cuts += site.number(cut).max(0);
        }
        site.number(loaded) == 40
    });
    assert!(cuts > 0, "no connection was cut");
    assert_eq!(site.number("select count(*) from things"), 40_000);
    assert_eq!(site.number("select count(distinct id) from things"), 40_000);
    assert_eq!(site.number("select count(*) from ingestd.dead_letters"), 0);
}

/// Rows that look new go in in the order of their files, so that two may wait for each other: the
/// server ends one of them, and it is tried again.
#[test]
fn kafka_connect_jdbc_deadlocks_where_two_upsert_the_same_keys() {
    let table = "create table things (id int primary key, name text)";
    let keys = "table = \"things\"\nkey = \"id\"\nbatch_rows = 1000\n\
                [pipelines.others]\ndirectory = \"inbox2\"\nscan_interval = \"50ms\"\n\
                table = \"things\"\nkey = \"id\"\nbatch_rows = 1000";
    let mut site = Site::new(table, keys);
    let file = |ids: &mut dyn Iterator<Item = i32>, name: i32| {
        let rows: String = ids.map(|id| format!("{id},{name}\n")).collect();
        format!("id,name\n{rows}")
    };
    let other = site.home.directory("inbox2");
    for name in 0..10 {
        site.drop_file(&format!("{name}.csv"), file(&mut (1..=2_000), name));
        let backwards = file(&mut (1..=2_000).rev(), name);
        crate::support::home::drop_file(&other, &format!("{name}.csv"), backwards);
    }
    site.wait_for(20, "ARCHIVED");
    assert_eq!(site.number("select count(*) from things"), 2_000);
    assert_eq!(site.number("select count(*) from ingestd.dead_letters"), 0);
}

#[test]
fn timescaledb_deadlocks_with_an_alter_table() {
    let table = "create table things (id int primary key, name text)";
    let mut site = Site::new(table, "table = \"things\"\nkey = \"id\"\nbatch_rows = 100");
    for file in 0..10 {
        let rows: String = (0..1_000)
            .map(|row| format!("{},name\n", file * 1_000 + row))
            .collect();
        site.drop_file(&format!("{file}.csv"), format!("id,name\n{rows}"));
        let sql = format!("alter table things add column extra_{file} text default 'more'");
        site.client.batch_execute(&sql).expect("altered");
    }
    site.wait_for(10, "ARCHIVED");
    assert_eq!(
        site.number("select count(*) from things where extra_9 = 'more'"),
        10_000
    );
}

#[test]
fn kafka_connect_jdbc_can_not_affect_a_row_a_second_time() {
    let table =
        "create table things (id int primary key, name text); insert into things values (1)";
    let mut site = Site::new(table, "table = \"things\"\nkey = \"id\"");
    site.drop_file("a.csv", "id,name\n1,first\n2,first\n1,last\n2,last\n");
    site.wait_for(1, "ARCHIVED");
    assert_eq!(
        site.texts("select name from things order by id"),
        ["last", "last"]
    );
    let counts =
        "select format('%s inserted, %s updated, %s duplicate', inserted, updated, duplicate)
                  from ingestd.files";
    assert_eq!(site.texts(counts), ["1 inserted, 1 updated, 2 duplicate"]);
}
