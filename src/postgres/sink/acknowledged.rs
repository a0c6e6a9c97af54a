//! What a lane was seen to commit, for the case that the server forgets it.
//!
//! Where commits don't wait for the disk, a crash of the server takes back what it acknowledged last.
//! The fence sees that of the files of a batch. Of another file it does not: the batch would be committed
//! before that file's rows come again, and of rows of one key the wrong one would be the last. So a new
//! connection of the lane looks first whether everything is still there.

use std::collections::HashMap;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{Epoch, FileId, ShareOutcome};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::postgres::error::classify_ledger;

/// So many files more are remembered before it is asked which of them are finished.
const MORE: usize = 4096;

/// The newest position of each unfinished file that was acknowledged, and under which claim.
#[derive(Debug, Default)]
pub struct Acknowledged {
    files: HashMap<FileId, (Epoch, u64)>,
    kept: usize,
}

impl Acknowledged {
    /// Takes in what a batch has committed.
    pub fn note(&mut self, outcomes: &[ShareOutcome]) {
        for outcome in outcomes {
            if let ShareOutcome::Moved {
                file, epoch, to, ..
            } = outcome
            {
                self.files.insert(*file, (*epoch, to.record));
            }
        }
    }

    /// Whether there are so many files that the finished ones should be forgotten.
    pub fn is_large(&self) -> bool {
        self.files.len() >= self.kept + MORE
    }

    /// Compares with the ledger, and forgets files that are finished or claimed anew.
    ///
    /// # Errors
    /// `Fenced` where a checkpoint stands below what was acknowledged; what the server says otherwise.
    pub async fn compare(&mut self, client: &Client, lane: i32) -> Result<()> {
        if self.files.is_empty() {
            return Ok(());
        }
        let files: Vec<i64> = self.files.keys().map(|file| file.0).collect();
        let rows = client
            .query_typed(
                "select c.file_id, c.epoch, c.record from ingestd.checkpoints c
                 where c.lane = $1 and c.file_id = any ($2)",
                &[(&lane, Type::INT4), (&files, Type::INT8_ARRAY)],
            )
            .await
            .map_err(|error| classify_ledger(error, "reading the checkpoints"))?;
        let stand = rows.iter().map(|row| {
            let record = row.get::<_, i64>(2) as u64;
            (FileId(row.get(0)), (Epoch(row.get(1)), record))
        });
        self.settle(&stand.collect())
    }

    fn settle(&mut self, stand: &HashMap<FileId, (Epoch, u64)>) -> Result<()> {
        let is_open = |file: &FileId, epoch: Epoch| {
            let now = stand.get(file);
            now.filter(|(now, _)| *now == epoch)
        };
        self.files
            .retain(|file, (epoch, _)| is_open(file, *epoch).is_some());
        self.kept = self.files.len();
        let mut files = self.files.iter();
        let lost = files.find(|(file, (epoch, record))| {
            is_open(file, *epoch).is_some_and(|(_, stands)| stands < record)
        });
        match lost {
            None => Ok(()),
            Some((file, (_, record))) => Err(Error::new(
                ErrorKind::Fenced,
                format!(
                    "the server has forgotten what it had acknowledged of file {}, up to record {record}",
                    file.0
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ingestd_actors::model::{Counts, Position};

    const EPOCH: Epoch = Epoch(3);

    fn acknowledged(record: u64) -> Acknowledged {
        let mut acknowledged = Acknowledged::default();
        acknowledged.note(&[ShareOutcome::Moved {
            file: FileId(1),
            epoch: EPOCH,
            to: Position {
                record,
                ..Position::START
            },
            counts: Counts::default(),
        }]);
        acknowledged
    }

    #[test]
    fn only_what_stands_below_under_the_same_claim_is_lost() {
        let settled = |stands| acknowledged(5).settle(&HashMap::from([(FileId(1), stands)]));
        for (epoch, record) in [(EPOCH, 5), (EPOCH, 6), (Epoch(4), 2)] {
            settled((epoch, record)).expect("nothing is lost");
        }
        let error = settled((EPOCH, 4)).expect_err("a record is lost");
        assert_eq!(error.kind(), ErrorKind::Fenced);
    }

    #[test]
    fn finished_files_are_forgotten() {
        let mut acknowledged = acknowledged(5);
        acknowledged
            .settle(&HashMap::new())
            .expect("it is finished");
        assert!(acknowledged.files.is_empty());
    }
}
