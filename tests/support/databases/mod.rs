//! Databases for tests, on one server for the whole run: the integration tests and the library's
//! own tests include this module alike.

pub mod server;
mod shared;

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

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
    let url = shared::url(&name);
    administer(&format!("create database {name}"));
    TestDatabase { url, name }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        administer(&format!("drop database {} with (force)", self.name));
    }
}

/// Runs a statement in the server's own database, on a thread that can't have a runtime.
fn administer(sql: &str) {
    let url = shared::url("postgres");
    let done = thread::scope(|scope| {
        let work = scope.spawn(|| Client::connect(&url, NoTls)?.batch_execute(sql));
        work.join().expect("no panic")
    });
    if let Err(error) = done {
        // A second panic would end the whole program, and the first one is the news.
        assert!(thread::panicking(), "{sql}: {error}");
    }
}

/// Waits for a condition, and fails where it doesn't come about in time.
pub fn wait_until(timeout: Duration, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        let waited = started.elapsed();
        assert!(waited < timeout, "waited in vain for {timeout:?}");
        thread::sleep(until_the_next_look(waited));
    }
}

/// How long to let be what was waited for so long: whoever looks too often takes the time of what is waited for.
pub fn until_the_next_look(waited: Duration) -> Duration {
    let [least, most] = [5, 40].map(Duration::from_millis);
    (waited / 20).clamp(least, most)
}
