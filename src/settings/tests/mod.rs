//! The loader as a whole: what is right loads as meant, and each thing that is wrong says so.

mod alerts;
mod archive;
mod change;
mod database;
mod documents;
mod every_key;
mod http;
mod letters;
mod mapping;
mod mistakes;
mod shown;
mod sources;
mod tolerance;
mod values;

use std::path::Path;
use std::time::Duration;

use ingestd_actors::error::ErrorKind;

use tokio_postgres::config::Host;

use super::*;
use crate::plan::{
    Case, ColumnSource, Compression, DeleteWhen, Dialect, TableName, ValueRules, WriteMode,
    WriteRules,
};
use crate::postgres::Connection;

const SMALL: &str = "[pipelines.events]\ndirectory = 'in'\ntable = 'events'\n";

/// The settings of a text, with a data directory of `/data` unless it names another.
fn load_with(text: &str, pairs: &[(&str, &str)]) -> Result<Settings> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("test.toml");
    std::fs::write(&path, text).expect("a file");
    let environment: Environment = pairs.iter().copied().collect();
    let sources = Sources::new(ConfigFile::Path(path), environment).flag(
        "--data-dir",
        "service.data_dir",
        Some("/data"),
    );
    Settings::load(&sources)
}

fn load(text: &str) -> Settings {
    load_with(text, &[]).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(text: &str) -> String {
    let error = load_with(text, &[]).expect_err("an error");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    error.to_string()
}

/// The only host of a connection, as people call it.
fn host_of(connection: &Connection) -> String {
    match &connection.endpoints[..] {
        [one] => match &one.host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(directory) => directory.display().to_string(),
        },
        several => panic!("{several:?}"),
    }
}

/// The small pipeline with further lines.
fn with(lines: &str) -> String {
    format!("{SMALL}{lines}\n")
}

#[test]
fn pipelines_are_found_by_name() {
    let settings = load(SMALL);
    assert_eq!(settings.pipeline("events").unwrap().name, "events");
    let error = settings.pipeline("event").unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no pipeline \"event\"; did you mean \"events\"?"
    );
    let error = settings.pipeline("orders").unwrap_err().to_string();
    assert!(error.ends_with("; there are events"), "{error}");
    assert_eq!(settings.some_pipelines().unwrap().len(), 1);
    let none = load("");
    assert!(none.some_pipelines().is_err());
    assert!(
        none.pipeline("a")
            .unwrap_err()
            .to_string()
            .ends_with("none is configured")
    );
}
