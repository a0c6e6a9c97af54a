//! Files that are loaded as a whole through it: whoever reads the table sees all of a file or nothing,
//! while processes and the pooler die, and while a move hangs.

use postgres::Client;
use rustix::process::Signal;

use super::{assert_sessions_clean, home};
use crate::support::home::{Home, drop_file};
use crate::support::{PATIENCE, Pooler, TestDatabase, database, wait_until};

const FILES: i64 = 3;
const RECORDS: i64 = 1_000;

/// A table every statement into which takes a while.
const SLOW: &str = "create table items (id bigint primary key, source text);
    create function slow() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.3); return null; end $$;
    create trigger slow before insert on items for each statement execute function slow()";

/// Whether rows are being moved.
const MOVING: &str = "select count(*) > 0 from pg_stat_activity where query like 'WITH%merged%'
    and state = 'active' and pid <> pg_backend_pid() and datname = current_database()";

/// Three files that wait in the inbox.
fn waiting(pooler: &Pooler, database: &TestDatabase) -> Home {
    database.client().batch_execute(SLOW).expect("a table");
    let pipeline = "[pipelines.items]\ndirectory = \"inbox\"\ntable = \"items\"\nkey = [\"id\"]\n\
                    settle = \"10ms\"\npartitions = 2\nbatch_rows = 100\nall_or_nothing = true\n";
    let home = home(pooler, database, pipeline);
    for file in 1..=FILES {
        let mut text = "id,source\n".to_owned();
        for id in 0..RECORDS {
            text.push_str(&format!("{},{file}\n", file * 1_000_000 + id));
        }
        drop_file(&home.directory("inbox"), &format!("{file}.csv"), text);
    }
    home
}

/// Looks until the condition is met, and at the table each time.
fn look_until(client: &mut Client, condition: &str) {
    wait_until(PATIENCE, || {
        let parts = format!(
            "select count(*) from (select from items group by source having count(*) <> {RECORDS}) p"
        );
        let parts = client.query_one(&parts, &[]).expect("a count");
        assert_eq!(parts.get::<_, i64>(0), 0, "a part of a file is seen");
        // Before the first start there is no ledger.
        let met = client.query_one(condition, &[]);
        met.is_ok_and(|row| row.get(0))
    });
}

fn all_are(state: &str) -> String {
    format!("select count(*) = {FILES} from ingestd.files where state = '{state}'")
}

fn assert_loaded(client: &mut Client, pooler: &Pooler, database: &TestDatabase) {
    let left = "select (select count(*) from items), (select count(distinct id) from items),
                       (select sum(inserted)::bigint from ingestd.files),
                       (select count(*) from ingestd.checkpoints),
                       (select count(*) from pg_class where relname ~ '^staged_')";
    let row = client.query_one(left, &[]).expect("counts");
    let counts: Vec<i64> = (0..5).map(|index| row.get(index)).collect();
    let all = FILES * RECORDS;
    assert_eq!(counts, [all, all, all, 0, 0]);
    assert_sessions_clean(pooler, database);
}

#[test]
fn no_part_of_a_file_is_seen_whatever_dies() {
    let database = database();
    let mut pooler = Pooler::start_new(&database.url, 3, "");
    let home = waiting(&pooler, &database);
    let mut client = database.client();
    let staged = "select coalesce(sum(staged), 0) > 200 from ingestd.checkpoints";
    let mut service = home.run();
    for (condition, pooler_dies) in [(staged, false), (MOVING, true), (MOVING, false)] {
        look_until(&mut client, condition);
        if pooler_dies {
            pooler.kill();
            pooler.start();
        } else {
            service.kill();
            service = home.run();
        }
    }
    look_until(&mut client, &all_are("ARCHIVED"));
    service.stop();
    assert_loaded(&mut client, &pooler, &database);
}

/// It holds its locks in a session that nobody knows, and is found by the lock of its lane.
#[test]
fn a_move_that_hangs_is_ended_by_a_takeover() {
    let database = database();
    let pooler = Pooler::start_new(&database.url, 4, "");
    let home = waiting(&pooler, &database);
    let mut client = database.client();
    let first = home.run();
    look_until(&mut client, MOVING);
    first.signal(Signal::STOP);
    let second = home.run();
    look_until(&mut client, &all_are("ARCHIVED"));
    // It finds that others have done its work.
    first.signal(Signal::CONT);
    wait_until(PATIENCE, || home.log().contains("the lease is lost"));
    second.stop();
    first.kill();
    assert_loaded(&mut client, &pooler, &database);
}
