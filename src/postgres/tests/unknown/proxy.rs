use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;

use crate::postgres::Database;
use crate::postgres::sink::PostgresSink;
use crate::postgres::sink::writer::Writer;
use crate::postgres::tests::fixture::Fixture;
use crate::test_proxy::{self, Message, Side, Verdict, Way};

/// When the connection is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The server never sees the COMMIT.
    Before,
    /// The server has committed, and nobody hears of it.
    After,
    /// Never: the server refuses the first BEGIN, as where it is cancelled.
    Never,
}

/// The proxy, which counts COMMITs.
pub struct Proxy {
    _proxy: test_proxy::Proxy,
    commits: Arc<AtomicUsize>,
}

impl Proxy {
    /// How many COMMITs were sent: the first of them was cut.
    pub fn commits(&self) -> usize {
        self.commits.load(Ordering::Relaxed)
    }
}

/// A writer whose first COMMIT is cut.
pub async fn writer(fixture: &Fixture, cut: Cut) -> (Writer, Proxy) {
    let (database, proxy) = database(fixture, cut).await;
    let sink = PostgresSink::new(database, "items", fixture.instance);
    (Writer::new(sink.owner(0)), proxy)
}

/// A database behind a proxy.
pub async fn database(fixture: &Fixture, cut: Cut) -> (Database, Proxy) {
    let proxy = test_proxy::Proxy::before(&fixture.url);
    let commits = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&commits);
    let mut begins = 0;
    let mut committing = None;
    proxy.rule(move |message| match message.from {
        Side::Server if committing == Some((message.connection, message.turn)) => {
            match message.tag {
                // It has answered, so it has committed.
                b'Z' => Verdict::End(0, Way::Both),
                _ => Verdict::Hold,
            }
        }
        Side::Client if is_commit(message) => {
            let first = seen.fetch_add(1, Ordering::Relaxed) == 0;
            match cut {
                Cut::Before if first => return Verdict::End(0, Way::Both),
                Cut::After if first => committing = Some((message.connection, message.turn)),
                _ => {}
            }
            Verdict::Pass
        }
        Side::Client if message.bytes[5..].starts_with(b"BEGIN ") => {
            begins += 1;
            if begins > 1 || cut != Cut::Never {
                return Verdict::Pass;
            }
            let mut other = message.bytes.to_vec();
            other[5..10].copy_from_slice(b"NEVER");
            Verdict::Instead(other)
        }
        _ => Verdict::Pass,
    });
    let name = fixture
        .client
        .query_typed_one("select current_database()", &[]);
    let name: String = name.await.expect("a name").get(0);
    let url = proxy.url(&name).parse().expect("a URL");
    let database = Database::new(&url, Handle::current()).await;
    let proxy = Proxy {
        _proxy: proxy,
        commits,
    };
    (database.expect("a database"), proxy)
}

fn is_commit(message: &Message<'_>) -> bool {
    message.commits && message.bytes.ends_with(b"COMMIT\0")
}
