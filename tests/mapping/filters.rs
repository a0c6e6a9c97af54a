//! Filtered records: no row, no dead letter, but counted.

use super::Place;

const FILTERS: &str = "filters = [
    { field = \"kind\", in = [\"buy\", \"refund\"] },
    { field = \"agent\", not_in = [\"bot\", \"\"] },
]";

#[test]
fn filtered_records_are_counted_and_shown() {
    let mut place = Place::new("create table t (id bigint, kind text)", FILTERS);
    let content = "id,kind,agent\n1,buy,x\n2,view,x\nx,view,x\n4,buy,bot\n5,refund,\n6,refund,y\n7,buy\nz,buy,x\n";
    let said = place.load("a.csv", content);
    assert!(
        said.contains("8 records: 2 inserted, 4 filtered, 2 refused"),
        "{said}"
    );
    assert_eq!(place.counts("a.csv"), "8 2 0 4 2");
    assert_eq!(
        place.rows("select id::text, kind from t order by 1"),
        ["1|buy", "6|refund"]
    );
    let files = place.ask(&["files", "--json"]);
    assert!(files.contains("\"filtered\": 4"), "{files}");
    let lines: Vec<String> = place.ask(&["files"]).lines().map(str::to_owned).collect();
    let column = lines[0].find("filtered").expect("a column");
    assert_eq!(
        lines[1][column..].trim_start().chars().next(),
        Some('4'),
        "{lines:?}"
    );
    let status = place.ask(&["status", "--json"]);
    assert!(status.contains("\"filtered\": 4"), "{status}");
}

#[test]
fn a_file_of_which_nothing_is_left_is_loaded_all_the_same() {
    let mut place = Place::new("create table t (id bigint, kind text)", FILTERS);
    let mut content = "id,kind,agent\n".to_owned();
    for id in 0..200_000 {
        content += &format!("{id},view,x\n");
    }
    let said = place.load("a.csv", &content);
    assert!(said.contains("200,000 filtered"), "{said}");
    assert_eq!(place.counts("a.csv"), "200000 0 0 200000 0");
    let said = place.load("b.csv", &content);
    assert!(said.contains("skipped"), "{said}");
}

#[test]
fn a_file_without_the_field_of_a_filter_is_quarantined() {
    let place = Place::new("create table t (id bigint, kind text)", FILTERS);
    let said = place.load("a.csv", "id,kind\n1,buy\n");
    assert!(
        said.contains("quarantined: the header has no field \"agent\", which a filter takes"),
        "{said}"
    );
}
