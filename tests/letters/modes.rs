//! What a replay does to keys that are there, in each mode.

use super::{Shop, assert_figures};

/// Record 2 to 4 have an amount that the table refuses, until it is told otherwise.
const FILE: &str = "id,name,amount,changed\n\
    1,one,1,2024-01-01 10:00Z\n\
    2,two,-2,2024-01-01 10:00Z\n\
    3,three,-3,2024-01-01 10:00Z\n\
    3,three again,-4,2024-01-01 09:00Z\n";

const MEND: &str = "alter table items drop constraint not_negative";

fn shop(keys: &str) -> Shop {
    let mut shop = Shop::new(keys);
    shop.load(FILE);
    assert_eq!(shop.rows(), ["1 'one' 1"]);
    shop
}

#[test]
fn what_fails_again_stays_with_its_new_reason() {
    let shop = shop("key = [\"id\"]");
    let report = shop.replay(&["--all"]);
    assert_figures(&report, &[("failed", 3)]);
    assert_eq!(
        shop.letters(),
        ["2 NEW 2 refused", "3 NEW 2 refused", "4 NEW 2 refused"]
    );
    // Another reason: the audit goes by the first one.
    shop.client()
        .batch_execute("alter table items drop constraint not_negative, alter name type varchar(3)")
        .expect("altered");
    let report = shop.replay(&["--where", "reason=refused"]);
    assert_figures(&report, &[("failed", 2), ("inserted", 1)]);
    assert_eq!(
        shop.lines(
            "select concat_ws(' ', record, reason, sqlstate, first_reason, first_sqlstate)
                    from ingestd.dead_letters where status = 'NEW' order by 1"
        ),
        [
            "3 invalid_value 22001 refused 23514",
            "4 invalid_value 22001 refused 23514"
        ]
    );
    shop.assert_audited();
}

#[test]
fn an_upsert_overwrites_only_when_told() {
    let shop = shop("key = [\"id\"]");
    let client = &mut shop.client();
    client.batch_execute(MEND).expect(MEND);
    client
        .batch_execute("insert into items values (2, 'newer', 22)")
        .expect("a row");
    // Of two letters of one key the later one counts, as in the file.
    let report = shop.replay(&["--all"]);
    assert_figures(&report, &[("inserted", 1), ("duplicate", 1), ("there", 1)]);
    assert_eq!(
        shop.rows(),
        ["1 'one' 1", "2 'newer' 22", "3 'three again' -4"]
    );
    assert_eq!(
        shop.letters(),
        [
            "2 NEW 2 refused",
            "3 RESOLVED 2 refused duplicate",
            "4 RESOLVED 2 refused inserted"
        ]
    );
    let report = shop.replay(&["--all", "--overwrite"]);
    assert_figures(&report, &[("updated", 1)]);
    assert_eq!(shop.rows()[1], "2 'two' -2");
    assert!(shop.replay(&["1", "2"]).is_null(), "none is NEW");
    shop.assert_audited();
}

#[test]
fn letters_whose_key_is_there_all_wait_for_a_word() {
    let shop = shop("key = [\"id\"]");
    let client = &mut shop.client();
    client.batch_execute(MEND).expect(MEND);
    client
        .batch_execute("insert into items values (3, 'newer', 33)")
        .expect("a row");
    let report = shop.replay(&["--where", "file=1", "--column", "amount"]);
    assert!(
        report.is_null(),
        "the server names no column of a CHECK: {report}"
    );
    let report = shop.replay(&["1"]);
    assert_figures(&report, &[("inserted", 1), ("there", 2)]);
    assert_eq!(report["still_new"][0]["why"], "there");
    assert_eq!(shop.rows()[2], "3 'newer' 33");
}

#[test]
fn the_newest_row_stays_whatever_is_said() {
    let shop = shop("key = [\"id\"]\nmode = \"newest\"\nversion = \"changed\"");
    let client = &mut shop.client();
    client.batch_execute(MEND).expect(MEND);
    client
        .batch_execute(
            "insert into items values (2, 'newer', 22, '2024-01-01 11:00Z'),
                        (3, 'older', 33, '2024-01-01 08:00Z')",
        )
        .expect("rows");
    let report = shop.replay(&["--all", "--overwrite"]);
    assert_figures(
        &report,
        &[("updated", 1), ("duplicate", 1), ("unchanged", 1)],
    );
    assert_eq!(shop.rows(), ["1 'one' 1", "2 'newer' 22", "3 'three' -3"]);
}

#[test]
fn what_is_there_stays_where_it_is_to_be_ignored() {
    let shop = shop("key = [\"id\"]\nmode = \"ignore\"");
    let client = &mut shop.client();
    client.batch_execute(MEND).expect(MEND);
    client
        .batch_execute("insert into items values (2, 'first', 22)")
        .expect("a row");
    let report = shop.replay(&["--all"]);
    assert_figures(
        &report,
        &[("inserted", 1), ("duplicate", 1), ("unchanged", 1)],
    );
    assert_eq!(shop.rows(), ["1 'one' 1", "2 'first' 22", "3 'three' -3"]);
}

#[test]
fn rows_without_a_key_are_added_and_a_constraint_refuses_a_second_one() {
    let mut shop = Shop::new("");
    shop.load(FILE);
    shop.client().batch_execute(MEND).expect(MEND);
    let report = shop.replay(&["--all"]);
    assert_figures(&report, &[("inserted", 2), ("failed", 1)]);
    assert_eq!(
        shop.lines("select sqlstate from ingestd.dead_letters where status = 'NEW'"),
        ["23505"]
    );
    assert_eq!(shop.rows(), ["1 'one' 1", "2 'two' -2", "3 'three' -3"]);
}

#[test]
fn a_deletion_is_carried_out_only_when_told() {
    let mut shop = Shop::with_table(
        "create table items (id bigint, name text not null, amount integer, primary key (id, name))",
        "key = [\"id\", \"name\"]\ndelete_when = { field = \"op\", values = [\"D\"] }",
    );
    // A trigger refuses deletions for now.
    shop.client()
        .batch_execute(
            "create function no() returns trigger language plpgsql as
                 $$ begin raise exception 'not now' using errcode = '23514', constraint = 'no'; end $$;
             insert into items values (1, 'a', 1), (1, 'b', 1);
             create trigger no before delete on items for each row execute function no()",
        )
        .expect("a trigger");
    shop.load("id,name,amount,op\n1,a,,D\n2,c,2,U\n");
    assert_eq!(shop.letters(), ["1 NEW 1 refused"]);
    shop.client()
        .batch_execute("drop trigger no on items")
        .expect("dropped");
    assert_figures(&shop.replay(&["--all"]), &[("deletions", 1)]);
    assert_eq!(shop.rows().len(), 3);
    assert_figures(&shop.replay(&["--all", "--overwrite"]), &[("deleted", 1)]);
    assert_eq!(shop.rows(), ["1 'b' 1", "2 'c' 2"]);
    shop.assert_audited();
}

#[test]
fn a_dry_run_changes_nothing() {
    let shop = shop("key = [\"id\"]");
    shop.client().batch_execute(MEND).expect(MEND);
    let before = (shop.rows(), shop.letters());
    let report = shop.replay(&["--all", "--dry-run"]);
    assert_figures(
        &report,
        &[
            ("inserted", 1),
            ("duplicate", 1),
            ("updated", 0),
            ("there", 0),
            ("failed", 0),
        ]
        .map(|(name, number)| match name {
            "inserted" => (name, 2),
            _ => (name, number),
        }),
    );
    assert_eq!((shop.rows(), shop.letters()), before);
    assert_eq!(shop.number("select count(*) from ingestd.replays"), 0);
}

#[test]
fn the_mapping_of_now_counts_and_derived_columns_are_those_of_the_file() {
    let table = "create table items (id bigint primary key, name text, amount integer, file text,
                 record bigint, line bigint, loaded timestamptz)";
    let columns = |amount: &str| {
        format!(
            "key = [\"id\"]\ncolumns = [{{ name = \"id\" }}, {{ name = \"name\" }},
             {{ name = \"amount\"{amount} }}, {{ name = \"file\", from = \"file_name\" }},
             {{ name = \"record\", from = \"record\" }}, {{ name = \"line\", from = \"line\" }},
             {{ name = \"loaded\", from = \"load_time\" }}]"
        )
    };
    let mut shop = Shop::with_table(table, &columns(""));
    shop.load("id,name,amount\n1,a,1\n2,\"b\nb\",1.234\n3,c,1.000\n");
    assert_eq!(shop.rows(), ["1 'a' 1"]);
    shop.home.configure(&shop.home.config().replace(
        "{ name = \"amount\" }",
        "{ name = \"amount\", decimal = \",\", thousands = \".\" }",
    ));
    assert_figures(&shop.replay(&["--all"]), &[("inserted", 2)]);
    assert_eq!(
        shop.lines("select concat_ws(' ', id, amount, file, record, line) from items order by id"),
        ["1 1 1.csv 1 2", "2 1234 1.csv 2 3", "3 1000 1.csv 3 5"]
    );
    assert_eq!(shop.number("select count(distinct loaded) from items"), 1);
}

/// Once, the parts of a replay went from the last letter to the first in every mode: where a row may
/// replace another one, the oldest stood in the end, and where the first is to stay, the last did.
#[test]
fn of_letters_in_several_parts_the_one_counts_that_the_mode_would_have_chosen() {
    let ignore = "key = [\"id\"]\nmode = \"ignore\"";
    for (keys, arguments, expected) in [
        ("key = [\"id\"]", &["--all"][..], 250),
        ("key = [\"id\"]", &["--all", "--overwrite"], 250),
        (ignore, &["--all"], 1),
    ] {
        let mut shop = Shop::new(keys);
        let letters = (1..=250).map(|n| format!("7,n{n},-{n},2024-01-01 10:00Z\n"));
        let letters: String = letters.collect();
        shop.load(format!(
            "id,name,amount,changed\n1,one,1,2024-01-01 10:00Z\n{letters}"
        ));
        shop.client().batch_execute(MEND).expect(MEND);
        shop.replay(arguments);
        let parts = shop.number("select parts from ingestd.replays");
        assert!(parts > 1, "{parts}");
        let row = format!("7 'n{expected}' -{expected}");
        assert_eq!(shop.rows()[1], row, "{keys} {arguments:?}");
    }
}
