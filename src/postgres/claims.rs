//! PURE: where each share of a batch stands while it is being written.

use std::collections::HashMap;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{Counts, FileId, Position, ShareOutcome};

use super::fence::{Decision, Move, Standing, decide};

/// The shares of one batch: some are still to be written, others are settled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claims {
    shares: Vec<Claimed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Claimed {
    wanted: Move,
    outcome: Option<ShareOutcome>,
}

/// A transaction whose COMMIT was sent and not answered: what it will have done, if it did.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pending {
    done: Vec<(Move, Counts)>,
}

impl Claims {
    /// The shares as the batch has them.
    ///
    /// # Errors
    /// `Bug` where a file has two shares: its one checkpoint can't make two moves at once.
    pub fn new(moves: impl IntoIterator<Item = Move>) -> Result<Claims> {
        let claimed = |wanted| Claimed {
            wanted,
            outcome: None,
        };
        let shares: Vec<_> = moves.into_iter().map(claimed).collect();
        let mut files: Vec<_> = shares.iter().map(|share| share.wanted.file).collect();
        files.sort_unstable();
        if files.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::new(
                ErrorKind::Bug,
                "a batch holds two shares of one file",
            ));
        }
        Ok(Claims { shares })
    }

    /// What is still to be moved.
    pub fn moves(&self) -> Vec<Move> {
        self.live().map(|(_, wanted)| wanted).collect()
    }

    /// The files that are still to be written.
    pub fn files(&self) -> Vec<FileId> {
        self.live().map(|(_, wanted)| wanted.file).collect()
    }

    /// The shares that are still to be written, by their place in the batch.
    pub fn live(&self) -> impl Iterator<Item = (usize, Move)> + '_ {
        let live = |(index, share): (usize, &Claimed)| {
            share.outcome.is_none().then_some((index, share.wanted))
        };
        self.shares.iter().enumerate().filter_map(live)
    }

    /// Whether nothing is left to be written.
    pub fn settled(&self) -> bool {
        self.shares.iter().all(|share| share.outcome.is_some())
    }

    /// The record up to which a share is written already; `None` where all of it is settled.
    pub fn written_up_to(&self, share: usize) -> Option<u64> {
        let share = &self.shares[share];
        share.outcome.is_none().then_some(share.wanted.from.record)
    }

    /// Takes in where the checkpoints stand, read under their locks.
    ///
    /// What a pending transaction was to do, it did where its checkpoint stands at its end: under
    /// one epoch nobody else moves a lane.
    pub fn settle_by(&mut self, standings: &HashMap<FileId, Standing>, pending: Option<&Pending>) {
        for share in &mut self.shares {
            if share.outcome.is_some() {
                continue;
            }
            let Move { file, epoch, .. } = share.wanted;
            match decide(&share.wanted, standings.get(&file).copied()) {
                Decision::GoOn => {}
                Decision::Trim(position) => share.wanted.from = position,
                Decision::Done(to) => {
                    let counts = pending.map_or(Counts::default(), |pending| {
                        pending.counts_of(&share.wanted, to)
                    });
                    share.outcome = Some(ShareOutcome::Moved {
                        file,
                        epoch,
                        to,
                        counts,
                    });
                }
                Decision::Fenced => share.outcome = Some(ShareOutcome::Fenced { file, epoch }),
            }
        }
    }

    /// Takes in that everything still to be written is committed. `counts` has one entry for each
    /// share of the batch.
    pub fn settle_committed(&mut self, counts: &[Counts]) {
        for (share, counts) in self.shares.iter_mut().zip(counts) {
            let Move {
                file, epoch, to, ..
            } = share.wanted;
            share.outcome.get_or_insert(ShareOutcome::Moved {
                file,
                epoch,
                to,
                counts: *counts,
            });
        }
    }

    /// Takes in that a share is over its file's error budget: nothing of it is written.
    pub fn give_up(&mut self, share: usize) {
        let share = &mut self.shares[share];
        let file = share.wanted.file;
        share.outcome = Some(ShareOutcome::OverBudget { file });
    }

    /// What a COMMIT that is about to be sent will have done.
    pub fn pending(&self, counts: &[Counts]) -> Pending {
        Pending {
            done: self
                .live()
                .map(|(index, wanted)| (wanted, counts[index]))
                .collect(),
        }
    }

    /// One outcome for each share, once all are settled.
    pub fn outcomes(&self) -> Vec<ShareOutcome> {
        self.shares
            .iter()
            .filter_map(|share| share.outcome)
            .collect()
    }
}

impl Pending {
    fn counts_of(&self, wanted: &Move, stands: Position) -> Counts {
        let mine = |(done, _): &&(Move, Counts)| {
            done.file == wanted.file && done.epoch == wanted.epoch && done.to == stands
        };
        let found = self.done.iter().find(mine);
        found.map_or(Counts::default(), |(_, counts)| *counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ingestd_actors::model::Epoch;

    fn at(record: u64) -> Position {
        Position {
            record,
            offset: record * 10,
            line: record + 1,
        }
    }

    fn share(file: i64) -> Move {
        Move {
            file: FileId(file),
            epoch: Epoch(1),
            from: at(10),
            to: at(20),
        }
    }

    fn standing(file: i64, record: u64) -> (FileId, Standing) {
        let standing = Standing {
            epoch: Epoch(1),
            position: at(record),
        };
        (FileId(file), standing)
    }

    #[test]
    fn an_unanswered_commit_counts_where_it_is_found() {
        let mut claims = Claims::new([share(1), share(2)]).expect("two files");
        let counts = Counts {
            inserted: 10,
            ..Counts::default()
        };
        let pending = claims.pending(&[counts, counts]);
        let stand = HashMap::from([standing(1, 20), standing(2, 20)]);
        claims.settle_by(&stand, Some(&pending));
        assert!(claims.settled());
        for outcome in claims.outcomes() {
            assert!(matches!(outcome, ShareOutcome::Moved { counts: c, .. } if c == counts));
        }
    }

    #[test]
    fn an_unanswered_commit_that_was_not_done_is_done_again() {
        let mut claims = Claims::new([share(1)]).expect("one file");
        let pending = claims.pending(&[Counts::default()]);
        claims.settle_by(&HashMap::from([standing(1, 10)]), Some(&pending));
        assert_eq!(claims.moves(), [share(1)]);
    }

    #[test]
    fn trimmed_done_and_fenced_shares_part_ways() {
        let mut claims = Claims::new([share(1), share(2), share(3)]).expect("three files");
        let stand = HashMap::from([standing(1, 15), standing(2, 30)]);
        claims.settle_by(&stand, None);
        assert_eq!(claims.files(), [FileId(1)]);
        assert_eq!(claims.written_up_to(0), Some(15));
        assert_eq!(claims.written_up_to(1), None);
        claims.settle_committed(&[Counts::default(); 3]);
        let outcomes = claims.outcomes();
        assert!(matches!(outcomes[0], ShareOutcome::Moved { to, .. } if to == at(20)));
        assert!(matches!(outcomes[1], ShareOutcome::Moved { to, .. } if to == at(30)));
        assert!(matches!(outcomes[2], ShareOutcome::Fenced { .. }));
    }

    #[test]
    fn two_shares_of_one_file_are_a_bug() {
        let error = Claims::new([share(1), share(1)]).expect_err("one file twice");
        assert_eq!(error.kind(), ErrorKind::Bug);
    }
}
