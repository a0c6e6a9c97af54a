//! Loads a batch of which the server refuses rows: finds them by bisection, and loads the rest.
//!
//! All of it happens in the batch's one transaction, with a savepoint for each attempt. Halving the
//! batch into two transactions instead would need a position between two records, and a row knows
//! where its record starts, not where the next one does (nor what other lanes have in between).

use std::ops::Range;

use bytes::Bytes;
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{Counts, DeadLetter, Reason};
use tokio_postgres::{Client, Statement};

use super::bisection::Bisection;
use super::fault::{Fault, Refusal, fault};
use super::load::{self, Loading, Staged};
use super::selection::{Run, Selection};
use crate::postgres::dead_letters::RAW_CAP;
use crate::postgres::error::{classify_ledger, with_kind};

/// What became of the rows.
pub struct Sifted {
    /// For each share of the batch.
    pub counts: Vec<Counts>,
    /// The refused rows: their share, and their dead letter.
    pub refused: Vec<(usize, DeadLetter)>,
    /// How many row statements it took.
    pub statements: u64,
}

/// Stages and merges the rows of a transaction that has its staging table.
///
/// # Errors
/// `Configuration` where every row is refused alike, and none may be at fault; what is wrong
/// beside the rows; nothing is a dead letter then, since the transaction has to end.
pub async fn sift(
    client: &Client,
    loading: &Loading,
    selection: &Selection<'_>,
    shares: usize,
) -> Result<Sifted> {
    let stage = load::prepare_copy(client, &loading.statements.stage, loading).await?;
    let mut sieve = Sieve {
        client,
        loading,
        selection,
        stage,
        counts: vec![Counts::default(); shares],
        written: 0,
        refused: Vec::new(),
        statements: 0,
    };
    let staged = sieve.stage_all().await?;
    sieve.merge_all(staged).await?;
    sieve.finish()
}

struct Sieve<'a> {
    client: &'a Client,
    loading: &'a Loading,
    selection: &'a Selection<'a>,
    stage: Statement,
    counts: Vec<Counts>,
    written: usize,
    refused: Vec<(u32, Refusal)>,
    statements: u64,
}

impl Sieve<'_> {
    /// Stages what the types of the columns accept; the rows that are staged, in that order.
    async fn stage_all(&mut self) -> Result<Vec<u32>> {
        let kept = self.selection.kept();
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
                        let earlier = self.refuse(kept[range.start], refusal);
                        staged.extend(self.reinstate(earlier).await?);
                    }
                }
            }
        }
        Ok(staged)
    }

    /// Stages the row that a refused one had superseded, or the one before it; `None` where there
    /// is none that can be.
    async fn reinstate(&mut self, mut earlier: Option<u32>) -> Result<Option<u32>> {
        while let Some(row) = earlier {
            match self.try_stage(&[row]).await {
                Ok(()) => return Ok(Some(row)),
                Err(fault) => earlier = self.refuse(row, refusal_of(fault, 1)?),
            }
        }
        Ok(None)
    }

    /// Merges what the table accepts.
    async fn merge_all(&mut self, rows: Vec<u32>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let statements = &self.loading.statements;
        let ordinals = self.ordinals().await?;
        self.ledger(&statements.index_staging).await?;
        let mut bisection = Bisection::new(rows.len());
        while let Some(range) = bisection.next_range() {
            match self.try_merge(&rows, &ordinals, range.clone()).await {
                Ok(()) => bisection.passed(&range),
                Err(fault) => {
                    let refusal = refusal_of(fault, range.len())?;
                    if bisection.failed(range.clone(), refusal.by_a_row()) {
                        let earlier = self.refuse(rows[range.start], refusal);
                        self.replace(earlier).await?;
                    }
                }
            }
        }
        self.ledger(&statements.unindex_staging).await
    }

    /// Writes the row that a refused one had superseded, or the one before it.
    async fn replace(&mut self, mut earlier: Option<u32>) -> Result<()> {
        while let Some(row) = self.reinstate(earlier).await? {
            let ordinals = self.ordinals().await?;
            let last = &ordinals[ordinals.len() - 1..];
            match self.try_merge(&[row], last, 0..1).await {
                Ok(()) => return Ok(()),
                Err(fault) => earlier = self.refuse(row, refusal_of(fault, 1)?),
            }
        }
        Ok(())
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
            sql: &self.loading.statements.merge_range,
            first: numbers[0],
            last: numbers[numbers.len() - 1],
            runs: &runs,
        };
        let merged = load::merge(self.client, &staged, self.loading, &mut self.counts).await;
        let passed = merged.is_ok();
        self.end(merged).await?;
        if passed {
            self.written += range.len();
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
                released.map_err(|error| fault(error, &doing, &self.loading.plan))
            }
            Err(Fault::Rows(refusal)) => {
                self.ledger("ROLLBACK TO attempt; RELEASE attempt").await?;
                Err(Fault::Rows(refusal))
            }
            Err(other) => Err(other),
        }
    }

    /// Notes a refused row; the row that it had superseded.
    fn refuse(&mut self, row: u32, refusal: Refusal) -> Option<u32> {
        self.refused.push((row, refusal));
        self.selection.superseded_by(row)
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

    fn finish(mut self) -> Result<Sifted> {
        self.check_not_all_alike()?;
        let mut superseded = self.selection.duplicates();
        self.refused.sort_by_key(|(row, _)| *row);
        let mut refused = Vec::with_capacity(self.refused.len());
        for (row, refusal) in self.refused {
            let share = self.selection.share_of(row);
            self.counts[share].rejected += 1;
            if let Some(earlier) = self.selection.superseded_by(row) {
                superseded[self.selection.share_of(earlier)] -= 1;
            }
            refused.push((share, dead_letter(self.selection, row, refusal)));
        }
        for (counts, superseded) in self.counts.iter_mut().zip(superseded) {
            counts.duplicate += superseded;
        }
        Ok(Sifted {
            counts: self.counts,
            refused,
            statements: self.statements,
        })
    }

    /// A refusal that may mean all rows, of every row: that is no row's fault.
    fn check_not_all_alike(&self) -> Result<()> {
        let Some((_, first)) = self.refused.first() else {
            return Ok(());
        };
        let alike = |(_, refusal): &(u32, Refusal)| !refusal.known && refusal.code == first.code;
        if self.written > 0 || !self.refused.iter().all(alike) {
            return Ok(());
        }
        let table = &self.loading.plan.table;
        let (message, advice) = match &first.column {
            Some(column) if first.code == "23502" => (
                format!("table {table}: column {column:?} refuses NULL, and no file fills it"),
                "give the column a default, or take its NOT NULL away",
            ),
            _ => (
                format!("table {table}: the server refuses every row of a batch alike"),
                "look at the table's triggers, and at the server's log",
            ),
        };
        Err(Error::new(ErrorKind::Configuration, message)
            .with_code(&first.code)
            .with_advice(advice))
    }
}

/// The refusal of a statement of so many rows, if that is what the fault is.
fn refusal_of(fault: Fault, rows: usize) -> Result<Refusal> {
    match fault {
        // One row alone is too much for a limit of the server: that passes, or somebody raises it.
        Fault::Rows(refusal) if rows == 1 && !refusal.by_a_row() => {
            Err(with_kind(refusal.error, ErrorKind::Transient))
        }
        Fault::Rows(refusal) => Ok(refusal),
        Fault::Other(error) => Err(error),
    }
}

fn dead_letter(selection: &Selection<'_>, index: u32, refusal: Refusal) -> DeadLetter {
    let (rows, row) = selection.row(index);
    let raw = rows.raw_of(row);
    let reason = if refusal.code.starts_with("22") {
        Reason::InvalidValue
    } else {
        Reason::Refused
    };
    DeadLetter {
        record: row.record,
        line: row.line,
        offset: row.offset,
        length: raw.len() as u64,
        raw: Bytes::copy_from_slice(&raw[..raw.len().min(RAW_CAP)]),
        column: refusal.column,
        reason,
        message: refusal.message,
        sqlstate: Some(refusal.code),
    }
}
