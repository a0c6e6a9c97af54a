//! PURE: how a database is reached, as one plain struct.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ingestd_actors::error::{Error, ErrorKind};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::connection_string::{self, ConnectionString};
use super::tls_mode::Tls;

const DEFAULT_PORT: u16 = 5432;

/// How a database is reached. It may hold a password, which `Debug` does not show.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Connection {
    /// The servers, tried one after the other.
    pub endpoints: Vec<Endpoint>,
    /// The user; `None`: the one of the operating system.
    pub user: Option<String>,
    /// The database's name; `None`: the user's.
    pub name: Option<String>,
    /// Where the password comes from.
    pub passwords: Passwords,
    /// What is encrypted and verified.
    pub tls: Tls,
    /// What stands between this program and the server.
    pub pooler: Pooler,
    /// How long nothing may come over a connection that waits for an answer, until the server is asked
    /// whether it is at work; `None`: a minute.
    pub patience: Option<Duration>,
    /// All else that a connection string may say: time limits, options, and the like. Hosts, user,
    /// password and the like in it are not looked at.
    pub options: Config,
}

/// What stands between this program and the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing, or something that gives each connection a session of its own.
    #[default]
    None,
    /// Something that gives each transaction whatever session is free: PgBouncer in transaction mode.
    Transaction,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name, or the directory of its socket.
    pub host: Host,
    /// Where it is, without asking for the name.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
}

/// Where the password comes from; the first that is there is taken.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Passwords {
    /// The password itself.
    pub given: Option<Vec<u8>>,
    /// A file that holds nothing else.
    pub file: Option<PathBuf>,
    /// The variable `PGPASSWORD`.
    pub variable: Option<String>,
    /// A file with many, in libpq's format.
    pub passfile: Option<PathBuf>,
}

impl Connection {
    /// What a connection string says, but for what it says of TLS.
    pub fn from_string(string: &ConnectionString) -> Connection {
        let config = &string.config;
        Connection {
            endpoints: endpoints(config),
            user: config.get_user().map(str::to_owned),
            name: config.get_dbname().map(str::to_owned),
            passwords: Passwords {
                given: config.get_password().map(<[u8]>::to_vec),
                passfile: string.passfile.as_ref().map(PathBuf::from),
                ..Passwords::default()
            },
            tls: Tls::default(),
            pooler: Pooler::None,
            patience: None,
            options: config.clone(),
        }
    }

    /// What tokio-postgres needs to know to reach one of the servers.
    pub fn config_for(&self, endpoint: &Endpoint, password: Option<&[u8]>) -> Config {
        let mut config = bare(&self.options);
        match &endpoint.host {
            Host::Tcp(name) => config.host(name),
            Host::Unix(directory) => config.host_path(directory),
        };
        if let Some(address) = endpoint.address {
            config.hostaddr(address);
        }
        config.port(endpoint.port);
        if let Some(user) = &self.user {
            config.user(user);
        }
        if let Some(name) = &self.name {
            config.dbname(name);
        }
        if let Some(password) = password {
            config.password(password);
        }
        config
    }
}

impl FromStr for Connection {
    type Err = Error;

    fn from_str(text: &str) -> Result<Connection, Error> {
        let wrong = |text: String| {
            Error::new(
                ErrorKind::Configuration,
                format!("the database's URL {text}"),
            )
        };
        let string = connection_string::parse(text).map_err(wrong)?;
        let mut connection = Connection::from_string(&string);
        connection.tls = Tls::from_words(&string.tls)
            .map_err(|problem| wrong(format!("says: {} {}", problem.parameter, problem.text)))?;
        Ok(connection)
    }
}

/// The servers of a connection string.
fn endpoints(config: &Config) -> Vec<Endpoint> {
    let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
    let ports = config.get_ports();
    let endpoint = |index: usize| {
        let address = addresses.get(index).copied();
        let named = hosts.get(index).cloned();
        Some(Endpoint {
            host: named.or_else(|| address.map(|address| Host::Tcp(address.to_string())))?,
            address,
            port: *ports.get(index).or(ports.first()).unwrap_or(&DEFAULT_PORT),
        })
    };
    (0..hosts.len().max(addresses.len()))
        .filter_map(endpoint)
        .collect()
}

/// The options of a configuration, without whom it reaches and how that one is asked in.
fn bare(all: &Config) -> Config {
    let mut config = Config::new();
    if let Some(options) = all.get_options() {
        config.options(options);
    }
    if let Some(name) = all.get_application_name() {
        config.application_name(name);
    }
    if let Some(timeout) = all.get_connect_timeout() {
        config.connect_timeout(*timeout);
    }
    if let Some(timeout) = all.get_tcp_user_timeout() {
        config.tcp_user_timeout(*timeout);
    }
    if let Some(interval) = all.get_keepalives_interval() {
        config.keepalives_interval(interval);
    }
    if let Some(retries) = all.get_keepalives_retries() {
        config.keepalives_retries(retries);
    }
    config
        .keepalives(all.get_keepalives())
        .keepalives_idle(all.get_keepalives_idle())
        .ssl_negotiation(all.get_ssl_negotiation())
        .target_session_attrs(all.get_target_session_attrs())
        .channel_binding(all.get_channel_binding())
        .load_balance_hosts(all.get_load_balance_hosts());
    config
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("endpoints", &self.endpoints)
            .field("user", &self.user)
            .field("name", &self.name)
            .field("passwords", &self.passwords)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords")
            .field("given", &self.given.as_ref().map(|_| "…"))
            .field("file", &self.file)
            .field("variable", &self.variable.as_ref().map(|_| "…"))
            .field("passfile", &self.passfile)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_its_port_and_its_address() {
        let connection: Connection = "host=a,/run/b port=1,2 hostaddr=127.0.0.1,::1 user=u"
            .parse()
            .expect("a string");
        let [a, b] = &connection.endpoints[..] else {
            panic!("{connection:?}");
        };
        assert_eq!((&a.host, a.port), (&Host::Tcp("a".into()), 1));
        assert_eq!((&b.host, b.port), (&Host::Unix("/run/b".into()), 2));
        let one: Connection = "hostaddr=127.0.0.1".parse().expect("a string");
        assert_eq!(one.endpoints[0].host, Host::Tcp("127.0.0.1".into()));
        assert_eq!(one.endpoints[0].port, 5432);
    }

    #[test]
    fn options_reach_the_server_and_a_password_is_not_shown() {
        let url = "postgresql://u:secret@h/d?options=-c%20work_mem%3D1MB&keepalives_idle=7";
        let mut connection: Connection = url.parse().expect("a URL");
        connection.passwords.variable = Some("secret".into());
        assert!(
            !format!("{connection:?}").contains("secret"),
            "{connection:?}"
        );
        let config = connection.config_for(&connection.endpoints[0], Some(b"other"));
        assert_eq!(config.get_options(), Some("-c work_mem=1MB"));
        assert_eq!(config.get_keepalives_idle().as_secs(), 7);
        assert_eq!(config.get_password(), Some(&b"other"[..]));
        assert_eq!(
            (config.get_user(), config.get_dbname()),
            (Some("u"), Some("d"))
        );
    }
}
