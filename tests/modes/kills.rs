//! The program is killed while it loads, in modes in which a row that is written twice, or not in
//! its turn, would be seen.

use std::collections::BTreeMap;
use std::fmt::Write;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::waiting;
use crate::support::database;
use crate::support::home::{Home, drop_file};
use crate::support::scene::Watcher;

const KILLS: u32 = 6;
const FILES: usize = 3;
const RECORDS: usize = 3_000;
const KEYS: i64 = 700;

/// What must be there: the value and the version of each key.
#[derive(Default)]
struct Expected {
    rows: BTreeMap<i64, (i64, i64)>,
    inserted: i64,
    deleted: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Upsert,
    Ignore,
    Newest,
}

impl Expected {
    fn apply(&mut self, mode: Mode, deletes: bool, key: i64, row: (i64, i64)) {
        match self.rows.get_mut(&key) {
            Some((_, version)) if mode == Mode::Newest && row.1 < *version => {}
            Some(_) if deletes => {
                self.rows.remove(&key);
                self.deleted += 1;
            }
            None if deletes => {}
            None => {
                self.rows.insert(key, row);
                self.inserted += 1;
            }
            Some(_) if mode == Mode::Ignore => {}
            Some(there) => *there = row,
        }
    }
}

#[test]
fn upsert_with_deletions() {
    kill_and_compare(Mode::Upsert, "mode = \"upsert\"");
}

#[test]
fn ignore_with_deletions() {
    kill_and_compare(Mode::Ignore, "mode = \"ignore\"");
}

#[test]
fn newest_with_deletions() {
    kill_and_compare(Mode::Newest, "mode = \"newest\"\nversion = \"version\"");
}

fn kill_and_compare(mode: Mode, keys: &str) {
    let seed = std::env::var("TEST_SEED").ok();
    let seed = seed.map_or_else(rand::random, |seed| seed.parse().expect("a number"));
    eprintln!("TEST_SEED={seed} makes the same files and the same choices");
    let mut random = StdRng::seed_from_u64(seed);
    let database = database();
    let mut client = database.client();
    // Each statement takes 5 ms at least, so that a kill finds some batches done and some not.
    let table = "create table things (key bigint primary key, value bigint, version bigint);
        create function slow() returns trigger language plpgsql as
            $$ begin perform pg_sleep(0.005); return null; end $$;
        create trigger slow before insert on things for each statement execute function slow()";
    client.batch_execute(table).expect("a table");
    let home = Home::new(
        Some(&database.url),
        "",
        &format!(
            "[pipelines.things]
             directory = \"inbox\"
             table = \"things\"
             key = [\"key\"]
             delete_when = {{ field = \"op\", values = [\"D\"] }}
             batch_rows = 100
             memory = \"4MiB\"
             partitions = 3
             {keys}"
        ),
    );
    let inbox = home.directory("inbox");
    let mut expected = Expected::default();
    for file in 0..FILES {
        let mut text = "op,key,value,version\n".to_owned();
        for record in 0..RECORDS {
            let deletes = random.random_range(0..10) == 0;
            let key = random.random_range(0..KEYS);
            let row = (
                (file * RECORDS + record) as i64,
                random.random_range(0..1_000),
            );
            let op = if deletes { "D" } else { "I" };
            writeln!(text, "{op},{key},{},{}", row.0, row.1).expect("text");
            expected.apply(mode, deletes, key, row);
        }
        drop_file(&inbox, &format!("{file}.csv"), text);
    }
    assert_eq!(waiting(&inbox), FILES);

    let mut watcher = Watcher::new(&database.url);
    let all = (FILES * RECORDS) as i64;
    let most = all / (2 * i64::from(KILLS));
    for kill in 1..=KILLS {
        let amount = random.random_range(1..=most);
        let service = home.run();
        let mut first = None;
        let last = watcher.wait_for(|now| {
            let first = *first.get_or_insert(now.records);
            now.is_all() || now.records >= first + amount
        });
        service.kill();
        assert!(!last.is_all(), "all is loaded before kill {kill}: {last:?}");
    }
    let service = home.run();
    watcher.wait_for(|now| now.is_all() && now.records == all);
    service.stop();

    let rows = client.query("select key, value, version from things", &[]);
    let rows = rows.expect("rows").into_iter();
    let rows: BTreeMap<i64, (i64, i64)> = rows
        .map(|row| (row.get(0), (row.get(1), row.get(2))))
        .collect();
    assert_eq!(rows, expected.rows);
    let sums = "select sum(inserted)::bigint, sum(deleted)::bigint, sum(records)::bigint
                from ingestd.files";
    let sums = client.query_one(sums, &[]).expect("sums");
    let sums: [i64; 3] = std::array::from_fn(|index| sums.get(index));
    assert_eq!(sums, [expected.inserted, expected.deleted, all]);
}
