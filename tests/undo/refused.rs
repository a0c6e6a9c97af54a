//! What can't be taken back or forgotten, and what is said of that.

use super::*;

fn refused(place: &Place, arguments: &[&str], words: &[&str]) {
    let output = place.ask(arguments);
    assert_ne!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    let said = err(&output);
    for word in words {
        assert!(said.contains(word), "{word:?}: {said}");
    }
}

#[test]
fn a_name_alone_may_be_that_of_several_files() {
    let keys = "columns = [{ name = \"id\" }, { name = \"note\" }, { name = \"source\", from = \"file_path\" }]";
    let mut place = Place::new(keys, "id bigint, note text, source text");
    let file = place.load("a.csv", &text(0..3, "a")).to_string();
    refused(
        &place,
        &["undo", &file, "--yes"],
        &[
            "tells its rows from those of other files",
            "from = \"file_id\"",
        ],
    );
    assert_eq!(place.rows().len(), 3);
    refused(&place, &["undo", "4711", "--yes"], &["no file 4711"]);
    refused(&place, &["forget", "4711", "--yes"], &["no file 4711"]);
    place.stop();
}

#[test]
fn a_file_in_flight_is_let_be_and_so_is_one_that_others_build_on() {
    let keys = format!("archive = false\n{BY_NUMBER}");
    let mut place = Place::new(&keys, "id bigint, note text, file bigint");
    let mut other = place._database.client();
    other
        .batch_execute("begin; lock table one in exclusive mode")
        .expect("a lock");
    place.drop_text("a.csv", &text(0..3, "a"));
    let in_flight = "select count(*) from ingestd.files where state in ('READING', 'COMPLETED')";
    wait_until(PATIENCE, || place.count(in_flight) == 1);
    let words = ["is in flight", "ingestd why 1"];
    refused(&place, &["undo", "1", "--yes"], &words);
    refused(&place, &["forget", "1", "--yes"], &words);
    other.batch_execute("rollback").expect("let go");
    assert_eq!(place.wait_for_end(0), 1);

    let path = place.home.directory("inbox/one").join("a.csv");
    let mut grows = std::fs::File::options()
        .append(true)
        .open(path)
        .expect("it stays");
    std::io::Write::write_all(&mut grows, b"9,more\n").expect("written");
    drop(grows);
    let tail = place.wait_for_end(1);
    wait_until(PATIENCE, || place.rows().len() == 4);
    wait_until(PATIENCE, || place.state(tail) == "COMMITTED");
    let first = format!("undo {tail}` first");
    refused(&place, &["undo", "1", "--yes"], &["has grown", &first]);
    let first = format!("forget {tail}` first");
    refused(&place, &["forget", "1", "--yes"], &["has grown", &first]);
    place.told(&["undo", &tail.to_string(), "--yes", "--json"]);
    place.told(&["undo", "1", "--yes", "--json"]);
    assert_eq!(place.rows().len(), 0);
    // It stays, and is not loaded again until somebody touches it.
    assert!(place.ask(&["rescan", "one"]).status.success());
    assert_eq!(place.rows().len(), 0);
    let path = place.home.directory("inbox/one").join("a.csv");
    let touched = std::fs::File::options()
        .append(true)
        .open(path)
        .expect("it stays");
    touched
        .set_modified(std::time::SystemTime::now())
        .expect("touched");
    drop(touched);
    wait_until(PATIENCE, || place.rows().len() == 4);
    place.stop();
}

#[test]
fn a_table_that_others_refer_to_or_have_locked_is_left_whole() {
    let mut place = Place::new(BY_NUMBER, "id bigint unique, note text, file bigint");
    let file = place.load("a.csv", &text(0..3, "a")).to_string();
    place
        .client
        .batch_execute(
            "create table refers (id bigint references one (id)); insert into refers values (1)",
        )
        .expect("a reference");
    refused(
        &place,
        &["undo", &file, "--yes"],
        &["another table", "nothing was changed"],
    );
    assert_eq!(place.rows().len(), 3);
    assert_eq!(place.state(1), "ARCHIVED");
    place.stop();
}

#[test]
fn rows_that_are_overwritten_without_a_mark_are_nobodys_to_take_back() {
    let keys = format!("key = [\"id\"]\nmode = \"upsert\"\nupdate = [\"note\"]\n{BY_NUMBER}");
    let mut place = Place::new(&keys, "id bigint primary key, note text, file bigint");
    let first = place.load("1.csv", &text(0..3, "first")).to_string();
    place.load("2.csv", &text(1..3, "last"));
    refused(
        &place,
        &["undo", &first, "--yes"],
        &["overwrites rows and leaves their column \"file\" as it is"],
    );
    assert_eq!(place.rows(), ["0 first", "1 last", "2 last"]);
    place.stop();
}
