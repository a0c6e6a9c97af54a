//! What most subcommands share: which configuration, which database.

use std::path::{Path, PathBuf};

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::output::shell_word;
use crate::local_server::{self, Borrowed};
use crate::postgres::{Connection, classify, connect_blocking, migrations};
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

/// The flag of commands that answer a program, too.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct JsonArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
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
    let connection = url.parse::<Connection>();
    // One that can't be read may have one.
    connection.map_or(true, |connection| connection.passwords.given.is_some())
}

/// A path of the command line means the working directory.
fn absolute(path: &Path) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    whole.display().to_string()
}

/// A connection for a command that only asks, apart from any async runtime.
pub struct Connected {
    /// The connection.
    pub client: postgres::Client,
    /// The private server, where it is that: it ends with the last that uses it.
    _server: Option<Borrowed>,
}

/// How the database is reached, and the private server behind it where it is that.
pub fn database(settings: &Settings) -> Result<(Connection, Option<Borrowed>)> {
    match &settings.service.database {
        Some(database) => Ok((database.connection.clone(), None)),
        None => {
            let server = local_server::use_or_start(&settings.service.data_dir)?;
            Ok((server.url().parse()?, Some(server)))
        }
    }
}

/// Connects to the configured database, or to the private server; `None` where that is still to be made.
fn connect_if_there(settings: &Settings) -> Result<Option<Connected>> {
    let (connection, server) = match &settings.service.database {
        Some(database) => (database.connection.clone(), None),
        None => match local_server::use_if_there(&settings.service.data_dir)? {
            Some(server) => (server.url().parse()?, Some(server)),
            None => return Ok(None),
        },
    };
    let client = connect_blocking(&connection)
        .map_err(|error| unusable_database(&settings.service, error))?;
    Ok(Some(Connected {
        client,
        _server: server,
    }))
}

/// A connection to a database that has a ledger. Nothing is made for it: where there is no private server
/// yet, there is nothing that could be asked.
///
/// # Errors
/// `Configuration` where it has none yet, or an older one than this program reads.
pub fn connect_to_ledger(settings: &Settings) -> Result<Connected> {
    let Some(mut connection) = connect_if_there(settings)? else {
        let data_dir = settings.service.data_dir.display();
        let message = format!(
            "there is no ledger: no database is configured, and no private server was made in {data_dir} yet"
        );
        return Err(Error::new(ErrorKind::Configuration, message).with_advice(
            "name the database (--database-url, DATABASE_URL, --config) or the service's --data-dir; `ingestd run` and `ingestd load` make a private server",
        ));
    };
    let found = connection
        .client
        .query_typed_one("select to_regclass('ingestd.files') is not null", &[])
        .map_err(|error| may_not_read(classify(error, "looking for the ledger")))?;
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
    let versions = "select version from ingestd.migrations order by version";
    let versions: Vec<i32> = client
        .query_typed(versions, &[])
        .map_err(|error| may_not_read(classify(error, "reading the ledger's version")))?
        .iter()
        .map(|row| row.get(0))
        .collect();
    if migrations::versions()
        .iter()
        .all(|version| versions.contains(version))
    {
        return Ok(());
    }
    let version = versions.last().copied().unwrap_or(0);
    let message = format!("the ledger of this database is of an older ingestd (version {version})");
    Err(Error::new(ErrorKind::Configuration, message)
        .with_advice("`ingestd migrate` brings it up to date"))
}

/// Which role it takes to change what the ledger says.
pub fn may_not_write(error: Error) -> Error {
    match error.code() {
        Some("42501") => {
            error.with_advice("make the role a member of ingestd_load (sql/roles.sql makes it)")
        }
        _ => error,
    }
}

/// Which role it takes to read the ledger.
fn may_not_read(error: Error) -> Error {
    match error.code() {
        Some("42501") => error.with_advice(
            "make the role a member of ingestd_read, or of ingestd_load for commands that change \
             anything (sql/roles.sql makes them)",
        ),
        _ => error,
    }
}
