//! The server: a locked data directory, and a process on it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::port::gone;
use postgres::NoTls;
use postgres::error::SqlState;
use rustix::process::Signal;
use tokio::sync::oneshot;

use super::account::Account;
use super::child::OwnChild;
use super::cluster::{Cluster, clean_environment, find_or_make, last_lines};
use super::layout::Layout;
use super::lock::{Lock, signature};
use super::postmaster::{GLANCE, Leftovers, PidFile};
use super::{NAME, configuration, io_error, refuse, socket};

/// A log that is longer at a start is put aside.
const LONGEST_LOG: u64 = 8 << 20;

/// A data directory that this process has locked, with a cluster in it. Clones share the lock,
/// which is let go with the last of them.
#[derive(Clone, Debug)]
pub struct LocalServer {
    home: Arc<Home>,
}

#[derive(Debug)]
struct Home {
    layout: Layout,
    cluster: Cluster,
    current: Account,
    socket: PathBuf,
    _lock: Lock,
}

impl LocalServer {
    /// Locks the data directory for a service, and makes the cluster where there is none yet.
    /// The server doesn't run yet.
    ///
    /// # Errors
    /// `Configuration` where another service has the directory, where PostgreSQL isn't installed,
    /// or where its user can't reach the directory: the program ends with exit code 2.
    pub async fn open(data_dir: &Path) -> Result<LocalServer> {
        let data_dir = data_dir.to_owned();
        aside(move || LocalServer::open_here(&data_dir)).await
    }

    /// As [`LocalServer::open`], on this thread.
    ///
    /// # Errors
    /// The same.
    pub fn open_here(data_dir: &Path) -> Result<LocalServer> {
        let current = Account::current()?;
        let layout = Layout::create(data_dir, &current)?;
        let lock = lock_for_service(&layout)?;
        LocalServer::with_lock(layout, current, lock, "service")
    }

    /// Goes on where the lock is ours.
    pub(super) fn with_lock(
        layout: Layout,
        current: Account,
        mut lock: Lock,
        role: &str,
    ) -> Result<LocalServer> {
        lock.sign(&format!("{role}, process {}", std::process::id()))
            .map_err(|error| io_error("writing the lock file", error))?;
        let cluster = find_or_make(&layout, &current)?;
        let socket = socket::directory(&layout.socket(), &cluster.server, &current)?;
        Ok(LocalServer {
            home: Arc::new(Home {
                layout,
                cluster,
                current,
                socket,
                _lock: lock,
            }),
        })
    }

    /// The database's URL: the same in every life of the server.
    pub fn url(&self) -> String {
        socket::url(&self.home.socket)
    }

    /// The file that the server writes its log to.
    pub fn log(&self) -> PathBuf {
        self.home.layout.log()
    }

    /// Starts the server and waits until it takes connections, however long it recovers.
    ///
    /// One that runs already, left by an earlier life, is stopped first. Giving up the future
    /// stops the server, too.
    ///
    /// # Errors
    /// What the server says where it ends instead; that may pass by itself.
    pub async fn start(&self) -> Result<RunningServer> {
        let server = self.clone();
        aside(move || server.start_and_wait()).await
    }

    /// As [`LocalServer::start`], on this thread.
    ///
    /// # Errors
    /// The same.
    pub fn start_and_wait(&self) -> Result<RunningServer> {
        let home = &self.home;
        let cluster = home.layout.cluster();
        Leftovers {
            cluster: &cluster,
            name: &configuration::cluster_name(&home.layout),
            uid: home.cluster.server.uid,
            socket: &home.socket,
        }
        .clear_away()?;
        // It may have been cleaned away: a temporary directory, a restart of the machine.
        socket::make_private(&home.socket, &home.cluster.server, &home.current)?;
        let log = open_log(&home.layout)?;
        let said_before = log.metadata().map(|log| log.len()).unwrap_or_default();
        let child = self.spawn(log)?;
        let running = RunningServer {
            child,
            server: self.clone(),
        };
        loop {
            if let Some(status) = running.child.ended() {
                return Err(self.ended_at_start(status, said_before));
            }
            // While the server makes it, the file may be half there: look again.
            if let Ok(Some(found)) = PidFile::read(&cluster)
                && found.pid == running.child.pid().as_raw_nonzero().get()
                && found.ready
            {
                break;
            }
            thread::sleep(GLANCE);
        }
        self.ensure_database()?;
        Ok(running)
    }

    fn spawn(&self, log: File) -> Result<OwnChild> {
        let home = &self.home;
        let Cluster { binaries, server } = &home.cluster;
        let configuration =
            configuration::write(&home.layout, server, &home.current, binaries.major())?;
        let setting = |name: &str, value: &Path| {
            let mut setting = std::ffi::OsString::from(format!("{name}="));
            setting.push(value);
            setting
        };
        let mut command = Command::new(binaries.postgres());
        command
            .arg("-D")
            .arg(home.layout.cluster())
            .arg("-c")
            .arg(setting("config_file", &configuration))
            // What we rely on stands here, since ALTER SYSTEM can't override it here.
            .args(["-c", "listen_addresses=", "-c", "port=5432", "-c"])
            .arg(setting("unix_socket_directories", &home.socket))
            .current_dir(home.layout.root())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        clean_environment(&mut command);
        // SIGINT is the fast shutdown: SIGTERM would wait for clients to leave.
        OwnChild::spawn(command, server, Signal::INT)
            .map_err(|error| io_error(format!("starting {}", binaries.postgres().display()), error))
    }

    /// Creates the database where it isn't there: a life may have ended before it came to that.
    fn ensure_database(&self) -> Result<()> {
        let url = self.url();
        let doing = "making the private server's database";
        // The synchronous client must not be used on a thread that drives a runtime.
        thread::scope(|scope| {
            let work = scope.spawn(|| match postgres::Client::connect(&url, NoTls) {
                Ok(_) => Ok(()),
                Err(error) if error.code() == Some(&SqlState::UNDEFINED_DATABASE) => {
                    let mut config: postgres::Config = url.parse()?;
                    let mut client = config.dbname("postgres").connect(NoTls)?;
                    client.batch_execute(&format!("create database {NAME}"))
                }
                Err(error) => Err(error),
            });
            work.join()
        })
        .map_err(|_| gone(doing))?
        .map_err(|error| crate::postgres::classify(error, doing))
    }

    fn ended_at_start(&self, status: ExitStatus, said_before: u64) -> Error {
        let log = self.log();
        let mut said = Vec::new();
        // What can't be read is left out of the message.
        let _ = File::open(&log).and_then(|mut file| {
            file.seek(SeekFrom::Start(said_before))?;
            file.take(64 << 10).read_to_end(&mut said)
        });
        Error::new(
            ErrorKind::Transient,
            format!(
                "the private PostgreSQL server ended at its start ({status}): {}",
                last_lines(&String::from_utf8_lossy(&said))
            ),
        )
        .with_advice(format!("its log is {}", log.display()))
    }
}

/// The server while it runs. Dropping it asks the server to end, without waiting for that.
#[derive(Debug)]
pub struct RunningServer {
    child: OwnChild,
    server: LocalServer,
}

impl RunningServer {
    /// The database's URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The server's process.
    pub fn pid(&self) -> i32 {
        self.child.pid().as_raw_nonzero().get()
    }

    /// Resolves when the server has ended, for whatever reason, with its exit status.
    pub async fn wait(&self) -> ExitStatus {
        self.child.wait().await
    }

    /// Stops the server: transactions that are open are rolled back.
    pub async fn stop(self: Arc<Self>) -> Result<ExitStatus> {
        aside(move || self.stop_and_wait()).await
    }

    /// As [`RunningServer::stop`], on this thread.
    ///
    /// # Errors
    /// The same.
    pub fn stop_and_wait(&self) -> Result<ExitStatus> {
        self.end(&[
            (Signal::INT, Duration::from_secs(30)),
            (Signal::QUIT, Duration::from_secs(10)),
            (Signal::KILL, Duration::from_secs(10)),
        ])
    }

    /// Stops the server as a crash would, on this thread: nothing is written back, and it recovers at
    /// its next start. As `pg_ctl stop -m immediate` does it.
    ///
    /// # Errors
    /// Where it does not end.
    pub fn crash_and_wait(&self) -> Result<ExitStatus> {
        self.end(&[
            (Signal::QUIT, Duration::from_secs(10)),
            (Signal::KILL, Duration::from_secs(10)),
        ])
    }

    fn end(&self, patience: &[(Signal, Duration)]) -> Result<ExitStatus> {
        for &(signal, limit) in patience {
            self.child.signal(signal);
            let deadline = Instant::now() + limit;
            while Instant::now() < deadline {
                if let Some(status) = self.child.ended() {
                    return Ok(status);
                }
                thread::sleep(GLANCE);
            }
        }
        Err(Error::new(
            ErrorKind::Transient,
            format!(
                "the private PostgreSQL server (process {}) does not end, not even when killed",
                self.pid()
            ),
        ))
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.child.signal(Signal::INT);
    }
}

/// The lock for a service. A command that started the server for the moment is waited for a
/// little, and a service that is just ending, too.
fn lock_for_service(layout: &Layout) -> Result<Lock> {
    let path = layout.lock();
    let started = Instant::now();
    loop {
        if let Some(lock) = Lock::try_exclusive(&path)? {
            return Ok(lock);
        }
        let holder = signature(&path);
        let patience = if holder.starts_with("service") { 1 } else { 10 };
        if started.elapsed() > Duration::from_secs(patience) {
            return Err(refuse(format!(
                "the data directory {} is in use by another ingestd ({holder})",
                layout.root().display()
            ))
            .with_advice("end that one first, or choose another data directory"));
        }
        thread::sleep(GLANCE);
    }
}

/// The log, ready to be added to; a long one is put aside first.
fn open_log(layout: &Layout) -> Result<File> {
    let path = layout.log();
    let opened = (|| {
        if fs::metadata(&path).is_ok_and(|found| found.len() > LONGEST_LOG) {
            fs::rename(&path, layout.old_log())?;
        }
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
    })();
    opened.map_err(|error| {
        io_error(
            format!("opening the server's log {}", path.display()),
            error,
        )
    })
}

/// Runs work that blocks on a thread of its own: one of the runtime's would hold up its end.
async fn aside<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    let (answer, result) = oneshot::channel();
    thread::Builder::new()
        .name("ingestd-server".into())
        // Where nobody waits for the answer any more, it is dropped, and a server with it.
        .spawn(move || drop(answer.send(work())))
        .map_err(|error| io_error("starting a thread", error))?;
    result
        .await
        .unwrap_or_else(|_| Err(gone("the private server's thread")))
}
