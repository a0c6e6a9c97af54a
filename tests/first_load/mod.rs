//! The first load of a table that is created: its further indexes are built after it, whatever dies
//! in between.

mod kills;
mod load;
mod service;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ingestd::generate::Generator;
use ingestd::generate::files::FileWriter;
use postgres::{Client, NoTls};

use crate::support::PATIENCE;
use crate::support::home::{ECOMMERCE, Home};
use crate::support::scene::answer_to;

/// So many rows are more than the 16 MiB from which on a `load` puts indexes off.
const MANY: u64 = 140_000;
/// So many are less.
const FEW: u64 = 2_000;

/// The key and the further indexes of the table, all of them valid.
const ALL_VALID: [&str; 4] = [
    "raw_events_event_time_idx",
    "raw_events_event_type_idx",
    "raw_events_pkey",
    "raw_events_user_id_idx",
];

/// A pipeline whose table is not there yet, and a file for it that stands outside of its inbox.
struct Place {
    home: Home,
    url: String,
    client: Client,
    generator: Generator,
    file: PathBuf,
}

impl Place {
    fn new(url: &str, rows: u64) -> Place {
        let home = Home::new(Some(url), "", ECOMMERCE);
        let (_, generator) = answer_to(1, rows);
        let given = home.directory("given");
        let mut writer = FileWriter::new(&given).expect("a directory");
        writer.write(&generator, 1).expect("written");
        Place {
            file: given.join(generator.file_name(1)),
            client: Client::connect(url, NoTls).expect("a connection"),
            url: url.to_owned(),
            generator,
            home,
        }
    }

    /// The file, as an argument.
    fn file(&self) -> &str {
        self.file.to_str().expect("a plain path")
    }

    /// A transaction that every index that is built waits for, from its start to its end.
    fn old_transaction(&self) -> Client {
        let mut client = Client::connect(&self.url, NoTls).expect("a connection");
        client
            .batch_execute("begin isolation level repeatable read; select 1")
            .expect("a snapshot");
        client
    }

    /// The names of the list.
    fn missing(&mut self) -> Vec<String> {
        let sql = "select name from ingestd.deferred_indexes order by index_id";
        let rows = self.client.query(sql, &[]).expect("the ledger");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Fails unless the table has all indexes, all valid, and the list is empty.
    fn assert_indexed(&mut self) {
        assert_eq!(self.missing(), [""; 0]);
        let sql = "select c.relname::text, i.indisvalid from pg_index i
                   join pg_class c on c.oid = i.indexrelid
                   where i.indrelid = 'raw_events'::regclass order by 1";
        let rows = self.client.query(sql, &[]).expect("a table");
        let indexes: Vec<(String, bool)> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(indexes, ALL_VALID.map(|name| (name.to_owned(), true)));
    }

    /// Fails unless the table has the file's rows, each once.
    fn assert_rows(&mut self) {
        let mut expected = Vec::new();
        let expected = self.generator.write_expected_table(&mut expected);
        let row = self
            .client
            .query_one("select count(*) from raw_events", &[])
            .expect("a table");
        assert_eq!(
            row.get::<_, i64>(0).cast_unsigned(),
            expected.expect("counted")
        );
    }

    /// The missing indexes as `status` shows them: the name, and since when it is being built.
    fn status(&self) -> Vec<(String, Option<String>)> {
        let said = self.home.ask(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
        let missing = status[0]["missing_indexes"].as_array().cloned();
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let missing = missing.unwrap_or_default();
        let index = |index: &serde_json::Value| {
            let name = text(&index["index"]).expect("a name");
            (name, text(&index["building_since"]))
        };
        missing.iter().map(index).collect()
    }

    /// Waits until an index is being built, and waits for a transaction itself; its backend.
    fn wait_for_builder(&mut self) -> i32 {
        let sql = "select i.backend from ingestd.deferred_indexes i
                   join pg_stat_activity a
                     on a.pid = i.backend and a.backend_start = i.backend_start
                   where a.wait_event_type = 'Lock'";
        self.wait_for(|client| {
            let row = client.query_opt(sql, &[]).ok().flatten();
            row.map(|row| row.get(0))
        })
    }

    /// Waits until the list is there and empty.
    fn wait_until_built(&mut self) {
        let sql = "select count(*) from ingestd.deferred_indexes";
        self.wait_for(|client| {
            let row = client.query_one(sql, &[]).ok()?;
            (row.get::<_, i64>(0) == 0).then_some(())
        });
    }

    /// Waits until there is something to be seen. The server may go and come back.
    fn wait_for<T>(&mut self, mut seen: impl FnMut(&mut Client) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.client.is_closed()
                && let Ok(client) = Client::connect(&self.url, NoTls)
            {
                self.client = client;
            }
            if let Some(value) = seen(&mut self.client) {
                return value;
            }
            assert!(Instant::now() < deadline, "waited in vain");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets a `load` be killed while it builds the first index, which stays behind invalid: its
    /// backend notices.
    fn killed_while_building(&mut self) {
        let _old = self.old_transaction();
        let file = self.file().to_owned();
        let load = self.home.start(&["load", &file]);
        let backend = self.wait_for_builder();
        load.kill();
        self.wait_for(|client| {
            let there = "select from pg_stat_activity where pid = $1";
            let there = client.query_opt(there, &[&backend]).expect("the server");
            there.is_none().then_some(())
        });
        let invalid = "select from pg_index where not indisvalid";
        let invalid = self.client.query(invalid, &[]).expect("the server");
        assert_eq!((invalid.len(), self.missing().len()), (1, 3));
    }
}
