//! Fields, columns and filters, through the whole program into a real server.

mod columns;
mod filters;
mod kills;

use std::fs;

use postgres::Client;

use crate::support::home::Home;
use crate::support::{TestDatabase, database};

/// A pipeline `p` into a table `t`, and files for `ingestd load`.
pub struct Place {
    pub home: Home,
    pub client: Client,
    database: TestDatabase,
}

impl Place {
    /// A table, and lines of the pipeline.
    pub fn new(ddl: &str, pipeline: &str) -> Place {
        let database = database();
        let mut client = database.client();
        client.batch_execute(ddl).expect("a table");
        let text = format!("[pipelines.p]\ndirectory = \"inbox\"\ntable = \"t\"\n{pipeline}");
        Place {
            home: Home::new(Some(&database.url), "", &text),
            client,
            database,
        }
    }

    /// Where the database is.
    pub fn url(&self) -> String {
        self.database.url.clone()
    }

    /// Loads a file; what was said of it.
    pub fn load(&self, name: &str, content: &str) -> String {
        let path = self.home.directory("given").join(name);
        fs::write(&path, content).expect("written");
        self.ask(&["load", path.to_str().expect("a plain path")])
    }

    /// What a subcommand says, errors included.
    pub fn ask(&self, arguments: &[&str]) -> String {
        let output = self.home.ask(arguments);
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).expect("text")
    }

    /// The answer of a query: a line a row, with all its columns as one text.
    pub fn rows(&mut self, query: &str) -> Vec<String> {
        let rows = self.client.query(query, &[]).expect(query);
        let cell = |row: &postgres::Row, index| -> Option<String> { row.get(index) };
        let row = |row: &postgres::Row| {
            let cells = (0..row.len()).map(|index| cell(row, index));
            let cells = cells.map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
            cells.collect::<Vec<_>>().join("|")
        };
        rows.iter().map(row).collect()
    }

    /// What became of the file's records: records, inserted, updated, filtered, rejected.
    pub fn counts(&mut self, name: &str) -> String {
        let query = format!(
            "select concat_ws(' ', records, inserted, updated, filtered, rejected)
             from ingestd.files where path like '%/{name}' and state = 'COMMITTED'"
        );
        self.rows(&query).concat()
    }
}
