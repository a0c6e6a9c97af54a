//! `ingestd psql`: psql on the database that ingestd loads.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};

use ingestd_actors::error::{Error, ErrorKind, Result};
use tokio_postgres::config::Host;

use super::context::{ConfigArgs, database};
use crate::local_server::find_psql;
use crate::postgres::connection::{Connection, Endpoint};
use crate::postgres::passwords;
use crate::postgres::tls_mode::Roots;

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
    let (connection, _server) = database(&settings)?;
    ignore_interrupts();
    let status = Command::new(&psql)
        .envs(environment(&connection)?)
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
fn environment(connection: &Connection) -> Result<Vec<(&'static str, String)>> {
    let joined = |part: &dyn Fn(&Endpoint) -> String| {
        let parts: Vec<String> = connection.endpoints.iter().map(part).collect();
        (!parts.is_empty()).then(|| parts.join(","))
    };
    let host = joined(&|endpoint| match &endpoint.host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    });
    let has_addresses = connection.endpoints.iter().any(|one| one.address.is_some());
    let address = joined(&|endpoint| {
        let address = endpoint.address.map(|address| address.to_string());
        address.unwrap_or_default()
    });
    // The other sources are psql's own, and it has them by itself.
    let given = &connection.passwords;
    let password = match (&given.given, &given.file) {
        (Some(password), _) => Some(password.clone()),
        (None, Some(file)) => Some(passwords::read_alone(file)?),
        (None, None) => None,
    };
    let tls = &connection.tls;
    let path = |path: &std::path::Path| path.display().to_string();
    let variables = [
        ("PGHOST", host),
        ("PGHOSTADDR", address.filter(|_| has_addresses)),
        ("PGPORT", joined(&|endpoint| endpoint.port.to_string())),
        ("PGUSER", connection.user.clone()),
        (
            "PGPASSWORD",
            password.map(|one| String::from_utf8_lossy(&one).into_owned()),
        ),
        ("PGPASSFILE", given.passfile.as_deref().map(path)),
        ("PGDATABASE", connection.name.clone()),
        (
            "PGOPTIONS",
            connection.options.get_options().map(str::to_owned),
        ),
        ("PGSSLMODE", Some(tls.mode.name().to_owned())),
        (
            "PGSSLROOTCERT",
            tls.roots.as_ref().map(|roots| match roots {
                Roots::System => "system".to_owned(),
                Roots::File(file) => path(file),
            }),
        ),
        (
            "PGSSLCERT",
            tls.client.as_ref().map(|client| path(&client.certificate)),
        ),
        (
            "PGSSLKEY",
            tls.client.as_ref().map(|client| path(&client.key)),
        ),
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
    fn all_of_it_goes_by_the_environment() {
        let url = "postgresql://me:secret@db.example:6543/shop?sslmode=verify-full\
                   &sslrootcert=/etc/ca.pem&options=-c%20work_mem%3D1MB";
        let variables = environment(&url.parse().expect("a good URL")).expect("variables");
        assert_eq!(
            variables,
            [
                ("PGHOST", "db.example".to_owned()),
                ("PGPORT", "6543".to_owned()),
                ("PGUSER", "me".to_owned()),
                ("PGPASSWORD", "secret".to_owned()),
                ("PGDATABASE", "shop".to_owned()),
                ("PGOPTIONS", "-c work_mem=1MB".to_owned()),
                ("PGSSLMODE", "verify-full".to_owned()),
                ("PGSSLROOTCERT", "/etc/ca.pem".to_owned()),
            ]
        );
    }
}
