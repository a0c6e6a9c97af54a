//! That the tests stand on firm ground.

use std::path::Path;
use std::time::Duration;

use crate::support::{OwnServer, Scratch, configures, database, ingestd, wait_until};

#[test]
fn every_test_has_a_database_of_its_own() {
    let (one, two) = (database(), database());
    let mut client = one.client();
    client
        .batch_execute("create table here as select 7 as seven")
        .expect("a table");
    let row = client.query_one("select seven from here", &[]);
    assert_eq!(row.expect("a row").get::<_, i32>(0), 7);
    assert!(two.client().query("select seven from here", &[]).is_err());

    let count = "select count(*) from pg_database where datname = $1";
    let name = one.name.clone();
    drop(one);
    let row = two.client().query_one(count, &[&name]).expect("a count");
    assert_eq!(row.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_database_can_be_made_where_a_runtime_is() {
    let database = database();
    let connected = tokio_postgres::connect(&database.url, tokio_postgres::NoTls).await;
    let (client, connection) = connected.expect("a connection");
    tokio::spawn(connection);
    let row = client.query_one("select current_database()", &[]).await;
    assert_eq!(row.expect("a name").get::<_, String>(0), database.name);
}

#[test]
fn a_server_of_its_own_can_crash_and_come_back() {
    let mut server = OwnServer::start_new();
    let mut client = server.client();
    client
        .batch_execute("create table kept as select 7 as seven")
        .expect("a table");
    server.stop_immediate();
    assert!(client.batch_execute("select 1").is_err());
    server.start();
    let row = server.client().query_one("select seven from kept", &[]);
    assert_eq!(row.expect("a row").get::<_, i32>(0), 7);
    let log = server.log();
    assert!(log.contains("not properly shut down"), "{log}");
}

#[test]
fn the_program_sees_nothing_of_the_callers_configuration() {
    let names = ["DATABASE_URL", "INGESTD__DATABASE__URL", "PGHOST"];
    assert!(names.into_iter().all(configures));
    assert!(!["PATH", "HOME", "TMPDIR"].into_iter().any(configures));
    let command = ingestd();
    assert!(Path::new(command.get_program()).is_file());
    // But for what keeps hundreds of services from one address.
    let mut given = command.get_envs().filter(|(_, value)| value.is_some());
    assert!(given.all(|(name, _)| name == "INGESTD__HTTP__LISTEN"));
}

#[test]
fn a_scratch_directory_goes_with_its_test() {
    let scratch = Scratch::new();
    let file = scratch.write("file", "content");
    assert_eq!(std::fs::read(&file).expect("written"), b"content");
    drop(scratch);
    assert!(!file.exists());
}

#[test]
#[should_panic(expected = "waited in vain")]
fn what_never_comes_about_is_not_waited_for_for_ever() {
    wait_until(Duration::from_millis(20), || false);
}
