//! Faults of other systems that load files, each with the system it was seen in: none may be ours.
//!
//! Some have their test where it belongs: a crash loses what was parsed (Telegraf), and stale flags
//! of a crash block the restart (spooldir #93): `kills`. A corrected file of the same name resumes
//! past its first rows (spooldir), and inodes that are used again hide a file (logstash-input-file
//! #251): `inbox::names`. A failed file blocks those that follow (FilePulse #129), an unclosed quote
//! swallows the rest of the file (super-csv #37), empty files are ignored (Vector #643):
//! `inbox::contents`. Memory grows with the file (pgloader #487): `memory`. No event comes from
//! network file systems (fsnotify #306), and a dropped batch counts as written (Vector): the tests of
//! the tree, `happy_path` and `writers`. A full disk makes dead letters (kafka-connect-jdbc #1312):
//! `postgres::error`.

mod csv;
mod files;
mod writes;

use std::path::PathBuf;

use postgres::Client;

use crate::support::home::{Home, Service, drop_file};
use crate::support::{PATIENCE, TestDatabase, database, wait_until};

/// A running service whose pipelines load into tables that stand there.
struct Site {
    client: Client,
    service: Option<Service>,
    home: Home,
    _database: TestDatabase,
}

impl Site {
    /// `tables` is SQL that makes the tables, `keys` are the keys of the pipeline `things` beside its
    /// inbox, as lines of TOML; further pipelines may follow them.
    fn new(tables: &str, keys: &str) -> Site {
        let site = Site::prepare(tables, keys);
        site.started()
    }

    /// The same, and not started yet.
    fn prepare(tables: &str, keys: &str) -> Site {
        let database = database();
        let mut client = database.client();
        client.batch_execute(tables).expect("tables");
        let pipeline = format!(
            "[pipelines.things]\ndirectory = \"inbox\"\nscan_interval = \"50ms\"\n{keys}\n"
        );
        Site {
            home: Home::new(Some(&database.url), "", &pipeline),
            client,
            service: None,
            _database: database,
        }
    }

    fn started(mut self) -> Site {
        self.service = Some(self.home.run());
        wait_until(PATIENCE, || self.home.log().contains("\"ready\""));
        self
    }

    fn inbox(&self) -> PathBuf {
        self.home.directory("inbox")
    }

    fn drop_file(&self, name: &str, content: impl AsRef<[u8]>) {
        drop_file(&self.inbox(), name, content);
    }

    /// Waits until so many files are in a state.
    fn wait_for(&mut self, files: i64, state: &str) {
        let query = format!("select count(*) from ingestd.files where state = '{state}'");
        wait_until(PATIENCE, || self.number(&query) >= files);
    }

    /// The number that a query gives; -1 while it can't be asked.
    fn number(&mut self, query: &str) -> i64 {
        let row = self.client.query_one(query, &[]);
        row.map_or(-1, |row| row.get(0))
    }

    /// The texts that a query gives.
    fn texts(&mut self, query: &str) -> Vec<String> {
        let rows = self.client.query(query, &[]).expect("rows");
        rows.iter()
            .map(|row| row.get::<_, Option<String>>(0).unwrap_or("NULL".into()))
            .collect()
    }
}
