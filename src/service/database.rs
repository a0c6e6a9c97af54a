//! The database of a service: the configured one, or the private server as a supervised child.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::port::{Companion, PortFuture};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Mutex;
use tokio::sync::mpsc::unbounded_channel;

use super::signals::Signals;
use crate::local_server::{LocalServer, RunningServer};
use crate::postgres::migrations::{self, Applied};
use crate::postgres::{Connection, Database};
use crate::settings::Service;

/// How long a configured database may take to answer when a service starts.
const PATIENCE: Duration = Duration::from_secs(15);

/// The runtime that connections live on, apart from the actors' thread.
///
/// # Errors
/// Where the machine gives no threads.
pub fn database_runtime() -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("database")
        .enable_all()
        .build()
        .map_err(|error| {
            Error::new(
                ErrorKind::Transient,
                format!("threads can't be started: {error}"),
            )
        })
}

/// Runs the actors' system on this thread, and what talks to the database on threads of its own.
///
/// # Errors
/// What `work` says; where the machine gives no threads.
pub fn block_on<T, F>(work: impl FnOnce(Handle) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let runtime = database_runtime()?;
    let result = actix::System::new().block_on(work(runtime.handle().clone()));
    runtime.shutdown_background();
    result
}

/// A database that answers, with an up-to-date ledger.
pub struct OpenDatabase {
    /// The pool.
    pub database: Database,
    /// How it is reached.
    pub connection: Connection,
    /// The private server, where it is that: to be supervised, and stopped at the end.
    pub private: Option<Arc<PrivateServer>>,
}

/// Opens the database of a service and brings its ledger up to date; `None` where a signal ended the
/// wait for it.
///
/// # Errors
/// `Configuration` where the database does not answer, with which one it is; what the migrations
/// or the private server say otherwise.
pub async fn open_database(
    service: &Service,
    runtime: &Handle,
    log: &slog::Logger,
    signals: &mut Signals,
    tell: &dyn Fn(&str),
) -> Result<Option<OpenDatabase>> {
    let (mut connection, private) = match &service.database {
        Some(configured) => (configured.connection.clone(), None),
        None => {
            let server = LocalServer::open(&service.data_dir).await?;
            let running = server.start().await?;
            let connection = server.url().parse()?;
            slog::info!(log, "private server started"; "data_dir" => %service.data_dir.display());
            let private = Arc::new(PrivateServer {
                server,
                running: Mutex::new(Some(Arc::new(running))),
            });
            (connection, Some(private))
        }
    };
    connection.patience = Some(service.stuck_after);
    let database = Database::new(&connection, runtime.clone()).await?;
    let migrated = tokio::select! {
        migrated = migrate_in_time(&database, service, tell) => migrated,
        () = signals.stop() => {
            slog::info!(log, "stopped while waiting"; "for" => origin(service));
            return Ok(None);
        }
    };
    let applied = migrated.map_err(|error| unusable_database(service, error))?;
    if !applied.is_empty() {
        slog::info!(log, "ledger migrated"; "applied" => applied.join(", "));
    }
    Ok(Some(OpenDatabase {
        database,
        connection,
        private,
    }))
}

/// Which database it is, for people.
fn origin(service: &Service) -> String {
    match &service.database {
        Some(configured) => format!("the database of {}", configured.origin),
        None => "the private server".to_owned(),
    }
}

/// An error that kept a command from using its database at all: with which one it is, where its URL
/// was said, and what to do.
pub fn unusable_database(service: &Service, error: Error) -> Error {
    unusable(&origin(service), error)
}

/// The same, of a database that goes by this name.
pub fn unusable(which: &str, error: Error) -> Error {
    let cause = error.source().and_then(|error| error.source());
    let mut message = format!("{which} can't be used: {}", error.message());
    let advice = error.advice().map(str::to_owned);
    if let Some(cause) = cause.filter(|_| error.code().is_none()) {
        message.push_str(&format!(": {cause}"));
    }
    let mut explained = Error::new(ErrorKind::Configuration, message).with_advice(
        advice.unwrap_or_else(|| "is it running, and are its host and port right?".to_owned()),
    );
    // The name of an I/O error says nothing that its words have not said.
    if let Some(sqlstate) = error.code().filter(|code| code.len() == 5) {
        explained = explained.with_code(sqlstate);
    }
    explained.with_source(error)
}

/// Brings the ledger up to date; waits a little for a server that is just starting, and says so.
async fn migrate_in_time(
    database: &Database,
    service: &Service,
    tell: &dyn Fn(&str),
) -> Result<Vec<String>> {
    let started = tokio::time::Instant::now();
    let mut told = false;
    loop {
        match migrate_telling(database, tell).await {
            Ok(applied) => {
                let names = applied.into_iter().map(|migration| migration.name);
                return Ok(names.collect());
            }
            Err(error) if error.kind() == ErrorKind::Transient && started.elapsed() < PATIENCE => {
                if !told {
                    tell(&format!(
                        "{} does not answer; trying for {} s: {}",
                        origin(service),
                        PATIENCE.as_secs(),
                        error.message()
                    ));
                    told = true;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whom it waits for is told here, though it runs on another runtime.
async fn migrate_telling(database: &Database, tell: &dyn Fn(&str)) -> Result<Vec<Applied>> {
    let (say, mut said) = unbounded_channel::<String>();
    let own = database.clone();
    let mut migrating = database.run(async move {
        let mut client = own.client().await?;
        own.check_session(&client).await?;
        // Whoever is told may be gone.
        let say = move |words: &str| drop(say.send(words.to_owned()));
        migrations::migrate_telling(&mut client, &say).await
    });
    loop {
        tokio::select! {
            Some(words) = said.recv() => tell(&words),
            done = &mut migrating => return done,
        }
    }
}

/// The private server as the tree's companion.
pub struct PrivateServer {
    server: LocalServer,
    running: Mutex<Option<Arc<RunningServer>>>,
}

impl PrivateServer {
    /// Stops the server, at the end of the service.
    ///
    /// # Errors
    /// Where it does not end.
    pub async fn stop(&self) -> Result<()> {
        match self.running.lock().await.take() {
            Some(running) => running.stop().await.map(|_| ()),
            None => Ok(()),
        }
    }
}

/// What the tree supervises: the server runs, or is started, until it ends.
pub struct ServerCompanion(pub Arc<PrivateServer>);

impl Companion for ServerCompanion {
    fn name(&self) -> &str {
        "private server"
    }

    fn run(&self) -> PortFuture<()> {
        let private = Arc::clone(&self.0);
        Box::pin(async move {
            let server = {
                let mut running = private.running.lock().await;
                match &*running {
                    Some(server) => Arc::clone(server),
                    None => {
                        let server = Arc::new(private.server.start().await?);
                        Arc::clone(running.insert(server))
                    }
                }
            };
            let status = server.wait().await;
            private.running.lock().await.take();
            Err(Error::new(
                ErrorKind::Transient,
                format!("the private server ended ({status})"),
            ))
        })
    }
}
