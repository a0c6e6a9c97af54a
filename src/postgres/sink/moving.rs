//! Moves the staged rows of a file into its table, in one transaction: what `sift` does with a batch, for
//! rows that are too many to be in memory.

use ingestd_actors::error::Result;
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::model::{Counts, DeadLetter, FileId};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::bisection::Bisection;
use super::fault::{Fault, Refusal, refusal_of};
use super::load::{self, Loading, Staged};
use super::move_sql::{FAR, MoveSql, Turns};
use super::refused::{Alike, letter};
use super::room::over_budget;
use super::selection::Run;
use crate::plan::LoadPlan;
use crate::postgres::dead_letters;
use crate::postgres::error::classify_ledger;

/// Below so many rows the server's guess is as good as a look at them.
const WORTH_ANALYZING: u64 = 1_000;
/// So many bytes of dead letters are kept before they are stored.
const KEPT: usize = 16 << 20;

/// What is to be moved.
pub struct Moving<'a> {
    /// The connection, inside the transaction that commits the file.
    pub client: &'a Client,
    /// The pipeline.
    pub pipeline: &'a str,
    /// The file.
    pub file: FileId,
    /// The number of its plan.
    pub plan_id: i64,
    /// Its plan.
    pub plan: &'a LoadPlan,
    /// How many of its rows are staged, as its checkpoints say.
    pub staged: u64,
    /// How many dead letters its error budget leaves.
    pub room: Option<u64>,
}

/// What came of it.
pub enum Moved {
    /// The rows are in the table, and the refused ones among the dead letters.
    Done(Counts),
    /// More are refused than there is room for: the transaction is to end.
    OverBudget(Vec<DeadLetter>),
    /// The staging table has so many rows, which is not what the checkpoints say.
    Lacks(u64),
}

impl Moving<'_> {
    /// Moves them.
    ///
    /// # Errors
    /// `Configuration` where every row is refused alike, and none may be at fault; what is wrong beside
    /// the rows.
    pub async fn carry_out(&self) -> Result<Moved> {
        let (client, plan) = (self.client, self.plan);
        let loading = load::prepare(client, self.plan_id, plan).await?;
        load::check_types(client, &loading).await?;
        let sql = MoveSql::new(self.file, plan, loading.facts, Turns::None);
        let counted = client.query_typed_one(&sql.count, &[]).await;
        let counted =
            counted.map_err(|error| classify_ledger(error, "counting the staged rows"))?;
        let (count, deletes): (i64, bool) = (counted.get(0), counted.get(1));
        if count.cast_unsigned() != self.staged {
            return Ok(Moved::Lacks(count.cast_unsigned()));
        }
        if count == 0 {
            return Ok(Moved::Done(Counts::default()));
        }
        if !deletes {
            let mut mover = Mover::new(self, &loading, sql);
            let done = mover.run().await;
            return mover.finish(done).await;
        }
        ledger(client, "SAVEPOINT moving").await?;
        let sql = MoveSql::new(self.file, plan, loading.facts, Turns::OfKeys);
        let mut mover = Mover::new(self, &loading, sql);
        let done = mover.run().await;
        if !mover.may_be_out_of_turn {
            return mover.finish(done).await;
        }
        ledger(client, "ROLLBACK TO moving").await?;
        let sql = MoveSql::new(self.file, plan, loading.facts, Turns::OfAll);
        let mut mover = Mover::new(self, &loading, sql);
        let done = mover.run().await;
        mover.finish(done).await
    }
}

struct Mover<'a> {
    moving: &'a Moving<'a>,
    loading: &'a Loading,
    sql: MoveSql,
    counts: [Counts; 1],
    /// How many rows passed: of those that write, and of those that delete.
    passed: [u64; 2],
    alike: [Alike; 2],
    /// The rows that are refused, and those of them that surely are at fault themselves.
    refused: u64,
    at_fault: u64,
    /// Found and not stored yet.
    letters: Vec<DeadLetter>,
    bytes: usize,
    over: bool,
    indexed: bool,
    /// How many rows have got new numbers.
    renumbered: i64,
    /// A row was refused for another one that a deletion before it may be about.
    may_be_out_of_turn: bool,
}

/// Rows that are written with one statement.
#[derive(Clone, Copy)]
struct Wave {
    first: i64,
    last: i64,
    rows: u64,
    deletes: bool,
}

impl<'a> Mover<'a> {
    fn new(moving: &'a Moving<'a>, loading: &'a Loading, sql: MoveSql) -> Mover<'a> {
        Mover {
            moving,
            loading,
            sql,
            counts: [Counts::default()],
            passed: [0; 2],
            alike: [Alike::default(), Alike::default()],
            refused: 0,
            at_fault: 0,
            letters: Vec::new(),
            bytes: 0,
            over: false,
            indexed: false,
            renumbered: 0,
            may_be_out_of_turn: false,
        }
    }

    async fn run(&mut self) -> Result<()> {
        let client = self.moving.client;
        if let Some(sql) = &self.sql.take_turns {
            ledger(client, sql).await?;
        }
        if self.moving.staged > WORTH_ANALYZING {
            ledger(client, &self.sql.analyze).await?;
        }
        let mut after = 0;
        while let Some(wave) = self.next_wave(after).await? {
            self.move_wave(wave).await?;
            after = wave.last;
        }
        Ok(())
    }

    async fn next_wave(&self, after: i64) -> Result<Option<Wave>> {
        let parameters = [(
            &after as &(dyn tokio_postgres::types::ToSql + Sync),
            Type::INT8,
        )];
        let client = self.moving.client;
        let row = client
            .query_typed_one(&self.sql.next_wave, &parameters)
            .await;
        let row = row.map_err(|error| classify_ledger(error, "looking at the staged rows"))?;
        let wave = |first: i64| Wave {
            first,
            last: row.get(1),
            rows: row.get::<_, i64>(2).cast_unsigned(),
            deletes: row.get(3),
        };
        Ok(row.get::<_, Option<i64>>(0).map(wave))
    }

    async fn move_wave(&mut self, wave: Wave) -> Result<()> {
        pass(Step::MoveWave).await?;
        let Err(fault) = self.try_range(wave).await else {
            return Ok(());
        };
        let refusal = refusal_of(fault, wave.rows as usize)?;
        let mut early = self.sift(wave, refusal).await?;
        while !early.is_empty() {
            let waiting = early.len();
            let again = self.renumber(&early, wave.deletes).await?;
            let Err(fault) = self.try_range(again).await else {
                return Ok(());
            };
            let refusal = refusal_of(fault, waiting)?;
            early = self.sift(again, refusal).await?;
            if early.len() == waiting {
                for (row, refusal) in std::mem::take(&mut early) {
                    self.refuse(row, wave.deletes, refusal).await?;
                }
            }
        }
        Ok(())
    }

    /// Writes what passes of a wave that was refused for this; the rows that may only be early, since
    /// they refer to others of the same table.
    async fn sift(&mut self, wave: Wave, refusal: Refusal) -> Result<Vec<(i64, Refusal)>> {
        let client = self.moving.client;
        if !std::mem::replace(&mut self.indexed, true) {
            ledger(client, &self.sql.index).await?;
        }
        let mut early = Vec::new();
        let mut first = Some(refusal);
        let mut bisection = Bisection::new((wave.last - wave.first + 1) as usize);
        while let Some(range) = bisection.next_range() {
            let part = Wave {
                first: wave.first + range.start as i64,
                last: wave.first + range.end as i64 - 1,
                ..wave
            };
            let failed = match first.take() {
                Some(refusal) => Some(refusal),
                None => self.try_counted(part).await?,
            };
            let Some(refusal) = failed else {
                bisection.passed(&range);
                continue;
            };
            if bisection.failed(range, refusal.by_a_row()) {
                let refers_to_itself = self.loading.facts.refers_to_itself;
                match refers_to_itself && refusal.code == "23503" {
                    true => early.push((part.first, refusal)),
                    false => self.refuse(part.first, wave.deletes, refusal).await?,
                }
            }
        }
        Ok(early)
    }

    /// Writes a range of numbers, as many rows as have them; why it can't be.
    async fn try_counted(&mut self, part: Wave) -> Result<Option<Refusal>> {
        let range = [
            (
                &part.first as &(dyn tokio_postgres::types::ToSql + Sync),
                Type::INT8,
            ),
            (&part.last, Type::INT8),
        ];
        let counted = self
            .moving
            .client
            .query_typed_one(&self.sql.count_range, &range);
        let counted = counted.await;
        let counted =
            counted.map_err(|error| classify_ledger(error, "counting the staged rows"))?;
        let rows = counted.get::<_, i64>(0).cast_unsigned();
        if rows == 0 {
            return Ok(None);
        }
        match self.try_range(Wave { rows, ..part }).await {
            Ok(()) => Ok(None),
            Err(fault) => refusal_of(fault, rows as usize).map(Some),
        }
    }

    async fn try_range(&mut self, wave: Wave) -> Result<(), Fault> {
        let client = self.moving.client;
        ledger(client, "SAVEPOINT attempt").await?;
        let run = Run {
            start: 0,
            rows: wave.rows,
            share: 0,
        };
        let staged = Staged {
            sql: &self.sql.range,
            deletes: wave.deletes,
            undecided: true,
            first: wave.first,
            last: wave.last,
            runs: &[(wave.first, run)],
        };
        match load::merge(client, &staged, self.loading, &mut self.counts).await {
            Ok(()) => {
                ledger(client, "RELEASE attempt").await?;
                self.passed[usize::from(wave.deletes)] += wave.rows;
                Ok(())
            }
            Err(Fault::Rows(refusal)) => {
                ledger(client, "ROLLBACK TO attempt; RELEASE attempt").await?;
                Err(Fault::Rows(refusal))
            }
            Err(other) => Err(other),
        }
    }

    /// Gives rows numbers that stand together, behind all others.
    async fn renumber(&mut self, rows: &[(i64, Refusal)], deletes: bool) -> Result<Wave> {
        let first = FAR + self.renumbered;
        let now: Vec<i64> = rows.iter().map(|(row, _)| *row).collect();
        let later: Vec<i64> = (first..).take(now.len()).collect();
        self.renumbered += now.len() as i64;
        let parameters = [
            (
                &now as &(dyn tokio_postgres::types::ToSql + Sync),
                Type::INT8_ARRAY,
            ),
            (&later, Type::INT8_ARRAY),
        ];
        let done = self
            .moving
            .client
            .execute_typed(&self.sql.renumber, &parameters)
            .await;
        done.map_err(|error| classify_ledger(error, "putting rows behind those they refer to"))?;
        Ok(Wave {
            first,
            last: first + now.len() as i64 - 1,
            rows: now.len() as u64,
            deletes,
        })
    }

    async fn refuse(&mut self, ordinal: i64, deletes: bool, refusal: Refusal) -> Result<()> {
        let parameters = [(
            &ordinal as &(dyn tokio_postgres::types::ToSql + Sync),
            Type::INT8,
        )];
        let client = self.moving.client;
        let row = client.query_typed_one(&self.sql.row, &parameters).await;
        let row = row.map_err(|error| classify_ledger(error, "reading a refused row"))?;
        let number = |index| row.get::<_, i64>(index).cast_unsigned();
        let found = letter([number(0), number(1), number(2)], row.get(3), &refusal);
        let for_another = matches!(refusal.code.as_str(), "23505" | "23P01");
        self.may_be_out_of_turn |= for_another && self.sql.take_turns.is_some();
        self.refused += 1;
        self.at_fault += u64::from(refusal.known);
        self.alike[usize::from(deletes)].add(refusal);
        self.bytes += found.bytes();
        self.letters.push(found);
        if self.moving.room.is_some_and(|room| self.at_fault > room) {
            self.over = true;
            return Err(over_budget());
        }
        if self.bytes > KEPT {
            self.store().await?;
        }
        Ok(())
    }

    async fn store(&mut self) -> Result<()> {
        let file = self.moving.file;
        let letters = std::mem::take(&mut self.letters);
        let letters: Vec<_> = letters.iter().map(|letter| (file, letter)).collect();
        self.bytes = 0;
        dead_letters::store(self.moving.client, self.moving.pipeline, &letters).await
    }

    async fn finish(mut self, done: Result<()>) -> Result<Moved> {
        match done {
            Err(_) if self.over => return Ok(Moved::OverBudget(self.letters)),
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        for (alike, passed) in self.alike.iter().zip(self.passed) {
            if passed == 0 {
                alike.check(&self.loading.plan.table)?;
            }
        }
        if self.moving.room.is_some_and(|room| self.refused > room) {
            return Ok(Moved::OverBudget(self.letters));
        }
        self.store().await?;
        let [mut counts] = self.counts;
        counts.rejected += self.refused;
        Ok(Moved::Done(counts))
    }
}

async fn ledger(client: &Client, sql: &str) -> Result<()> {
    let done = client.batch_execute(sql).await;
    done.map_err(|error| classify_ledger(error, "moving the staged rows"))
}
