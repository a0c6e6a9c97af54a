//! Forgetting dead letters by their age and their number.

use std::time::Duration;

use ingestd_actors::error::Result;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::postgres::error::classify_ledger;
use crate::settings::LetterRules;

/// How many letters are deleted at once.
const GROUP: i64 = 1_000;
/// How often it is looked at least.
const LOOK: Duration = Duration::from_secs(60);

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// How many letters.
    pub letters: u64,
    /// Whether more are due.
    pub more: bool,
    /// How soon it is worth looking again.
    pub next: Option<Duration>,
}

/// Deletes a group of letters of a pipeline that are due. Those that somebody has locked stay, and so do
/// those that are NEW, unless they have a period of their own. What is deleted is counted at its file.
///
/// # Errors
/// What the server says.
pub async fn forget(client: &Client, pipeline: &str, rules: &LetterRules) -> Result<Forgotten> {
    let mut forgotten = Forgotten::default();
    if *rules == LetterRules::default() {
        return Ok(forgotten);
    }
    let periods = [rules.retention, rules.new_retention];
    let shortest = periods.into_iter().flatten().min();
    forgotten.next = Some(shortest.map_or(LOOK, |period| period.min(LOOK)));
    let periods = [
        (
            rules.retention,
            SETTLED,
            "coalesce(d.resolved_at, d.created_at)",
        ),
        (rules.new_retention, NEW, "d.created_at"),
    ];
    for (period, which, since) in periods {
        let Some(period) = period else { continue };
        let seconds = period.as_secs_f64();
        let due =
            format!("and {since} < clock_timestamp() - make_interval(secs => $2) limit {GROUP}");
        let one = delete(client, pipeline, which, &due, (&seconds, Type::FLOAT8));
        forgotten.note(one.await?);
    }
    if let Some(most) = rules.most {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let due = format!(
            "order by coalesce(d.resolved_at, d.created_at) desc, d.file_id desc, d.record desc
             offset $2 limit {GROUP}"
        );
        forgotten.note(delete(client, pipeline, SETTLED, &due, (&most, Type::INT8)).await?);
    }
    Ok(forgotten)
}

impl Forgotten {
    fn note(&mut self, letters: u64) {
        self.letters += letters;
        self.more |= letters >= GROUP.unsigned_abs();
    }
}

const SETTLED: &str = "d.status <> 'NEW'";
const NEW: &str = "d.status = 'NEW'";

/// Locks as a replay does: files first, and then their letters, each in their order; what somebody else
/// has locked waits for the next time. What a file that is over its budget has beyond its rejects'
/// checkpoint stays: `ingestd retry` counts it anew.
async fn delete(
    client: &Client,
    pipeline: &str,
    which: &str,
    due: &str,
    parameter: (&(dyn ToSql + Sync), Type),
) -> Result<u64> {
    let sql = format!(
        "with due as materialized (
             select d.file_id, d.record from ingestd.dead_letters d
             where d.pipeline = $1 and not d.beyond and {which} {due}),
         files as materialized (
             select f.file_id from ingestd.files f where f.file_id in (select file_id from due)
             order by f.file_id for no key update skip locked),
         held as materialized (
             select d.file_id, d.record from ingestd.dead_letters d
             where (d.file_id, d.record) in (select * from due)
               and d.file_id in (select file_id from files) and {which}
             order by d.file_id, d.record for update skip locked),
         gone as (
             delete from ingestd.dead_letters d using held h
             where d.file_id = h.file_id and d.record = h.record returning d.file_id),
         counted as (
             update ingestd.files f set letters_forgotten = f.letters_forgotten + g.count
             from (select file_id, count(*) from gone group by 1) g where f.file_id = g.file_id)
         select count(*) from gone"
    );
    let row = client
        .query_typed_one(&sql, &[(&pipeline, Type::TEXT), parameter])
        .await
        .map_err(|error| classify_ledger(error, "forgetting dead letters"))?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}
