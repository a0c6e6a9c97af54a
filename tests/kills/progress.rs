//! How far the ledger has come, as seen from outside.

use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

/// How long anything may take until the service counts as stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// How far the ledger has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The records whose fate is committed.
    pub records: i64,
    /// The files in READING.
    pub reading: i64,
    /// The files that are not archived yet.
    pub unfinished: i64,
}

impl Progress {
    /// Whether all is done: the ledger knows of files, and all of them are archived.
    pub fn is_all(self) -> bool {
        self.records > 0 && self.unfinished == 0
    }
}

/// Somebody who looks at a ledger whose server may come and go.
pub struct Watcher {
    url: String,
    client: Option<Client>,
}

impl Watcher {
    pub fn new(url: &str) -> Watcher {
        Watcher {
            url: url.to_owned(),
            client: None,
        }
    }

    /// Looks; there is nothing to be seen while there is no server, or no ledger in it.
    pub fn look(&mut self) -> Option<Progress> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.client = Client::connect(&self.url, NoTls).ok();
        }
        let client = self.client.as_mut()?;
        let query = "select coalesce(sum(inserted + updated + unchanged + duplicate + deleted
                                         + filtered + rejected), 0)::bigint,
                            count(*) filter (where state = 'READING'),
                            count(*) filter (where state <> 'ARCHIVED')
                     from ingestd.file_status";
        let row = client.query_one(query, &[]).ok()?;
        Some(Progress {
            records: row.get(0),
            reading: row.get(1),
            unfinished: row.get(2),
        })
    }

    /// Looks until there is something to be seen that is wanted.
    pub fn wait_for(&mut self, mut wanted: impl FnMut(Progress) -> bool) -> Progress {
        let deadline = Instant::now() + PATIENCE;
        let mut last = None;
        loop {
            if let Some(progress) = self.look() {
                last = Some(progress);
                if wanted(progress) {
                    return progress;
                }
            }
            assert!(Instant::now() < deadline, "waited in vain; last: {last:?}");
            thread::sleep(Duration::from_millis(2));
        }
    }
}
