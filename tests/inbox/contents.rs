//! What a file holds, and what becomes of it.

use super::{Things, csv};

#[test]
fn files_without_records_are_committed_each_time() {
    let mut things = Things::new("");
    let contents = [
        ("a-empty.csv", ""),
        ("b-header.csv", "id,name\n"),
        ("c-empty.csv", ""),
        ("d-header.csv", "id,name\n"),
    ];
    for (name, content) in contents {
        things.drop_file(name, content);
    }
    things.wait_for(4, "ARCHIVED");
    let mut files = things.files();
    files.sort();
    let expected = contents.map(|(name, _)| (name.to_owned(), "ARCHIVED".to_owned(), Some(0)));
    assert_eq!(files, expected);
    assert_eq!(things.ids(), [0; 0]);
    assert_eq!(things.left(), [""; 0]);
}

#[test]
fn a_wrong_header_quarantines_the_file_and_the_next_goes_on() {
    let mut things = Things::new("");
    things.drop_file("a.csv", "identity,name\n1,one\n2,two\n");
    things.drop_file("b.csv", csv(3..=4));
    things.wait_for(1, "QUARANTINED");
    things.wait_for(1, "ARCHIVED");
    assert_eq!(things.ids(), [3, 4]);
    assert_eq!(things.dead_letters(), []);
    let reason = things.reason("a.csv");
    assert!(reason.contains("\"id\""), "{reason}");
    super::wait_until(super::PATIENCE, || things.left().is_empty());
    assert_eq!(things.quarantined(), ["a.csv", "a.csv.reason"]);
    let note = things
        .home
        .directory("quarantine/things")
        .join("a.csv.reason");
    let note = std::fs::read_to_string(note).expect("a note");
    assert_eq!(note.trim_end(), reason);
}

#[test]
fn a_file_that_begins_with_a_thousand_refused_records_is_quarantined() {
    let mut things = Things::new("");
    let refused: String = (0..1_000)
        .map(|n| format!("no number {n},name\n"))
        .collect();
    things.drop_file("a.csv", format!("id,name\n{refused}1,one\n"));
    // One good record among them is enough for dead letters.
    things.drop_file("b.csv", format!("id,name\n2,two\n{refused}"));
    things.wait_for(1, "QUARANTINED");
    things.wait_for(1, "ARCHIVED");
    assert_eq!(things.ids(), [2]);
    let reason = things.reason("a.csv");
    assert!(reason.contains("are all refused"), "{reason}");
    let of_a = "select count(*) from ingestd.dead_letters join ingestd.files using (file_id)
                where path like '%/a.csv'";
    let of_a = things.client.query_one(of_a, &[]).expect("a count");
    assert_eq!(of_a.get::<_, i64>(0), 0);
    assert_eq!(things.dead_letters().len(), 1_000);
    super::wait_until(super::PATIENCE, || things.left().is_empty());
    assert_eq!(things.quarantined(), ["a.csv", "a.csv.reason"]);
}

#[test]
fn an_unclosed_quote_costs_its_own_record_only() {
    let mut things = Things::new("");
    let before: String = (1..=1_500).map(|id| format!("{id},name\n")).collect();
    let after: String = (1_502..=3_000).map(|id| format!("{id},name\n")).collect();
    things.drop_file("a.csv", format!("id,name\n{before}1501,\"name\n{after}"));
    things.wait_for(1, "ARCHIVED");
    let expected: Vec<i32> = (1..=3_000).filter(|id| *id != 1_501).collect();
    assert!(things.ids() == expected, "{} rows", things.ids().len());
    let letters = [(1_501, 1_502, "bad_quoting".to_owned())];
    assert_eq!(things.dead_letters(), letters);
}

#[test]
fn an_unclosed_quote_before_a_quoted_field_costs_its_own_record_only() {
    let mut things = Things::new("");
    let content = "id,name\n1,one\n2,\"two\n3,three\n4,\"four\"\n5,\"fi\nve\"\n6,six\n";
    things.drop_file("a.csv", content);
    things.wait_for(1, "ARCHIVED");
    assert_eq!(things.ids(), [1, 3, 4, 5, 6]);
    let letters = [(2, 3, "bad_quoting".to_owned())];
    assert_eq!(things.dead_letters(), letters);
}
