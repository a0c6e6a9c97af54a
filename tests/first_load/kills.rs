//! The program is killed, or its server is, and the next life ends the work.

use postgres::Client;
use postgres::error::SqlState;

use super::{MANY, PATIENCE, Place};
use crate::support::{OwnServer, database};

/// Keeps every writer out of the table, as soon as there is one.
fn locked(place: &Place) -> Client {
    let mut client = place.old_transaction();
    loop {
        let locked = client.batch_execute("rollback; begin; lock table raw_events in share mode");
        match locked {
            Ok(()) => return client,
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A `load` that is killed before its file is loaded.
fn killed_while_loading(place: &mut Place) {
    let load = place.home.start(&["load", "--archive", place.file()]);
    let lock = locked(place);
    place.wait_for(|client| {
        let writer = "select from pg_locks
                      where not granted and relation = to_regclass('raw_events')";
        client.query(writer, &[]).expect("the server").pop()
    });
    assert_eq!(place.missing().len(), 3);
    let building = place.status().into_iter().filter_map(|(_, since)| since);
    assert_eq!(building.count(), 0, "nothing is built while it loads");
    load.kill();
    drop(lock);
    let done = "select count(*) from ingestd.files where state in ('COMMITTED', 'ARCHIVED')";
    let done = place.client.query_one(done, &[]).expect("a count");
    assert_eq!(done.get::<_, i64>(0), 0);
}

fn assert_exactly_once(place: &mut Place) {
    place.assert_indexed();
    let data = place.home.data();
    crate::support::answer::assert_exactly_once(&mut place.client, &place.generator, true, &data);
}

#[test]
fn a_load_that_is_killed_while_it_loads_is_ended_by_the_next() {
    let database = database();
    let mut place = Place::new(&database.url, MANY);
    killed_while_loading(&mut place);
    let said = place.home.ask(&["load", "--archive", place.file()]);
    let out = String::from_utf8_lossy(&said.stdout);
    assert_eq!(said.status.code(), Some(0), "{out}");
    assert!(out.contains("3 indexes were built"), "{out}");
    assert_exactly_once(&mut place);
}

#[test]
fn a_load_that_is_killed_while_it_loads_is_ended_by_the_service() {
    let database = database();
    let mut place = Place::new(&database.url, MANY);
    killed_while_loading(&mut place);
    let service = place.home.run();
    place.wait_until_built();
    place.assert_indexed();
    place.assert_rows();
    service.stop();
    // The service moves what stands in its inbox, and nothing else.
    let state = "select state from ingestd.files";
    let state: String = place.client.query_one(state, &[]).expect("a file").get(0);
    assert_eq!(state, "COMMITTED");
    assert!(place.file.exists());
}

/// The transaction that the first one waits for is still open when the next one starts.
#[test]
fn a_load_that_is_killed_while_it_builds_is_ended_by_the_next_though_its_file_is_loaded() {
    let database = database();
    let mut place = Place::new(&database.url, MANY);
    let old = place.old_transaction();
    let first = place.home.start(&["load", place.file()]);
    let backend = place.wait_for_builder();
    first.kill();
    let left = "select indexrelid from pg_index where not indisvalid";
    let left: u32 = place.client.query_one(left, &[]).expect("one").get(0);
    let next = place.home.start(&["load", place.file()]);
    place.wait_for(|client| {
        let sql = "select backend from ingestd.deferred_indexes where backend is not null";
        let now: i32 = client.query_one(sql, &[]).ok()?.get(0);
        (now != backend).then_some(())
    });
    drop(old);
    assert_eq!(next.wait(PATIENCE).code(), Some(0));
    place.assert_indexed();
    let left = place
        .client
        .query("select from pg_class where oid = $1", &[&left]);
    assert_eq!(left.expect("the catalog").len(), 0, "it was dropped first");
    place.assert_rows();
}

#[test]
fn a_crash_of_the_server_while_they_are_built_is_waited_out() {
    let mut server = OwnServer::start_new();
    let mut place = Place::new(&server.url(), MANY);
    place.killed_while_building();
    let _old = place.old_transaction();
    let service = place.home.run();
    place.wait_for_builder();
    server.stop_immediate();
    server.start();
    place.wait_until_built();
    place.assert_indexed();
    place.assert_rows();
    service.stop();
    let log = place.home.log();
    assert!(log.contains("index builder"), "the outage is told: {log}");
}

#[test]
fn a_table_that_is_dropped_in_between_leaves_nothing_to_build() {
    let database = database();
    let mut place = Place::new(&database.url, MANY);
    place.killed_while_building();
    place
        .client
        .batch_execute("drop table raw_events")
        .expect("dropped");
    let service = place.home.run();
    place.wait_until_built();
    service.stop();
    let log = place.home.log();
    assert!(log.contains("its table is gone"), "{log}");
    // Whoever loads again has a table again, with all of them.
    let said = place.home.ask(&["load", "--again", place.file()]);
    let err = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(0), "{err}");
    place.assert_indexed();
    place.assert_rows();
}
