//! Batches on their way.

use std::collections::HashMap;

use super::OpenFile;
use super::giving_up::judged_with;
use crate::flow::Taken;
use crate::model::FileId;

/// A batch on its way: what to give back when it is durable.
pub(super) struct InFlight {
    pub bytes: usize,
    pub shares: Vec<ShareInFlight>,
}

/// What one file gave to it.
pub(super) struct ShareInFlight {
    pub file: FileId,
    pub pieces: usize,
    /// The file's budget was judged by so many records, with those of the share.
    pub judged: u64,
}

impl InFlight {
    pub fn of<T>(taken: &Taken<T>, files: &HashMap<FileId, OpenFile>) -> InFlight {
        let shares = taken.shares.iter().map(|share| ShareInFlight {
            file: share.file,
            pieces: share.payloads.len(),
            judged: judged_with(files, share.file, share.to),
        });
        InFlight {
            bytes: taken.bytes,
            shares: shares.collect(),
        }
    }
}
