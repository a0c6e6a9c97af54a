//! Two processes load through it, while processes, the pooler and connections die.

use std::time::Duration;

use super::{assert_sessions_clean, keys};
use crate::instances::{SMALL, make_slow_table, stop_until_dead};
use crate::support::scene::{Scene, Watcher, answer_to};
use crate::support::{Pooler, TestDatabase, database, wait_until};

#[test]
fn in_order() {
    everything_dies(true, 10, 6_000);
}

#[test]
fn files_shared() {
    everything_dies(false, 16, 6_000);
}

fn everything_dies(keyed: bool, files: u64, rows: u64) {
    let database = database();
    make_slow_table(&mut database.client(), keyed);
    // Each of the two has five connections of its own, and some on loan.
    let mut pooler = Pooler::start_new(&database.url, 4, "");
    let keys = keys(&pooler, &database);
    let scene = Scene::new(None, &keys, SMALL, keyed, answer_to(files, rows));
    let mut watcher = Watcher::new(&database.url);
    let mut services = vec![scene.home.run(), scene.home.run()];
    let mut records = 0;
    let mut some_more = |what: &str| {
        let last = watcher.wait_for(|now| now.is_all() || now.records >= records + 700);
        assert!(!last.is_all(), "all is loaded before: {what}");
        records = last.records;
        eprintln!("{what} at {last:?}");
    };
    for _ in 0..2 {
        some_more("kill a process");
        let holder = position_of_first(&services, &database);
        services.remove(holder).kill();
        services.push(scene.home.run());
        some_more("restart the pooler");
        pooler.kill();
        pooler.start();
        some_more("reload the server, and end its backends");
        let mut client = database.client();
        let end = "select pg_reload_conf(), pg_terminate_backend(pid) from pg_stat_activity
                   where datname = current_database() and pid <> pg_backend_pid()";
        client.query(end, &[]).expect("ended");
        some_more("stop a process");
        let holder = position_of_first(&services, &database);
        stop_until_dead(&services[holder], &database);
    }
    Watcher::new(&database.url).wait_for(|now| now.is_all());
    scene.assert_exactly_once(&database.url);
    for service in services {
        service.stop();
    }
    assert_sessions_clean(&pooler, &database);
}

/// The place of a process that loads.
fn position_of_first(services: &[crate::support::home::Service], database: &TestDatabase) -> usize {
    let mut found = None;
    let mut client = database.client();
    wait_until(Duration::from_secs(20), || {
        let sql = "select process from ingestd.live_instances order by since";
        let rows = client.query(sql, &[]).expect("instances");
        let living: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        let pid = |service: &crate::support::home::Service| service.pid().as_raw_nonzero().get();
        found = services.iter().position(|it| living.contains(&pid(it)));
        found.is_some()
    });
    found.expect("one of them loads")
}

/// A backend that holds a lane's locks and does not move is found by its lock, and ended.
#[test]
fn a_takeover_ends_a_backend_that_is_stuck() {
    let database = database();
    make_slow_table(&mut database.client(), true);
    let pooler = Pooler::start_new(&database.url, 8, "");
    let keys = keys(&pooler, &database);
    let scene = Scene::new(None, &keys, SMALL, true, answer_to(2, 3_000));
    let mut watcher = Watcher::new(&database.url);
    let first = scene.home.run();
    watcher.wait_for(|now| now.records > 0);
    // Whatever it writes next waits here, in a transaction that has the checkpoint's lock; and its
    // process does not notice that anything is wrong.
    let mut client = database.client();
    let mut stuck = client.transaction().expect("a transaction");
    stuck
        .batch_execute("lock table raw_events in share row exclusive mode")
        .expect("locked");
    let mut looks = database.client();
    let waiting = "select count(*) from pg_locks l join pg_stat_activity a using (pid)
                   where l.locktype = 'advisory' and l.classid = hashtext('ingestd.lane')::oid
                     and l.database = (select oid from pg_database
                                       where datname = current_database())
                     and a.wait_event_type = 'Lock'";
    wait_until(Duration::from_secs(10), || {
        let row = looks.query_one(waiting, &[]).expect("a count");
        row.get::<_, i64>(0) > 0
    });
    first.signal(rustix::process::Signal::STOP);
    let second = scene.home.run();
    wait_until(Duration::from_secs(20), || {
        let old = "select count(*) from ingestd.writers w
                   join pg_locks l on l.objid = hashtext(w.pipeline || '/' || w.instance::text
                                                         || '/' || w.lane::text)::oid
                   where l.locktype = 'advisory'
                     and w.instance not in (select instance from ingestd.live_instances)";
        let row = looks.query_one(old, &[]).expect("a count");
        let log = scene.home.log();
        row.get::<_, i64>(0) == 0 && log.matches("\"msg\":\"ready\"").count() >= 2
    });
    stuck.rollback().expect("unlocked");
    first.signal(rustix::process::Signal::CONT);
    watcher.wait_for(|now| now.is_all());
    scene.assert_exactly_once(&database.url);
    first.stop();
    second.stop();
}
