//! Records that are no rows: the dead letters of those that could not be decoded, the count of those
//! that a filter left out, and the rejects' lane of checkpoints.

use std::sync::Arc;
use std::time::Duration;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::model::{Counts, Lane, RejectBatch, ShareOutcome};
use ingestd_actors::port::{PortFuture, RejectStore};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::claims::{Claims, Pending};
use super::fence::{self, Move};
use super::link::{Link, Owner};
use super::{Database, dead_letters};

/// The dead letters of one pipeline.
pub struct PostgresRejects {
    owner: Owner,
    state: Arc<Mutex<State>>,
}

/// A connection while it is clean, and a COMMIT that was not answered.
#[derive(Default)]
struct State {
    link: Option<Link>,
    pending: Option<Pending>,
}

impl PostgresRejects {
    /// The dead letters of `pipeline`, stored by this life (`instance`) of the service.
    pub fn new(database: Database, pipeline: impl Into<String>, instance: Uuid) -> Self {
        Self {
            owner: Owner {
                database,
                pipeline: pipeline.into(),
                lane: Lane::Rejects.number(),
                instance,
                lock_timeout: Duration::from_secs(10),
            },
            state: Arc::default(),
        }
    }

    /// How long a statement waits for a lock; 10 s unless told.
    pub fn with_lock_timeout(mut self, timeout: Duration) -> Self {
        self.owner.lock_timeout = timeout;
        self
    }
}

impl RejectStore for PostgresRejects {
    fn store(&self, batch: Arc<RejectBatch>) -> PortFuture<Vec<ShareOutcome>> {
        let (owner, state) = (self.owner.clone(), self.state.clone());
        self.owner.database.run(async move {
            let mut state = state.lock().await;
            store(&owner, &mut state, &batch).await
        })
    }
}

/// How often a batch is built again because a checkpoint stood elsewhere; each time it is read
/// under its lock, so that a second time is rare already.
const ROUNDS: usize = 8;

async fn store(owner: &Owner, state: &mut State, batch: &RejectBatch) -> Result<Vec<ShareOutcome>> {
    let mut claims = Claims::new(batch.shares.iter().map(|share| Move {
        file: share.file,
        epoch: share.epoch,
        from: share.from,
        to: share.to,
    }))?;
    for _ in 0..ROUNDS {
        if claims.settled() {
            return Ok(claims.outcomes());
        }
        // Taken out, and put back only after a clean end: dropped, it is closed.
        let link = match state.link.take() {
            Some(link) => link,
            None => Link::open(owner).await?,
        };
        if state.pending.is_some() {
            read_standings(owner, &link, &mut claims, state.pending.as_ref()).await?;
            state.pending = None;
        }
        let moved = claims.settled() || attempt(owner, &link, batch, &mut claims, state).await?;
        if !moved {
            read_standings(owner, &link, &mut claims, None).await?;
        }
        if state.pending.is_none() {
            state.link = Some(link);
        }
    }
    if claims.settled() {
        return Ok(claims.outcomes());
    }
    Err(Error::new(
        ErrorKind::Transient,
        "storing dead letters: the checkpoints kept moving",
    ))
}

/// One transaction; `false` where the fence was lost and nothing was written.
async fn attempt(
    owner: &Owner,
    link: &Link,
    batch: &RejectBatch,
    claims: &mut Claims,
    state: &mut State,
) -> Result<bool> {
    link.begin().await?;
    if !fence::advance(&link.client, owner.lane, &claims.moves()).await? {
        link.rollback().await?;
        return Ok(false);
    }
    pass(Step::RejectsFence).await?;
    let mut counts = vec![Counts::default(); batch.shares.len()];
    let mut letters = Vec::new();
    for (index, wanted) in claims.live() {
        let share = &batch.shares[index];
        let new = share.dead_letters.iter();
        let new = new.filter(|letter| letter.record > wanted.from.record);
        let before = letters.len();
        letters.extend(new.map(|letter| (share.file, letter)));
        counts[index].rejected = (letters.len() - before) as u64;
        counts[index].filtered = share.filtered.count_after(wanted.from.record);
    }
    dead_letters::store(&link.client, &owner.pipeline, &letters).await?;
    let counted: Vec<_> = claims
        .live()
        .map(|(index, wanted)| (wanted.file, counts[index]))
        .collect();
    fence::count(&link.client, owner.lane, &counted).await?;

    pass(Step::RejectsCommit).await?;
    let mut committed = link.commit().await;
    if committed.is_ok() {
        committed = pass(Step::RejectsCommitted).await;
    }
    match committed {
        Ok(()) => claims.settle_committed(&counts),
        // Kept beside the error: whether it was done is read on the next connection.
        Err(error) if error.kind() == ErrorKind::Unknown => {
            state.pending = Some(claims.pending(&counts));
        }
        Err(error) => return Err(error),
    }
    Ok(true)
}

async fn read_standings(
    owner: &Owner,
    link: &Link,
    claims: &mut Claims,
    pending: Option<&Pending>,
) -> Result<()> {
    pass(Step::RejectsReread).await?;
    link.begin().await?;
    let standings = fence::standings(&link.client, owner.lane, &claims.files()).await?;
    link.rollback().await?;
    claims.settle_by(&standings, pending);
    Ok(())
}
