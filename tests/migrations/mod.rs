//! A ledger of an older version is changed while services of that version use it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use postgres::{Client, Error};

use crate::support::home::Home;
use crate::support::{PATIENCE, TestDatabase, database, wait_until};

/// The ledger as it was when letters could not be replayed yet.
const OLD: [(&str, &str); 8] = [
    ("ledger", include_str!("../../sql/0001_ledger.sql")),
    (
        "deferred_indexes",
        include_str!("../../sql/0002_deferred_indexes.sql"),
    ),
    ("origins", include_str!("../../sql/0003_origins.sql")),
    ("verdicts", include_str!("../../sql/0004_verdicts.sql")),
    ("archive", include_str!("../../sql/0005_archive.sql")),
    ("budget", include_str!("../../sql/0006_budget.sql")),
    ("control", include_str!("../../sql/0007_control.sql")),
    ("instances", include_str!("../../sql/0008_instances.sql")),
];

/// So many files are loaded at the same time, each by a writer of its own.
const FILES: i64 = 4;

/// A database with an old ledger, a table, and files that are being read.
fn old_ledger() -> TestDatabase {
    let database = database();
    let mut client = database.client();
    client
        .batch_execute(
            "create schema ingestd;
             create table ingestd.migrations (version integer primary key, name text not null,
                 checksum text not null, applied_at timestamptz not null default now())",
        )
        .expect("a schema");
    for (version, (name, sql)) in (1..).zip(OLD) {
        client.batch_execute(sql).expect(name);
        let checksum = blake3::hash(sql.as_bytes()).to_hex().to_string();
        let note = "insert into ingestd.migrations (version, name, checksum) values ($1, $2, $3)";
        client
            .execute(note, &[&version, &name, &checksum])
            .expect(note);
    }
    client
        .batch_execute(&format!(
            "create table items (id bigint, file bigint);
             insert into ingestd.pipelines (name) values ('items');
             insert into ingestd.files (pipeline, path, size, modified, device, inode, head_hash,
                                        tail_hash, state)
             select 'items', '/in/' || n, 1000, 1, 1, n, ''::bytea, ''::bytea, 'READING'
             from generate_series(1, {FILES}) n;
             insert into ingestd.checkpoints (file_id, lane, epoch, record, byte, line)
             select n, 0, 1, 0, 0, 1 from generate_series(1, {FILES}) n"
        ))
        .expect("files");
    database
}

/// A batch as a writer of that version has it: the checkpoint first, then rows, then a dead letter.
fn write_batch(client: &mut Client, file: i64) -> Result<(), Error> {
    let mut transaction = client.transaction()?;
    let moved = transaction.query_one(
        "update ingestd.checkpoints set record = record + 10
         where file_id = $1 and lane = 0 returning record",
        &[&file],
    )?;
    let at: i64 = moved.get(0);
    transaction.execute("select pg_sleep(0.02)", &[])?;
    transaction.execute(
        "insert into items select $1::bigint * 1000000 + n, $1 from generate_series($2::bigint - 8, $2) n",
        &[&file, &at],
    )?;
    transaction.execute(
        "insert into ingestd.dead_letters (file_id, pipeline, record, line, byte_offset, length, raw, reason,
                                           message)
         values ($1, 'items', $2::bigint - 9, 1, 1, 1, 'x', 'refused', 'x')",
        &[&file, &at],
    )?;
    transaction.commit()
}

/// How far files are, as a checkpointer notes it: files first, and then their checkpoints.
fn note_progress(client: &mut Client) -> Result<(), Error> {
    let mut transaction = client.transaction()?;
    transaction.execute(
        "select from ingestd.files where state = 'READING' order by file_id for no key update",
        &[],
    )?;
    transaction.execute("select pg_sleep(0.01)", &[])?;
    transaction.execute(
        "select from ingestd.checkpoints order by file_id, lane for update",
        &[],
    )?;
    transaction.execute(
        "update ingestd.files set watermark_record = watermark_record",
        &[],
    )?;
    transaction.commit()
}

/// Does something again and again until it is over; what it meets, in words, and how often it was done.
fn again_and_again(
    database: &TestDatabase,
    over: &AtomicBool,
    mut work: impl FnMut(&mut Client) -> Result<(), Error>,
) -> (i64, Vec<String>) {
    let mut client = database.client();
    let (mut done, mut met) = (0, Vec::new());
    while !over.load(Ordering::Acquire) {
        match work(&mut client) {
            Ok(()) => done += 1,
            Err(error) => met.push(format!("{error:?}")),
        }
    }
    (done, met)
}

/// Once, it waited for one table while it held another that a writer needed to go on: one of the two was
/// ended by the server, as a deadlock.
#[test]
fn services_of_the_version_before_load_on_and_nobody_waits_in_a_circle() {
    let database = old_ledger();
    let home = Home::new(Some(&database.url), "", "");
    let over = AtomicBool::new(false);
    let (written, met) = thread::scope(|scope| {
        let writers: Vec<_> = (1..=FILES)
            .map(|file| {
                let (database, over) = (&database, &over);
                scope.spawn(move || again_and_again(database, over, |it| write_batch(it, file)))
            })
            .collect();
        let checkpointer = scope.spawn(|| again_and_again(&database, &over, note_progress));
        let rows = "select count(*) from items";
        let count = || {
            database
                .client()
                .query_one(rows, &[])
                .expect(rows)
                .get::<_, i64>(0)
        };
        wait_until(PATIENCE, || count() > 500);
        let migrated = home.ask(&["migrate"]);
        let before = count();
        wait_until(PATIENCE, || count() > before + 500);
        over.store(true, Ordering::Release);
        let out = String::from_utf8_lossy(&migrated.stdout).into_owned();
        let err = String::from_utf8_lossy(&migrated.stderr).into_owned();
        assert!(migrated.status.success(), "{out}{err}");
        assert!(out.starts_with("applied events, dead_letters"), "{out}");
        eprintln!("it said: {err}");
        let mut all = Vec::new();
        let mut written = 0;
        for writer in writers {
            let (done, met) = writer.join().expect("no panic");
            written += done;
            all.extend(met);
        }
        all.extend(checkpointer.join().expect("no panic").1);
        (written, all)
    });
    assert_eq!(met, [""; 0], "nobody met anything");
    let mut client = database.client();
    let row = client
        .query_one(
            "select (select sum(record)::bigint from ingestd.checkpoints),
                    (select count(*) from items) + (select count(*) from ingestd.dead_letters),
                    (select count(distinct id) from items), (select count(*) from items),
                    (select count(*) from ingestd.dead_letters where status = 'NEW')",
            &[],
        )
        .expect("figures");
    let figures: [i64; 5] = [0, 1, 2, 3, 4].map(|at| row.get(at));
    assert_eq!(
        figures,
        [
            written * 10,
            written * 10,
            written * 9,
            written * 9,
            written
        ]
    );
}

/// Somebody is in the middle of something, for long.
#[test]
fn whom_it_waits_for_is_said_and_the_loading_is_not_held_up_by_the_wait() {
    let database = old_ledger();
    let home = Home::new(Some(&database.url), "", "");
    let mut client = database.client();
    client
        .batch_execute("set application_name = 'an old service'")
        .expect("named");
    let mut holder = client.transaction().expect("a transaction");
    let lock = "update ingestd.checkpoints set epoch = epoch where file_id = 4";
    holder.batch_execute(lock).expect("locked");
    let pid: i32 = holder
        .query_one("select pg_backend_pid()", &[])
        .expect("one")
        .get(0);
    let mut migrate = home.start(&["migrate"]);
    wait_until(PATIENCE, || home.log().contains("waiting for up to 15 s"));
    let said = home.log();
    for words in [
        &format!("backend {pid} (application an old service"),
        "idle in transaction",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // Others go on between two attempts.
    let mut writer = database.client();
    write_batch(&mut writer, 1).expect("it goes on");
    assert!(migrate.ended().is_none(), "{}", home.log());
    holder.commit().expect("committed");
    let status = migrate.wait(PATIENCE);
    assert_eq!(status.code(), Some(0), "{}", home.log());
}

#[test]
fn a_service_that_starts_says_so_and_begins_once_it_may() {
    let database = old_ledger();
    let home = Home::new(
        Some(&database.url),
        "",
        "[pipelines.items]\ndirectory = \"inbox\"\ntable = \"items\"\n",
    );
    home.directory("inbox");
    let mut client = database.client();
    let mut holder = client.transaction().expect("a transaction");
    let lock = "update ingestd.pipelines set name = name";
    holder.batch_execute(lock).expect("locked");
    let service = home.run();
    wait_until(PATIENCE, || home.log().contains("waiting for up to 15 s"));
    holder.commit().expect("committed");
    wait_until(PATIENCE, || home.log().contains("ledger migrated"));
    service.stop();
}

#[test]
fn whoever_may_write_down_services_may_write_down_what_they_have_found() {
    let database = old_ledger();
    let home = Home::new(
        Some(&database.url),
        "",
        "[pipelines.items]\ndirectory = \"inbox\"\ntable = \"items\"\n",
    );
    let mut client = database.client();
    let role = format!("{} loads", database.name);
    client
        .batch_execute(&format!(
            "create role \"{role}\"; grant select, insert, update on ingestd.services to \"{role}\""
        ))
        .expect("a role");
    let migrated = home.ask(&["migrate"]);
    assert!(migrated.status.success(), "{migrated:?}");
    let mut may = |right: &str| -> bool {
        let query = "select has_table_privilege($1, 'ingestd.found', $2)";
        let row = client.query_one(query, &[&role, &right]);
        row.expect("an answer").get(0)
    };
    assert!(may("select") && may("insert") && may("update"));
    assert!(!may("delete"), "it had not that right either");
    client
        .batch_execute(&format!("drop owned by \"{role}\"; drop role \"{role}\""))
        .expect("gone");
}
