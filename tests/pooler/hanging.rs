//! A process hangs (stopped, swapped out, its machine frozen) in the middle of a transaction that
//! holds what the next one needs before it can look for transactions to end.

use std::time::Duration;

use ingestd::postgres::{Connection, Database, Pooler as Kind};

use super::{Home, home};
use crate::support::home::drop_file;
use crate::support::{Pooler, TestDatabase, database, wait_until};

const PIPELINE: &str = "[pipelines.items]\ndirectory = \"inbox\"\ntable = \"items\"\ncreate = true\n\
                        key = [\"id\"]\nsettle = \"10ms\"\ncolumns = [{ name = \"id\", type = \"bigint\" }]\n";

/// Once, a takeover waited for it for ever.
#[test]
fn a_transaction_that_hangs_loses_its_locks() {
    let database = database();
    let home = Home::new(Some(&database.url), "", PIPELINE);
    let connection = database.url.parse().expect("a URL");
    is_taken_over(&database, &home, &connection);
}

#[test]
fn a_transaction_that_hangs_behind_it_loses_its_locks() {
    let database = database();
    let pooler = Pooler::start_new(&database.url, 4, "");
    let home = home(&pooler, &database, PIPELINE);
    let mut connection: Connection = pooler.url(&database.url).parse().expect("a URL");
    connection.pooler = Kind::Transaction;
    is_taken_over(&database, &home, &connection);
}

fn is_taken_over(database: &TestDatabase, home: &Home, connection: &Connection) {
    let migrated = home.ask(&["migrate"]);
    assert!(migrated.status.success(), "{migrated:?}");
    let known = "insert into ingestd.pipelines (name) values ('items')";
    database.client().batch_execute(known).expect("a row");

    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let hanging = runtime.block_on(Database::new(connection, runtime.handle().clone()));
    let hanging = hanging.expect("a pool");
    let mut client = runtime.block_on(hanging.client()).expect("a connection");
    let transaction = runtime.block_on(hanging.begin(&mut client)).expect("begun");
    let lock = "select from ingestd.pipelines where name = 'items' for no key update";
    let locked = runtime.block_on(transaction.batch_execute(lock));
    locked.expect("locked");

    let service = home.run();
    drop_file(&home.directory("inbox"), "a.csv", "id\n1\n");
    let mut ledger = database.client();
    wait_until(Duration::from_secs(60), || {
        let loaded = "select count(*) = 1 from ingestd.files where state = 'ARCHIVED'";
        let row = ledger.query_one(loaded, &[]).expect("a count");
        row.get(0)
    });
    service.stop();
}
