//! The other instances that share a pipeline, and what they have in hand.

use std::collections::HashMap;

use ingestd_actors::error::Result;
use ingestd_actors::model::{Candidate, FileId};
use tokio_postgres::types::Type;
use tokio_postgres::{Row, Transaction};

use super::Core;
use super::error::ledger_error;
use super::known::Known;
use super::verdict::{Decision, Quick, Rules, same_metadata};
use crate::postgres::Client;

/// Beside other instances no more bytes than these are taken at a time, but one file in any case: the
/// rest is for whichever of them is free first.
const SHARE: u64 = 128 << 20;

/// An SQL condition on a file `f`: this instance may take it into its hands, where `instance` is the
/// parameter that says which one it is, and `alone` the one that says whether it holds the pipeline
/// alone. Then whoever else had the file is dead.
pub(super) fn takeable(instance: &str, alone: &str) -> String {
    format!(
        "({alone} or f.owner is null or f.owner = {instance}::uuid
          or not exists (select from ingestd.live_instances l where l.instance = f.owner))"
    )
}

/// The other instances of a pipeline that live, and who each is, for people.
#[derive(Clone, Debug, Default)]
pub(super) struct Others(HashMap<String, String>);

impl Others {
    /// How many bytes this instance takes into its hands at a time.
    pub(super) fn share(&self) -> u64 {
        match self.0.is_empty() {
            true => u64::MAX,
            false => SHARE,
        }
    }

    /// Who has a file in hand, where it is another instance that lives.
    fn owner_of(&self, known: &Known) -> Option<&str> {
        self.who(known.owner.as_ref())
    }

    /// Who this instance is, where it is another one that lives.
    fn who(&self, owner: Option<&String>) -> Option<&str> {
        self.0.get(owner?).map(String::as_str)
    }

    /// Whether the metadata say that a file has to wait for another instance that has it in hand, and
    /// why. What stays where it is, is nobody's.
    pub(super) fn wait_for(
        &self,
        candidate: &Candidate,
        at_path: &[Known],
        quick: &Quick,
        rules: Rules,
    ) -> Option<String> {
        let same = |known: &&Known| same_metadata(candidate, &known.candidate);
        let known = at_path.iter().filter(same).max_by_key(|it| it.file)?;
        let who = self.owner_of(known)?;
        let is_moved = match quick {
            Quick::Ignore => false,
            Quick::Skip(..) | Quick::Archive(_) => !rules.keeps,
            Quick::Quarantine(..) => !rules.keeps_quarantined,
            Quick::Content => known.is_unfinished(),
        };
        is_moved.then(|| has_it(who))
    }

    /// Whether a decision is about a file that another instance has in hand: then it has to wait.
    pub(super) fn defer(&self, decision: Decision, known: &HashMap<FileId, String>) -> Decision {
        let files: &[FileId] = match &decision {
            Decision::Continue(file) => std::slice::from_ref(file),
            Decision::Load { gives_up, .. } => gives_up,
            _ => &[],
        };
        let who = files.iter().find_map(|file| self.who(known.get(file)));
        match who {
            Some(who) => Decision::Later(has_it(who)),
            None => decision,
        }
    }
}

/// The owners of files, as far as they have one.
pub(super) fn owners(known: &[Known]) -> HashMap<FileId, String> {
    let owned = known.iter();
    let owned = owned.filter_map(|known| Some((known.file, known.owner.clone()?)));
    owned.collect()
}

fn has_it(who: &str) -> String {
    format!("{who}, another instance, has it in hand")
}

/// What was seen of a pipeline, before its files were looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Sight {
    /// The other instances; none where this one holds the pipeline alone.
    pub others: Others,
    /// How many admissions there had been.
    pub admissions: i64,
    /// It is shared, and somebody has paused it for all instances.
    pub paused: bool,
}

impl Core {
    /// The pipeline, and the instances that share it.
    pub(super) async fn look_at_others(&self, client: &Client, shared: bool) -> Result<Sight> {
        let rows = client
            .query_typed(
                "select p.admissions, p.paused, i.instance::text,
                        format('process %s on host %s', i.process, i.host) as who
                 from ingestd.pipelines p
                 left join ingestd.live_instances i
                   on i.pipeline = p.name and i.instance <> $2::uuid and $3
                 where p.name = $1",
                &[
                    (&self.pipeline, Type::TEXT),
                    (&self.instance, Type::TEXT),
                    (&shared, Type::BOOL),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "looking for other instances"))?;
        let other = |row: &Row| Some((row.get::<_, Option<String>>("instance")?, row.get("who")));
        Ok(Sight {
            others: Others(rows.iter().filter_map(other).collect()),
            admissions: rows.first().map_or(0, |row| row.get("admissions")),
            paused: shared && rows.first().is_some_and(|row| row.get("paused")),
        })
    }

    /// Makes sure that the lease is held until the transaction's end, and that nobody has admitted files
    /// since `sight`: two would take the same file for a new one. That may be another instance; and it may
    /// be this one, of which an admission is being committed still, whose answer was given up.
    /// Whether that is so.
    ///
    /// # Errors
    /// `Fenced` where the lease is not held.
    pub(super) async fn hold_admission(
        &self,
        transaction: &Transaction<'_>,
        sight: &Sight,
    ) -> Result<bool> {
        let admitted = transaction
            .execute_typed(
                // Durable, as in `Lease::hold`.
                "with durable as materialized (
                     select set_config('synchronous_commit', 'on', true))
                 update ingestd.pipelines set admissions = admissions + 1 from durable
                 where name = $1 and admissions = $2
                   and (lease_instance = $3::uuid
                        or lease_instance is null
                           and exists (select from ingestd.instances where instance = $3::uuid))",
                &[
                    (&self.pipeline, Type::TEXT),
                    (&sight.admissions, Type::INT8),
                    (&self.instance, Type::TEXT),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "admitting files"))?;
        if admitted == 0 {
            self.lease.hold(transaction).await?;
        }
        Ok(admitted > 0)
    }
}
