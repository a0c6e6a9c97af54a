//! Connecting: server after server, with TLS where it is wanted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use ingestd_actors::error::{Error, ErrorKind, Result};
use rand::seq::SliceRandom;
use tokio_postgres::config::{Host, LoadBalanceHosts};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connect_fault::{explain, is_refused_entry, is_tls};
use super::connection::{Connection, Endpoint};
use super::tls_mode::SslMode;
use super::{passwords, tls};

/// Connects; the connection's task lives on the runtime that this is called on.
///
/// # Errors
/// `Configuration` where somebody has to change something, with what to do; `Transient` where the
/// server can't be reached.
pub async fn connect(connection: &Connection) -> Result<tokio_postgres::Client> {
    let mut journey = Journey::plan(connection)?;
    while let Some(way) = journey.next() {
        match take(&way).await {
            Ok(client) => return Ok(client),
            Err(error) => journey.failed(&way, error),
        }
    }
    Err(journey.end())
}

/// The same for a command that does not drive a runtime.
///
/// # Errors
/// As [`connect`].
pub fn connect_blocking(connection: &Connection) -> Result<postgres::Client> {
    let mut journey = Journey::plan(connection)?;
    while let Some(way) = journey.next() {
        let config = postgres::Config::from(way.config.clone());
        let connected = match way.tls.clone() {
            Some(tls) => config.connect(tls),
            None => config.connect(NoTls),
        };
        match connected {
            Ok(client) => return Ok(client),
            Err(error) => journey.failed(&way, error),
        }
    }
    Err(journey.end())
}

async fn take(way: &Way) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    // How a connection ends is told by its client, to whoever uses that.
    match way.tls.clone() {
        Some(tls) => {
            let (client, connection) = way.config.connect(tls).await?;
            tokio::spawn(async move { connection.await.ok() });
            Ok(client)
        }
        None => {
            let (client, connection) = way.config.connect(NoTls).await?;
            tokio::spawn(async move { connection.await.ok() });
            Ok(client)
        }
    }
}

/// One way to a server.
struct Way {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    /// Whether it is tried only because the one before it, with TLS, led nowhere.
    instead: bool,
}

/// The ways that are left, and what the ones behind us have met.
struct Journey {
    ways: VecDeque<Way>,
    met: Option<tokio_postgres::Error>,
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
        // As libpq has it, a socket needs no TLS, whatever the mode.
        let is_socket = matches!(endpoint.host, Host::Unix(_));
        let mode = if is_socket {
            SslMode::Disable
        } else {
            connection.tls.mode
        };
        let connector = match mode {
            SslMode::Disable => None,
            _ => Some(tls::connector(
                &connection.tls,
                config.get_ssl_negotiation(),
            )?),
        };
        let plain = config
            .ssl_mode(tokio_postgres::config::SslMode::Disable)
            .clone();
        if let Some(connector) = connector {
            let mode = match mode {
                SslMode::Prefer => tokio_postgres::config::SslMode::Prefer,
                _ => tokio_postgres::config::SslMode::Require,
            };
            self.ways.push_back(Way {
                config: config.ssl_mode(mode).clone(),
                tls: Some(connector),
                instead: false,
            });
        }
        if mode <= SslMode::Prefer {
            self.ways.push_back(Way {
                config: plain,
                tls: None,
                instead: mode == SslMode::Prefer,
            });
        }
        Ok(())
    }

    fn next(&mut self) -> Option<Way> {
        self.ways.pop_front()
    }

    /// As libpq has it, whoever only prefers TLS goes without where it fails, and where the server
    /// doesn't let them in with it; but a wrong password isn't sent once more in clear.
    fn failed(&mut self, way: &Way, error: tokio_postgres::Error) {
        let goes_without = way.tls.is_some() && (is_tls(&error) || is_refused_entry(&error));
        let next_is_instead = self.ways.front().is_some_and(|next| next.instead);
        if next_is_instead && !goes_without {
            self.ways.pop_front();
        }
        // That going without is refused too says less than why the other way was.
        if !(way.instead && is_refused_entry(&error)) || self.met.is_none() {
            self.met = Some(error);
        }
    }

    fn end(self) -> Error {
        let Some(error) = self.met else {
            return no_host();
        };
        let error = explain(error);
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
