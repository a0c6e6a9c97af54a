//! How files leave the inbox of a running service, whatever stands in their way, and whenever it dies.

mod kills;
mod policies;
mod times;
mod trouble;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postgres::Client;

use crate::support::home::{Home, Service, drop_file, names_in};
use crate::support::{PATIENCE, TestDatabase, database, wait_until};

/// A service whose pipelines load numbers into one table without a key: what is loaded twice is there
/// twice.
struct Depot {
    client: Client,
    service: Option<Service>,
    home: Home,
    /// Another file system, where there is one.
    other: Option<tempfile::TempDir>,
    _database: TestDatabase,
}

impl Depot {
    /// Pipelines by their names and keys; `OTHER` stands for a directory of another file system. It
    /// is not started yet.
    fn new(pipelines: &[(&str, &str)]) -> Depot {
        let database = database();
        let mut client = database.client();
        let table = "create table numbers (pipeline text, id bigint)";
        client.batch_execute(table).expect("a table");
        let other = other_file_system();
        let elsewhere = other.as_ref().map_or(Path::new("/nowhere"), |it| it.path());
        let text: Vec<String> = pipelines
            .iter()
            .map(|(name, keys)| {
                let keys = keys.replace("OTHER", &elsewhere.display().to_string());
                format!(
                    "[pipelines.{name}]\ndirectory = \"inbox/{name}\"\ntable = \"public.numbers\"\n\
                     scan_interval = \"50ms\"\npartitions = 1\nother_columns = \"load\"\n\
                     columns = [{{ name = \"pipeline\", constant = \"{name}\" }}]\n{keys}\n"
                )
            })
            .collect();
        let depot = Depot {
            home: Home::new(Some(&database.url), "", &text.join("\n")),
            client,
            service: None,
            other,
            _database: database,
        };
        for (name, _) in pipelines {
            depot.home.directory(&format!("inbox/{name}"));
        }
        depot
    }

    fn start(&mut self) {
        self.service = Some(self.home.run());
    }

    fn stop(&mut self) {
        self.service.take().expect("it runs").stop();
    }

    fn drop_file(&self, pipeline: &str, name: &str, content: &str) {
        drop_file(&self.inbox(pipeline), name, content);
    }

    fn inbox(&self, pipeline: &str) -> PathBuf {
        self.home.directory(&format!("inbox/{pipeline}"))
    }

    /// Waits until a question is answered with true.
    fn wait_for(&mut self, query: &str) {
        let client = &mut self.client;
        wait_until(PATIENCE, || {
            let row = client.query_one(query, &[]);
            row.is_ok_and(|row| row.get(0))
        });
    }

    /// The state and the reason of the newest file of a name, or none.
    fn said(&mut self, pipeline: &str, name: &str) -> (String, String) {
        let query = "select state, coalesce(reason, '') from ingestd.files
                     where pipeline = $1 and path like '%/' || $2 order by file_id desc limit 1";
        let row = self.client.query_opt(query, &[&pipeline, &name]);
        // There is no ledger before the service has started.
        let row = row.unwrap_or_default();
        row.map_or_else(Default::default, |row| (row.get(0), row.get(1)))
    }

    fn wait_until_said(&mut self, pipeline: &str, name: &str, state: &str, reason: &str) {
        let mut last = Default::default();
        for _ in 0..PATIENCE.as_millis() / 10 {
            last = self.said(pipeline, name);
            if last.0 == state && last.1.contains(reason) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{pipeline}: {name} is {last:?}, not {state} {reason:?}");
    }

    /// The ids that a pipeline has loaded.
    fn ids(&mut self, pipeline: &str) -> Vec<i64> {
        let query = "select id from numbers where pipeline = $1 order by id";
        let rows = self.client.query(query, &[&pipeline]).expect("rows");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Makes all that the ledger knows older.
    fn age(&mut self, hours: i32) {
        let statement = "update ingestd.files
            set discovered_at = discovered_at - make_interval(hours => $1),
                committed_at = committed_at - make_interval(hours => $1),
                archived_at = archived_at - make_interval(hours => $1),
                leave_again_at = leave_again_at - make_interval(hours => $1)";
        self.client.execute(statement, &[&hours]).expect("older");
    }
}

/// A directory on another file system than that of temporary files.
fn other_file_system() -> Option<tempfile::TempDir> {
    let here = tempfile::tempdir().expect("a directory");
    let other = tempfile::tempdir_in("/dev/shm").ok()?;
    let device = |path: &Path| fs::metadata(path).expect("there").dev();
    if device(here.path()) == device(other.path()) {
        eprintln!("SKIPPED: there is only one file system here");
        return None;
    }
    Some(other)
}

/// A file of some ids.
fn csv(ids: impl IntoIterator<Item = i64>) -> String {
    let lines = ids.into_iter().map(|id| format!("{id}\n"));
    format!("id\n{}", lines.collect::<String>())
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names below a directory, hidden ones and those of directories below too.
fn all_below(directory: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for name in names_in(directory) {
        let path = directory.join(&name);
        if path.is_dir() {
            all.extend(
                all_below(&path)
                    .into_iter()
                    .map(|below| format!("{name}/{below}")),
            );
        } else {
            all.push(name);
        }
    }
    all
}
