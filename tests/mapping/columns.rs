//! Which field goes to which column, and what goes there without a field.

use super::Place;

const CUSTOMERS: &str = "create table t (
    id bigint primary key, email text not null, name text, city text default 'nowhere',
    source text, total integer generated always as (length(email)) stored)";

#[test]
fn only_what_differs_is_written_and_the_rest_goes_by_the_header() {
    let mut place = Place::new(
        CUSTOMERS,
        "key = [\"id\"]\nother_columns = \"load\"\nheader_case = \"ignore\"
         extra_columns = \"ignore\"
         columns = [
             { name = \"email\", field = \"E-Mail\", trim = true, case = \"lower\" },
             { name = \"source\", from = \"file_name\" },
         ]",
    );
    let said = place.load("a.csv", "ID,e-mail,NAME,phone,\n1, A@B.de ,Ada,555,x\n");
    assert!(said.contains("1 record: 1 inserted"), "{said}");
    // Another order, another case, fewer fields.
    let said = place.load("b.csv", "E-MAIL,id\nc@d.de,2\n");
    assert!(said.contains("1 record: 1 inserted"), "{said}");
    let rows =
        place.rows("select id::text, email, name, city, source, total::text from t order by id");
    assert_eq!(
        rows,
        ["1|a@b.de|Ada|nowhere|a.csv|6", "2|c@d.de|-|nowhere|b.csv|6"]
    );
}

#[test]
fn files_that_do_not_fit_are_quarantined_with_what_would_help() {
    let place = Place::new(
        CUSTOMERS,
        "key = [\"id\"]\nmissing_columns = \"refuse\"\nextra_columns = \"refuse\"
         columns = [{ name = \"id\" }, { name = \"email\" }, { name = \"name\" }]",
    );
    let said = place.load("extra.csv", "id,email,name,phone\n1,a,b,c\n");
    assert!(
        said.contains(
            "quarantined: the header names \"phone\", which no column of table public.t takes"
        ),
        "{said}"
    );
    assert!(said.contains("extra_columns = \"ignore\""), "{said}");
    let said = place.load("missing.csv", "id,email\n1,a\n");
    assert!(
        said.contains("quarantined: the header has no field \"name\""),
        "{said}"
    );
    let said = place.load("twice.csv", "id,email,name,name\n1,a,b,c\n");
    assert!(
        said.contains("names \"name\" twice, as fields 3 and 4"),
        "{said}"
    );
    let said = place.load("good.csv", "name,email,id\nb,a,1\n");
    assert!(said.contains("1 inserted"), "{said}");
}

#[test]
fn fields_are_taken_by_number_with_a_header_and_without() {
    const TABLE: &str = "create table t (a text, b text, n bigint, line bigint, tag integer)";
    const COLUMNS: &str = "columns = [
        { name = \"b\", field = 3 }, { name = \"n\", from = \"record\" }, { name = \"a\", field = 1 },
        { name = \"line\", from = \"line\" }, { name = \"tag\", constant = 7 },
    ]";
    let query = "select a, b, n::text, line::text, tag::text from t order by n";
    let mut named = Place::new(TABLE, COLUMNS);
    let said = named.load("a.csv", "x,x,\n1,2,3\n\n\"4\n\",5,6\n7,8,9\n");
    assert!(said.contains("3 records: 3 inserted"), "{said}");
    let expected = ["1|3|1|2|7", "4\n|6|2|4|7", "7|9|3|6|7"];
    assert_eq!(named.rows(query), expected);

    let mut nameless = Place::new(TABLE, &format!("header = false\n{COLUMNS}"));
    let said = nameless.load("a.csv", "1,2,3\n4,5\n4,5,6,7\n");
    assert!(said.contains("3 records: 1 inserted, 2 refused"), "{said}");
    assert_eq!(nameless.rows(query), ["1|3|1|1|7"]);
    let lenient = format!("header = false\nextra_columns = \"ignore\"\n{COLUMNS}");
    let mut lenient = Place::new(TABLE, &lenient);
    let said = lenient.load("a.csv", "1,2,3\n4,5\n4,5,6,7\n");
    assert!(said.contains("3 records: 2 inserted, 1 refused"), "{said}");
    assert_eq!(lenient.rows(query), ["1|3|1|1|7", "4|6|3|3|7"]);
}

/// A file without a key of its own has one in its name and its records' numbers.
#[test]
fn what_is_derived_can_be_the_key_and_has_the_type_of_its_column() {
    let mut place = Place::new(
        "create table t (file varchar(20), number smallint, at timestamp, path text, net inet, v text,
                         primary key (file, number))",
        "key = [\"file\", \"number\"]
         columns = [
             { name = \"file\", from = \"file_name\" }, { name = \"number\", from = \"record\" },
             { name = \"at\", from = \"load_time\" }, { name = \"path\", from = \"file_path\" },
             { name = \"net\", constant = \"10.0.0.1\" }, { name = \"v\" },
         ]",
    );
    let said = place.load("k.csv", "v\na\nb\n");
    assert!(said.contains("2 records: 2 inserted"), "{said}");
    // A corrected file of the same name replaces what the first one has loaded, at its own time.
    let said = place.load("k.csv", "v\na\nB\nc\n");
    assert!(said.contains("1 inserted, 2 updated"), "{said}");
    let rows = "select file, number::text, host(net), v, (path like '%/given/k.csv')::text,
                       (at at time zone 'UTC' between now() - interval '1 min' and now())::text
                from t order by number";
    assert_eq!(
        place.rows(rows),
        [
            "k.csv|1|10.0.0.1|a|true|true",
            "k.csv|2|10.0.0.1|B|true|true",
            "k.csv|3|10.0.0.1|c|true|true"
        ]
    );
}
