//! Rows that a replay of dead letters has written are rows of their file.

use super::*;

const TABLE: &str = "id integer, note text check (note <> 'bad'), file bigint";
const MEND: &str = "alter table one drop constraint one_note_check";

/// Once, its letters stayed RESOLVED as "inserted", whose rows were gone.
#[test]
fn rows_of_a_replay_are_taken_back_with_their_file_and_their_letters_say_so() {
    let mut place = Place::new(BY_NUMBER, TABLE);
    let file = place.load("a.csv", "id,note\n1,good\n2,bad\n");
    place.client.batch_execute(MEND).expect(MEND);
    place.told(&["dead-letters", "replay", "--all", "--json"]);
    assert_eq!(place.rows(), ["1 good", "2 bad"]);

    place.told(&["undo", &file.to_string(), "--yes", "--json"]);
    assert_eq!(place.rows(), [""; 0]);
    let letter = "select status || ' ' || resolution from ingestd.dead_letters";
    let letter: String = place.client.query_one(letter, &[]).expect("one").get(0);
    assert_eq!(letter, "DISCARDED taken back with its file (was: inserted)");
    place.drop_text("a.csv", "id,note\n1,good\n2,bad\n");
    place.wait_for_end(file);
    assert_eq!(place.rows(), ["1 good", "2 bad"]);
}

/// Once, they would have stayed, and have been there twice after the next drop.
#[test]
fn a_file_of_which_records_were_replayed_without_its_mark_is_not_taken_back() {
    let mut place = Place::new(BY_NUMBER, TABLE);
    let file = place.load("a.csv", "id,note\n1,good\n2,bad\n");
    place.client.batch_execute(MEND).expect(MEND);
    place.stop();
    let text = place
        .home
        .config()
        .replace(", { name = \"file\", from = \"file_id\" }", "");
    place.home.configure(&text);
    place.told(&["dead-letters", "replay", "--all", "--json"]);
    let output = place.ask(&["undo", &file.to_string(), "--yes"]);
    assert!(!output.status.success());
    assert!(err(&output).contains("were replayed"), "{}", err(&output));
    assert_eq!(place.rows(), ["1 good", "2 bad"]);
}
