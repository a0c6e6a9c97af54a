//! Writes one batch: its rows and its checkpoints in one transaction, again until that is known.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::join;
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::model::{
    Batch, Counts, DeadLetter, FileId, Reason, ShareOutcome, StageTimes, Written, by_reason,
};
use tokio_postgres::Statement;

use super::Memory;
use super::fault::Fault;
use super::load::{self, Loading};
use super::pace::{Pace, Way};
use super::refused;
use super::row_work::{RowWork, Sight};
use super::selection::Selection;
use crate::plan::LoadPlan;
use crate::postgres::claims::{Claims, Pending};
use crate::postgres::dead_letters;
use crate::postgres::fence::{self, Move};
use crate::postgres::link::{Link, Owner};

/// How often a batch is built again. A lost fence is read under the locks, a conflict and a refused
/// row each change the way once; so a handful is plenty, and more means a fight.
const ROUNDS: usize = 8;

/// The writer of one lane, for one generation.
pub struct Writer {
    owner: Owner,
    /// Only while it is clean: whatever takes it out and fails, closes it.
    link: Option<Link>,
    plans: HashMap<i64, LoadPlan>,
    /// As this connection has found the tables.
    loadings: HashMap<i64, Arc<Loading>>,
    pace: Pace,
    /// A COMMIT that was sent and not answered.
    pending: Option<Pending>,
    acknowledged: Memory,
    /// Of the transaction whose COMMIT was sent last: why it makes dead letters of rows.
    refused: Vec<(Reason, u64)>,
    /// Row statements sent so far, the fruitless ones included.
    pub row_statements: u64,
}

/// How rows that are refused are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    /// None was refused yet.
    None,
    /// One by one, the deletions of other keys before them or after.
    Refused,
    /// In the order of the records, deletions too.
    InTurn,
}

/// How one transaction ended, short of an error.
enum Attempt {
    /// A deletion that stands before a refused row may have to come before it.
    OutOfTurn,
    /// A share is over its budget: nothing was written, and what was found of it.
    OverBudget(usize, Vec<DeadLetter>),
    /// Committed, with what became of each share's rows.
    Committed(Vec<Counts>),
    /// A checkpoint stands elsewhere; nothing was written.
    FenceLost,
    /// A key was there: the upsert will do.
    Conflict,
    /// Rows were refused: they have to be looked for.
    Refused,
    /// The table has another form than this connection knows: a new one will do.
    Altered,
}

/// Below so many rows a round trip costs more than the upsert of new ones.
const WORTH_SORTING: usize = 1_000;

/// How a transaction began.
enum Begun {
    /// A checkpoint stands elsewhere.
    FenceLost,
    /// The table has another form.
    Altered,
    /// All checkpoints moved; with the COPY, where that is the way.
    Open(Option<Statement>),
}

impl Writer {
    /// A writer that connects when it is first used, or by [`Writer::connect`].
    pub fn new(owner: Owner) -> Writer {
        Writer {
            owner,
            link: None,
            plans: HashMap::new(),
            loadings: HashMap::new(),
            pace: Pace::default(),
            pending: None,
            acknowledged: Memory::default(),
            refused: Vec::new(),
            row_statements: 0,
        }
    }

    /// A writer that knows what the lane's earlier writers have committed.
    pub fn with_memory(mut self, acknowledged: Memory) -> Writer {
        self.acknowledged = acknowledged;
        self
    }

    /// Makes sure that there is a connection.
    ///
    /// # Errors
    /// `Fenced` where the server lacks what it has acknowledged on an earlier one.
    pub async fn connect(&mut self) -> Result<()> {
        if self.link.is_none() {
            self.loadings.clear();
            let link = Link::open(&self.owner).await?;
            let mut acknowledged = self.acknowledged.lock().await;
            acknowledged.compare(&link.client, self.owner.lane).await?;
            self.link = Some(link);
        }
        Ok(())
    }

    /// Writes a batch: `Ok` only once it is known to be durable, share by share.
    pub async fn write(&mut self, batch: &Batch) -> Result<Written> {
        let mut times = StageTimes::default();
        let mut claims = Claims::new(batch.shares.iter().map(|share| Move {
            file: share.file,
            epoch: share.epoch,
            from: share.from,
            to: share.to,
        }))?;
        self.refused.clear();
        let mut care = Care::None;
        let mut over_budget: Vec<(FileId, Vec<DeadLetter>)> = Vec::new();
        for _ in 0..ROUNDS + batch.shares.len() {
            if self.pending.is_some() {
                self.read_standings(&mut claims).await?;
            }
            if claims.settled() {
                let written = self.written(&claims, over_budget, times);
                self.remember(&written.outcomes).await?;
                return Ok(written);
            }
            match self.attempt(batch, &claims, care, &mut times).await {
                Ok(Attempt::Committed(counts)) => claims.settle_committed(&counts),
                Ok(Attempt::FenceLost) => self.read_standings(&mut claims).await?,
                Ok(Attempt::OverBudget(share, letters)) => {
                    claims.give_up(share);
                    over_budget.push((batch.shares[share].file, letters));
                }
                Ok(Attempt::Conflict) => self.pace.conflicted(),
                Ok(Attempt::Refused) => care = Care::Refused,
                Ok(Attempt::OutOfTurn) => care = Care::InTurn,
                Ok(Attempt::Altered) => {}
                // Kept in `pending`: the next round reads what came of it.
                Err(error) if error.kind() == ErrorKind::Unknown && self.pending.is_some() => {}
                Err(error) => return Err(error),
            }
        }
        if claims.settled() && self.pending.is_none() {
            let written = self.written(&claims, over_budget, times);
            self.remember(&written.outcomes).await?;
            return Ok(written);
        }
        let kind = match self.pending {
            Some(_) => ErrorKind::Unknown,
            None => ErrorKind::Transient,
        };
        Err(Error::new(
            kind,
            "writing a batch: its checkpoints or its connection kept changing",
        ))
    }

    fn written(
        &mut self,
        claims: &Claims,
        over_budget: Vec<(FileId, Vec<DeadLetter>)>,
        times: StageTimes,
    ) -> Written {
        let outcomes = claims.outcomes();
        let rejects = outcomes.iter().any(
            |outcome| matches!(outcome, ShareOutcome::Moved { counts, .. } if counts.rejected > 0),
        );
        // Where the COMMIT was lost and another life has done it, they are that one's.
        let dead_letters = match rejects {
            true => std::mem::take(&mut self.refused),
            false => Vec::new(),
        };
        Written {
            outcomes,
            over_budget,
            dead_letters,
            times,
        }
    }

    /// Keeps in mind what is committed, for the lane's next connection.
    async fn remember(&mut self, outcomes: &[ShareOutcome]) -> Result<()> {
        let mut acknowledged = self.acknowledged.lock().await;
        acknowledged.note(outcomes);
        if acknowledged.is_large()
            && let Some(link) = &self.link
        {
            acknowledged.compare(&link.client, self.owner.lane).await?;
        }
        Ok(())
    }

    /// Reads the checkpoints under their locks, which wait for the transaction of whatever backend
    /// moves them: for this lane's former one too, which the new connection has terminated.
    async fn read_standings(&mut self, claims: &mut Claims) -> Result<()> {
        let link = self.take_link().await?;
        pass(Step::BatchReread).await?;
        link.begin().await?;
        let standings = fence::standings(&link.client, self.owner.lane, &claims.files()).await?;
        link.rollback().await?;
        claims.settle_by(&standings, self.pending.as_ref());
        self.pending = None;
        self.link = Some(link);
        Ok(())
    }

    async fn take_link(&mut self) -> Result<Link> {
        self.connect().await?;
        self.link
            .take()
            .ok_or_else(|| Error::new(ErrorKind::Bug, "a writer lost its new connection"))
    }

    /// One transaction, begun and ended.
    async fn attempt(
        &mut self,
        batch: &Batch,
        claims: &Claims,
        care: Care,
        times: &mut StageTimes,
    ) -> Result<Attempt> {
        let mut link = self.take_link().await?;
        let loading = self.loading(&link, batch).await?;

        let start = Instant::now();
        let rules = match care {
            Care::None => loading.rules,
            Care::Refused => loading.rules.careful(),
            Care::InTurn => loading.rules.in_turn(),
        };
        let careful = care != Care::None;
        let selection = Selection::new(batch, claims, rules);
        lap(start, &mut times.prepare);

        let start = Instant::now();
        let way = self.way(&loading, &selection, careful);
        let rows = !selection.kept().is_empty();
        pass(Step::BatchBegin).await?;
        let begun = self.begin(&link, &loading, claims, way.filter(|_| rows), rows);
        let begun = begun.await?;
        lap(start, &mut times.fence);
        let copy = match begun {
            Begun::Open(copy) => copy,
            Begun::FenceLost => {
                link.rollback().await?;
                self.link = Some(link);
                return Ok(Attempt::FenceLost);
            }
            Begun::Altered => {
                link.rollback().await?;
                return Ok(Attempt::Altered);
            }
        };

        pass(Step::BatchFence).await?;
        let start = Instant::now();
        let mut work = RowWork {
            link: &link,
            loading: &loading,
            selection: &selection,
            rooms: batch.shares.iter().map(|share| share.room).collect(),
            careful,
            over: None,
            statements: 0,
            staged: false,
            sight: Sight::default(),
        };
        let written = work.write(way, copy).await;
        let RowWork {
            statements,
            staged,
            sight,
            over,
            ..
        } = work;
        self.row_statements += statements;
        let (counts, letters) = match written {
            Ok(done) => done,
            Err(Fault::Rows(refusal)) => {
                link.rollback().await?;
                self.link = Some(link);
                let merges = loading.plan.merges();
                return Ok(match way {
                    Some(Way::Copy | Way::Sort) if merges && refusal.is_duplicate_key() => {
                        Attempt::Conflict
                    }
                    _ => Attempt::Refused,
                });
            }
            Err(Fault::Other(error)) => return Err(error),
        };
        if care == Care::Refused && refused::may_be_out_of_turn(batch, &letters) {
            link.rollback().await?;
            self.link = Some(link);
            return Ok(Attempt::OutOfTurn);
        }
        if let Some(over) = over {
            link.rollback().await?;
            self.link = Some(link);
            let letters = letters.into_iter().filter(|(share, _)| *share == over);
            let letters = letters.map(|(_, letter)| letter).collect();
            return Ok(Attempt::OverBudget(over, letters));
        }
        let letters: Vec<_> = letters
            .iter()
            .map(|(share, letter)| (batch.shares[*share].file, letter))
            .collect();
        if !letters.is_empty() {
            pass(Step::BatchLetters).await?;
        }
        dead_letters::store(&link.client, &self.owner.pipeline, &letters).await?;
        pass(Step::BatchCount).await?;
        let counted: Vec<_> = claims
            .live()
            .map(|(index, wanted)| (wanted.file, counts[index]))
            .collect();
        fence::count(&link.client, self.owner.lane, &counted).await?;
        lap(start, &mut times.write);

        pass(Step::BatchCommit).await?;
        let start = Instant::now();
        self.refused = by_reason(letters.iter().map(|(_, letter)| *letter));
        self.pending = Some(claims.pending(&counts));
        let mut committed = link.commit().await;
        if committed.is_ok() {
            committed = pass(Step::BatchCommitted).await;
        }
        if !matches!(&committed, Err(error) if error.kind() == ErrorKind::Unknown) {
            self.pending = None;
        }
        committed?;
        lap(start, &mut times.commit);

        if staged && !link.pooled && !link.staged.contains(&loading.id) {
            link.staged.push(loading.id);
        }
        self.link = Some(link);
        self.pace.committed(sight.rows, sight.met);
        Ok(Attempt::Committed(counts))
    }

    /// Begins the transaction, moves the checkpoints, looks at the table and prepares the COPY: sent
    /// at once and carried out one after the other, which costs one round trip.
    async fn begin(
        &self,
        link: &Link,
        loading: &Loading,
        claims: &Claims,
        way: Option<Way>,
        rows: bool,
    ) -> Result<Begun> {
        let moves = claims.moves();
        let checked = async {
            match rows {
                true => load::check_types(&link.client, loading).await,
                false => Ok(true),
            }
        };
        let prepared = async {
            match way {
                Some(Way::Copy | Way::Sort) => {
                    let sql = &loading.statements.copy;
                    load::prepare_copy(&link.client, sql, loading)
                        .await
                        .map(Some)
                }
                _ => Ok(None),
            }
        };
        let (begun, moved, checked, prepared) = join!(
            link.begin(),
            fence::advance(&link.client, self.owner.lane, &moves),
            checked,
            prepared,
        );
        begun?;
        if !moved? {
            return Ok(Begun::FenceLost);
        }
        if !checked? {
            return Ok(Begun::Altered);
        }
        Ok(Begun::Open(prepared?))
    }

    /// The way for this transaction; `None` where refused rows are looked for.
    fn way(&self, loading: &Loading, selection: &Selection<'_>, careful: bool) -> Option<Way> {
        if careful || loading.plan.all_or_nothing {
            None
        } else if loading.facts.insert_only {
            Some(Way::Upsert)
        } else if selection.undecided() && !loading.rules.single {
            // A COPY of several rows of one key would be in vain.
            Some(Way::Upsert)
        } else if !loading.plan.merges() {
            Some(Way::Copy)
        } else {
            let rows = selection.first().0.len();
            let sorts = loading.presence.is_some() && rows >= WORTH_SORTING;
            Some(match self.pace.way() {
                Way::Sort if !sorts => Way::Upsert,
                way => way,
            })
        }
    }

    /// The batch's plan, parsed once and looked up in the catalog once a connection.
    async fn loading(&mut self, link: &Link, batch: &Batch) -> Result<Arc<Loading>> {
        let id = batch.plan.id;
        if let Some(loading) = self.loadings.get(&id) {
            return Ok(loading.clone());
        }
        let plan = match self.plans.get(&id) {
            Some(plan) => plan,
            None => {
                let parsed = serde_json::from_str(&batch.plan.definition).map_err(|error| {
                    let message = format!("plan {id} of the ledger can't be read");
                    Error::new(ErrorKind::Configuration, message)
                        .with_advice("run the ingestd that wrote it")
                        .with_source(error)
                })?;
                self.plans.entry(id).or_insert(parsed)
            }
        };
        let loading = Arc::new(load::prepare(&link.client, id, plan).await?);
        self.loadings.insert(id, loading.clone());
        Ok(loading)
    }
}

fn lap(start: Instant, into: &mut Duration) {
    *into += start.elapsed();
}
