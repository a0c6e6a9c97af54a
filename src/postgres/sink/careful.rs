//! Loads a batch of which the server refuses rows: finds them by bisection, and loads the rest.
//!
//! All of it happens in the batch's one transaction, with a savepoint for each attempt. Halving the
//! batch into two transactions instead would need a position between two records, and a row knows
//! where its record starts, not where the next one does (nor what other lanes have in between).

use std::ops::Range;

use ingestd_actors::error::{ErrorKind, Result};
use ingestd_actors::model::Counts;
use tokio_postgres::{Client, Statement};

use super::bisection::Bisection;
use super::fault::{Fault, fault, refusal_of};
use super::load::{self, Loading, Staged};
use super::refused::Refused;
use super::room::{Room, over_budget};
use super::selection::{Run, Selection};
use super::sifted::Sifted;
use crate::postgres::error::{classify_ledger, with_kind};

/// Stages and merges the rows of a transaction that has its staging table.
///
/// # Errors
/// `Configuration` where every row is refused alike, and none may be at fault; what is wrong
/// beside the rows; nothing is a dead letter then, since the transaction has to end.
pub async fn sift(
    client: &Client,
    loading: &Loading,
    selection: &Selection<'_>,
    rooms: &[Option<u64>],
) -> Result<Sifted> {
    sift_rows(client, loading, selection, rooms, true).await
}

/// The same for rows that were refused before, each for itself: that all of them are refused alike is
/// no sign that something else is at fault.
pub async fn sift_refused(
    client: &Client,
    loading: &Loading,
    selection: &Selection<'_>,
    rooms: &[Option<u64>],
) -> Result<Sifted> {
    sift_rows(client, loading, selection, rooms, false).await
}

async fn sift_rows(
    client: &Client,
    loading: &Loading,
    selection: &Selection<'_>,
    rooms: &[Option<u64>],
    suspects: bool,
) -> Result<Sifted> {
    let stage = load::prepare_copy(client, &loading.statements.stage, loading).await?;
    let mut sieve = Sieve {
        client,
        loading,
        selection,
        stage,
        room: Room::new(rooms),
        counts: vec![Counts::default(); rooms.len()],
        tried_instead: vec![0; rooms.len()],
        passed: [0; 2],
        refused: Vec::new(),
        statements: 0,
        suspects,
    };
    match sieve.stage_and_merge().await {
        Ok(()) => sieve.finish(),
        Err(_) if sieve.room.over().is_some() => Ok(sieve.found_so_far()),
        Err(error) => Err(error),
    }
}

pub(super) struct Sieve<'a> {
    pub(super) client: &'a Client,
    pub(super) loading: &'a Loading,
    pub(super) selection: &'a Selection<'a>,
    pub(super) stage: Statement,
    pub(super) room: Room,
    pub(super) counts: Vec<Counts>,
    /// How many rows of each share were tried instead of one that was refused.
    pub(super) tried_instead: Vec<u64>,
    /// How many rows passed: of those that write, and of those that delete.
    pub(super) passed: [usize; 2],
    pub(super) refused: Vec<Refused>,
    pub(super) statements: u64,
    /// Whether something else is at fault where all rows are refused alike.
    pub(super) suspects: bool,
}

/// The staged rows of one wave, in the order of their numbers.
struct StagedWave {
    deletes: bool,
    rows: Vec<u32>,
}

impl Sieve<'_> {
    async fn stage_and_merge(&mut self) -> Result<()> {
        let waves = self.stage_all().await?;
        self.merge_all(&waves).await
    }

    /// Stages what the types of the columns accept.
    async fn stage_all(&mut self) -> Result<Vec<StagedWave>> {
        let selection = self.selection;
        let mut waves = Vec::new();
        for wave in selection.waves() {
            let kept = &selection.kept()[wave.rows.clone()];
            waves.push(StagedWave {
                deletes: wave.deletes,
                rows: self.stage_wave(kept, wave.deletes).await?,
            });
        }
        Ok(waves)
    }

    async fn stage_wave(&mut self, kept: &[u32], deletes: bool) -> Result<Vec<u32>> {
        let mut bisection = Bisection::new(kept.len());
        let mut staged = Vec::with_capacity(kept.len());
        while let Some(range) = bisection.next_range() {
            match self.try_stage(&kept[range.clone()]).await {
                Ok(()) => {
                    bisection.passed(&range);
                    staged.extend(&kept[range]);
                }
                Err(fault) => {
                    let refusal = refusal_of(fault, range.len())?;
                    if bisection.failed(range.clone(), refusal.by_a_row()) {
                        let row = kept[range.start];
                        self.refuse(row, deletes, refusal)?;
                        staged.extend(self.reinstate(row, deletes).await?);
                    }
                }
            }
        }
        Ok(staged)
    }

    /// Stages the row that a refused one was preferred to, or the next best; `None` where there is
    /// none that can be.
    async fn reinstate(&mut self, refused: u32, deletes: bool) -> Result<Option<u32>> {
        let mut next = self.selection.instead_of(refused);
        while let Some(row) = next {
            self.tried_instead[self.selection.share_of(row)] += 1;
            match self.try_stage(&[row]).await {
                Ok(()) => return Ok(Some(row)),
                Err(fault) => self.refuse(row, deletes, refusal_of(fault, 1)?)?,
            }
            next = self.selection.instead_of(row);
        }
        Ok(None)
    }

    /// Brings what the table accepts into it.
    async fn merge_all(&mut self, waves: &[StagedWave]) -> Result<()> {
        if waves.iter().all(|wave| wave.rows.is_empty()) {
            return Ok(());
        }
        let statements = &self.loading.statements;
        let ordinals = self.ordinals().await?;
        self.ledger(&statements.index_staging).await?;
        let mut start = 0;
        for wave in waves {
            let end = start + wave.rows.len();
            self.merge_wave(wave, &ordinals[start..end]).await?;
            start = end;
        }
        self.ledger(&statements.unindex_staging).await
    }

    async fn merge_wave(&mut self, wave: &StagedWave, ordinals: &[i64]) -> Result<()> {
        // Of keys that only the server knows, a row that waits for another one would come after later
        // ones of its key: then all that passed are written once more, at once.
        if !(self.loading.facts.refers_to_itself && self.selection.undecided()) {
            return self.merge_in_turn(wave, ordinals).await.map(drop);
        }
        let (counts, passed, refused) = (self.counts.clone(), self.passed, self.refused.len());
        self.ledger("SAVEPOINT wave").await?;
        if self.merge_in_turn(wave, ordinals).await? {
            self.ledger("ROLLBACK TO wave").await?;
            (self.counts, self.passed) = (counts.clone(), passed);
            let gone = &self.refused[refused..];
            let mut rows = wave.rows.clone();
            rows.retain(|row| !gone.iter().any(|it| it.row == *row));
            if !self.merge_at_once(rows, wave.deletes).await? {
                (self.counts, self.passed) = (counts, passed);
                self.refused.truncate(refused);
                self.merge_in_turn(wave, ordinals).await?;
            }
        }
        self.ledger("RELEASE wave").await
    }

    /// Writes rows that passed before, with one statement; whether they pass that too.
    async fn merge_at_once(&mut self, rows: Vec<u32>, deletes: bool) -> Result<bool> {
        let ordinals = self.stage_again(&rows).await?;
        match self
            .try_merge(&rows, &ordinals, 0..rows.len(), deletes)
            .await
        {
            Ok(()) => Ok(true),
            Err(fault) => refusal_of(fault, rows.len()).map(|_| false),
        }
    }

    /// Whether rows passed that had to wait for others.
    async fn merge_in_turn(&mut self, wave: &StagedWave, ordinals: &[i64]) -> Result<bool> {
        let deletes = wave.deletes;
        let refused = self.merge_what_passes(wave, ordinals).await?;
        let (early, refused) = refused
            .into_iter()
            .partition::<Vec<_>, _>(|refused| self.may_be_early(refused));
        self.give_up(refused, deletes).await?;
        let waiting = early.len();
        let early = self.try_again(early, deletes).await?;
        let passed = early.len() < waiting;
        // What is written instead of one may be what another waits for.
        let (replaced, early) = early
            .into_iter()
            .partition::<Vec<_>, _>(|it| self.selection.instead_of(it.row).is_some());
        self.give_up(replaced, deletes).await?;
        let mut early = self.try_again(early, deletes).await?;
        self.refused.append(&mut early);
        Ok(passed)
    }

    /// Writes others instead of refused rows, where they were preferred to any.
    async fn give_up(&mut self, refused: Vec<Refused>, deletes: bool) -> Result<()> {
        for refused in refused {
            let row = refused.row;
            self.refused.push(refused);
            self.replace(row, deletes).await?;
        }
        Ok(())
    }

    /// Merges the rows of a wave; those that are refused, each alone.
    async fn merge_what_passes(
        &mut self,
        StagedWave { deletes, rows }: &StagedWave,
        ordinals: &[i64],
    ) -> Result<Vec<Refused>> {
        let mut refused: Vec<Refused> = Vec::new();
        self.room.count_again(self.selection, &self.refused);
        let mut bisection = Bisection::new(rows.len());
        while let Some(range) = bisection.next_range() {
            match self
                .try_merge(rows, ordinals, range.clone(), *deletes)
                .await
            {
                Ok(()) => bisection.passed(&range),
                Err(fault) => {
                    let refusal = refusal_of(fault, range.len())?;
                    if bisection.failed(range.clone(), refusal.by_a_row()) {
                        let one = Refused {
                            row: rows[range.start],
                            deletes: *deletes,
                            refusal,
                        };
                        let counts = !self.may_be_early(&one);
                        let fits = !counts || self.room.takes(self.selection, &one);
                        refused.push(one);
                        if !fits {
                            self.refused.append(&mut refused);
                            return Err(over_budget());
                        }
                    }
                }
            }
        }
        Ok(refused)
    }

    /// Writes the row that a refused one was preferred to, or the next best.
    async fn replace(&mut self, refused: u32, deletes: bool) -> Result<()> {
        let mut next = self.reinstate(refused, deletes).await?;
        while let Some(row) = next {
            let ordinals = self.ordinals().await?;
            let last = &ordinals[ordinals.len() - 1..];
            match self.try_merge(&[row], last, 0..1, deletes).await {
                Ok(()) => return Ok(()),
                Err(fault) => self.refuse(row, deletes, refusal_of(fault, 1)?)?,
            }
            next = self.reinstate(row, deletes).await?;
        }
        Ok(())
    }

    /// Whether the row that it refers to, or of a deletion that of one that refers to its own, may only
    /// come after it in the batch: all at once they would have passed.
    fn may_be_early(&self, refused: &Refused) -> bool {
        self.loading.facts.refers_to_itself && refused.refusal.code == "23503"
    }

    /// Tries rows again that may have been early, for as long as some of them pass: those that don't.
    async fn try_again(&mut self, mut early: Vec<Refused>, deletes: bool) -> Result<Vec<Refused>> {
        while !early.is_empty() {
            let rows: Vec<u32> = early.iter().map(|refused| refused.row).collect();
            let ordinals = self.stage_again(&rows).await?;
            let wave = StagedWave { deletes, rows };
            let refused = self.merge_what_passes(&wave, &ordinals).await?;
            if refused.len() == early.len() {
                break;
            }
            early = refused;
        }
        Ok(early)
    }

    /// Stages rows whose types passed before, so that what is refused now is not a row's fault: their
    /// numbers.
    async fn stage_again(&mut self, rows: &[u32]) -> Result<Vec<i64>> {
        self.try_stage(rows).await.map_err(|fault| match fault {
            Fault::Rows(refusal) => with_kind(refusal.error, ErrorKind::Transient),
            Fault::Other(error) => error,
        })?;
        let mut ordinals = self.ordinals().await?;
        Ok(ordinals.split_off(ordinals.len() - rows.len()))
    }

    async fn try_stage(&mut self, rows: &[u32]) -> Result<(), Fault> {
        self.ledger("SAVEPOINT attempt").await?;
        self.statements += 1;
        let sent = load::copy(self.client, &self.stage, self.selection, rows, self.loading).await;
        self.end(sent).await
    }

    async fn try_merge(
        &mut self,
        rows: &[u32],
        ordinals: &[i64],
        range: Range<usize>,
        deletes: bool,
    ) -> Result<(), Fault> {
        self.ledger("SAVEPOINT attempt").await?;
        self.statements += 1;
        let numbers = &ordinals[range.clone()];
        let runs: Vec<(i64, Run)> = self
            .selection
            .runs(&rows[range.clone()])
            .into_iter()
            .map(|run| (numbers[run.start], run))
            .collect();
        let staged = Staged {
            sql: &self.loading.statements.range,
            deletes,
            undecided: self.selection.undecided(),
            first: numbers[0],
            last: numbers[numbers.len() - 1],
            runs: &runs,
        };
        let merged = load::merge(self.client, &staged, self.loading, &mut self.counts).await;
        let passed = merged.is_ok();
        self.end(merged).await?;
        if passed {
            self.passed[usize::from(deletes)] += range.len();
        }
        Ok(())
    }

    /// Ends an attempt. Where the savepoint can't be kept, or can't be gone back to, the
    /// transaction is lost.
    async fn end(&self, attempt: Result<(), Fault>) -> Result<(), Fault> {
        match attempt {
            Ok(()) => {
                let doing = format!("writing into {}", self.loading.plan.table);
                let released = self.client.batch_execute("RELEASE attempt").await;
                released.map_err(|error| fault(error, &doing, self.loading))
            }
            Err(Fault::Rows(refusal)) => {
                self.ledger("ROLLBACK TO attempt; RELEASE attempt").await?;
                Err(Fault::Rows(refusal))
            }
            Err(other) => Err(other),
        }
    }

    /// The numbers of the staged rows: ascending, with gaps where an attempt failed.
    async fn ordinals(&self) -> Result<Vec<i64>> {
        let sql = &self.loading.statements.ordinals;
        let rows = self.client.query_typed(sql, &[]).await;
        let rows = rows.map_err(|error| classify_ledger(error, "numbering the staged rows"))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn ledger(&self, sql: &str) -> Result<()> {
        let done = self.client.batch_execute(sql).await;
        done.map_err(|error| classify_ledger(error, "looking for refused rows"))
    }
}
