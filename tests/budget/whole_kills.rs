//! Readers of the table see all of a file or nothing of it, whatever dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use postgres::NoTls;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::whole::WHOLE;
use super::*;

/// A table whose rows tell their file, and whose every statement takes a while.
const SLOW: &str = "create table items (id bigint primary key, amount integer, source text);
    create function slow() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.1); return null; end $$;
    create trigger slow before insert on items for each statement execute function slow()";

/// Whether rows are being moved.
const MOVING: &str = "select count(*) > 0 from pg_stat_activity where query like 'WITH%merged%'
    and state = 'active' and pid <> pg_backend_pid() and datname = current_database()";

/// Somebody who reads the table all along: of each file only all rows or none.
struct Reader {
    ended: Arc<AtomicBool>,
    looking: JoinHandle<(u64, Vec<String>)>,
}

impl Reader {
    fn new(url: &str, query: &str, wanted: &'static str) -> Reader {
        let ended = Arc::new(AtomicBool::new(false));
        let (end, url, query) = (Arc::clone(&ended), url.to_owned(), query.to_owned());
        let looking = thread::spawn(move || {
            let mut client = Client::connect(&url, NoTls).expect("a connection");
            let (mut looks, mut seen) = (0, Vec::new());
            while !end.load(Ordering::Relaxed) {
                for row in client.query(&query, &[]).expect("a look") {
                    let line: String = row.get(0);
                    if !wanted.split(',').any(|it| it == line) {
                        seen.push(line);
                    }
                }
                looks += 1;
            }
            (looks, seen)
        });
        Reader { ended, looking }
    }

    fn assert_all_or_none(self) {
        self.ended.store(true, Ordering::Relaxed);
        let (looks, seen) = self.looking.join().expect("a reader");
        assert!(looks > 10, "it has hardly looked");
        assert!(seen.is_empty(), "parts of files were seen: {seen:?}");
    }
}

/// Killed anywhere: while rows are staged, before the move, and in the middle of it.
#[test]
fn no_reader_ever_sees_a_part_of_a_file_however_often_the_service_is_killed() {
    const RECORDS: usize = 2_000;
    let seed = std::env::var("TEST_SEED").ok();
    let seed = seed.map_or_else(rand::random, |seed| seed.parse().expect("a number"));
    eprintln!("TEST_SEED={seed} makes the same choices");
    let mut random = StdRng::seed_from_u64(seed);
    let mut place = Place::new(SLOW, WHOLE);
    for name in ["1", "2", "3"] {
        let line = |id: usize| format!("{id},{},{name}\n", id % 7);
        let start = 1_000_000 * name.parse::<usize>().expect("a number");
        let lines: String = (start..start + RECORDS).map(line).collect();
        place.drop_in(
            &format!("{name}.csv"),
            &format!("id,amount,source\n{lines}"),
        );
    }
    // Files come one after the other too.
    let look =
        "select count(*) filter (where source = '1') || ' ' || count(*) filter (where source = '2')
                       || ' ' || count(*) filter (where source = '3') from items";
    let reader = Reader::new(
        &place.url,
        look,
        "0 0 0,2000 0 0,2000 2000 0,2000 2000 2000",
    );
    let staged = "select coalesce(sum(staged), 0)::bigint from ingestd.checkpoints";
    for kill in 0..6 {
        let service = place.home.run();
        if kill % 2 == 0 {
            // While the rows of the first file that is left are moved.
            wait_until(Duration::from_secs(30), || {
                let done = place.number("select count(*) from items") == 3 * RECORDS as i64;
                done || place
                    .client
                    .query_one(MOVING, &[])
                    .is_ok_and(|row| row.get(0))
            });
        } else {
            let more = random.random_range(0..500);
            let before = place
                .client
                .query_one(staged, &[])
                .map_or(0, |row| row.get::<_, i64>(0));
            let mut looks = 0;
            wait_until(Duration::from_secs(30), || {
                looks += 1;
                let now = place
                    .client
                    .query_one(staged, &[])
                    .map_or(0, |row| row.get::<_, i64>(0));
                looks > 20 || now > before + more || now < before
            });
        }
        service.kill();
    }
    place.run_until_finished(3);
    reader.assert_all_or_none();
    assert_eq!(place.files(), ["ARCHIVED 2000 2000 0"; 3]);
    assert_eq!(place.staging_tables(), [""; 0]);
    let checkpoints = "select count(*) from ingestd.checkpoints";
    assert_eq!(place.number(checkpoints), 0);
}

#[test]
fn a_refused_move_survives_a_kill_and_the_next_file_is_loaded() {
    let ddl = format!("{SLOW}; alter table items add check (amount >= 0)");
    let mut place = Place::new(&ddl, WHOLE);
    let line = |id: usize| format!("{id},{},1\n", if id == 700 { -1 } else { 1 });
    let lines: String = (0..1_000).map(line).collect();
    place.drop_in("1.csv", &format!("id,amount,source\n{lines}"));
    place.drop_in("2.csv", "id,amount,source\n5000,1,2\n5001,2,2\n");
    let look =
        "select count(*) filter (where source = '1') || ' ' || count(*) filter (where source = '2')
                from items";
    let reader = Reader::new(&place.url, look, "0 0,0 2");
    place.run_until(MOVING).kill();
    place.run_until_finished(2);
    reader.assert_all_or_none();
    let states = place.lines("select state from ingestd.files order by file_id");
    assert_eq!(states, ["QUARANTINED", "ARCHIVED"]);
    assert_eq!(
        place.lines("select record::text from ingestd.dead_letters"),
        ["701"]
    );
    assert_eq!(place.staging_tables(), [""; 0]);
}

/// Its dead letters were taken for what is loaded of it, and it was FAILED.
#[test]
fn a_file_that_is_replaced_while_its_rows_are_staged_leaves_nothing_to_do() {
    let mut place = Place::new(SLOW, &format!("{WHOLE}\nmax_errors = 10"));
    place.drop_in("1.csv", &every(100, 500, "many"));
    place.run_until(MOVING).kill();
    let staged = "select sum(staged)::bigint from ingestd.checkpoints";
    assert_eq!(place.number(staged), 495);
    place.drop_in("1.csv", "id,amount\n1,1\n");
    place.run_until_finished(1);
    let states = place.lines("select state from ingestd.files order by file_id");
    assert_eq!(states, ["SKIPPED", "ARCHIVED"]);
    assert_eq!(place.rows(), ["(1,1,)"]);
    assert_eq!(place.staging_tables(), [""; 0]);
}

#[test]
fn what_was_begun_as_a_whole_ends_so_whatever_the_configuration_says_by_then() {
    let mut place = Place::new(ITEMS, WHOLE);
    // The move waits for this lock, and is killed there.
    let mut other = Client::connect(&place.url, NoTls).expect("a connection");
    let mut lock = other.transaction().expect("a transaction");
    lock.batch_execute("lock table items in share mode")
        .expect("locked");
    place.drop_in("1.csv", &every(1_000_000, 500, "0"));
    let begun = "select count(*) = 1 from ingestd.files where plan_id is not null";
    place.run_until(begun).kill();
    lock.rollback().expect("rolled back");
    place
        .client
        .batch_execute("truncate items")
        .expect("truncated");
    place
        .home
        .replace("all_or_nothing = true", "all_or_nothing = false");
    let look = "select count(*)::text from items";
    let reader = Reader::new(&place.url, look, "0,500");
    place.run_until_finished(1);
    reader.assert_all_or_none();
    assert_eq!(place.files(), ["ARCHIVED 500 500 0"]);
}

#[test]
fn a_staging_table_that_was_tampered_with_fails_the_file_and_a_reset_drops_it() {
    let mut place = Place::new(SLOW, WHOLE);
    let lines: String = (0..1_000).map(|id| format!("{id},1,1\n")).collect();
    place.drop_in("1.csv", &format!("id,amount,source\n{lines}"));
    place.run_until(MOVING).kill();
    wait_until(Duration::from_secs(10), || {
        place.number(
            "select count(*) from pg_stat_activity where query like 'WITH%merged%'
                      and state = 'active' and pid <> pg_backend_pid()
                      and datname = current_database()",
        ) == 0
    });
    assert_eq!(place.staging_tables(), ["staged_1"]);
    place
        .client
        .batch_execute("delete from ingestd.staged_1 where id = 7")
        .expect("deleted");
    let failed = "select count(*) = 1 from ingestd.files where state = 'FAILED'";
    place.run_until(failed).stop();
    assert_eq!(place.rows(), [""; 0]);
    let reason = place.lines("select reason from ingestd.files").concat();
    assert!(
        reason.contains("1000 of its rows were staged, but its staging table has 999"),
        "{reason}"
    );
    place.ask(&["reset", "p", "--yes"]);
    assert_eq!(place.staging_tables(), [""; 0]);
}

#[test]
fn a_move_whose_connection_is_lost_begins_again() {
    let mut place = Place::new(SLOW, WHOLE);
    let lines: String = (0..1_000).map(|id| format!("{id},1,1\n")).collect();
    place.drop_in("1.csv", &format!("id,amount,source\n{lines}"));
    let reader = Reader::new(&place.url, "select count(*)::text from items", "0,1000");
    let service = place.run_until(MOVING);
    let ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                 where query like 'WITH%merged%' and state = 'active'
                   and pid <> pg_backend_pid() and datname = current_database()";
    assert_eq!(place.number(ended), 1);
    place.wait_until_finished(1);
    service.stop();
    reader.assert_all_or_none();
    assert_eq!(place.files(), ["ARCHIVED 1000 1000 0"]);
}
