//! A file is what it holds, not what it is called.

use super::{Things, csv};

#[test]
fn names_of_unfinished_files_are_never_read() {
    let mut things = Things::new("pattern = \"*\"\nsettle = \"100ms\"");
    let unfinished = [".hidden.csv", "a.csv.part", "a.csv.partial", "a.csv.tmp"];
    for name in unfinished {
        std::fs::write(things.inbox.join(name), csv([7])).expect("written");
    }
    things.drop_file("finished.csv", csv([1]));
    things.wait_for(1, "ARCHIVED");
    things.let_it_scan();
    assert_eq!(things.ids(), [1]);
    assert_eq!(things.files().len(), 1);
    assert_eq!(things.left(), unfinished);

    let inbox = &things.inbox;
    std::fs::rename(inbox.join("a.csv.tmp"), inbox.join("a.csv")).expect("renamed");
    things.wait_for(2, "ARCHIVED");
    assert_eq!(things.ids(), [1, 7]);
}

#[test]
fn the_same_content_under_a_new_name_is_skipped() {
    let mut things = Things::new("");
    things.drop_file("first.csv", csv(1..=3));
    things.wait_for(1, "ARCHIVED");
    things.drop_file("second.csv", csv(1..=3));
    things.wait_for(1, "SKIPPED");
    let reason = things.reason("second.csv");
    assert!(reason.contains("the same content as file 1"), "{reason}");
    assert!(reason.contains("first.csv"), "{reason}");
    // And again, in another life.
    things.restart();
    things.drop_file("third.csv", csv(1..=3));
    things.wait_for(2, "SKIPPED");
    assert_eq!(things.ids(), [1, 2, 3]);
}

#[test]
fn a_corrected_file_of_the_same_name_is_loaded() {
    let mut things = Things::new("");
    things.drop_file("daily.csv", csv(1..=3));
    things.wait_for(1, "ARCHIVED");
    things.drop_file("daily.csv", csv(4..=6));
    things.wait_for(2, "ARCHIVED");
    assert_eq!(things.ids(), [1, 2, 3, 4, 5, 6]);
    let archived = things.archived();
    assert_eq!(archived.len(), 2, "{archived:?}");
    assert_eq!(things.left(), [""; 0]);
}

#[test]
fn a_corrected_file_that_stays_is_loaded() {
    let mut things = Things::new("archive = false");
    things.drop_file("daily.csv", csv(1..=3));
    things.wait_for(1, "COMMITTED");
    things.drop_file("daily.csv", csv(4..=6));
    super::wait_until(super::PATIENCE, || things.ids().len() == 6);
    things.let_it_scan();
    assert_eq!(things.ids(), [1, 2, 3, 4, 5, 6]);
}
