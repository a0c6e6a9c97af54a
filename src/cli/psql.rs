//! `ingestd psql`: psql on the database that ingestd loads.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};
use std::str::FromStr;

use ingestd_actors::error::{Error, ErrorKind, Result};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::context::{ConfigArgs, database_url};
use crate::local_server::find_psql;

/// Open psql on the configured database, or on the private server
///
/// The private server is started for the moment where it does not run.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  ingestd psql\n  ingestd psql -- -c 'select count(*) from raw_events'"
)]
pub struct PsqlArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// What psql gets
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

/// Runs the subcommand; its exit code is psql's.
pub fn run(args: &PsqlArgs) -> Result<ExitCode> {
    let settings = args.config.settings_or_defaults()?;
    let psql = find_psql().ok_or_else(|| {
        Error::new(ErrorKind::Configuration, "psql is not installed")
            .with_advice("on Debian or Ubuntu: apt-get install postgresql-client")
    })?;
    let (url, _server) = database_url(&settings)?;
    ignore_interrupts();
    let status = Command::new(&psql)
        .envs(environment(&url)?)
        .args(&args.args)
        .status()
        .map_err(|error| {
            let message = format!("{} can't be started: {error}", psql.display());
            Error::new(ErrorKind::Configuration, message)
        })?;
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// Ctrl-C is for psql, which sets its own handler; this process has to outlive it, with the server.
fn ignore_interrupts() {
    // SAFETY: no handler is installed, and no other thread handles signals here.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_IGN);
    }
}

/// The connection as libpq's variables: a password among a process's arguments is seen by all.
/// <https://www.postgresql.org/docs/current/libpq-envars.html>
fn environment(url: &str) -> Result<Vec<(&'static str, String)>> {
    let config = Config::from_str(url).map_err(|error| {
        Error::new(ErrorKind::Configuration, "the database's URL can't be read").with_source(error)
    })?;
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    let ports: Vec<String> = config.get_ports().iter().map(u16::to_string).collect();
    let password = config
        .get_password()
        .map(|password| String::from_utf8_lossy(password).into_owned());
    let variables = [
        ("PGHOST", (!hosts.is_empty()).then(|| hosts.join(","))),
        ("PGPORT", (!ports.is_empty()).then(|| ports.join(","))),
        ("PGUSER", config.get_user().map(str::to_owned)),
        ("PGPASSWORD", password),
        ("PGDATABASE", config.get_dbname().map(str::to_owned)),
        ("PGOPTIONS", config.get_options().map(str::to_owned)),
    ];
    Ok(variables
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_goes_by_the_environment() {
        let variables =
            environment("postgresql://me:secret@db.example:6543/shop").expect("a good URL");
        assert_eq!(
            variables,
            [
                ("PGHOST", "db.example".to_owned()),
                ("PGPORT", "6543".to_owned()),
                ("PGUSER", "me".to_owned()),
                ("PGPASSWORD", "secret".to_owned()),
                ("PGDATABASE", "shop".to_owned()),
            ]
        );
    }
}
