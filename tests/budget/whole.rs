//! Files that come into the table as a whole or not at all.

use super::*;

pub(super) const WHOLE: &str = "key = [\"id\"]\nall_or_nothing = true\nbatch_rows = 100";

impl Place {
    pub(super) fn staging_tables(&mut self) -> Vec<String> {
        self.lines(
            "select relname::text from pg_class where relnamespace = 'ingestd'::regnamespace
             and relname like 'staged%' and relkind = 'r'",
        )
    }

    pub(super) fn rows(&mut self) -> Vec<String> {
        self.lines("select items::text from items order by id")
    }
}

#[test]
fn a_file_is_loaded_as_a_whole_and_counted_like_any_other() {
    let mut place = Place::new(ITEMS, WHOLE);
    let said = place.load("a.csv", &every(1_000_000, 1_000, "0"));
    assert!(said.contains("1,000 inserted"), "{said}");
    place.load("b.csv", "id,amount\n1,1\n2,7\n3,8\n3,9\n5000,1\n");
    assert_eq!(place.files(), ["COMMITTED 1000 1000 0", "COMMITTED 5 1 0"]);
    let amounts = "select amount::text from items where id in (1, 2, 3, 5000) order by id";
    assert_eq!(place.lines(amounts), ["1", "7", "9", "1"]);
    place.load("empty.csv", "id,amount\n");
    assert_eq!(place.files()[2], "COMMITTED 0 0 0");
    assert_eq!(place.staging_tables(), [""; 0]);
}

#[test]
fn a_file_with_a_bad_record_leaves_nothing_in_the_table() {
    for bad in ["many", "-1", "99999999999"] {
        let mut place = Place::new(ITEMS, WHOLE);
        place.load("good.csv", "id,amount\n1,1\n");
        let mut text = every(1_000_000, 2_000, "0");
        text.push_str(&format!("3000,{bad}\n"));
        let said = place.load("bad.csv", &text);
        assert!(
            said.contains("over its error budget (max_errors = 0): 1 of"),
            "{said}"
        );
        assert!(said.contains("none of its rows is in the table"), "{said}");
        assert_eq!(place.rows(), ["(1,1)"]);
        let letters =
            place.lines("select record || ' ' || encode(raw, 'escape') from ingestd.dead_letters");
        assert_eq!(letters, [format!("2001 3000,{bad}")]);
        assert_eq!(place.staging_tables(), [""; 0]);
        // Mended under the same name, it is loaded.
        place.load("bad.csv", &text.replace(bad, "5"));
        assert_eq!(place.number("select count(*) from items"), 2_001);
    }
}

#[test]
fn refused_rows_become_dead_letters_where_the_budget_allows() {
    let mut place = Place::new(ITEMS, &format!("{WHOLE}\nmax_errors = 6"));
    let text = file((1..=1_000).map(|number| match number {
        100 | 200 | 300 => "-5".to_owned(),
        400 => "many".to_owned(),
        number => number.to_string(),
    }));
    // The last row of a key is refused, and the one before it stands.
    let text = format!("{text}7,70\n7,-70\n8,-80\n");
    place.load("a.csv", &text);
    assert_eq!(place.files(), ["COMMITTED 1003 996 6"]);
    assert_eq!(
        place.lines("select amount::text from items where id in (7, 8) order by id"),
        ["70", "8"]
    );
    let letters =
        "select record || ' ' || line || ' ' || byte_offset || ' ' || encode(raw, 'escape')
                   from ingestd.dead_letters order by record";
    for (line, record) in place
        .lines(letters)
        .iter()
        .zip([100, 200, 300, 400, 1002, 1003])
    {
        let raw = text.lines().nth(record).expect("a line");
        let offset = text.find(&format!("\n{raw}\n")).expect("there") + 1;
        assert_eq!(*line, format!("{record} {} {offset} {raw}", record + 1));
    }
    let over = text.replace("\n500,500\n", "\n500,-500\n");
    let said = place.load("b.csv", &over);
    assert!(
        said.contains("(max_errors = 6): 7 of its 1003 records"),
        "{said}"
    );
}

#[test]
fn every_mode_moves_as_it_writes() {
    let table = "create table items (id bigint primary key, amount integer, version bigint)";
    let first = "op,id,amount,version\nI,1,10,5\nI,2,20,5\nI,3,30,5\nI,4,40,5\n";
    let second = "op,id,amount,version\nI,1,11,4\nI,2,21,6\nD,3,,6\nI,3,32,7\nD,4,,9\nI,5,50,1\n\
                  I,5,51,2\nD,6,,1\nI,6,60,1\nD,6,,1\nD,7,,1\n";
    let without = second.replace("D,3,,6\n", "").replace("D,4,,9\n", "");
    let without = without.replace("D,6,,1\n", "").replace("D,7,,1\n", "");
    let deletes = "delete_when = { field = \"op\", values = [\"D\"] }";
    for (keys, text, expected, counts) in [
        (
            "mode = \"upsert\"".to_owned(),
            &without[..],
            "1=11 2=21 3=32 4=40 5=51 6=60",
            "2 3 1 0",
        ),
        (
            "mode = \"ignore\"".to_owned(),
            &without,
            "1=10 2=20 3=30 4=40 5=50 6=60",
            "2 0 4 0",
        ),
        (
            "mode = \"newest\"\nversion = \"version\"".to_owned(),
            &without,
            "1=10 2=21 3=32 4=40 5=51 6=60",
            "2 2 2 0",
        ),
        (
            format!("mode = \"upsert\"\nupdate = [\"amount\"]\n{deletes}"),
            second,
            "1=11 2=21 3=32 5=51",
            "3 3 1 3",
        ),
        (
            format!("mode = \"ignore\"\n{deletes}"),
            second,
            "1=10 2=20 3=32 5=50",
            "3 0 3 3",
        ),
        (
            format!("mode = \"newest\"\nversion = \"version\"\n{deletes}"),
            second,
            "1=10 2=21 3=32 5=51",
            "3 1 3 3",
        ),
    ] {
        for whole in [true, false] {
            let mut place = Place::new(
                table,
                &format!(
                    "key = [\"id\"]\nextra_columns = \"ignore\"\nall_or_nothing = {whole}\n{keys}"
                ),
            );
            place.load("1.csv", first);
            place.load("2.csv", text);
            let rows = "select string_agg(id || '=' || amount, ' ' order by id) from items";
            assert_eq!(place.lines(rows), [expected], "{keys} {whole}");
            let exact = "select inserted || ' ' || deleted from ingestd.files where file_id = 2";
            let mut parts = counts.split(' ');
            let (inserted, deleted) = (
                parts.next().expect("a count"),
                parts.next_back().expect("a count"),
            );
            let exact = place.lines(exact);
            if whole {
                assert_eq!(exact, [format!("{inserted} {deleted}")], "{keys}");
            }
            let sum = "select (inserted + updated + unchanged + duplicate + deleted + rejected = records)::text
                       from ingestd.files";
            assert_eq!(place.lines(sum), ["true", "true"]);
        }
    }
}

#[test]
fn a_table_is_created_with_its_indexes_and_filled_as_a_whole() {
    let keys = format!(
        "{WHOLE}\ncreate = true\nindexes = [[\"amount\"]]\ncolumns = [
             {{ name = \"id\", type = \"bigint\" }}, {{ name = \"amount\", type = \"varchar(3)\" }}]"
    );
    let mut place = Place::new("select 1", &keys);
    let large = "x".repeat(17 << 20);
    let said = place.load("a.csv", &format!("id,amount\n1,abc\n2,abcd\n3,{large}\n"));
    assert!(said.contains("max_errors = 0"), "{said}");
    assert_eq!(place.rows(), [""; 0]);
    place.load("b.csv", "id,amount\n1,abc\n2,ab\n");
    assert_eq!(place.rows(), ["(1,abc)", "(2,ab)"]);
    let indexes = "select count(*) from pg_indexes where tablename = 'items'";
    assert_eq!(place.number(indexes), 2);
    assert_eq!(place.staging_tables(), [""; 0]);
}

#[test]
fn rows_are_appended_without_a_key() {
    let mut place = Place::new(
        "create table items (id bigint, amount integer)",
        "all_or_nothing = true",
    );
    place.load("a.csv", "id,amount\n1,1\n1,1\n2,\n");
    assert_eq!(place.rows(), ["(1,1)", "(1,1)", "(2,)"]);
    assert_eq!(place.files(), ["COMMITTED 3 3 0"]);
}

/// A deletion makes way for a row of another key, which another unique index would refuse.
#[test]
fn deletions_come_in_turn_where_another_index_asks_for_it() {
    let table = "create table items (id bigint primary key, amount integer unique)";
    let keys = format!(
        "{WHOLE}\nextra_columns = \"ignore\"\ndelete_when = {{ field = \"op\", values = [\"D\"] }}"
    );
    let mut place = Place::new(table, &keys);
    place.load("1.csv", "op,id,amount\nI,1,10\nI,2,20\n");
    place.load("2.csv", "op,id,amount\nD,1,\nI,3,10\nD,2,\nI,4,20\n");
    assert_eq!(place.rows(), ["(3,10)", "(4,20)"]);
    assert_eq!(place.files()[1], "COMMITTED 4 2 0");
}

#[test]
fn rows_that_refer_to_later_ones_of_the_same_file() {
    let table = "create table items (id bigint primary key, amount bigint references items)";
    let mut place = Place::new(table, &format!("{WHOLE}\nmax_errors = 2"));
    // 1 and 2 refer to each other, and 5 to a row that is nowhere.
    place.load("a.csv", "id,amount\n1,2\n2,1\n3,4\n4,\n5,99\n6,5\n7,3\n");
    assert_eq!(place.rows(), ["(1,2)", "(2,1)", "(3,4)", "(4,)", "(7,3)"]);
    assert_eq!(place.files(), ["COMMITTED 7 5 2"]);
}

#[test]
fn a_partitioned_table_is_filled_as_a_whole() {
    let table = "create table items (id bigint primary key, amount integer) partition by hash (id);
        create table items_0 partition of items for values with (modulus 2, remainder 0);
        create table items_1 partition of items for values with (modulus 2, remainder 1)";
    let mut place = Place::new(table, WHOLE);
    place.load("a.csv", &every(1_000_000, 500, "0"));
    place.load("b.csv", "id,amount\n1,5\n501,1\n");
    assert_eq!(place.files(), ["COMMITTED 500 500 0", "COMMITTED 2 1 0"]);
}

#[test]
fn a_role_that_may_not_create_hears_what_to_grant() {
    let mut place = Place::new(ITEMS, WHOLE);
    place.ask(&["migrate"]);
    let role = format!("loader_{}", place.database_name());
    place
        .client
        .batch_execute(&format!(
            "create role {role} login;
             grant usage on schema ingestd, public to {role};
             grant select, insert, update, delete on all tables in schema ingestd, public to {role};
             grant usage on all sequences in schema ingestd to {role}"
        ))
        .expect("a role");
    let url = place.url.replace("user=tester", &format!("user={role}"));
    let path = place.home.directory("given").join("a.csv");
    fs::write(&path, "id,amount\n1,1\n").expect("written");
    let load = [
        "load",
        path.to_str().expect("a path"),
        "--database-url",
        &url,
    ];
    let said = place.ask(&load);
    assert!(said.contains("GRANT CREATE ON SCHEMA ingestd"), "{said}");
    place
        .client
        .batch_execute(&format!("grant create on schema ingestd to {role}"))
        .expect("granted");
    let said = place.ask(&load);
    assert_eq!(place.rows(), ["(1,1)"], "{said}");
    place
        .client
        .batch_execute(&format!("drop owned by {role}; drop role {role}"))
        .expect("dropped");
}
