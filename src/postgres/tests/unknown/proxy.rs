use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;

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
}

/// Keeps the proxy's socket, and counts.
pub struct Proxy {
    _directory: TempDir,
    cuts: Arc<AtomicUsize>,
}

impl Proxy {
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::Relaxed)
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
    let host = fixture.url.split(' ').next().expect("a host").to_owned();
    let server = PathBuf::from(host.trim_start_matches("host=")).join(".s.PGSQL.5432");
    let socket = directory.path().join(".s.PGSQL.5432");
    let listener = UnixListener::bind(socket).expect("a socket");
    let cuts = Arc::new(AtomicUsize::new(0));
    let counted = cuts.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(relay(client, server.clone(), cut, counted.clone()));
        }
    });
    let own = format!("host={}", directory.path().display());
    let url = fixture.url.replace(&host, &own);
    let database = Database::new(&url, Handle::current()).await;
    let proxy = Proxy {
        _directory: directory,
        cuts,
    };
    (database.expect("a database"), proxy)
}

async fn relay(client: UnixStream, server: PathBuf, cut: Cut, cuts: Arc<AtomicUsize>) {
    let server = UnixStream::connect(server).await.expect("the server");
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        (from_server, to_client)
    });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
        let message = &buffer[..length];
        let commits = message.windows(7).any(|word| word == b"COMMIT\0");
        if !commits || cuts.load(Ordering::Relaxed) > 0 {
            if to_server.write_all(message).await.is_err() {
                break;
            }
            continue;
        }
        // No answer gets through from here on; dropping the streams closes both sides.
        answers.abort();
        cuts.fetch_add(1, Ordering::Relaxed);
        if cut == Cut::After {
            to_server.write_all(message).await.expect("passed on");
            // Closed for writing, the server ends after it has committed.
            to_server.shutdown().await.expect("closed");
        }
        return;
    }
}
