//! What most subcommands share: which configuration, which database.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use ingestd_actors::error::{Error, ErrorKind, Result};
use postgres::NoTls;

use super::output::shell_word;
use crate::local_server::{self, Borrowed};
use crate::postgres::{classify, migrations};
use crate::service::unusable_database;
use crate::settings::{ConfigFile, Environment, Settings, Sources};

/// The flags that say which configuration and which database.
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigArgs {
    /// The configuration [default: $INGESTD_CONFIG, or /etc/ingestd/ingestd.toml where it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The database; without one here, in INGESTD__DATABASE__URL, in DATABASE_URL or in the
    /// configuration, the private server
    #[arg(long, value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Where the private server and everything with a relative path live
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

impl ConfigArgs {
    /// The settings of a command that needs a configuration file.
    pub fn settings(&self) -> Result<Settings> {
        let environment = Environment::of_process();
        let file = ConfigFile::find(self.config.clone(), &environment)?;
        Settings::load(&self.sources(file, environment))
    }

    /// The settings of a command that can do without one.
    pub fn settings_or_defaults(&self) -> Result<Settings> {
        let environment = Environment::of_process();
        let file = ConfigFile::find_or_none(self.config.clone(), &environment);
        Settings::load(&self.sources(file, environment))
    }

    /// Another command on the same database, to be copied from a summary to a shell: the program as
    /// it was called, the subcommand, and these flags. A password is not repeated.
    pub fn command(&self, subcommand: &str) -> String {
        let mut words = format!("{} {subcommand}", program());
        let paths = [("--config", &self.config), ("--data-dir", &self.data_dir)];
        for (flag, path) in paths {
            if let Some(path) = path {
                words.push_str(&format!(" {flag} {}", shell_word(&absolute(path))));
            }
        }
        match &self.database_url {
            Some(url) if has_password(url) => words.push_str(" --database-url …"),
            Some(url) => words.push_str(&format!(" --database-url {}", shell_word(url))),
            None => {}
        }
        words
    }

    /// The sources of a configuration: its file, the environment, and these flags.
    pub fn sources(&self, file: ConfigFile, environment: Environment) -> Sources {
        let data_dir = self.data_dir.as_ref().map(|path| absolute(path));
        Sources::new(file, environment)
            .flag("--database-url", "database.url", self.database_url.clone())
            .flag("--data-dir", "service.data_dir", data_dir)
    }
}

/// What to type for this program.
fn program() -> String {
    let called = std::env::args().next();
    shell_word(&called.unwrap_or_else(|| "ingestd".to_owned()))
}

fn has_password(url: &str) -> bool {
    let config = tokio_postgres::Config::from_str(url);
    config.is_ok_and(|config| config.get_password().is_some())
}

/// A path of the command line means the working directory.
fn absolute(path: &Path) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    whole.display().to_string()
}

/// A connection for a command that only asks, apart from any async runtime.
pub struct Connection {
    /// The connection.
    pub client: postgres::Client,
    /// The private server, where it is that: it ends with the last that uses it.
    _server: Option<Borrowed>,
}

/// The database's URL, and the private server behind it where it is that.
pub fn database_url(settings: &Settings) -> Result<(String, Option<Borrowed>)> {
    match &settings.service.database {
        Some(database) => Ok((database.url().to_owned(), None)),
        None => {
            let server = local_server::use_or_start(&settings.service.data_dir)?;
            Ok((server.url().to_owned(), Some(server)))
        }
    }
}

/// Connects to the configured database, or to the private server.
pub fn connect(settings: &Settings) -> Result<Connection> {
    let (url, server) = database_url(settings)?;
    let client = postgres::Client::connect(&url, NoTls).map_err(|error| {
        let error = classify(error, "connecting to the database");
        unusable_database(&settings.service, error)
    })?;
    Ok(Connection {
        client,
        _server: server,
    })
}

/// A connection to a database that has a ledger.
///
/// # Errors
/// `Configuration` where it has none yet, or an older one than this program reads.
pub fn connect_to_ledger(settings: &Settings) -> Result<Connection> {
    let mut connection = connect(settings)?;
    let found = connection
        .client
        .query_one("select to_regclass('ingestd.files') is not null", &[])
        .map_err(|error| classify(error, "looking for the ledger"))?;
    if found.get::<_, bool>(0) {
        check_version(&mut connection.client)?;
        return Ok(connection);
    }
    Err(Error::new(
        ErrorKind::Configuration,
        "this database has no ledger: nothing was ever loaded into it",
    )
    .with_advice("`ingestd load`, `ingestd run` and `ingestd migrate` make one"))
}

fn check_version(client: &mut postgres::Client) -> Result<()> {
    let known = migrations::versions();
    let present: i64 = client
        .query_one(
            "select count(*) from ingestd.migrations where version = any($1)",
            &[&known],
        )
        .map_err(|error| classify(error, "reading the ledger's version"))?
        .get(0);
    if usize::try_from(present) == Ok(known.len()) {
        return Ok(());
    }
    let message = format!(
        "the ledger of this database is of an older ingestd ({present} of {} steps)",
        known.len()
    );
    Err(Error::new(ErrorKind::Configuration, message)
        .with_advice("`ingestd migrate` brings it up to date"))
}
