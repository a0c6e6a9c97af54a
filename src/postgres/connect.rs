//! Connecting: server after server, with TLS where it is wanted.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bb8::ManageConnection;
use bb8_postgres::PostgresConnectionManager;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ingestd_actors::error::{Error, ErrorKind, Result};
use rand::seq::SliceRandom;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, oneshot};
use tokio_postgres::config::{Host, LoadBalanceHosts, SslNegotiation};
use tokio_postgres::{AsyncMessage, Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::AbortOnDropHandle;

use super::connect_fault::{explain, is_refused_entry, is_tls};
use super::connection::{Connection, Endpoint, Pooler};
use super::silence::{Backend, PATIENCE, Silence};
use super::tls_mode::SslMode;
use super::watched::{Traffic, Watch, Watched};
use super::{passwords, tls};

/// How long a server may take until its connection is taken for none, where nobody says.
const TO_REACH: Duration = Duration::from_secs(10);
/// How long all of it may take, with TLS and the login.
const TO_LET_IN: Duration = Duration::from_secs(30);

/// Connects; the connection's task lives on the runtime that this is called on.
///
/// # Errors
/// `Configuration` where somebody has to change something, with what to do; `Transient` where the
/// server can't be reached.
pub async fn connect(connection: &Connection) -> Result<tokio_postgres::Client> {
    connect_by(connection, None).await
}

/// The same; `hint` gets a permit for every notification that comes over the connection.
///
/// # Errors
/// As [`connect`].
pub async fn connect_listening(
    connection: &Connection,
    hint: Arc<Notify>,
) -> Result<tokio_postgres::Client> {
    connect_by(connection, Some(hint)).await
}

async fn connect_by(
    connection: &Connection,
    hint: Option<Arc<Notify>>,
) -> Result<tokio_postgres::Client> {
    // Behind a pooler a connection has no backend of its own that could be asked about.
    let patience = connection.patience.unwrap_or(PATIENCE);
    let patience = (connection.pooler == Pooler::None).then_some(patience);
    let mut journey = Journey::plan(connection)?;
    while let Some(way) = journey.next() {
        let taken = take(&way, patience, hint.clone());
        let taken = tokio::time::timeout(way.limit, taken).await;
        match taken {
            Ok(Ok(client)) => return Ok(client),
            Ok(Err(error)) => journey.failed(&way, Failure::of(error)),
            Err(_) => journey.failed(&way, Failure::silence(way.limit)),
        }
    }
    Err(journey.end())
}

/// The same for a command that does not drive a runtime.
///
/// # Errors
/// As `connect`.
pub fn connect_blocking(connection: &Connection) -> Result<postgres::Client> {
    let mut journey = Journey::plan(connection)?;
    while let Some(way) = journey.next() {
        let config = postgres::Config::from(way.config.clone());
        let tls = way.tls.clone();
        let (done, taken) = mpsc::channel();
        // It can't be given up: where it takes too long, it ends with the command.
        thread::spawn(move || {
            let connected = match tls {
                Some(tls) => config.connect(tls),
                None => config.connect(NoTls),
            };
            // Where nobody waits any more, nobody misses it.
            let _ = done.send(connected);
        });
        match taken.recv_timeout(way.limit) {
            Ok(Ok(client)) => return Ok(client),
            Ok(Err(error)) => journey.failed(&way, Failure::of(error)),
            Err(_) => journey.failed(&way, Failure::silence(way.limit)),
        }
    }
    Err(journey.end())
}

/// Goes one way to its end. The connection's task does its work, and looks after it.
async fn take(
    way: &Way,
    patience: Option<Duration>,
    hint: Option<Arc<Notify>>,
) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    if way.is_socket {
        // Nothing stands between.
        let config = way.config.clone();
        if hint.is_none() {
            return PostgresConnectionManager::new(config, NoTls)
                .connect()
                .await;
        }
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(attend(connection, None, hint));
        return Ok(client);
    }
    let (traffic, client, connection) = way.open().await?;
    let Some(patience) = patience else {
        tokio::spawn(attend(connection, None, hint));
        return Ok(client);
    };
    let (backend, known) = oneshot::channel();
    let silence = Silence {
        traffic: Arc::clone(&traffic),
        way: way.clone(),
        patience,
        backend: known,
    };
    tokio::spawn(attend(connection, Some(silence), hint));
    let found = Backend::of(&client).await;
    traffic.begin();
    // Where it can't be told, the connection is not looked after.
    let _ = backend.send(found);
    Ok(client)
}

/// Does a connection's work until its end. How it ends is told by its client, to whoever uses that.
async fn attend<S, T>(
    mut connection: tokio_postgres::Connection<S, T>,
    silence: Option<Silence>,
    hint: Option<Arc<Notify>>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let silence = async {
        match silence {
            Some(silence) => silence.lasts().await,
            None => std::future::pending().await,
        }
    };
    let mut silence = pin!(silence);
    loop {
        let message = poll_fn(|context| connection.poll_message(context));
        let message = tokio::select! {
            message = message => message,
            () = &mut silence => return,
        };
        match (message, &hint) {
            (Some(Ok(AsyncMessage::Notification(_))), Some(hint)) => hint.notify_one(),
            (Some(Ok(_)), _) => {}
            (Some(Err(_)) | None, _) => return,
        }
    }
}

/// Why a way led nowhere.
struct Failure {
    error: Error,
    /// Whether TLS itself failed.
    is_tls: bool,
    /// Whether the server lets nobody in who comes like this.
    is_refused_entry: bool,
}

impl Failure {
    fn of(error: tokio_postgres::Error) -> Failure {
        Failure {
            is_tls: is_tls(&error),
            is_refused_entry: is_refused_entry(&error),
            error: explain(error),
        }
    }

    fn silence(limit: Duration) -> Failure {
        let message = format!(
            "connecting to the database: the server took the connection, and did not let us in \
             within {} s",
            limit.as_secs()
        );
        Failure {
            error: Error::new(ErrorKind::Transient, message)
                .with_advice("is it a PostgreSQL server, and does it answer others?"),
            is_tls: false,
            is_refused_entry: false,
        }
    }
}

/// One way to a server.
#[derive(Clone)]
pub(super) struct Way {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    is_socket: bool,
    /// Whether it is tried only because the one before it, with TLS, led nowhere.
    instead: bool,
    /// How long it may take.
    pub(super) limit: Duration,
}

impl Way {
    /// A connection that is not looked after, for as long as both are held: where a question is lost on
    /// its way, nobody waits for the answer then.
    pub(super) fn connect(&self) -> BoxFuture<'_, Result<Errand, tokio_postgres::Error>> {
        async {
            let (_, client, connection) = self.open().await?;
            let task = tokio::spawn(attend(connection, None, None));
            Ok((client, AbortOnDropHandle::new(task)))
        }
        .boxed()
    }

    async fn open(&self) -> Result<Opened, tokio_postgres::Error> {
        let traffic = Arc::new(Traffic::default());
        let watch = Watch {
            tls: self.tls.clone(),
            traffic: Arc::clone(&traffic),
        };
        let (client, connection) = match self.tls {
            Some(_) => self.config.connect(watch).await?,
            None => unencrypted(&self.config).connect(watch).await?,
        };
        Ok((traffic, client, connection))
    }
}

/// A connection for a question, and the task that does its work.
pub(super) type Errand = (tokio_postgres::Client, AbortOnDropHandle<()>);

type Opened = (
    Arc<Traffic>,
    tokio_postgres::Client,
    tokio_postgres::Connection<Socket, Watched>,
);

/// As what watches without encrypting needs it.
fn unencrypted(config: &Config) -> Config {
    let mut config = config.clone();
    config
        .ssl_mode(tokio_postgres::config::SslMode::Require)
        .ssl_negotiation(SslNegotiation::Direct);
    config
}

/// The ways that are left, and what the ones behind us have met.
struct Journey {
    ways: VecDeque<Way>,
    met: Option<Error>,
    passed_over: Option<String>,
}

impl Journey {
    fn plan(connection: &Connection) -> Result<Journey> {
        let mut journey = Journey {
            ways: VecDeque::new(),
            met: None,
            passed_over: None,
        };
        let mut endpoints: Vec<&Endpoint> = connection.endpoints.iter().collect();
        if connection.options.get_load_balance_hosts() == LoadBalanceHosts::Random {
            endpoints.shuffle(&mut rand::rng());
        }
        for endpoint in endpoints {
            journey.add(connection, endpoint)?;
        }
        Ok(journey)
    }

    fn add(&mut self, connection: &Connection, endpoint: &Endpoint) -> Result<()> {
        let found = passwords::find(connection, endpoint)?;
        if let Some(why) = found.passed_over {
            tell_once(&why);
            self.passed_over = Some(why);
        }
        let mut config = connection.config_for(endpoint, found.password.as_deref());
        let limit = config.get_connect_timeout().copied();
        config.connect_timeout(limit.unwrap_or(TO_REACH));
        let limit = limit.unwrap_or(TO_LET_IN);
        // As libpq has it, a socket needs no TLS, whatever the mode.
        let is_socket = matches!(endpoint.host, Host::Unix(_));
        let mode = if is_socket {
            SslMode::Disable
        } else {
            connection.tls.mode
        };
        let negotiation = config.get_ssl_negotiation();
        if mode == SslMode::Prefer && negotiation == SslNegotiation::Direct {
            let what = "connecting to the database: sslnegotiation=direct does not go with sslmode \
                        \"prefer\"";
            let error = Error::new(ErrorKind::Configuration, what);
            return Err(error.with_advice("set sslmode to \"require\" or stronger"));
        }
        let connector = match mode {
            SslMode::Disable => None,
            _ => Some(tls::connector(&connection.tls, negotiation)?),
        };
        let plain = config
            .ssl_mode(tokio_postgres::config::SslMode::Disable)
            .clone();
        if let Some(connector) = connector {
            // Whoever only prefers it goes the next way where the server has none.
            let require = tokio_postgres::config::SslMode::Require;
            self.ways.push_back(Way {
                config: config.ssl_mode(require).clone(),
                tls: Some(connector),
                is_socket,
                instead: false,
                limit,
            });
        }
        if mode <= SslMode::Prefer {
            self.ways.push_back(Way {
                config: plain,
                tls: None,
                is_socket,
                instead: mode == SslMode::Prefer,
                limit,
            });
        }
        Ok(())
    }

    fn next(&mut self) -> Option<Way> {
        self.ways.pop_front()
    }

    /// As libpq has it, whoever only prefers TLS goes without where it fails, and where the server
    /// doesn't let them in with it; but a wrong password isn't sent once more in clear.
    fn failed(&mut self, way: &Way, failure: Failure) {
        let goes_without = way.tls.is_some() && (failure.is_tls || failure.is_refused_entry);
        let next_is_instead = self.ways.front().is_some_and(|next| next.instead);
        if next_is_instead && !goes_without {
            self.ways.pop_front();
        }
        // That going without is refused too says less than why the other way was.
        if !(way.instead && failure.is_refused_entry) || self.met.is_none() {
            self.met = Some(failure.error);
        }
    }

    fn end(self) -> Error {
        let Some(error) = self.met else {
            return no_host();
        };
        match (self.passed_over, error.advice().map(str::to_owned)) {
            // Whatever else is advised, this one has to do with it.
            (Some(why), Some(advice)) if error.message().contains("wants a password") => {
                error.with_advice(format!("{why}; or {advice}"))
            }
            _ => error,
        }
    }
}

/// Nobody has said where the database is.
pub fn no_host() -> Error {
    let what = "connecting to the database: no host is named";
    let advice = "name the server, or the directory of its socket, in the URL or in database.host";
    Error::new(ErrorKind::Configuration, what).with_advice(advice)
}

/// Every connection passes the file over: one line in the log is enough.
fn tell_once(why: &str) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::Relaxed) {
        log::warn!("the password file {why}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Whoever answers there takes connections, and says nothing.
    #[tokio::test]
    async fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        for mode in ["disable", "prefer", "require"] {
            let url = format!("host=127.0.0.1 port={port} user=u sslmode={mode} connect_timeout=1");
            let connection: Connection = url.parse().expect("a string");
            let error = connect(&connection).await.expect_err("nobody there");
            assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
            assert!(
                error.message().contains("did not let us in within 1 s"),
                "{error}"
            );
        }
        let url = format!("host=127.0.0.1 port={port} user=u connect_timeout=1");
        let connection: Connection = url.parse().expect("a string");
        let asked = tokio::task::spawn_blocking(move || connect_blocking(&connection).err());
        let error = asked.await.expect("no panic").expect("nobody there");
        assert!(error.message().contains("did not let us in"), "{error}");
    }

    #[test]
    fn negotiating_tls_at_once_needs_a_mode_that_means_it() {
        let url = "postgresql://u@127.0.0.1:1/d?sslnegotiation=direct";
        let connection: Connection = url.parse().expect("a URL");
        let error = connect_blocking(&connection).err().expect("refused");
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    }
}
