//! Files with records that can't be loaded, through the whole program into a real server.

mod limits;
mod whole;
mod whole_kills;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use postgres::Client;

use crate::support::home::{Home, Service, drop_file};
use crate::support::{TestDatabase, database, wait_until};

/// The table of most tests.
const ITEMS: &str =
    "create table items (id bigint primary key, amount integer check (amount >= 0))";

/// A pipeline `p` with two writers and small batches into the table `items`.
struct Place {
    home: Home,
    client: Client,
    url: String,
    database: TestDatabase,
}

impl Place {
    fn new(ddl: &str, pipeline: &str) -> Place {
        let database = database();
        let mut client = database.client();
        client.batch_execute(ddl).expect("a table");
        let text = format!(
            "[pipelines.p]\ndirectory = \"inbox\"\ntable = \"items\"\npartitions = 2\n{pipeline}"
        );
        Place {
            home: Home::new(Some(&database.url), "", &text),
            client,
            url: database.url.clone(),
            database,
        }
    }

    fn database_name(&self) -> &str {
        &self.database.name
    }

    fn inbox(&self) -> PathBuf {
        self.home.directory("inbox")
    }

    /// Loads a file by its name; what was said of it.
    fn load(&self, name: &str, content: &str) -> String {
        let path = self.home.directory("given").join(name);
        fs::write(&path, content).expect("written");
        self.ask(&["load", path.to_str().expect("a plain path")])
    }

    /// What a subcommand says, errors included.
    fn ask(&self, arguments: &[&str]) -> String {
        let output = self.home.ask(arguments);
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).expect("text")
    }

    /// The answer of a query: its first column, a line a row.
    fn lines(&mut self, query: &str) -> Vec<String> {
        let rows = self.client.query(query, &[]).expect(query);
        let line = |row: &postgres::Row| row.get::<_, Option<String>>(0);
        rows.iter()
            .map(|row| line(row).unwrap_or_default())
            .collect()
    }

    fn number(&mut self, query: &str) -> i64 {
        let row = self.client.query_one(query, &[]).expect(query);
        row.get(0)
    }

    /// State, records, inserted and rejected of each file, in their order.
    fn files(&mut self) -> Vec<String> {
        self.lines(
            "select concat_ws(' ', state, records, inserted, rejected) from ingestd.files
             order by file_id",
        )
    }

    fn reason(&mut self) -> String {
        self.lines("select reason from ingestd.files where state = 'QUARANTINED'")
            .join("; ")
    }

    /// Runs the service until so many files are finished, one way or the other.
    fn run_until_finished(&mut self, files: i64) {
        let service = self.home.run();
        self.wait_until_finished(files);
        service.stop();
    }

    fn wait_until_finished(&mut self, files: i64) {
        let done = "select count(*) from ingestd.files where archived_at is not null
                    and state in ('ARCHIVED', 'QUARANTINED')";
        wait_until(Duration::from_secs(60), || {
            let count = self.client.query_one(done, &[]);
            count.is_ok_and(|row| row.get::<_, i64>(0) >= files)
        });
    }

    /// Starts the service, and waits until a query says true.
    fn run_until(&mut self, query: &str) -> Service {
        let service = self.home.run();
        wait_until(Duration::from_secs(60), || {
            let answer = self.client.query_one(query, &[]);
            answer.is_ok_and(|row| row.get::<_, bool>(0))
        });
        service
    }

    fn drop_in(&self, name: &str, content: &str) {
        drop_file(&self.inbox(), name, content);
    }
}

/// A file: for each record its amount, or what stands there instead.
fn file(amounts: impl IntoIterator<Item = String>) -> String {
    let mut text = "id,amount\n".to_owned();
    for (number, amount) in amounts.into_iter().enumerate() {
        text.push_str(&format!("{},{amount}\n", number + 1));
    }
    text
}

/// Amounts of which every `bad`-th is `instead`.
fn every(bad: usize, count: usize, instead: &str) -> String {
    let amount = |number: usize| match number % bad {
        0 => instead.to_owned(),
        _ => number.to_string(),
    };
    file((1..=count).map(amount))
}
