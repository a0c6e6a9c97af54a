//! The program is killed while most of a file's records are filtered, and the file gets another name.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Place;
use crate::support::scene::Watcher;

const KILLS: u64 = 15;
const RECORDS: u64 = 150_000;
/// How many more records a life gets to commit before it is killed, at most.
const MOST: i64 = 6_000;

/// More than one block is read until counts have waited long enough; little memory, so that the file
/// is still being read while its first batches are committed.
const PIPELINE: &str =
    "batch_rows = 4_000\nmemory = \"4MiB\"\nmax_record = \"64KiB\"\npartitions = 3
    columns = [
        { name = \"id\" }, { name = \"padding\" },
        { name = \"number\", from = \"record\" }, { name = \"line\", from = \"line\" },
        { name = \"file\", from = \"file_name\" }, { name = \"at\", from = \"load_time\" },
    ]
    filters = [{ field = \"kind\", not_in = [\"drop\"] }]";

/// Each batch takes 10 ms at least, so that it doesn't depend on the machine how far a life comes.
const TABLE: &str = "create table t
        (id bigint, padding text, number bigint, line bigint, file text, at timestamptz);
    create function slow() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.01); return null; end $$;
    create trigger slow before insert on t for each statement execute function slow();";

/// A file, and what must come of it.
#[derive(Default)]
struct Content {
    text: String,
    /// The record, its line and its id.
    rows: Vec<(i64, i64, i64)>,
    filtered: u64,
    rejected: u64,
}

/// Filtered records alone, in twos and in thousands; dead letters, and records of several lines.
fn content() -> Content {
    let mut content = Content {
        text: "id,kind,padding\n".to_owned(),
        ..Content::default()
    };
    let mut line = 2;
    for record in 1..=RECORDS {
        let drop = (record / 2_000) % 3 != 0 || record % 7 < 2;
        let padding = "x".repeat(90);
        let (mut lines, text) = (1, &mut content.text);
        if record % 1_013 == 0 {
            writeln!(text, "{record},short").expect("text");
            content.rejected += 1;
        } else if drop {
            content.filtered += 1;
            writeln!(text, "{record},drop,{padding}").expect("text");
        } else if record % 997 == 0 {
            lines = 2;
            content.rows.push((record as i64, line, -(record as i64)));
            writeln!(text, "-{record},keep,\"{padding}\n\"").expect("text");
        } else {
            content.rows.push((record as i64, line, -(record as i64)));
            writeln!(text, "-{record},keep,{padding}").expect("text");
        }
        line += lines;
    }
    content
}

#[test]
fn every_record_is_loaded_or_counted_once_and_keeps_the_files_first_name_and_time() {
    let mut place = Place::new(TABLE, PIPELINE);
    let url = place.url();
    let inbox = place.home.directory("inbox");
    let content = content();
    let mut file = inbox.join("0.csv");
    fs::write(inbox.join(".0.csv"), &content.text).expect("written");
    fs::rename(inbox.join(".0.csv"), &file).expect("renamed");

    let seed: u64 = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut watcher = Watcher::new(&url);
    let mut telling = 0;
    for kill in 1..=KILLS {
        let amount = random.random_range(0..MOST);
        let service = place.home.run();
        let mut first = None;
        let last = watcher.wait_for(|now| {
            let first = *first.get_or_insert(now.records);
            now.is_all() || now.records - first > amount
        });
        service.kill();
        if last.is_all() {
            break;
        }
        telling += 1;
        eprintln!("kill {kill}: wanted {amount} more than {first:?}, {last:?}");
        if kill % 4 == 0 {
            let renamed: PathBuf = inbox.join(format!("{kill}.csv"));
            fs::rename(&file, &renamed).expect("renamed");
            file = renamed;
        }
    }
    assert!(telling >= 6, "only {telling} kills came in time");
    let service = place.home.run();
    watcher.wait_for(|now| now.is_all());
    service.stop();

    let counts =
        "select concat_ws(' ', state, records, inserted, filtered, rejected) from ingestd.files";
    let Content {
        rows,
        filtered,
        rejected,
        ..
    } = content;
    assert_eq!(
        place.rows(counts),
        [format!(
            "ARCHIVED {RECORDS} {} {filtered} {rejected}",
            rows.len()
        )]
    );
    let letters = "select count(*)::text from ingestd.dead_letters";
    assert_eq!(place.rows(letters), [rejected.to_string()]);
    let loaded = place
        .client
        .query("select number, line, id from t order by number, id", &[]);
    let loaded: Vec<(i64, i64, i64)> = loaded
        .expect("rows")
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    assert!(loaded == rows, "{} rows of {}", loaded.len(), rows.len());
    let origins = "select distinct file, (at = load_time)::text from t, ingestd.files";
    assert_eq!(place.rows(origins), ["0.csv|true"]);
}
