//! PURE: how a database is reached, as one plain struct.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use ingestd_actors::error::{Error, ErrorKind};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::connection_string::{self, ConnectionString, TlsWords};

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
    /// All else that a connection string may say: time limits, options, and the like. Hosts, user,
    /// password and the like in it are not looked at.
    pub options: Config,
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

/// What is encrypted and verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// How much.
    pub mode: SslMode,
    /// Whom the server's certificate has to be signed by.
    pub roots: Option<Roots>,
    /// The client's certificate and its key.
    pub client: Option<ClientCertificate>,
}

/// How much is encrypted and verified: libpq's `sslmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Nothing is encrypted.
    Disable,
    /// Encrypted where the server can.
    #[default]
    Prefer,
    /// Always encrypted.
    Require,
    /// And the server's certificate is signed by somebody trusted.
    VerifyCa,
    /// And it is for the host that was asked for.
    VerifyFull,
}

/// Whom the server's certificate has to be signed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Those whom the machine trusts.
    System,
    /// Those whose certificates are in a file.
    File(PathBuf),
}

/// The client's certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate's file, with those of intermediate authorities.
    pub certificate: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

/// What is looked at in the server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Nothing.
    Nothing,
    /// Who has signed it, and whether it is valid.
    Signer,
    /// That, and the host's name.
    SignerAndName,
}

impl SslMode {
    /// All of them, with their names.
    pub const NAMES: [(&'static str, SslMode); 5] = [
        ("disable", SslMode::Disable),
        ("prefer", SslMode::Prefer),
        ("require", SslMode::Require),
        ("verify-ca", SslMode::VerifyCa),
        ("verify-full", SslMode::VerifyFull),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, mode)| *mode == self);
        found.map_or("", |(name, _)| name)
    }
}

/// What is wrong with what is said of TLS: the parameter, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsProblem {
    /// The parameter.
    pub parameter: &'static str,
    /// What is wrong with it.
    pub text: String,
}

impl Tls {
    /// What the words mean.
    ///
    /// # Errors
    /// The first of them that means nothing, or contradicts another.
    pub fn from_words(words: &TlsWords) -> Result<Tls, TlsProblem> {
        let problem = |parameter, text: &str| TlsProblem {
            parameter,
            text: text.to_owned(),
        };
        let roots = words.sslrootcert.as_deref().map(|word| match word {
            "system" => Roots::System,
            file => Roots::File(PathBuf::from(file)),
        });
        let mode = match &words.sslmode {
            // As libpq has it: whoever trusts all authorities of the world means the name too.
            None if roots == Some(Roots::System) => SslMode::VerifyFull,
            None => SslMode::default(),
            Some(word) => named(word)?,
        };
        if roots == Some(Roots::System) && mode < SslMode::VerifyFull && mode > SslMode::Disable {
            let text = "is too weak for sslrootcert = \"system\": any site's certificate would do; \
                        write \"verify-full\"";
            return Err(problem("sslmode", text));
        }
        if mode >= SslMode::VerifyCa && roots.is_none() {
            let text = format!(
                "is missing, and sslmode {:?} verifies the server's certificate; name the file with \
                 the certificate of its authority, or write \"system\"",
                mode.name()
            );
            return Err(problem("sslrootcert", &text));
        }
        let client = match (&words.sslcert, &words.sslkey) {
            (Some(certificate), Some(key)) => Some(ClientCertificate {
                certificate: PathBuf::from(certificate),
                key: PathBuf::from(key),
            }),
            (None, None) => None,
            (Some(_), None) => {
                return Err(problem(
                    "sslkey",
                    "is missing; name the file with the key of sslcert",
                ));
            }
            (None, Some(_)) => {
                return Err(problem(
                    "sslcert",
                    "is missing; name the certificate that sslkey is for",
                ));
            }
        };
        Ok(Tls {
            mode,
            roots,
            client,
        })
    }

    /// What is looked at in the server's certificate.
    pub fn verification(&self) -> Verification {
        match (self.mode, &self.roots) {
            (SslMode::VerifyFull, _) => Verification::SignerAndName,
            (SslMode::VerifyCa, _) | (SslMode::Require, Some(_)) => Verification::Signer,
            _ => Verification::Nothing,
        }
    }
}

fn named(word: &str) -> Result<SslMode, TlsProblem> {
    let found = SslMode::NAMES.iter().find(|(name, _)| *name == word);
    found.map(|(_, mode)| *mode).ok_or_else(|| {
        let names: Vec<String> = SslMode::NAMES
            .iter()
            .map(|(name, _)| format!("{name:?}"))
            .collect();
        TlsProblem {
            parameter: "sslmode",
            text: format!("{word:?} is unknown; write one of {}", names.join(", ")),
        }
    })
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

    fn tls(mode: &str, root: &str) -> Result<Tls, TlsProblem> {
        let word = |word: &str| (!word.is_empty()).then(|| word.to_owned());
        let words = TlsWords {
            sslmode: word(mode),
            sslrootcert: word(root),
            ..TlsWords::default()
        };
        Tls::from_words(&words)
    }

    #[test]
    fn modes_verify_what_libpq_verifies() {
        use Verification::{Nothing, Signer, SignerAndName};
        for (mode, root, verification) in [
            ("disable", "", Nothing),
            ("prefer", "", Nothing),
            ("prefer", "ca.pem", Nothing),
            ("require", "", Nothing),
            ("require", "ca.pem", Signer),
            ("verify-ca", "ca.pem", Signer),
            ("verify-full", "ca.pem", SignerAndName),
            ("verify-full", "system", SignerAndName),
            ("", "", Nothing),
            ("", "system", SignerAndName),
        ] {
            let tls = tls(mode, root).unwrap_or_else(|problem| panic!("{problem:?}"));
            assert_eq!(tls.verification(), verification, "{mode} {root}");
        }
    }

    #[test]
    fn words_that_contradict_each_other_are_refused() {
        for (mode, root, parameter) in [
            ("allow", "", "sslmode"),
            ("require", "system", "sslmode"),
            ("verify-ca", "system", "sslmode"),
            ("verify-ca", "", "sslrootcert"),
            ("verify-full", "", "sslrootcert"),
        ] {
            let problem = tls(mode, root).expect_err(mode);
            assert_eq!(problem.parameter, parameter, "{mode} {root}");
        }
        let words = TlsWords {
            sslcert: Some("c".into()),
            ..TlsWords::default()
        };
        let problem = Tls::from_words(&words).expect_err("no key");
        assert_eq!(problem.parameter, "sslkey");
    }

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
