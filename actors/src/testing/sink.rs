//! The target table and the dead letters, behind the fence.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{State, Step, World};
use crate::error::Result;
use crate::model::{
    Batch, Counts, DeadLetter, Epoch, FileId, Lane, Position, Reason, RejectBatch, RowRef, Rows,
    Share, ShareOutcome, StageTimes, Written,
};
use crate::port::{BatchWriter, PortFuture, RejectStore, Sink};
use crate::supervision::Pulse;

/// The value that the server refuses.
pub(super) const REFUSED: u64 = u64::MAX;

impl Sink for World {
    fn open(&self, _: u16, pulse: Pulse) -> PortFuture<Box<dyn BatchWriter>> {
        let world = self.clone();
        Box::pin(async move {
            let opened = world.call(Step::SinkOpen, Some(pulse.clone()), |_| Ok(()));
            opened.await?;
            let writer: Box<dyn BatchWriter> = Box::new(TestWriter { world, pulse });
            Ok(writer)
        })
    }
}

struct TestWriter {
    world: World,
    pulse: Pulse,
}

impl BatchWriter for TestWriter {
    fn write(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<Written>> {
        let pulse = Some(self.pulse.clone());
        let work = move |state: &mut State| Ok(state.write(&batch));
        Box::pin(self.world.call(Step::SinkWrite, pulse, work))
    }
}

impl RejectStore for World {
    fn store(&self, batch: Arc<RejectBatch>) -> PortFuture<Vec<ShareOutcome>> {
        let world = self.clone();
        Box::pin(async move {
            let work = move |state: &mut State| Ok(state.store(&batch));
            world.call(Step::StoreRejects, None, work).await
        })
    }
}

/// The dead letters of a share's rows that the server refuses.
fn refused_of(share: &Share) -> Vec<DeadLetter> {
    let rows = share.rows.iter();
    let rows = rows.flat_map(|rows| rows.index.iter().map(move |row| (rows, row)));
    let refused = rows.filter(|(rows, row)| rows.data_of(row)[8..16] == REFUSED.to_le_bytes());
    let letter = |(_, row): (&Arc<Rows>, &RowRef)| DeadLetter {
        record: row.record,
        line: row.line,
        offset: row.offset,
        length: 0,
        raw: Bytes::new(),
        column: None,
        reason: Reason::Refused,
        message: "refused".to_owned(),
        sqlstate: None,
    };
    refused.map(letter).collect()
}

fn rejected(outcome: &ShareOutcome) -> u64 {
    match outcome {
        ShareOutcome::Moved { counts, .. } => counts.rejected,
        _ => 0,
    }
}

/// What a share wants of the fence.
struct Crossing {
    file: FileId,
    epoch: Epoch,
    lane: Lane,
    from: Position,
    to: Position,
}

impl State {
    fn write(&mut self, batch: &Batch) -> Written {
        let mut over_budget = Vec::new();
        let shares = batch.shares.iter().map(|share| {
            let refused = refused_of(share);
            if share.room.is_some_and(|room| refused.len() as u64 > room) {
                over_budget.push((share.file, refused));
                return ShareOutcome::OverBudget { file: share.file };
            }
            let crossing = Crossing {
                file: share.file,
                epoch: share.epoch,
                lane: Lane::Partition(batch.partition),
                from: share.from,
                to: share.to,
            };
            let rows: Vec<_> = share
                .rows
                .iter()
                .flat_map(|rows| rows.index.iter().map(move |row| (rows, row)))
                .collect();
            self.cross(crossing, |state, above, file| {
                let mut counts = Counts::default();
                for (rows, row) in rows.into_iter().filter(|(_, row)| row.record > above) {
                    state.write_row(file, rows, row, &mut counts);
                }
                counts
            })
        });
        let outcomes: Vec<ShareOutcome> = shares.collect();
        let refused: u64 = outcomes.iter().map(rejected).sum();
        let refused = (refused > 0).then_some((Reason::Refused, refused));
        Written {
            outcomes,
            over_budget,
            dead_letters: refused.into_iter().collect(),
            times: StageTimes::default(),
        }
    }

    fn write_row(&mut self, file: FileId, rows: &Rows, row: &RowRef, counts: &mut Counts) {
        let data = rows.data_of(row);
        let number = |at: usize| {
            let bytes: [u8; 8] = data[at..at + 8].try_into().expect("sixteen bytes a row");
            u64::from_le_bytes(bytes)
        };
        let (key, value) = (number(0), number(8));
        if value == REFUSED {
            self.bury(file, row.record, "refused".to_owned());
            counts.rejected += 1;
        } else if self.apply(file, row.record, key, value) {
            counts.inserted += 1;
        } else {
            counts.updated += 1;
        }
    }

    fn store(&mut self, batch: &RejectBatch) -> Vec<ShareOutcome> {
        let shares = batch.shares.iter().map(|share| {
            let crossing = Crossing {
                file: share.file,
                epoch: share.epoch,
                lane: Lane::Rejects,
                from: share.from,
                to: share.to,
            };
            self.cross(crossing, |state, above, file| {
                let mut counts = Counts::default();
                let letters = share.dead_letters.iter();
                for letter in letters.filter(|letter| letter.record > above) {
                    state.bury(file, letter.record, letter.reason.code().to_owned());
                    counts.rejected += 1;
                }
                for record in share.filtered.records().filter(|&record| record > above) {
                    state.leave_out(file, record);
                }
                counts.filtered = share.filtered.count_after(above);
                counts
            })
        });
        shares.collect()
    }

    /// The fence: moves the checkpoint and writes what stands above it, or does nothing.
    fn cross(
        &mut self,
        crossing: Crossing,
        write: impl FnOnce(&mut State, u64, FileId) -> Counts,
    ) -> ShareOutcome {
        let Crossing {
            file,
            epoch,
            lane,
            from,
            to,
        } = crossing;
        let stands = self
            .files
            .get(&file)
            .filter(|entry| entry.epoch == epoch && entry.is_unfinished())
            .and_then(|entry| entry.lanes.get(&lane))
            .map(|&(position, _)| position)
            .filter(|&position| position >= from);
        let Some(stands) = stands else {
            return ShareOutcome::Fenced { file, epoch };
        };
        let counts = write(self, stands.record, file);
        let to = stands.max(to);
        let checkpoint = self
            .files
            .get_mut(&file)
            .and_then(|entry| entry.lanes.get_mut(&lane))
            .expect("found above");
        checkpoint.0 = to;
        checkpoint.1 += counts;
        ShareOutcome::Moved {
            file,
            epoch,
            to,
            counts,
        }
    }
}
