//! The server for commands that only ask: the service's own, or one for the moment.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use ingestd_actors::error::{Error, ErrorKind, Result};
use postgres::NoTls;
use postgres::error::SqlState;

use super::account::Account;
use super::layout::Layout;
use super::lock::{Lock, signature};
use super::postmaster::{GLANCE, PidFile};
use super::server::{LocalServer, RunningServer};
use super::{io_error, socket};

/// How long to wait for a service's server to be ready: it may be recovering.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a server that is ready may take to answer.
const SILENCE: Duration = Duration::from_secs(5);

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
    borrow(data_dir, PATIENCE)
}

/// The private server's database, as [`use_or_start`] gives it; `None` where no cluster was made yet.
/// None is made.
///
/// # Errors
/// As [`use_or_start`]; and where a server that was ready says nothing for some seconds: whoever asks only
/// waits for no other.
pub fn use_if_there(data_dir: &Path) -> Result<Option<Borrowed>> {
    let there = data_dir.join("cluster").join("PG_VERSION");
    match std::fs::symlink_metadata(&there) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        _ => borrow(data_dir, SILENCE).map(Some),
    }
}

/// `silence` is how long a server may be silent that was ready.
fn borrow(data_dir: &Path, silence: Duration) -> Result<Borrowed> {
    let current = Account::current()?;
    let layout = Layout::create(data_dir, &current)?;
    // Whoever started a server for the moment keeps it while somebody has this.
    let users = Lock::shared(&layout.users_lock())?;
    let started = Instant::now();
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
        let patience = match look(&layout)? {
            Running::Answers(url) => {
                return Ok(Borrowed {
                    url,
                    started: None,
                    users,
                    layout,
                });
            }
            Running::NotReady => PATIENCE,
            Running::Silent(pid) if started.elapsed() >= silence => {
                return Err(silent(&layout, pid));
            }
            Running::Silent(_) => silence,
        };
        if started.elapsed() > patience {
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

fn silent(layout: &Layout, pid: i32) -> Error {
    let message = format!(
        "the private server (process {pid}) of another ingestd ({}) does not answer: it takes connections, and says nothing",
        signature(&layout.lock())
    );
    Error::new(ErrorKind::Transient, message).with_advice(format!(
        "was it stopped (`kill -CONT {pid}` lets it go on), or is the machine overloaded? its log is {}",
        layout.log().display()
    ))
}

/// A server that somebody else has.
enum Running {
    /// It takes connections, at this URL.
    Answers(String),
    /// It starts or recovers, or is gone.
    NotReady,
    /// The process says nothing, though it was ready.
    Silent(i32),
}

fn look(layout: &Layout) -> Result<Running> {
    let found = PidFile::read(&layout.cluster()).map_err(|error| {
        io_error(
            format!("looking for a server in {}", layout.cluster().display()),
            error,
        )
    })?;
    let ready = found.filter(|found| found.ready);
    let Some((pid, socket)) = ready.and_then(|found| Some((found.pid, found.socket?))) else {
        return Ok(Running::NotReady);
    };
    let url = socket::url(&socket);
    // A process that is stopped takes connections until its queue is full, and never says anything; to
    // connect can't be given up, so that it ends with the command then.
    let (tell, told) = channel();
    let to = url.clone();
    thread::spawn(move || {
        // A killed server leaves its file behind: only a connection shows that it is alive.
        let is_alive = UnixStream::connect(socket.join(".s.PGSQL.5432")).is_ok();
        // Where nobody waits any more, nobody misses it.
        let _ = tell.send(is_alive && has_database(&to));
    });
    Ok(match told.recv_timeout(SILENCE) {
        Ok(true) => Running::Answers(url),
        Err(RecvTimeoutError::Timeout) => Running::Silent(pid),
        Ok(false) | Err(RecvTimeoutError::Disconnected) => Running::NotReady,
    })
}

/// Whether the database is there: whoever has started the server for the first time makes it a moment later.
/// What else is wrong is told by whoever uses it.
fn has_database(url: &str) -> bool {
    let error = postgres::Client::connect(url, NoTls).err();
    error.is_none_or(|error| error.code() != Some(&SqlState::UNDEFINED_DATABASE))
}
