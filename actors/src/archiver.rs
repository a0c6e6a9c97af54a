//! Takes files out of the inbox, and tries again until it has.

use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::model::FileId;
use crate::port::{Archivable, Archive, Observer, Quarantined};
use crate::retry::Retry;

/// The part of the checkpointer that works beside its messages.
#[derive(Clone)]
pub struct Archiver {
    /// Where files go.
    pub archive: Arc<dyn Archive>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// The pipeline's log.
    pub log: slog::Logger,
}

/// A file on its way out of the inbox.
#[derive(Clone, Debug)]
pub enum Leaving {
    /// It is committed, or equals one that is.
    Archive(Archivable),
    /// It can't be loaded.
    Quarantine(Quarantined),
}

impl Leaving {
    /// Its number in the ledger.
    pub fn file(&self) -> FileId {
        match self {
            Leaving::Archive(archivable) => archivable.file,
            Leaving::Quarantine(quarantined) => quarantined.file,
        }
    }
}

impl Archiver {
    /// Moves a file to where it belongs; waits out what passes by itself.
    ///
    /// A file that has changed since it was read stays where it is: the next scan finds it anew.
    pub async fn take_out(&self, leaving: Leaving) {
        let mut retry = Retry::new("archiver", Arc::clone(&self.observer), self.log.clone());
        loop {
            let moved = match leaving.clone() {
                Leaving::Archive(archivable) => self.archive.archive(archivable).await,
                Leaving::Quarantine(quarantined) => self.archive.quarantine(quarantined).await,
            };
            match moved {
                Ok(target) => {
                    retry.succeeded();
                    if let Some(target) = target {
                        slog::debug!(self.log, "file moved";
                            "file" => leaving.file().0, "target" => %target.display());
                    }
                    return;
                }
                Err(error) => {
                    if let Err(error) = retry.wait_out(error).await {
                        return self.leave_in_place(&leaving, &error);
                    }
                }
            }
        }
    }

    fn leave_in_place(&self, leaving: &Leaving, error: &Error) {
        if error.kind() == ErrorKind::File {
            slog::warn!(self.log, "file stays in the inbox";
                "file" => leaving.file().0, "reason" => %error);
        } else {
            slog::error!(self.log, "file could not be moved";
                "file" => leaving.file().0, "reason" => %error);
        }
    }
}
