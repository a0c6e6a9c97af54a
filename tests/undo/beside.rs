//! Files that come while another one is being taken back, for as long as that takes.

use super::*;

/// Once, all files that were decided about together with such a one waited for its end.
#[test]
fn a_file_is_decided_later_and_the_others_go_on() {
    let keys = format!("scan_interval = \"100ms\"\n{BY_NUMBER}");
    let mut place = Place::new(&keys, "id bigint, note text, file bigint");
    let first = place.load("a.csv", &text(0..3, "a"));
    // As an undo of many rows has it: the file's row is locked, and its rows are being deleted.
    let mut undo = place._database.client();
    let mut undoing = undo.transaction().expect("a transaction");
    undoing
        .execute(
            "select from ingestd.files where file_id = $1 for update",
            &[&first],
        )
        .expect("locked");
    // The same content, and others with it; they are all there at once.
    let inbox = place.home.directory("inbox/one");
    assert!(place.ask(&["pause", "one"]).status.success());
    place.drop_text("a-again.csv", &text(0..3, "a"));
    place.drop_text("b.csv", &text(3..6, "b"));
    place.drop_text("z.csv", &text(6..9, "z"));
    assert!(place.ask(&["resume", "one"]).status.success());
    let begun = std::time::Instant::now();
    wait_until(PATIENCE, || place.rows().len() == 9);
    eprintln!("the others were loaded within {:?}", begun.elapsed());
    // And whoever comes still later does not wait for it either.
    place.drop_text("later.csv", &text(9..12, "l"));
    wait_until(PATIENCE, || place.rows().len() == 12);
    assert!(inbox.join("a-again.csv").exists(), "it is not decided yet");
    let archived = "select count(*) from ingestd.files where archived_at is not null";
    wait_until(PATIENCE, || place.count(archived) == 4);
    // It was taken back: what is compared with it is loaded.
    undoing
        .batch_execute(
            "delete from one where file = 1;
             update ingestd.files set state = 'SKIPPED', undone_at = clock_timestamp(),
                 undone_by = 'a test', undone_rows = 3 where file_id = 1",
        )
        .expect("taken back");
    undoing.commit().expect("committed");
    wait_until(PATIENCE, || place.count(archived) == 5);
    assert_eq!(place.rows().len(), 12);
    let again = "select count(*) from one o join ingestd.files f on f.file_id = o.file
                 where f.path like '%/a-again.csv'";
    assert_eq!(place.count(again), 3);
    place.stop();
}
