//! Files that are loaded as a whole: the transaction that makes one COMMITTED moves its rows into the
//! table, so that whoever reads the table sees all of them or none.

use std::time::Duration;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::flow::Known;
use ingestd_actors::model::{Counts, OverBudget, Plan};
use ingestd_actors::port::{Committed, Completion};
use tokio_postgres::Transaction;
use uuid::Uuid;

use super::Core;
use super::admit::blocking;
use super::balance::{Judgement, judge};
use super::budget::{Passed, quarantine};
use super::commit::{Ended, accounts, look_at, make_committed, make_failed, make_refused};
use super::error::ledger_error;
use crate::plan::LoadPlan;
use crate::postgres::Database;
use crate::postgres::link::{Link, Owner};
use crate::postgres::sink::moving::{Moved, Moving};
use crate::postgres::stages;

/// What stands for the lane of the connection that moves rows, beside those of writers and rejects.
const MOVER: i32 = -2;

/// How long a statement waits for a lock of the table.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// Whose connection moves the rows of a pipeline's files.
pub(super) fn mover_owner(database: Database, pipeline: &str, instance: Uuid) -> Owner {
    Owner {
        database,
        pipeline: pipeline.to_owned(),
        lane: MOVER,
        instance,
        lock_timeout: LOCK_TIMEOUT,
    }
}

impl Core {
    /// Moves and commits one file, on a connection of its own that a takeover can end.
    pub(super) async fn commit_whole(
        &self,
        completion: Completion,
        plan: &Plan,
    ) -> Result<Committed> {
        let load_plan: LoadPlan = serde_json::from_str(&plan.definition).map_err(|error| {
            Error::new(ErrorKind::Bug, "the stored plan can't be read").with_source(error)
        })?;
        let ended = blocking(move || look_at(completion)).await?;
        // Taken out, and put back only after a clean end: dropped, it is closed.
        let kept = self.mover.lock().await.take();
        let mut link = match kept.filter(|link| !link.client.is_closed()) {
            Some(link) => link,
            None => Link::open(&self.mover_owner).await?,
        };
        let committed = self.move_and_commit(&mut link, &ended, plan.id, &load_plan);
        let committed = committed.await?;
        *self.mover.lock().await = Some(link);
        Ok(committed)
    }

    async fn move_and_commit(
        &self,
        link: &mut Link,
        ended: &Ended,
        plan_id: i64,
        plan: &LoadPlan,
    ) -> Result<Committed> {
        let failed = |error| ledger_error(error, "committing a file");
        let Completion {
            file,
            epoch,
            seen,
            end,
            ..
        } = &ended.completion;
        let (file, epoch) = (*file, *epoch);
        let transaction = link.transaction().await?;
        let accounts = accounts(&transaction, &[file.0]).await?;
        pass(Step::MoveJudge).await?;
        let counts = match judge(accounts.get(&file), epoch, seen, end) {
            Judgement::Commit(counts) => counts,
            Judgement::Done(counts) => return Ok(Committed::Done { file, counts }),
            Judgement::Fenced => return Ok(Committed::Fenced { file }),
            Judgement::Unbalanced(reason) => {
                return fail(transaction, &ended.completion, reason).await;
            }
            Judgement::Refuse(reason) => {
                make_refused(&transaction, &[(ended, reason.clone())]).await?;
                stages::drop_tables(&transaction, &[file.0]).await?;
                transaction.commit().await.map_err(failed)?;
                return Ok(Committed::Refused { file, reason });
            }
            Judgement::Refused(reason) => return Ok(Committed::Refused { file, reason }),
        };
        let records = end.end.record;
        if let Some(passed) = Passed::at_end(&self.budget, counts.rejected, records) {
            let reason = quarantine(&transaction, file, epoch, &passed).await?;
            transaction.commit().await.map_err(failed)?;
            return Ok(Committed::Refused { file, reason });
        }
        let moving = Moving {
            client: transaction.client(),
            pipeline: &self.pipeline,
            file,
            plan_id,
            plan,
            staged: counts.staged,
            room: self.budget.room(counts.rejected, Known::All(records)),
        };
        let moved = match moving.carry_out().await? {
            Moved::Done(moved) => moved,
            Moved::Lacks(there) => {
                let staged = counts.staged;
                let reason = format!(
                    "{staged} of its rows were staged, but its staging table has {there}: it was \
                     changed from outside; `load --again` loads the file from its start"
                );
                return fail(transaction, &ended.completion, reason).await;
            }
            Moved::OverBudget(dead_letters) => {
                transaction.rollback().await.map_err(failed)?;
                let errors = counts.rejected + dead_letters.len() as u64;
                let limit = self.budget.passed(errors, Known::All(records));
                let over = OverBudget {
                    limit: limit.unwrap_or_default(),
                    records,
                    at_end: true,
                    dead_letters,
                };
                let reason = self.give_up_over_budget(file, epoch, over).await?;
                return Ok(Committed::Refused { file, reason });
            }
        };
        let mut total = Counts {
            staged: 0,
            ..counts
        };
        total += moved;
        if total.total() != records {
            let reason = format!(
                "{records} records were read, but {} are accounted for after its rows were moved",
                total.total()
            );
            return Err(Error::new(ErrorKind::Bug, reason));
        }
        make_committed(&transaction, &[(ended, total)]).await?;
        stages::drop_tables(&transaction, &[file.0]).await?;
        pass(Step::MoveCommit).await?;
        transaction.commit().await.map_err(failed)?;
        pass(Step::MoveCommitted).await?;
        Ok(Committed::Done {
            file,
            counts: total,
        })
    }
}

async fn fail(
    transaction: Transaction<'_>,
    completion: &Completion,
    reason: String,
) -> Result<Committed> {
    let file = completion.file;
    make_failed(&transaction, &[(file, reason.clone())]).await?;
    let done = transaction.commit().await;
    done.map_err(|error| ledger_error(error, "failing a file"))?;
    Ok(Committed::Unbalanced { file, reason })
}
