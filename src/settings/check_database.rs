//! `[database]`: how the database is reached. Keys add what the URL does not say.

use std::path::{Path, PathBuf};

use tokio_postgres::config::Host;

use super::entry::Entry;
use super::problems::{Problems, Section};
use super::raw::RawDatabase;
use super::service::{check_path, one_of};
use super::sources::{Environment, Origins};
use crate::postgres::connection::{Connection, Endpoint, Pooler};
use crate::postgres::connection_string::{self, ConnectionString, HOW, TlsWords};
use crate::postgres::tls_mode::Tls;

const SECTION: &str = "database";
const DEFAULT_PORT: u16 = 5432;

/// How the database is reached, and who says so.
#[derive(Clone, Debug, PartialEq)]
pub struct DatabaseSettings {
    /// How it is reached.
    pub connection: Connection,
    /// Where that was found: a flag, a variable or a file, as people call it.
    pub origin: String,
}

/// `None` where nothing is said of a database, and where what is said is wrong.
pub(super) fn check(
    raw: RawDatabase,
    data_dir: &Path,
    environment: &Environment,
    origins: &Origins,
    problems: &mut Problems<'_>,
) -> Option<DatabaseSettings> {
    let mut check = Check {
        section: problems.at(SECTION),
        origins,
        sound: true,
    };
    let is_said = is_said(&raw);
    let url = check.taken("url", raw.url, check_url);
    let host = check.taken("host", raw.host, check_host);
    let port = check.taken("port", raw.port, check_port);
    let name = check.taken("name", raw.name, not_empty);
    let user = check.taken("user", raw.user, not_empty);
    let password = check.taken("password", raw.password, not_empty);
    let file = check.taken("password_file", raw.password_file, check_path);
    let words = TlsWords {
        sslmode: check.taken("sslmode", raw.sslmode, not_empty),
        sslrootcert: check.taken("sslrootcert", raw.sslrootcert, check_file),
        sslcert: check.taken("sslcert", raw.sslcert, check_file),
        sslkey: check.taken("sslkey", raw.sslkey, check_file),
    };
    let pooler = check.taken("pooler", raw.pooler, check_pooler);
    if !is_said {
        if pooler == Some(Pooler::Transaction) {
            check.problem(
                "pooler",
                "stands before a database that is configured; name that in url or host, or leave this out: nothing stands before the private server",
            );
        }
        return None;
    }

    let has_url = url.is_some();
    let string = url.unwrap_or_default();
    let mut connection = Connection::from_string(&string);
    let origin = check.settle_hosts(&mut connection, &string, host, port, has_url);
    connection.name = check.settle("name", connection.name, name);
    connection.user = check.settle("user", connection.user, user);
    let passwords = &mut connection.passwords;
    let password = password.map(String::into_bytes);
    passwords.given = check.settle("password", passwords.given.take(), password);
    passwords.file = file.map(|file| data_dir.join(file));
    passwords.variable = environment.get("PGPASSWORD").map(str::to_owned);
    let default_passfile = || {
        let home = environment.get("HOME").map(Path::new);
        home.map(|home| home.join(".pgpass"))
    };
    let named = environment.get("PGPASSFILE").map(PathBuf::from);
    passwords.passfile = passwords
        .passfile
        .take()
        .or(named)
        .or_else(default_passfile);
    connection.pooler = pooler.unwrap_or_default();
    connection.tls = check.settle_tls(&string.tls, words, data_dir);
    check
        .sound
        .then_some(DatabaseSettings { connection, origin })
}

fn is_said(raw: &RawDatabase) -> bool {
    let texts = [
        &raw.url,
        &raw.host,
        &raw.name,
        &raw.user,
        &raw.password,
        &raw.password_file,
        &raw.sslmode,
        &raw.sslrootcert,
        &raw.sslcert,
        &raw.sslkey,
    ];
    raw.port.is_some() || texts.iter().any(|text| text.is_some())
}

fn check_pooler(text: String) -> Result<Pooler, String> {
    match text.as_str() {
        "none" => Ok(Pooler::None),
        "transaction" => Ok(Pooler::Transaction),
        _ => Err(one_of(&text, &["none", "transaction"])),
    }
}

/// The section, and whether all of it was right so far.
struct Check<'p, 'a> {
    section: Section<'p, 'a>,
    origins: &'p Origins,
    sound: bool,
}

impl Check<'_, '_> {
    fn taken<T, U>(
        &mut self,
        key: &str,
        entry: Option<Entry<T>>,
        convert: impl FnOnce(T) -> Result<U, String>,
    ) -> Option<U> {
        let is_there = entry.is_some();
        let value = self.section.converted(key, entry, convert);
        self.sound &= value.is_some() || !is_there;
        value
    }

    fn problem(&mut self, key: &str, text: impl Into<String>) {
        self.section.problem(key, text);
        self.sound = false;
    }

    /// What the URL says or else the key. Where they differ, the stronger source wins; one source
    /// that says two things is wrong.
    fn settle<T: PartialEq>(
        &mut self,
        key: &str,
        in_url: Option<T>,
        by_key: Option<T>,
    ) -> Option<T> {
        let (said, own) = match (in_url, by_key) {
            (Some(said), Some(own)) => (said, own),
            (said, own) => return said.or(own),
        };
        if said == own {
            return Some(said);
        }
        let strength = |key: &str| self.origins.strength(&format!("{SECTION}.{key}"));
        match strength(key).cmp(&strength("url")) {
            std::cmp::Ordering::Greater => Some(own),
            std::cmp::Ordering::Less => Some(said),
            std::cmp::Ordering::Equal => {
                self.problem(
                    key,
                    "is another one than the URL has; say it in one of the two places",
                );
                Some(said)
            }
        }
    }

    /// Host and port; gives the place that names the host.
    fn settle_hosts(
        &mut self,
        connection: &mut Connection,
        string: &ConnectionString,
        host: Option<Host>,
        port: Option<u16>,
        has_url: bool,
    ) -> String {
        let of = |key: &str| self.origins.of(&format!("{SECTION}.{key}")).to_owned();
        let (by_url, by_key) = (of("url"), of("host"));
        let said: Vec<Host> = connection
            .endpoints
            .iter()
            .map(|one| one.host.clone())
            .collect();
        let said = (!said.is_empty()).then_some(said);
        let own = host.map(|host| vec![host]);
        let Some(hosts) = self.settle("host", said.clone(), own) else {
            if self.sound && has_url {
                let text = format!("names no host; {HOW}, or say it in database.host");
                self.problem("url", text);
            } else if self.sound {
                self.problem(
                    "host",
                    "is missing; name the server or the directory of its socket, here or in \
                     database.url; for a private server leave all keys of [database] out",
                );
            }
            return by_key;
        };
        let is_of_url = said.as_ref() == Some(&hosts);
        if !is_of_url {
            connection.endpoints = hosts
                .into_iter()
                .map(|host| Endpoint {
                    host,
                    address: None,
                    port: DEFAULT_PORT,
                })
                .collect();
        }
        let ports = connection.endpoints.iter().map(|one| one.port).collect();
        let said = (is_of_url && string.has_port).then_some(ports);
        let own = port.map(|port| vec![port; connection.endpoints.len()]);
        if let Some(ports) = self.settle("port", said, own) {
            for (endpoint, port) in connection.endpoints.iter_mut().zip(ports) {
                endpoint.port = port;
            }
        }
        if is_of_url { by_url } else { by_key }
    }

    fn settle_tls(&mut self, said: &TlsWords, own: TlsWords, data_dir: &Path) -> Tls {
        // A file in a URL is where libpq looks for it, one of a key where all keys have theirs.
        let file = |word: String| match word.as_str() {
            "system" => word,
            _ => data_dir.join(word).display().to_string(),
        };
        let by_url_alone = own == TlsWords::default();
        let words = TlsWords {
            sslmode: self.settle("sslmode", said.sslmode.clone(), own.sslmode),
            sslrootcert: self.settle(
                "sslrootcert",
                said.sslrootcert.clone(),
                own.sslrootcert.map(file),
            ),
            sslcert: self.settle("sslcert", said.sslcert.clone(), own.sslcert.map(file)),
            sslkey: self.settle("sslkey", said.sslkey.clone(), own.sslkey.map(file)),
        };
        Tls::from_words(&words).unwrap_or_else(|problem| {
            match by_url_alone {
                true => self.problem("url", format!("{} {}", problem.parameter, problem.text)),
                false => self.problem(problem.parameter, problem.text),
            }
            Tls::default()
        })
    }
}

/// The path of a file, as it is written.
fn check_file(text: String) -> Result<String, String> {
    check_path(text.clone()).map(|_| text)
}

fn check_url(url: String) -> Result<ConnectionString, String> {
    if url.trim().is_empty() {
        return Err(format!(
            "is empty; {HOW}, or leave it out for a private server"
        ));
    }
    connection_string::parse(&url)
}

fn check_host(host: String) -> Result<Host, String> {
    let host = not_empty(host)?;
    if host.contains(',') {
        return Err("is one server; write several into database.url".to_owned());
    }
    if host.contains("://") || host.contains(char::is_whitespace) {
        return Err(
            "is no name of a server, and no directory; write a URL into database.url".to_owned(),
        );
    }
    Ok(match host.starts_with('/') {
        true => Host::Unix(PathBuf::from(host)),
        false => Host::Tcp(host),
    })
}

fn check_port(port: u64) -> Result<u16, String> {
    match u16::try_from(port) {
        Ok(port @ 1..) => Ok(port),
        _ => Err(format!("{port} is no port; write 1 to 65535")),
    }
}

/// Never shows the text: it may be a password.
fn not_empty(text: String) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("is empty; leave it out, or write what is meant".to_owned());
    }
    if text.contains('\0') {
        return Err("has a NUL, which can't be".to_owned());
    }
    Ok(text)
}
