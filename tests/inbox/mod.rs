//! What becomes of files, by how they arrive and what they hold.

mod contents;
mod forms;
mod names;
mod writers;

use std::path::{Path, PathBuf};
use std::time::Duration;

use postgres::Client;

use crate::support::home::{Home, Service, drop_file, names_in};
use crate::support::{PATIENCE, TestDatabase, database, wait_until};

/// A running service with one small pipeline without a key: what is loaded twice is there twice.
struct Things {
    client: Client,
    service: Option<Service>,
    home: Home,
    inbox: PathBuf,
    // The last to go: the others are connected to it.
    _database: TestDatabase,
}

impl Things {
    /// `keys` are further keys of the pipeline.
    fn new(keys: &str) -> Things {
        let database = database();
        let pipeline = format!(
            "[pipelines.things]
             directory = \"inbox/things\"
             table = \"things\"
             create = true
             scan_interval = \"100ms\"
             {keys}
             columns = [
                 {{ name = \"id\", type = \"integer\", required = true }},
                 {{ name = \"name\", type = \"text\" }},
             ]"
        );
        let home = Home::new(Some(&database.url), "", &pipeline);
        let inbox = home.directory("inbox/things");
        let service = home.run();
        wait_until(PATIENCE, || home.log().contains("pipeline starts"));
        Things {
            client: database.client(),
            service: Some(service),
            home,
            inbox,
            _database: database,
        }
    }

    fn drop_file(&self, name: &str, content: impl AsRef<[u8]>) {
        drop_file(&self.inbox, name, content);
    }

    /// Waits until so many files are in a state.
    fn wait_for(&mut self, files: i64, state: &str) {
        let client = &mut self.client;
        let query = "select count(*) from ingestd.files where state = $1";
        wait_until(PATIENCE, || {
            let count = client.query_one(query, &[&state]);
            count.is_ok_and(|row| row.get::<_, i64>(0) >= files)
        });
    }

    /// The ids in the table, in order; none while there is no table.
    fn ids(&mut self) -> Vec<i32> {
        let rows = self.client.query("select id from things order by id", &[]);
        let rows = rows.unwrap_or_default();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The files in the ledger: name, state and records.
    fn files(&mut self) -> Vec<(String, String, Option<i64>)> {
        let query = "select regexp_replace(path, '^.*/', ''), state, records
                     from ingestd.files order by file_id";
        let rows = self.client.query(query, &[]).expect("files");
        let file = |row: &postgres::Row| (row.get(0), row.get(1), row.get(2));
        rows.iter().map(file).collect()
    }

    /// The reason that the ledger has for a file.
    fn reason(&mut self, name: &str) -> String {
        let query = "select reason from ingestd.files where path like '%/' || $1";
        let row = self.client.query_one(query, &[&name]);
        row.expect("a file")
            .get::<_, Option<String>>(0)
            .unwrap_or_default()
    }

    /// The dead letters: record, line, reason.
    fn dead_letters(&mut self) -> Vec<(i64, i64, String)> {
        let query =
            "select record, line, reason from ingestd.dead_letters order by file_id, record";
        let rows = self.client.query(query, &[]).expect("dead letters");
        let letter = |row: &postgres::Row| (row.get(0), row.get(1), row.get(2));
        rows.iter().map(letter).collect()
    }

    /// Lets it look at the directory some more times.
    fn let_it_scan(&self) {
        std::thread::sleep(Duration::from_millis(500));
    }

    fn archived(&self) -> Vec<String> {
        names_in(&self.home.directory("archive/things"))
    }

    fn quarantined(&self) -> Vec<String> {
        names_in(&self.home.directory("quarantine/things"))
    }

    fn left(&self) -> Vec<String> {
        names_in(&self.inbox)
    }

    /// Ends it, and starts it again.
    fn restart(&mut self) {
        if let Some(service) = self.service.take() {
            service.stop();
        }
        self.service = Some(self.home.run());
    }
}

/// A file of some ids.
fn csv(ids: impl IntoIterator<Item = i32>) -> String {
    let lines = ids.into_iter().map(|id| format!("{id},name {id}\n"));
    format!("id,name\n{}", lines.collect::<String>())
}

fn append(path: &Path, content: &str) {
    let file = std::fs::OpenOptions::new().append(true).open(path);
    std::io::Write::write_all(&mut file.expect("a file"), content.as_bytes()).expect("written");
}
