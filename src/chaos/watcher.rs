//! Somebody who looks at the ledger of a server that may come and go.

use std::time::{Duration, Instant};

use ingestd_actors::error::{Error, ErrorKind, Result};
use postgres::Client;
use postgres::types::Type;

use super::wave::Flow;
use crate::postgres::{Connection, classify, connect_blocking};

/// How far a wave has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The records whose fate is committed.
    pub records: u64,
    /// Those of files that grow.
    pub of_growing: u64,
    /// How many files are known, by their paths.
    pub paths: u64,
    /// The files that have not come to their end.
    pub unfinished: u64,
}

const PROGRESS: &str = "
    select coalesce(sum(n), 0)::bigint,
           coalesce(sum(n) filter (where pipeline = $2), 0)::bigint,
           count(distinct path),
           count(*) filter (where state in ('SCHEDULED', 'READING', 'COMPLETED')
                                  or state = 'COMMITTED' and pipeline <> $2)
    from (select pipeline, path, state,
                 inserted + updated + unchanged + duplicate + deleted + filtered + rejected as n
          from ingestd.file_status where file_id > $1) f";

/// A connection that is made anew where it is lost.
pub struct Watcher {
    connection: Connection,
    client: Option<Client>,
}

impl Watcher {
    /// Without a connection yet.
    pub fn new(connection: Connection) -> Watcher {
        Watcher {
            connection,
            client: None,
        }
    }

    /// A connection, where there is a server.
    pub fn client(&mut self) -> Option<&mut Client> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.client = connect_blocking(&self.connection).ok();
        }
        self.client.as_mut()
    }

    /// A connection, waited for where there is none.
    ///
    /// # Errors
    /// Where the server is not there for so long.
    pub fn client_within(&mut self, patience: Duration) -> Result<&mut Client> {
        let deadline = Instant::now() + patience;
        while self.client().is_none() {
            if Instant::now() > deadline {
                connect_blocking(&self.connection)?;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.client
            .as_mut()
            .ok_or_else(|| Error::new(ErrorKind::Bug, "a connection that was there is gone"))
    }

    /// The newest file's number.
    ///
    /// # Errors
    /// Where the ledger can't be read.
    pub fn newest_file(&mut self, patience: Duration) -> Result<i64> {
        self.ask(patience, |client| {
            let query = "select coalesce(max(file_id), 0) from ingestd.files";
            Ok(client.query_typed_one(query, &[])?.get(0))
        })
    }

    /// Asks until there is an answer: cut connections are made anew.
    ///
    /// # Errors
    /// What the server says at last.
    pub fn ask<T>(
        &mut self,
        patience: Duration,
        mut question: impl FnMut(&mut Client) -> std::result::Result<T, postgres::Error>,
    ) -> Result<T> {
        let deadline = Instant::now() + patience;
        loop {
            match question(self.client_within(patience)?) {
                Ok(answer) => return Ok(answer),
                Err(error) if Instant::now() > deadline => {
                    return Err(classify(error, "asking the ledger"));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Looks at the files after one; there is nothing to be seen while there is no server, or no ledger.
    pub fn look(&mut self, base: i64) -> Option<Progress> {
        let parameters: [(&(dyn postgres::types::ToSql + Sync), Type); 2] =
            [(&base, Type::INT8), (&Flow::Growing.name(), Type::TEXT)];
        let row = self.client()?.query_typed_one(PROGRESS, &parameters).ok()?;
        let number = |column: usize| row.get::<_, i64>(column).cast_unsigned();
        Some(Progress {
            records: number(0),
            of_growing: number(1),
            paths: number(2),
            unfinished: number(3),
        })
    }
}
