//! The database: on a private server, which may be stopped, or on somebody's.

use std::path::Path;

use ingestd_actors::error::{Error, ErrorKind, Result};
use postgres::Client;

use super::wave::Flow;
use crate::generate::expected::ROW_COLUMNS;
use crate::local_server::{LocalServer, RunningServer};
use crate::postgres::{Connection, classify, connect_blocking};
use crate::service::unusable;

/// Where the tables are.
pub struct Server {
    url: String,
    own: Option<(LocalServer, RunningServer)>,
}

/// What stands in a database that is not the system's: relations, but for those of extensions.
const OF_SOMEBODY: &str = "
    select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
    union all
    select 'schema ingestd' from pg_namespace where nspname = 'ingestd'
    order by 1";

/// What drops all that a run makes in a database.
pub fn drop_all() -> String {
    let tables = Flow::ALL.map(Flow::name).join(", ");
    format!("drop table if exists {tables}; drop schema if exists ingestd cascade")
}

impl Server {
    /// A private one in a directory.
    ///
    /// # Errors
    /// Where there is no PostgreSQL, or it does not start.
    pub fn start(data_dir: &Path) -> Result<Server> {
        let server = LocalServer::open_here(data_dir)?;
        let running = server.start_and_wait()?;
        Ok(Server {
            url: server.url(),
            own: Some((server, running)),
        })
    }

    /// Somebody's.
    pub fn of_url(url: &str) -> Server {
        Server {
            url: url.to_owned(),
            own: None,
        }
    }

    /// Whether it is a private one.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// The database's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How it is reached.
    ///
    /// # Errors
    /// `Configuration` where the URL is none.
    pub fn connection(&self) -> Result<Connection> {
        self.url.parse()
    }

    /// A connection to a database in which there is nothing that could be anybody's.
    ///
    /// # Errors
    /// `Configuration` where there is, or where the database can't be used.
    pub fn empty_database(&self) -> Result<Client> {
        let connected = connect_blocking(&self.connection()?);
        let mut client = connected.map_err(|error| unusable("the database of --url", error))?;
        let found = client
            .query_typed(OF_SOMEBODY, &[])
            .map_err(|error| classify(error, "looking whether the database is empty"))?;
        let Some(first) = found.first() else {
            return Ok(client);
        };
        let first: String = first.get(0);
        let more = match found.len() {
            1 => String::new(),
            many => format!(" and {} more", many - 1),
        };
        Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "the database is not empty: there is {first}{more}; chaos touches nobody's data"
            ),
        )
        .with_advice("make a database for it with: createdb chaos"))
    }

    /// Makes the tables.
    ///
    /// # Errors
    /// Where the database says no.
    pub fn make_tables(client: &mut Client) -> Result<()> {
        for flow in Flow::ALL {
            let key = match flow {
                Flow::Keyed => ", primary key (event_id)",
                Flow::Plain | Flow::Whole | Flow::Growing => "",
            };
            let create = format!("create table {} ({ROW_COLUMNS}{key})", flow.name());
            client
                .batch_execute(&create)
                .map_err(|error| classify(error, "making the tables"))?;
        }
        Ok(())
    }

    /// Stops it as a crash would, and starts it again.
    ///
    /// # Errors
    /// Where it does not end or start.
    pub fn crash(&mut self) -> Result<()> {
        if let Some((server, running)) = &mut self.own {
            running.crash_and_wait()?;
            *running = server.start_and_wait()?;
        }
        Ok(())
    }

    /// Drops what the run has made in somebody's database.
    ///
    /// # Errors
    /// Where the database says no.
    pub fn clear(&self) -> Result<()> {
        let mut client = connect_blocking(&self.connection()?)?;
        client
            .batch_execute(&drop_all())
            .map_err(|error| classify(error, "dropping what the run has made"))
    }

    /// Stops it, where it is a private one.
    ///
    /// # Errors
    /// Where it does not end.
    pub fn stop(self) -> Result<()> {
        match self.own {
            Some((_, running)) => running.stop_and_wait().map(|_| ()),
            None => Ok(()),
        }
    }
}
