//! Files that come again, and files that come with a marker or a manifest.
//!
//! A real process, a real inbox: each rule of `redropped` is tried for files that leave the inbox and for
//! files that stay, and the process is killed at each step.

mod cells;
mod crashes;
mod drops;
mod manifests;
mod markers;
mod peers;
mod situations;
mod stops;

use std::path::{Path, PathBuf};
use std::time::Duration;

use postgres::Client;

use crate::support::home::{Home, Service, drop_file, names_in};
use crate::support::{PATIENCE, TestDatabase, database, wait_until};

/// A file of two records, whose ids are `base` + 1 and + 2.
fn first(base: i32) -> String {
    format!("id,name\n{},one\n{},two\n", base + 1, base + 2)
}

/// The same with one more behind it.
fn longer(base: i32) -> String {
    format!("{}{},three\n", first(base), base + 3)
}

/// As long as the first, with the same header and the same last record.
fn other(base: i32) -> String {
    format!("id,name\n{},one\n{},two\n", base + 7, base + 2)
}

/// A file of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    state: String,
    verdict: Option<String>,
}

/// A service with one pipeline without a key: what is loaded twice is there twice.
struct Site {
    client: Client,
    service: Option<Service>,
    home: Home,
    // The last to go: the others are connected to it.
    database: TestDatabase,
}

impl Site {
    /// `keys` are further keys of the pipeline.
    fn new(keys: &str) -> Site {
        let database = database();
        let mut client = database.client();
        let table = "create table things (id integer, name text)";
        client.batch_execute(table).expect("a table");
        let default = |key: &str, line| if keys.contains(key) { "" } else { line };
        let scans = default("scan_interval", "scan_interval = \"100ms\"");
        let settles = default("settle", "settle = \"100ms\"");
        let pipeline = format!(
            "[pipelines.things]
             directory = \"inbox\"
             table = \"things\"
             partitions = 1
             {scans}
             {settles}
             {keys}"
        );
        let mut site = Site {
            home: Home::new(Some(&database.url), "", &pipeline),
            client,
            service: None,
            database,
        };
        site.home.directory("inbox");
        site.start();
        site
    }

    fn start(&mut self) {
        let lives = self.lives();
        self.service = Some(self.home.run());
        wait_until(PATIENCE, || self.lives() > lives);
    }

    /// How often the service got ready.
    fn lives(&self) -> usize {
        self.home.log().matches("\"ready\"").count()
    }

    fn kill(&mut self) {
        self.service.take().expect("a service").kill();
    }

    fn restart(&mut self) {
        self.service.take().expect("a service").stop();
        self.start();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.directory("inbox").join(name)
    }

    fn drop(&self, name: &str, content: impl AsRef<[u8]>) {
        drop_file(&self.home.directory("inbox"), name, content);
    }

    fn inbox(&self) -> Vec<String> {
        names_in(&self.home.directory("inbox"))
    }

    fn archived(&self) -> Vec<String> {
        names_in(&self.home.directory("archive/things"))
    }

    fn quarantined(&self) -> Vec<String> {
        names_in(&self.home.directory("quarantine/things"))
    }

    /// The ids in the table, in order.
    fn ids(&mut self) -> Vec<i32> {
        let rows = self.client.query("select id from things order by id", &[]);
        rows.expect("rows").iter().map(|row| row.get(0)).collect()
    }

    /// The files of the ledger, in order.
    fn files(&mut self) -> Vec<Entry> {
        let query = "select regexp_replace(path, '^.*/', ''), state, verdict
                     from ingestd.file_status order by file_id";
        let rows = self.client.query(query, &[]).unwrap_or_default();
        let entry = |row: &postgres::Row| Entry {
            name: row.get(0),
            state: row.get(1),
            verdict: row.get(2),
        };
        rows.iter().map(entry).collect()
    }

    /// Waits until the ledger says this of the newest file.
    fn wait_for_last(&mut self, files: usize, state: &str) {
        wait_until(PATIENCE, || {
            let all = self.files();
            all.len() >= files && all.last().is_some_and(|last| last.state == state)
        });
    }

    /// Waits until the inbox is as it has to be.
    fn wait_for_inbox(&self, names: &[&str]) {
        wait_until(PATIENCE, || self.inbox() == names);
    }

    /// The text that a query gives for the newest file.
    fn of_last(&mut self, column: &str) -> String {
        let query = format!(
            "select coalesce({column}::text, 'null') from ingestd.files order by file_id desc limit 1"
        );
        self.client.query_one(&query, &[]).expect("a file").get(0)
    }

    /// Drops a file after which everything that was there before has been looked at, and loads it.
    fn let_it_look(&mut self, id: i32) {
        // In the order of names it is the last.
        let name = format!("zzz{id}.csv");
        self.drop(&name, format!("id,name\n{id},look\n"));
        let query = format!(
            "select count(*) from ingestd.files
             where path like '%/{name}' and state in ('COMMITTED', 'ARCHIVED')"
        );
        let client = &mut self.client;
        wait_until(PATIENCE, || {
            let row = client.query_one(&query, &[]);
            row.is_ok_and(|row| row.get::<_, i64>(0) == 1)
        });
    }
}

/// Sets a file's modification time to another one.
fn touch(path: &Path) {
    let file = std::fs::File::options().append(true).open(path);
    let file = file.expect("the file");
    let modified = file.metadata().and_then(|it| it.modified()).expect("times");
    let earlier = modified - Duration::from_secs(60);
    file.set_modified(earlier).expect("touched");
}
