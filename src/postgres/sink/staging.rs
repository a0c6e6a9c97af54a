//! Rows of files that are loaded as a whole, on their way into the files' staging tables.

use ingestd_actors::error::Result;
use ingestd_actors::model::{Counts, DeadLetter};

use super::bisection::Bisection;
use super::fault::{Fault, fault, refusal_of};
use super::load::{self, Loading};
use super::move_sql;
use super::refused::{Refused, check_not_all_alike, dead_letter};
use super::room::{Room, over_budget};
use super::selection::Selection;
use super::staged_data::StagedData;
use crate::postgres::error::classify_ledger;
use tokio_postgres::Client;

/// The rows of a transaction, to be staged.
pub struct Staging<'a> {
    /// The connection, inside the transaction.
    pub client: &'a Client,
    /// The batch's plan.
    pub loading: &'a Loading,
    /// The rows.
    pub selection: &'a Selection<'a>,
    /// How many dead letters each share may make.
    pub rooms: &'a [Option<u64>],
}

/// What became of them.
pub struct StagedRows {
    /// For each share of the batch.
    pub counts: Vec<Counts>,
    /// What the columns' types refuse: the share, and the dead letter.
    pub refused: Vec<(usize, DeadLetter)>,
    /// The share of which more is refused than there is room for.
    pub over: Option<usize>,
}

impl Staging<'_> {
    /// Stages all rows; none where any is refused.
    pub async fn all(&self) -> Result<StagedRows, Fault> {
        let mut counts = vec![Counts::default(); self.rooms.len()];
        let kept = self.selection.kept();
        for run in self.selection.runs(kept) {
            let rows = &kept[run.start..run.start + run.rows as usize];
            self.copy(run.share, rows).await?;
            counts[run.share].staged += run.rows;
        }
        Ok(StagedRows {
            counts,
            refused: Vec::new(),
            over: None,
        })
    }

    /// Stages the rows that are accepted, and finds the others.
    pub async fn what_passes(&self) -> Result<StagedRows> {
        let mut counts = vec![Counts::default(); self.rooms.len()];
        let mut room = Room::new(self.rooms);
        let mut refused = Vec::new();
        let mut passed = false;
        let kept = self.selection.kept();
        let runs = self.selection.runs(kept);
        for run in &runs {
            let rows = &kept[run.start..run.start + run.rows as usize];
            let found = self.sift(run.share, rows, &mut room, &mut refused).await;
            match found {
                Ok(staged) => {
                    passed |= staged > 0;
                    counts[run.share].staged += staged;
                }
                Err(_) if room.over().is_some() => break,
                Err(error) => return Err(error),
            }
        }
        if room.over().is_none() {
            if !passed {
                for deletes in [false, true] {
                    check_not_all_alike(&refused, deletes, &self.loading.plan.table)?;
                }
            }
            room.count_all(self.selection, &refused);
        }
        let over = room.over();
        let letters = refused.into_iter().map(|Refused { row, refusal, .. }| {
            let share = self.selection.share_of(row);
            (share, dead_letter(self.selection, row, refusal))
        });
        let letters: Vec<_> = letters
            .filter(|(share, _)| over.is_none_or(|over| over == *share))
            .collect();
        for (share, _) in &letters {
            counts[*share].rejected += 1;
        }
        Ok(StagedRows {
            counts,
            refused: letters,
            over,
        })
    }

    /// How many rows of a run are accepted.
    async fn sift(
        &self,
        share: usize,
        rows: &[u32],
        room: &mut Room,
        refused: &mut Vec<Refused>,
    ) -> Result<u64> {
        let mut staged = 0;
        let mut bisection = Bisection::new(rows.len());
        while let Some(range) = bisection.next_range() {
            self.ledger("SAVEPOINT attempt").await?;
            match self.copy(share, &rows[range.clone()]).await {
                Ok(()) => {
                    self.ledger("RELEASE attempt").await?;
                    bisection.passed(&range);
                    staged += range.len() as u64;
                }
                Err(fault) => {
                    let refusal = refusal_of(fault, range.len())?;
                    self.ledger("ROLLBACK TO attempt; RELEASE attempt").await?;
                    if bisection.failed(range.clone(), refusal.by_a_row()) {
                        let row = rows[range.start];
                        let (of, place) = self.selection.row(row);
                        let one = Refused {
                            row,
                            deletes: of.is_delete(place),
                            refusal,
                        };
                        let fits = room.takes(self.selection, &one);
                        refused.push(one);
                        if !fits {
                            return Err(over_budget());
                        }
                    }
                }
            }
        }
        Ok(staged)
    }

    async fn copy(&self, share: usize, rows: &[u32]) -> Result<(), Fault> {
        let file = self.selection.file_of(share);
        let sql = move_sql::stage(file, &self.loading.plan);
        let doing = format!("staging rows for {}", self.loading.plan.table);
        let statement = load::prepare_copy(self.client, &sql, self.loading).await?;
        let data = StagedData::new(rows.iter().map(|row| self.selection.row(*row)));
        load::send(self.client, &statement, data)
            .await
            .map_err(|error| fault(error, &doing, self.loading))
    }

    async fn ledger(&self, sql: &str) -> Result<()> {
        let done = self.client.batch_execute(sql).await;
        done.map_err(|error| classify_ledger(error, "looking for refused rows"))
    }
}
