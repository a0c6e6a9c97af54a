//! Places where a service is held by a lock of the test's, and killed.

use postgres::Client;

use super::{PATIENCE, Site, wait_until};

/// Where it is held, inside a transaction of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A file is written down, with its verdict.
    Admit,
    /// The verdict is noted on the file that it is.
    Refresh,
    /// Its rows are written.
    Rows,
    /// It becomes COMMITTED.
    Commit,
    /// It becomes QUARANTINED at its end.
    Refuse,
    /// Where it goes is noted.
    Target,
    /// It has gone, and that is noted.
    Left,
}

/// When the kill takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// What was about to be committed is not.
    Before,
    /// The server ends the statement by itself. One that is a transaction of its own is committed.
    After,
}

pub const MOMENTS: [Moment; 2] = [Moment::Before, Moment::After];

/// Any number that nothing else locks in this database.
const LOCK: i64 = 4_711;

const WAITING: &str = "from pg_locks where locktype = 'advisory' and not granted
    and database = (select oid from pg_database where datname = current_database())";

impl Stop {
    fn trigger(self) -> &'static str {
        match self {
            Stop::Admit => "after insert on ingestd.files for each row",
            Stop::Refresh => {
                "after update on ingestd.files for each row
                 when (new.verdict is distinct from old.verdict)"
            }
            Stop::Rows => "after insert on things for each statement",
            Stop::Commit => {
                "after update on ingestd.files for each row
                 when (new.state = 'COMMITTED' and old.state <> 'COMMITTED')"
            }
            Stop::Refuse => {
                "after update on ingestd.files for each row
                 when (new.state = 'QUARANTINED' and old.state <> 'QUARANTINED')"
            }
            Stop::Target => {
                "after update on ingestd.files for each row
                 when (new.archive_path is not null and old.archive_path is null)"
            }
            Stop::Left => {
                "after update on ingestd.files for each row
                 when (new.archived_at is not null and old.archived_at is null)"
            }
        }
    }

    fn table(self) -> &'static str {
        match self {
            Stop::Rows => "things",
            _ => "ingestd.files",
        }
    }
}

/// The lock that holds the service; held by a connection of its own.
pub struct Held {
    stop: Stop,
    locker: Client,
}

impl Held {
    /// From now on the service is held at this place.
    pub fn at(site: &mut Site, stop: Stop) -> Held {
        let mut locker = site.database.client();
        let lock = format!("select pg_advisory_lock({LOCK})");
        locker.batch_execute(&lock).expect("locked");
        let sql = format!(
            "create or replace function stop_here() returns trigger language plpgsql as
                 $$ begin perform pg_advisory_xact_lock_shared({LOCK}); return null; end $$;
             create trigger stop_here {} execute function stop_here();",
            stop.trigger()
        );
        site.client.batch_execute(&sql).expect("a trigger");
        Held { stop, locker }
    }

    /// Waits until the service has come there, and kills it.
    pub fn kill(mut self, site: &mut Site, moment: Moment) {
        let waiting = format!("select count(*) {WAITING}");
        let count = |site: &mut Site| -> i64 {
            let row = site.client.query_one(&waiting, &[]);
            row.expect("a count").get(0)
        };
        wait_until(PATIENCE, || count(site) > 0);
        site.kill();
        if moment == Moment::Before {
            let end = format!("select pg_terminate_backend(pid) {WAITING}");
            wait_until(PATIENCE, || {
                site.client.execute(&end, &[]).expect("ended");
                count(site) == 0
            });
        }
        let unlock = format!("select pg_advisory_unlock({LOCK})");
        self.locker.batch_execute(&unlock).expect("unlocked");
        let drop = format!("drop trigger stop_here on {}", self.stop.table());
        site.client.batch_execute(&drop).expect("dropped");
    }
}
