//! What the integration tests stand on: databases, servers, directories, and the program itself.

pub mod answer;
pub mod home;
mod own_server;
pub mod scene;
mod scratch;
mod server;
mod shared_server;

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

pub use own_server::OwnServer;
pub use scratch::Scratch;

/// A database of one test's own, on the server that all tests share. It is dropped at the end.
pub struct TestDatabase {
    pub url: String,
    pub name: String,
}

/// A fresh, empty database.
pub fn database() -> TestDatabase {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("test_{}_{count}", std::process::id());
    let url = shared_server::url(&name);
    administer(&format!("create database {name}"));
    TestDatabase { url, name }
}

impl TestDatabase {
    /// A new connection. It must not be used on a thread that drives an async runtime.
    pub fn client(&self) -> Client {
        Client::connect(&self.url, NoTls).expect("a connection")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        administer(&format!("drop database {} with (force)", self.name));
    }
}

/// Runs a statement in the server's own database, on a thread that can't have a runtime.
fn administer(sql: &str) {
    let url = shared_server::url("postgres");
    let done = thread::scope(|scope| {
        let work = scope.spawn(|| Client::connect(&url, NoTls)?.batch_execute(sql));
        work.join().expect("no panic")
    });
    if let Err(error) = done {
        // A second panic would end the whole program, and the first one is the news.
        assert!(thread::panicking(), "{sql}: {error}");
    }
}

/// The program, without what the caller's environment would configure.
pub fn ingestd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ingestd"));
    for (name, _) in std::env::vars_os() {
        if configures(&name.to_string_lossy()) {
            command.env_remove(&name);
        }
    }
    command
}

/// Whether a variable of the environment would tell the program, or psql, what to do.
pub fn configures(variable: &str) -> bool {
    let prefixes = ["DATABASE_URL", "INGESTD", "PG", "XDG_"];
    prefixes.iter().any(|prefix| variable.starts_with(prefix))
}

/// Waits for a condition, and fails where it doesn't come about in time.
pub fn wait_until(timeout: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + timeout;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {timeout:?}");
        thread::sleep(Duration::from_millis(10));
    }
}
