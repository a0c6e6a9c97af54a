//! The rows of one transaction, written in one of the ways.

use ingestd_actors::error::{Error, ErrorKind};
use ingestd_actors::model::{Counts, DeadLetter};
use tokio_postgres::Statement;

use super::careful;
use super::fault::Fault;
use super::load::{self, Loading, Staged};
use super::pace::Way;
use super::selection::{Run, Selection};
use crate::postgres::link::Link;

/// The rows, what they are written with, and what it took.
pub struct RowWork<'a> {
    /// The connection, inside the transaction.
    pub link: &'a Link,
    /// The batch's plan.
    pub loading: &'a Loading,
    /// The rows.
    pub selection: &'a Selection<'a>,
    /// How many shares the batch has.
    pub shares: usize,
    /// How many row statements were sent, the fruitless ones included.
    pub statements: u64,
    /// Whether the connection has the plan's staging table, once the transaction commits.
    pub staged: bool,
}

/// Counts for each share of the batch, and the dead letters, each with its share.
type Outcome = (Vec<Counts>, Vec<(usize, DeadLetter)>);

impl RowWork<'_> {
    /// Writes the rows; where no way is given, those that are refused are looked for. `copy` is the
    /// COPY into the table, prepared, where the way needs it.
    pub async fn write(
        &mut self,
        way: Option<Way>,
        copy: Option<Statement>,
    ) -> Result<Outcome, Fault> {
        let kept = self.selection.kept();
        if kept.is_empty() {
            return Ok((vec![Counts::default(); self.shares], Vec::new()));
        }
        let Some(way) = way else {
            return self.sift().await;
        };
        let mut counts: Vec<Counts> = self
            .selection
            .duplicates()
            .into_iter()
            .map(|duplicate| Counts {
                duplicate,
                ..Counts::default()
            })
            .collect();
        match way {
            Way::Copy => self.copy(kept, copy, &mut counts).await?,
            Way::Upsert => self.upsert(kept, &mut counts).await?,
            Way::Sort => {
                let Some(presence) = &self.loading.presence else {
                    return Err(Error::new(ErrorKind::Bug, "these keys can't be asked for").into());
                };
                let (client, plan) = (&self.link.client, &self.loading.plan);
                let sorted = presence.sort(client, self.selection, kept, plan).await?;
                self.copy(&sorted.new, copy, &mut counts).await?;
                self.upsert(&sorted.present, &mut counts).await?;
            }
        }
        Ok((counts, Vec::new()))
    }

    async fn sift(&mut self) -> Result<Outcome, Fault> {
        load::ensure_staging(self.link, self.loading).await?;
        self.staged = true;
        let client = &self.link.client;
        let sifted = careful::sift(client, self.loading, self.selection, self.shares).await?;
        self.statements += sifted.statements;
        Ok((sifted.counts, sifted.refused))
    }

    /// Sends rows straight into the table.
    async fn copy(
        &mut self,
        rows: &[u32],
        copy: Option<Statement>,
        counts: &mut [Counts],
    ) -> Result<(), Fault> {
        if rows.is_empty() {
            return Ok(());
        }
        self.statements += 1;
        let copy = copy.ok_or_else(|| Error::new(ErrorKind::Bug, "no COPY is prepared"))?;
        let client = &self.link.client;
        load::copy(client, &copy, self.selection, rows, self.loading).await?;
        for run in self.selection.runs(rows) {
            counts[run.share].inserted += run.rows;
        }
        Ok(())
    }

    /// Sends rows into the staging table, and merges them into the table.
    async fn upsert(&mut self, rows: &[u32], counts: &mut [Counts]) -> Result<(), Fault> {
        if rows.is_empty() {
            return Ok(());
        }
        let (client, loading) = (&self.link.client, self.loading);
        self.statements += 2;
        load::ensure_staging(self.link, loading).await?;
        self.staged = true;
        let stage = load::prepare_copy(client, &loading.statements.stage, loading).await?;
        load::copy(client, &stage, self.selection, rows, loading).await?;
        // Staged in one go into a table that is empty: numbered from 1 without a gap.
        let ordinal = |run: Run| (run.start as i64 + 1, run);
        let runs: Vec<_> = self.selection.runs(rows).into_iter().map(ordinal).collect();
        let staged = Staged {
            sql: &loading.statements.merge_all,
            first: 1,
            last: rows.len() as i64,
            runs: &runs,
        };
        load::merge(client, &staged, loading, counts).await
    }
}
