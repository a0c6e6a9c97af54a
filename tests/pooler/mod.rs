//! PgBouncer in transaction mode stands before the database, with fewer connections than are used.

mod commands;
mod files;
mod hanging;
mod kills;
mod operating;
mod steering;
mod values;
mod whole;

use crate::instances::LEASE;
use crate::support::home::Home;
use crate::support::{Pooler, TestDatabase};

/// The keys that lead through it.
fn keys(pooler: &Pooler, database: &TestDatabase) -> String {
    format!(
        "{LEASE}[database]\nurl = \"{}\"\npooler = \"transaction\"\n",
        pooler.url(&database.url)
    )
}

/// A home whose database is behind it.
fn home(pooler: &Pooler, database: &TestDatabase, pipeline: &str) -> Home {
    Home::new(None, &keys(pooler, database), pipeline)
}

/// Fails where a session that is anybody's keeps something of ours: a prepared statement, a setting.
fn assert_sessions_clean(pooler: &Pooler, database: &TestDatabase) {
    let left = "select (select count(*) from pg_prepared_statements)
                       + (select count(*) from pg_listening_channels())
                       + (select count(*) from pg_class
                          where relname ~ '^ingestd_(staging|ordinal)')
                       + (select count(*) from pg_locks where locktype = 'advisory'
                          and database = (select oid from pg_database
                                          where datname = current_database()))";
    let url = pooler.url(&database.url);
    for _ in 0..20 {
        let mut client = postgres::Client::connect(&url, postgres::NoTls).expect("a connection");
        let row = client.query_typed_one(left, &[]).expect("a count");
        assert_eq!(row.get::<_, i64>(0), 0);
    }
}
