//! Dead letters: shown, exported, mended, replayed, discarded, forgotten.

mod against;
mod answers;
mod beside;
mod crashes;
mod kept;
mod kills;
mod mending;
mod modes;
mod requests;
#[cfg(feature = "failpoints")]
mod steps;

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use postgres::Client;
use serde_json::Value;

use crate::support::home::Home;
use crate::support::{TestDatabase, database};

/// A pipeline into a table that is there, and files whose records are not all rows.
pub struct Shop {
    pub database: TestDatabase,
    pub home: Home,
    files: usize,
}

/// How long anything may take.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

const ITEMS: &str = "create table items (id bigint primary key, name text, amount integer
    constraint not_negative check (amount >= 0), changed timestamptz)";

impl Shop {
    /// `keys` are further lines of the pipeline.
    pub fn new(keys: &str) -> Shop {
        Shop::with_table(ITEMS, keys)
    }

    pub fn with_table(table: &str, keys: &str) -> Shop {
        let database = database();
        database.client().batch_execute(table).expect(table);
        let home = Home::new(Some(&database.url), "", &pipeline(keys));
        home.directory("inbox");
        Shop {
            database,
            home,
            files: 0,
        }
    }

    pub fn client(&self) -> Client {
        self.database.client()
    }

    /// Loads a file, of which some records may be refused; its number.
    pub fn load(&mut self, text: impl AsRef<[u8]>) -> i64 {
        self.files += 1;
        let path = self.home.data().join(format!("{}.csv", self.files));
        fs::write(&path, text).expect("a file");
        let said = self.home.ask(&["load", path.to_str().expect("text")]);
        let code = said.status.code();
        assert!(code < Some(2), "{}", String::from_utf8_lossy(&said.stderr));
        self.number("select max(file_id) from ingestd.files")
    }

    pub fn number(&self, query: &str) -> i64 {
        self.client().query_one(query, &[]).expect(query).get(0)
    }

    /// The lines that a query gives.
    pub fn lines(&self, query: &str) -> Vec<String> {
        let rows = self.client().query(query, &[]).expect(query);
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The rows of the table.
    pub fn rows(&self) -> Vec<String> {
        self.lines("select concat_ws(' ', id, quote_nullable(name), amount) from items order by 1")
    }

    /// File, record, status, attempts and reason of all letters.
    pub fn letters(&self) -> Vec<String> {
        self.lines(
            "select concat_ws(' ', record, status, attempts, reason, resolution)
             from ingestd.dead_letters order by file_id, record",
        )
    }

    pub fn ask(&self, arguments: &[&str]) -> Output {
        self.home.ask(&[&["dead-letters"], arguments].concat())
    }

    /// What a subcommand prints that ends so.
    pub fn said(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.ask(arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {out}{err}"
        );
        out + err.as_str()
    }

    /// What a replay counted.
    pub fn replay(&self, arguments: &[&str]) -> Value {
        let output = self.ask(&[&["replay"], arguments, &["--json"]].concat());
        assert!(output.status.code() < Some(2), "{}", text(&output.stderr));
        let reports: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        reports[0].clone()
    }

    /// Exports, and gives the text.
    pub fn export(&self, arguments: &[&str]) -> String {
        let output = self.ask(&[&["export"], arguments, &["--out", "-"]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Writes a mended file.
    pub fn mended(&self, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home.data().join("mended.csv");
        fs::write(&path, text).expect("written");
        path
    }

    /// Every file's records are accounted for, whatever became of its letters.
    pub fn assert_audited(&self) {
        let said = self.home.ask(&["audit", "--all"]);
        assert!(said.status.success(), "{}", text(&said.stdout));
    }
}

pub fn pipeline(keys: &str) -> String {
    format!(
        "[pipelines.items]\ndirectory = \"inbox\"\ntable = \"public.items\"\nsettle = \"10ms\"\n\
         scan_interval = \"50ms\"\n{keys}\n"
    )
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Checks one figure after the other.
pub fn assert_figures(report: &Value, wanted: &[(&str, u64)]) {
    for name in [
        "inserted",
        "updated",
        "unchanged",
        "duplicate",
        "deleted",
        "filtered",
        "failed",
        "there",
        "deletions",
        "not_ready",
        "settled",
    ] {
        let number = wanted.iter().find(|(wanted, _)| *wanted == name);
        let number = number.map_or(0, |(_, number)| *number);
        assert_eq!(report[name], number, "{name}: {report}");
    }
}
