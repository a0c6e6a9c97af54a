//! Taking and renewing a lease: who may hold a pipeline is decided under the lock of its row.

use futures_util::try_join;
use ingestd_actors::error::Result;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row, Transaction};

use super::error::ledger_error;
use super::lease::Who;
use crate::postgres::Database;

/// How a lease is held.
pub(super) struct Holding {
    /// Beside others, each of whom owns files; else alone.
    pub shared: bool,
    /// An instance is dead that has not been cleared away.
    pub sees_dead: bool,
}

/// What came of taking or renewing a lease.
pub(super) enum Taken {
    /// It is held.
    Ours(Holding),
    /// Somebody else has it: who, for people.
    Theirs(String),
}

/// What is known of a pipeline, read under the lock of its row.
#[derive(Clone, Debug, Default)]
struct Standing {
    /// Another instance holds it alone.
    alone: Option<String>,
    /// Another instance shares it.
    sharing: Option<String>,
    /// This instance has a row.
    known: bool,
    /// This instance holds it alone.
    ours_alone: bool,
    /// Something that is unfinished, or the table, needs the files in their order.
    needs_order: bool,
    sees_dead: bool,
}

/// PURE: whether a lease may be held, and how; `Err` says by whom it is held instead.
fn decide(standing: &Standing, may_share: bool, fresh: bool) -> Result<bool, String> {
    if let Some(holder) = &standing.alone {
        return Err(holder.clone());
    }
    let lost = !standing.known || (!may_share && !standing.ours_alone);
    if !fresh && lost {
        // It was taken for dead, and what it had in hand is others' now.
        let taken_by = standing.sharing.clone();
        return Err(taken_by.unwrap_or_else(|| "another instance".to_owned()));
    }
    let alone = !may_share || standing.needs_order;
    match &standing.sharing {
        Some(holder) if alone => Err(holder.clone()),
        Some(_) => Ok(true),
        None => Ok(!alone),
    }
}

/// Takes the lease (`fresh`), or renews the one that is held.
pub(super) async fn take(
    database: &Database,
    client: &mut Client,
    who: &Who,
    fresh: bool,
) -> Result<Taken> {
    let failed = |error| ledger_error(error, "taking the lease");
    let transaction = database.begin(client).await?;
    let pipeline = [(&who.pipeline as _, Type::TEXT)];
    // Sent at once, carried out one after the other: what is looked at is as it is under the lock.
    // Whoever gives up waiting for a lock would leave a backend behind that goes on waiting.
    let patience = format!("set local lock_timeout = {}", who.length.as_millis() / 5);
    let (_, _, _, row) = try_join!(
        transaction.batch_execute(&patience),
        transaction.execute_typed(
            "insert into ingestd.pipelines (name) values ($1) on conflict do nothing",
            &pipeline,
        ),
        transaction.query_typed(
            "select from ingestd.pipelines where name = $1 for no key update",
            &pipeline,
        ),
        look(&transaction, who, fresh),
    )
    .map_err(failed)?;
    let standing = read(&row);
    let shared = match decide(&standing, who.may_share, fresh) {
        Ok(shared) => shared,
        Err(holder) => return Ok(Taken::Theirs(holder)),
    };
    write(&transaction, who, shared, !database.is_pooled())
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(Taken::Ours(Holding {
        shared,
        sees_dead: standing.sees_dead && shared,
    }))
}

/// A backend of another role shows its process but not its start: then only the time counts.
async fn look(
    transaction: &Transaction<'_>,
    who: &Who,
    fresh: bool,
) -> Result<Row, tokio_postgres::Error> {
    transaction
        .query_typed_one(
            "select case when p.lease_instance <> $2::uuid and p.lease_expires > clock_timestamp()
                              and (p.lease_backend is null
                                   or exists (select from pg_stat_activity a
                                              where a.pid = p.lease_backend
                                                and (a.backend_start = p.lease_backend_start
                                                     or a.backend_start is null)))
                         then format('process %s on host %s', coalesce(p.lease_process, 0),
                                     coalesce(p.lease_host, '?')) end as alone,
                    (select format('process %s on host %s', i.process, i.host)
                     from ingestd.live_instances i
                     where i.pipeline = $1 and i.instance <> $2::uuid and i.shares
                     order by i.since limit 1) as sharing,
                    exists (select from ingestd.instances where instance = $2::uuid)
                        and (p.lease_instance is null or p.lease_instance = $2::uuid) as known,
                    p.lease_instance is not distinct from $2::uuid as ours_alone,
                    -- Asked only where the answer counts: at first, and where it is held alone for it.
                    case when $3 and ($4 or p.lease_instance = $2::uuid) then
                        exists (select from ingestd.files f join ingestd.plans l using (plan_id)
                                where f.pipeline = $1
                                  and f.state in ('SCHEDULED', 'READING', 'COMPLETED')
                                  and not (l.definition ->> 'mode' = 'append'
                                           and l.definition ->> 'routing' = 'blocks'))
                        or exists (select from pg_constraint
                                   where contype = 'f' and conrelid = confrelid
                                     and conrelid = to_regclass($5))
                    else false end as needs_order,
                    exists (select from ingestd.instances i
                            where i.pipeline = $1 and i.instance <> $2::uuid
                              and not exists (select from ingestd.live_instances l
                                              where l.instance = i.instance)) as sees_dead
             from ingestd.pipelines p where p.name = $1",
            &[
                (&who.pipeline, Type::TEXT),
                (&who.instance, Type::TEXT),
                (&who.may_share, Type::BOOL),
                (&fresh, Type::BOOL),
                (&who.table, Type::TEXT),
            ],
        )
        .await
}

fn read(row: &Row) -> Standing {
    Standing {
        alone: row.get("alone"),
        sharing: row.get("sharing"),
        known: row.get("known"),
        ours_alone: row.get("ours_alone"),
        needs_order: row.get("needs_order"),
        sees_dead: row.get("sees_dead"),
    }
}

/// Writes down who holds it. Whoever holds it alone is the only one: all others are dead.
async fn write(
    transaction: &Transaction<'_>,
    who: &Who,
    shared: bool,
    has_backend: bool,
) -> Result<(), tokio_postgres::Error> {
    let seconds = who.length.as_secs_f64();
    let backend = match has_backend {
        true => "pg_backend_pid()",
        false => "null::integer",
    };
    let statement = format!(
        "with backend as (
             select b.pid, (select a.backend_start from pg_stat_activity a where a.pid = b.pid) as start
             from (select {backend} as pid) b),
         others as (
             delete from ingestd.instances
             where pipeline = $1 and instance <> $2::uuid and not $6),
         mine as (
             insert into ingestd.instances
                 (instance, pipeline, host, process, shares, backend, backend_start, expires)
             select $2::uuid, $1, $3, $4, $6, b.pid, b.start,
                    clock_timestamp() + $5 * interval '1 second'
             from backend b
             on conflict (instance) do update
             set shares = excluded.shares, backend = excluded.backend,
                 backend_start = excluded.backend_start, expires = excluded.expires)
         update ingestd.pipelines p
         set lease_instance = case when not $6 then $2::uuid end,
             lease_host = case when not $6 then $3 end,
             lease_process = case when not $6 then $4 end,
             lease_backend = case when not $6 then b.pid end,
             lease_backend_start = case when not $6 then b.start end,
             lease_expires = case when not $6
                                  then clock_timestamp() + $5 * interval '1 second' end,
             -- What held an earlier life up is not what holds this one up.
             degraded = case when lease_instance = $2::uuid then degraded end,
             degraded_at = case when lease_instance = $2::uuid then degraded_at end
         from backend b where p.name = $1"
    );
    transaction
        .execute_typed(
            &statement,
            &[
                (&who.pipeline, Type::TEXT),
                (&who.instance, Type::TEXT),
                (&who.host, Type::TEXT),
                (&who.process, Type::INT4),
                (&seconds, Type::FLOAT8),
                (&shared, Type::BOOL),
            ],
        )
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somebody() -> Option<String> {
        Some("process 1 on host a".to_owned())
    }

    #[test]
    fn one_that_holds_it_alone_keeps_everybody_out() {
        let standing = Standing {
            alone: somebody(),
            known: true,
            ..Standing::default()
        };
        for (may_share, fresh) in [(true, true), (true, false), (false, true), (false, false)] {
            assert!(decide(&standing, may_share, fresh).is_err());
        }
    }

    #[test]
    fn those_that_share_let_others_in_that_can() {
        let standing = Standing {
            sharing: somebody(),
            ..Standing::default()
        };
        assert_eq!(decide(&standing, true, true), Ok(true));
        assert!(decide(&standing, false, true).is_err());
        let needs_order = Standing {
            needs_order: true,
            ..standing
        };
        assert!(decide(&needs_order, true, true).is_err());
    }

    #[test]
    fn what_is_left_in_order_is_ended_alone_and_then_it_is_shared() {
        let mut standing = Standing {
            needs_order: true,
            known: true,
            ours_alone: true,
            ..Standing::default()
        };
        assert_eq!(decide(&standing, true, true), Ok(false));
        assert_eq!(decide(&standing, true, false), Ok(false));
        standing.needs_order = false;
        assert_eq!(decide(&standing, true, false), Ok(true));
    }

    #[test]
    fn one_that_was_taken_for_dead_begins_anew() {
        let standing = Standing::default();
        assert!(decide(&standing, true, false).is_err());
        assert_eq!(decide(&standing, true, true), Ok(true));
        assert_eq!(decide(&standing, false, true), Ok(false));
        // One that others have shared since can't hold alone what it held, though its row is there.
        let shared_since = Standing {
            known: true,
            ..Standing::default()
        };
        assert!(decide(&shared_since, false, false).is_err());
        assert_eq!(decide(&shared_since, true, false), Ok(true));
    }
}
