//! `ingestd undo` and `ingestd forget`, beside a service that runs.

mod beside;
mod forgotten;
mod refused;
mod replayed;
mod taken_back;

use std::process::Output;

use postgres::Client;
use serde_json::Value;

use crate::support::home::{Home, Service, drop_file};
use crate::support::{PATIENCE, TestDatabase, database, wait_until};

/// Columns by which a file's rows are told.
const BY_NUMBER: &str =
    "columns = [{ name = \"id\" }, { name = \"note\" }, { name = \"file\", from = \"file_id\" }]";

/// A home with one pipeline and its table, and a service that runs.
struct Place {
    home: Home,
    client: Client,
    service: Option<Service>,
    /// Loaded files stay in the inbox.
    keeps: bool,
    _database: TestDatabase,
}

impl Place {
    fn new(keys: &str, table: &str) -> Place {
        let database = database();
        let text = format!(
            "[pipelines.one]\ndirectory = \"inbox/one\"\ntable = \"one\"\nsettle = \"10ms\"\n{keys}\n"
        );
        let home = Home::new(Some(&database.url), "", &text);
        home.directory("inbox/one");
        let mut client = database.client();
        let table = format!("create table one ({table})");
        client.batch_execute(&table).expect("a table");
        let service = Some(home.run());
        let query = "select count(*) from ingestd.live_instances where pipeline = 'one'";
        wait_until(PATIENCE, || {
            client
                .query_one(query, &[])
                .is_ok_and(|row| row.get::<_, i64>(0) == 1)
        });
        Place {
            home,
            client,
            service,
            keeps: keys.contains("archive = false"),
            _database: database,
        }
    }

    fn drop_text(&self, name: &str, text: &str) {
        drop_file(&self.home.directory("inbox/one"), name, text);
    }

    /// Drops a file, and waits until it has an end; its number.
    fn load(&mut self, name: &str, text: &str) -> i64 {
        let newest = self.count("select coalesce(max(file_id), 0) from ingestd.files");
        self.drop_text(name, text);
        self.wait_for_end(newest)
    }

    /// Waits until a file that is newer than this one has an end; its number.
    fn wait_for_end(&mut self, newest: i64) -> i64 {
        let query = "select file_id from ingestd.files where file_id > $1
                     and (archived_at is not null or $2 and state = 'COMMITTED')
                     order by file_id limit 1";
        let mut found = None;
        wait_until(PATIENCE, || {
            let row = self
                .client
                .query_opt(query, &[&newest, &self.keeps])
                .expect("the ledger");
            found = row.map(|row| row.get(0));
            found.is_some()
        });
        found.expect("a file")
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        self.home.ask(arguments)
    }

    /// What a command says as JSON, and expects it to end well.
    fn told(&self, arguments: &[&str]) -> Value {
        let output = self.ask(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    fn count(&mut self, query: &str) -> i64 {
        self.client.query_one(query, &[]).expect("a count").get(0)
    }

    /// The rows, in order, each as its id and note.
    fn rows(&mut self) -> Vec<String> {
        let query = "select id || ' ' || coalesce(note, '') from one order by id, note";
        let rows = self.client.query(query, &[]).expect("rows");
        rows.iter().map(|row| row.get(0)).collect()
    }

    fn state(&mut self, file: i64) -> String {
        let query = "select state from ingestd.files where file_id = $1";
        self.client
            .query_one(query, &[&file])
            .expect("a file")
            .get(0)
    }

    fn stop(&mut self) {
        self.service.take().expect("it runs").stop();
    }
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A file with these ids.
fn text(ids: std::ops::Range<u32>, note: &str) -> String {
    let mut text = "id,note\n".to_owned();
    for id in ids {
        text.push_str(&format!("{id},{note}\n"));
    }
    text
}
