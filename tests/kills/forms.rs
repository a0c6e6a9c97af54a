//! The program is killed while it reads a file that has to be decoded.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::database;
use crate::support::home::{Home, drop_file, names_in};
use crate::support::scene::Watcher;

const RECORDS: u32 = 150_000;
const KILLS: u32 = 12;
/// How many of them must come when something, but not all, was committed in that life.
const TELLING: u32 = 9;
/// The most records that a life gets to commit before it is killed.
const MOST: i64 = 3_000;

/// Each batch takes 10 ms at least, so that there is time to be killed.
const SLOW: &str = "
    create table things (id integer, name text);
    create function slow() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.01); return null; end $$;
    create trigger slow before insert on things
        for each statement execute function slow();";

/// Every 500th record is no row.
fn is_bad(id: u32) -> bool {
    id % 500 == 7
}

fn text() -> String {
    let mut text = String::from("id,name\n");
    for id in 1..=RECORDS {
        let spread = u64::from(id).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        match is_bad(id) {
            true => text.push_str(&format!("no number,{spread:x}\n")),
            false => text.push_str(&format!("{id},\"née {spread:x}\nsecond line\"\n")),
        }
    }
    text
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

#[test]
fn in_the_middle_of_gzip_members() {
    let text = text();
    let cut = text.len() / 3;
    let (first, rest) = text.as_bytes().split_at(cut);
    let file = [gzip(first), gzip(rest)].concat();
    kill_and_compare("a.csv.gz", &file, "");
}

#[test]
fn in_the_middle_of_a_zstd_frame_of_utf_16() {
    let bytes: Vec<u8> = text().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let file = zstd::encode_all(&bytes[..], 1).expect("in memory");
    kill_and_compare("a.csv.zst", &file, "encoding = \"utf-16le\"");
}

#[test]
fn in_the_middle_of_a_file_in_another_encoding() {
    let text = text();
    let (file, ..) = encoding_rs::WINDOWS_1252.encode(&text);
    kill_and_compare("a.csv", &file, "encoding = \"windows-1252\"");
}

fn kill_and_compare(name: &str, file: &[u8], keys: &str) {
    let database = database();
    let mut client = database.client();
    client.batch_execute(SLOW).expect("a table");
    let pipeline = format!(
        "[pipelines.things]
         directory = \"inbox/things\"
         pattern = \"*\"
         table = \"things\"
         scan_interval = \"100ms\"
         batch_rows = 100
         memory = \"4MiB\"
         partitions = 3
         {keys}"
    );
    let home = Home::new(Some(&database.url), "", &pipeline);
    drop_file(&home.directory("inbox/things"), name, file);

    let again = std::env::var("TEST_SEED").ok();
    let seed = again.map_or_else(rand::random, |seed| seed.parse().expect("a number"));
    eprintln!("TEST_SEED={seed} makes the same choices");
    let mut random = StdRng::seed_from_u64(seed);
    let mut watcher = Watcher::new(&database.url);
    let mut telling = 0;
    let mut before = 0;
    for kill in 1..=KILLS {
        let amount = random.random_range(1..=MOST);
        let service = home.run();
        let last = watcher.wait_for(|now| now.is_all() || now.records >= before + amount);
        service.kill();
        eprintln!("kill {kill}: wanted {amount} more than {before}, {last:?}");
        assert!(!last.is_all(), "all is loaded before kill {kill}");
        telling += u32::from(last.records > before);
        before = last.records;
    }
    assert!(telling >= TELLING, "only {telling} kills tell something");

    client
        .batch_execute("drop trigger slow on things")
        .expect("dropped");
    let service = home.run();
    watcher.wait_for(|now| now.is_all());
    service.stop();
    assert_exactly_once(&mut client);
    let archive = home.directory("archive/things");
    assert_eq!(names_in(&archive), [name]);
    assert!(std::fs::read(archive.join(name)).expect("archived") == file);
}

fn assert_exactly_once(client: &mut postgres::Client) {
    let rows = client.query("select id, name from things order by id", &[]);
    let rows = rows.expect("rows");
    let expected: Vec<u32> = (1..=RECORDS).filter(|id| !is_bad(*id)).collect();
    assert_eq!(rows.len(), expected.len());
    for (row, id) in rows.iter().zip(expected) {
        assert_eq!(row.get::<_, i32>(0), id.cast_signed());
        let spread = u64::from(id).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let name: &str = row.get(1);
        assert!(name == format!("née {spread:x}\nsecond line"), "{name:?}");
    }
    let letters = client.query(
        "select record, reason from ingestd.dead_letters order by record",
        &[],
    );
    let letters = letters.expect("dead letters");
    let expected: Vec<i64> = (1..=RECORDS)
        .filter(|id| is_bad(*id))
        .map(i64::from)
        .collect();
    let records: Vec<i64> = letters.iter().map(|row| row.get(0)).collect();
    assert_eq!(records, expected);
    let counts = client.query_one(
        "select state, records, inserted, rejected from ingestd.files",
        &[],
    );
    let counts = counts.expect("one file");
    let bad = expected.len() as i64;
    assert_eq!(counts.get::<_, &str>(0), "ARCHIVED");
    assert_eq!(counts.get::<_, i64>(1), i64::from(RECORDS));
    assert_eq!(counts.get::<_, i64>(2), i64::from(RECORDS) - bad);
    assert_eq!(counts.get::<_, i64>(3), bad);
}
