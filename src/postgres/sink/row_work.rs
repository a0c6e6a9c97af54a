//! The rows of one transaction, written in one of the ways.

use ingestd_actors::error::{Error, ErrorKind};
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::model::{Counts, DeadLetter};
use tokio_postgres::Statement;

use super::careful;
use super::fault::Fault;
use super::load::{self, Loading, Staged};
use super::pace::Way;
use super::selection::{Run, Selection};
use super::staging::Staging;
use crate::postgres::link::Link;

/// From so many waves on, an index of the staged rows is worth making.
const MANY_WAVES: usize = 4;

/// The rows, what they are written with, and what it took.
pub struct RowWork<'a> {
    /// The connection, inside the transaction.
    pub link: &'a Link,
    /// The batch's plan.
    pub loading: &'a Loading,
    /// The rows.
    pub selection: &'a Selection<'a>,
    /// How many dead letters each share of the batch may make; `None`: any number.
    pub rooms: Vec<Option<u64>>,
    /// Whether refused rows are looked for.
    pub careful: bool,
    /// The share that would make more.
    pub over: Option<usize>,
    /// How many row statements were sent, the fruitless ones included.
    pub statements: u64,
    /// Whether the connection has the plan's staging table, once the transaction commits.
    pub staged: bool,
    /// What the first wave that writes has shown of the table.
    pub sight: Sight,
}

/// How many rows met a key that was there, of how many.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sight {
    /// The rows.
    pub rows: u64,
    /// Those of them whose key was there.
    pub met: u64,
}

/// Staged rows that are merged together.
struct Part<'a> {
    rows: &'a [u32],
    deletes: bool,
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
            return Ok((vec![Counts::default(); self.rooms.len()], Vec::new()));
        }
        if self.loading.plan.all_or_nothing {
            return self.stage().await;
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
        // The first wave is most often the only one.
        let (first, later) = self.selection.first();
        let sorted;
        let staged = match way {
            Way::Copy => {
                self.copy(first, copy, &mut counts).await?;
                &first[..0]
            }
            Way::Upsert => first,
            Way::Sort => {
                let Some(presence) = &self.loading.presence else {
                    return Err(Error::new(ErrorKind::Bug, "these keys can't be asked for").into());
                };
                let (client, loading) = (&self.link.client, self.loading);
                sorted = presence
                    .sort(client, self.selection, first, loading)
                    .await?;
                self.copy(&sorted.new, copy, &mut counts).await?;
                &sorted.present[..]
            }
        };
        let first_staged = Part {
            rows: staged,
            deletes: false,
        };
        let later = later.iter().map(|wave| Part {
            rows: &kept[wave.rows.clone()],
            deletes: wave.deletes,
        });
        self.sight.rows = first.len() as u64;
        let parts: Vec<Part<'_>> = std::iter::once(first_staged).chain(later).collect();
        self.stage_and_merge(&parts, &mut counts).await?;
        Ok((counts, Vec::new()))
    }

    /// Into the staging tables of the files, whose commit moves the rows.
    async fn stage(&mut self) -> Result<Outcome, Fault> {
        pass(Step::BatchPark).await?;
        let staging = Staging {
            client: &self.link.client,
            loading: self.loading,
            selection: self.selection,
            rooms: &self.rooms,
        };
        self.statements += 1;
        let staged = match self.careful {
            true => staging.what_passes().await?,
            false => staging.all().await?,
        };
        self.over = staged.over;
        Ok((staged.counts, staged.refused))
    }

    async fn sift(&mut self) -> Result<Outcome, Fault> {
        pass(Step::BatchSift).await?;
        load::ensure_staging(self.link, self.loading).await?;
        self.staged = true;
        let client = &self.link.client;
        let sifted = careful::sift(client, self.loading, self.selection, &self.rooms).await?;
        self.over = sifted.over;
        self.statements += sifted.statements;
        self.sight = Sight {
            rows: self.selection.kept().len() as u64,
            met: met(&sifted.counts),
        };
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
        pass(Step::BatchCopy).await?;
        self.statements += 1;
        let copy = copy.ok_or_else(|| Error::new(ErrorKind::Bug, "no COPY is prepared"))?;
        let client = &self.link.client;
        load::copy(client, &copy, self.selection, rows, self.loading).await?;
        for run in self.selection.runs(rows) {
            counts[run.share].inserted += run.rows;
        }
        Ok(())
    }

    /// Sends rows into the staging table, and brings them into the table part after part.
    async fn stage_and_merge(
        &mut self,
        parts: &[Part<'_>],
        counts: &mut [Counts],
    ) -> Result<(), Fault> {
        let gathered: Vec<u32>;
        let rows = match parts {
            [only] => only.rows,
            parts => {
                gathered = parts.iter().flat_map(|part| part.rows).copied().collect();
                &gathered[..]
            }
        };
        if rows.is_empty() {
            return Ok(());
        }
        let (client, loading) = (&self.link.client, self.loading);
        let statements = &loading.statements;
        self.statements += 1;
        load::ensure_staging(self.link, loading).await?;
        self.staged = true;
        pass(Step::BatchStage).await?;
        let stage = load::prepare_copy(client, &statements.stage, loading).await?;
        load::copy(client, &stage, self.selection, rows, loading).await?;

        let indexed = parts.len() > MANY_WAVES;
        if indexed {
            load::prepare_ranges(client, &statements.index_staging).await?;
        }
        let mut start = 0;
        for (number, part) in parts.iter().enumerate() {
            let rows_before = start;
            start += part.rows.len();
            if part.rows.is_empty() {
                continue;
            }
            self.statements += 1;
            // Staged in one go into a table that is empty: numbered from 1 without a gap.
            let ordinal = |run: Run| ((rows_before + run.start) as i64 + 1, run);
            let runs = self.selection.runs(part.rows);
            let runs: Vec<_> = runs.into_iter().map(ordinal).collect();
            let all = part.rows.len() == rows.len();
            let staged = Staged {
                sql: if all {
                    &statements.all
                } else {
                    &statements.range
                },
                deletes: part.deletes,
                undecided: self.selection.undecided(),
                first: rows_before as i64 + 1,
                last: start as i64,
                runs: &runs,
            };
            pass(Step::BatchMerge).await?;
            load::merge(client, &staged, loading, counts).await?;
            if number == 0 {
                self.sight.met = met(counts);
            }
        }
        if indexed {
            load::prepare_ranges(client, &statements.unindex_staging).await?;
        }
        Ok(())
    }
}

/// How many rows met a key that was there.
fn met(counts: &[Counts]) -> u64 {
    counts.iter().map(|it| it.updated + it.unchanged).sum()
}
