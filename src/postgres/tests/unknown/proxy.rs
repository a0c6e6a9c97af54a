use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio_postgres::config::Host;

use crate::postgres::Database;
use crate::postgres::sink::PostgresSink;
use crate::postgres::sink::writer::Writer;
use crate::postgres::tests::fixture::Fixture;

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

/// Keeps the proxy's socket, and counts COMMITs.
pub struct Proxy {
    _directory: TempDir,
    commits: Arc<AtomicUsize>,
}

/// What the connections through the proxy have sent.
#[derive(Clone, Default)]
struct Seen {
    begins: Arc<AtomicUsize>,
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
    let directory = tempfile::tempdir().expect("a directory");
    let config: tokio_postgres::Config = fixture.url.parse().expect("a URL");
    let [Host::Unix(place)] = config.get_hosts() else {
        panic!("a socket: {:?}", config.get_hosts())
    };
    let server = place.join(".s.PGSQL.5432");
    let socket = directory.path().join(".s.PGSQL.5432");
    let listener = UnixListener::bind(socket).expect("a socket");
    let seen = Seen::default();
    let commits = seen.commits.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(relay(client, server.clone(), cut, seen.clone()));
        }
    });
    let own = directory.path().to_str().expect("a plain path");
    let url = fixture
        .url
        .replace(place.to_str().expect("a plain path"), own);
    let database = Database::new(&url.parse().expect("a URL"), Handle::current()).await;
    let proxy = Proxy {
        _directory: directory,
        commits,
    };
    (database.expect("a database"), proxy)
}

async fn relay(client: UnixStream, server: PathBuf, cut: Cut, seen: Seen) {
    let mut client = client;
    let mut server = UnixStream::connect(server).await.expect("the server");
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let message = &mut asked[..length];
                let begin = message.windows(6).position(|word| word == b"BEGIN ");
                if let Some(begin) = begin
                    && seen.begins.fetch_add(1, Ordering::Relaxed) == 0
                    && cut == Cut::Never
                {
                    message[begin..begin + 5].copy_from_slice(b"NEVER");
                }
                let is_commit = message.windows(7).any(|word| word == b"COMMIT\0");
                let is_commit = is_commit && cut != Cut::Never;
                let cut_now = is_commit && seen.commits.fetch_add(1, Ordering::Relaxed) == 0;
                if cut_now && cut == Cut::Before {
                    return;
                }
                if server.write_all(message).await.is_err() {
                    return;
                }
                if cut_now {
                    // Once it has answered, it has committed.
                    server.read_exact(&mut answered[..1]).await.expect("an answer");
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
