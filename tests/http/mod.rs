//! The API of a real service.

mod attacks;
pub mod client;
mod control;
mod doors;
pub mod large;
mod letters;
mod lists;
mod shared;
mod stream;
mod tokens;
mod waiting;

use std::time::{Duration, Instant};

use postgres::Client;

use crate::support::home::{Home, Service, drop_file};
use crate::support::{PATIENCE, TestDatabase, wait_until};
use client::Api;

pub fn pipeline(name: &str) -> String {
    format!(
        "[pipelines.{name}]\ndirectory = \"inbox/{name}\"\ntable = \"{name}\"\nsettle = \"10ms\"\n\
         scan_interval = \"200ms\"\n"
    )
}

/// A home with these pipelines, and their tables; `http` are keys of that section.
pub fn home_with(database: &TestDatabase, names: &[&str], http: &str) -> Home {
    let text: String = names.iter().map(|name| pipeline(name)).collect();
    let home = Home::new(Some(&database.url), "", &format!("[http]\n{http}\n{text}"));
    for name in names {
        home.directory(&format!("inbox/{name}"));
        let table = format!("create table {name} (id bigint, note text)");
        database.client().batch_execute(&table).expect("a table");
    }
    home
}

pub fn home(database: &TestDatabase, names: &[&str]) -> Home {
    home_with(database, names, "")
}

/// A service that answers on a port of its own.
pub struct Answering {
    pub service: Service,
    pub api: Api,
}

/// Starts the service, and waits until it says where it answers.
pub fn start(home: &Home) -> Answering {
    start_with(home, &[])
}

pub fn start_with(home: &Home, variables: &[(&str, &str)]) -> Answering {
    let before = urls(home).len();
    let mut all = vec![("INGESTD__HTTP__LISTEN", "127.0.0.1:0")];
    all.extend(variables);
    let mut service = home.start_with(&["run"], &all);
    wait_until(PATIENCE, || {
        assert!(service.ended().is_none(), "it has ended: {}", home.log());
        urls(home).len() > before
    });
    let url = urls(home).pop().expect("a URL");
    let (_, address) = url.split_once("://").expect("a scheme");
    Answering {
        service,
        api: Api {
            address: address.to_owned(),
            certificate: None,
        },
    }
}

/// Where services have said that they answer.
fn urls(home: &Home) -> Vec<String> {
    let log = home.log();
    let lines = log.lines().filter(|line| line.contains("http listens"));
    lines
        .filter_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            Some(line["url"].as_str()?.to_owned())
        })
        .collect()
}

/// Drops a file of some rows, whose ids begin here.
pub fn drop_rows(home: &Home, pipeline: &str, file: &str, from: u64, rows: u64) {
    let mut text = "id,note\n".to_owned();
    for id in from..from + rows {
        text.push_str(&format!("{id},of {file}\n"));
    }
    drop_file(&home.directory(&format!("inbox/{pipeline}")), file, text);
}

/// Waits until so many files are archived.
pub fn wait_for_archived(client: &mut Client, files: i64) {
    let query = "select count(*) from ingestd.files where state = 'ARCHIVED'";
    let count = |client: &mut Client| {
        let row = client.query_one(query, &[]);
        row.map_or(0, |row| row.get::<_, i64>(0))
    };
    let mut deadline = Instant::now() + PATIENCE;
    let mut last = 0;
    loop {
        let now = count(client);
        if now >= files {
            return;
        }
        if now > last {
            (last, deadline) = (now, Instant::now() + PATIENCE);
        }
        assert!(Instant::now() < deadline, "{now} of {files}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until all parts are ready.
pub fn wait_until_ready(api: &Api) {
    wait_until(PATIENCE, || api.get("/health/ready").status == 200);
}
