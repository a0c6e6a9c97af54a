//! Whether a table that is created now is loaded before its further indexes are built.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use ingestd_actors::port::{Inbox, PortFuture, Scan};

use crate::postgres::ddl::FurtherIndexes;

/// How many bytes have to wait for a service until it is worth it: building an index takes a look at
/// the whole table, while the first queries on it come soon.
pub const BACKLOG: u64 = 256 << 20;
/// How many bytes `load FILE…` has to be given: nothing but the indexes keeps it from its end then,
/// and so less is worth it. Of very little it isn't: a building waits for every transaction in the
/// database that is older than itself, whatever that does.
pub const GIVEN: u64 = 16 << 20;

/// What a pipeline does about the further indexes of a table that it creates: they are built after
/// the load where more than so many bytes wait for it.
#[derive(Clone, Debug)]
pub struct FirstLoad {
    over: u64,
    backlog: Backlog,
}

impl FirstLoad {
    /// Of a service, by what waits in its inbox.
    pub fn of_inbox(backlog: Backlog) -> FirstLoad {
        FirstLoad {
            over: BACKLOG,
            backlog,
        }
    }

    /// Of named files, which are so many bytes in all.
    pub fn of_files(bytes: u64) -> FirstLoad {
        FirstLoad {
            over: GIVEN,
            backlog: Backlog(Arc::new(AtomicU64::new(bytes))),
        }
    }

    /// When the indexes of a table that is created now are built.
    pub fn further_indexes(&self) -> FurtherIndexes {
        match self.backlog.bytes() > self.over {
            true => FurtherIndexes::AfterLoad,
            false => FurtherIndexes::AtOnce,
        }
    }
}

/// How many bytes of files stood ready when the inbox was last scanned, those included that stay
/// there after their load.
#[derive(Clone, Debug, Default)]
pub struct Backlog(Arc<AtomicU64>);

impl Backlog {
    /// So many.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The same inbox, whose scans are measured.
    pub fn measured(&self, inbox: Arc<dyn Inbox>) -> Arc<dyn Inbox> {
        Arc::new(Measured {
            inbox,
            backlog: self.clone(),
        })
    }

    fn note(&self, scan: &Scan) {
        let bytes = scan.ready.iter().map(|file| file.size).sum();
        self.0.store(bytes, Ordering::Relaxed);
    }
}

struct Measured {
    inbox: Arc<dyn Inbox>,
    backlog: Backlog,
}

impl Inbox for Measured {
    fn scan(&self) -> PortFuture<Scan> {
        let (scan, backlog) = (self.inbox.scan(), self.backlog.clone());
        async move {
            let scan = scan.await?;
            backlog.note(&scan);
            Ok(scan)
        }
        .boxed()
    }

    fn changed(&self) -> PortFuture<()> {
        self.inbox.changed()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::fs::ListInbox;

    #[tokio::test]
    async fn a_backlog_above_the_threshold_puts_indexes_off() {
        let directory = tempfile::tempdir().expect("a directory");
        let files: Vec<PathBuf> = [("a.csv", 60), ("b.csv", 41)]
            .into_iter()
            .map(|(name, size)| {
                let path = directory.path().join(name);
                std::fs::write(&path, vec![b'x'; size]).expect("written");
                path
            })
            .collect();
        let backlog = Backlog::default();
        let inbox = ListInbox::new(&files).expect("files");
        let inbox = backlog.measured(Arc::new(inbox));
        let first_load = |over| FirstLoad {
            over,
            backlog: backlog.clone(),
        };
        assert_eq!(
            first_load(0).further_indexes(),
            FurtherIndexes::AtOnce,
            "nothing was seen to wait"
        );
        inbox.scan().await.expect("a scan");
        assert_eq!(backlog.bytes(), 101);
        assert_eq!(first_load(101).further_indexes(), FurtherIndexes::AtOnce);
        assert_eq!(first_load(100).further_indexes(), FurtherIndexes::AfterLoad);
    }
}
