//! The server for commands that only ask: the service's own, or one for the moment.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::account::Account;
use super::layout::Layout;
use super::lock::{Lock, signature};
use super::postmaster::{GLANCE, PidFile};
use super::server::{LocalServer, RunningServer};
use super::{io_error, socket};

/// How long to wait for a service's server to be ready: it may be recovering.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server in use by this command. Where the command started it, dropping this stops it, once
/// no other command uses it any more.
#[derive(Debug)]
pub struct Borrowed {
    url: String,
    started: Option<RunningServer>,
    users: Lock,
    layout: Layout,
}

impl Borrowed {
    /// The database's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether this command started the server.
    pub fn is_own(&self) -> bool {
        self.started.is_some()
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(running) = &self.started {
            // Nothing is lost where either fails: the server ends with this process.
            let _ = self.users.make_exclusive(&self.layout.users_lock());
            let _ = running.stop_and_wait();
        }
    }
}

/// The private server's database: of the server that runs, where a service has the data
/// directory, else of one that is started for as long as the answer lives.
///
/// Blocks; it needs no async runtime, and may be called on a thread that has one.
///
/// # Errors
/// As [`LocalServer::open`] and [`LocalServer::start`]; `Transient` where the server of whoever
/// has the data directory isn't ready within a minute.
pub fn use_or_start(data_dir: &Path) -> Result<Borrowed> {
    let current = Account::current()?;
    let layout = Layout::create(data_dir, &current)?;
    // Whoever started a server for the moment keeps it while somebody has this.
    let users = Lock::shared(&layout.users_lock())?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(lock) = Lock::try_exclusive(&layout.lock())? {
            let server = LocalServer::with_lock(layout.clone(), current, lock, "command")?;
            return Ok(Borrowed {
                url: server.url(),
                started: Some(server.start_and_wait()?),
                users,
                layout,
            });
        }
        if let Some(url) = url_of_running(&layout)? {
            return Ok(Borrowed {
                url,
                started: None,
                users,
                layout,
            });
        }
        if Instant::now() > deadline {
            return Err(Error::new(
                ErrorKind::Transient,
                format!(
                    "the private server of another ingestd ({}) is not ready",
                    signature(&layout.lock())
                ),
            )
            .with_advice(format!("its log is {}", layout.log().display())));
        }
        thread::sleep(GLANCE);
    }
}

/// The private server's database, as [`use_or_start`] gives it; `None` where no cluster was made yet.
/// None is made.
///
/// # Errors
/// As [`use_or_start`].
pub fn use_if_there(data_dir: &Path) -> Result<Option<Borrowed>> {
    let there = data_dir.join("cluster").join("PG_VERSION");
    match std::fs::symlink_metadata(&there) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        _ => use_or_start(data_dir).map(Some),
    }
}

/// The URL of a server that takes connections.
fn url_of_running(layout: &Layout) -> Result<Option<String>> {
    let found = PidFile::read(&layout.cluster()).map_err(|error| {
        io_error(
            format!("looking for a server in {}", layout.cluster().display()),
            error,
        )
    })?;
    // A killed server leaves its file behind: only a connection shows that it is alive.
    Ok(found
        .filter(|found| found.ready)
        .and_then(|found| found.socket)
        .filter(|socket| UnixStream::connect(socket.join(".s.PGSQL.5432")).is_ok())
        .map(|socket| socket::url(&socket)))
}
