//! What others do to records.

use super::Site;

const THINGS: &str = "create table things (id int, name text)";

#[test]
fn telegraf_ends_a_line_after_64_kib_and_a_record_at_a_quoted_line_end() {
    let mut site = Site::new(THINGS, "table = \"things\"");
    let long = "a quoted line\n".repeat(20_000);
    site.drop_file("a.csv", format!("id,name\n1,\"{long}\"\n2,two\n"));
    site.wait_for(1, "ARCHIVED");
    let lengths = site.texts("select length(name)::text from things order by id");
    assert_eq!(lengths, [long.len().to_string(), "3".to_owned()]);
}

#[test]
fn spooldir_loops_for_ever_on_one_bad_record() {
    let mut site = Site::new(THINGS, "table = \"things\"");
    site.drop_file("a.csv", "id,name\n1,one\nno number,two\n3,three\n");
    site.drop_file("b.csv", "id,name\n4,four\n");
    site.wait_for(2, "ARCHIVED");
    let ids = site.texts("select id::text from things order by id");
    assert_eq!(ids, ["1", "3", "4"]);
    assert_eq!(site.number("select count(*) from ingestd.dead_letters"), 1);
}

#[test]
fn timescaledb_parallel_copy_takes_the_first_row_of_each_batch_for_a_header() {
    let keys = "table = \"things\"\nbatch_rows = 10\npartitions = 3";
    let mut site = Site::new(THINGS, keys);
    let rows: String = (1..=1_000).map(|id| format!("{id},name\n")).collect();
    site.drop_file("a.csv", format!("id,name\n{rows}"));
    site.wait_for(1, "ARCHIVED");
    assert_eq!(site.number("select count(distinct id) from things"), 1_000);
    assert_eq!(site.number("select count(*) from things"), 1_000);
}

#[test]
fn timescaledb_parallel_copy_does_not_say_which_row_is_bad() {
    let mut site = Site::new(THINGS, "table = \"things\"");
    site.drop_file("a.csv", "id,name\n1,\"one\none\"\n2x,two\n");
    site.wait_for(1, "ARCHIVED");
    let place =
        "select format('record %s, line %s, byte %s, %s', record, line, byte_offset, column_name)
                 from ingestd.dead_letters";
    assert_eq!(site.texts(place), ["record 2, line 4, byte 20, id"]);
}
