//! The backends that write for a pipeline, and who stands in their way.

use std::time::Duration;

use ingestd_actors::error::Result;
use postgres::types::Type;
use postgres::{Row, Transaction};

use super::facts::{Blocker, Writer};
use crate::plan::TableName;
use crate::postgres::link::lane_lock;
use crate::postgres::{classify, quote};
use crate::view::time;

/// The backends that write for a pipeline, and who stands in their way. Of those who wait for each
/// other the first is told: the one that waits for nobody.
///
/// # Errors
/// Where the server's views can't be read.
pub fn writers(reading: &mut Transaction<'_>, pipeline: &str) -> Result<Vec<Writer>> {
    let sql = format!(
        "with recursive own as materialized (
             select w.pipeline, w.lane, a.pid from ingestd.writers w
             join ingestd.live_instances i on i.instance = w.instance
             join pg_stat_activity a on a.pid = w.backend
                  and (a.backend_start = w.backend_start or a.backend_start is null)
             union
             select w.pipeline, w.lane, a.pid from ingestd.writers w
             join ingestd.live_instances i on i.instance = w.instance
             join pg_locks a on {}
             where w.backend = 0),
         backends as (select lane, pid from own where pipeline = $1),
         -- The server's locks are looked at once: that takes a moment of them all.
         queued as materialized (select distinct l.pid from pg_locks l where not l.granted),
         waiting as (
             select b.lane, b.pid as writer, x.blocker, 1 as depth
             from backends b
             cross join lateral unnest(pg_blocking_pids(b.pid)) as x (blocker)
             -- Nobody is asked about that waits for nothing.
             where b.pid in (select pid from queued)
             union
             select w.lane, w.writer, x.blocker, w.depth + 1
             from waiting w
             cross join lateral unnest(pg_blocking_pids(w.blocker)) as x (blocker)
             where w.depth < 8),
         first as (
             select distinct on (lane, writer) lane, writer, blocker
             from waiting
             -- Another writer of the service holds its locks for one batch: what holds that one up counts.
             where blocker not in (select pid from own)
             order by lane, writer, depth desc, blocker)
         select b.lane, b.pid, coalesce(a.state = 'active', false) as active,
                extract(epoch from clock_timestamp() - a.query_start)::float8 as busy,
                a.wait_event_type || ': ' || a.wait_event as waits_for,
                f.blocker, k.usename::text as usename, k.application_name, k.state, {}, {}, {}
         from backends b join pg_stat_activity a on a.pid = b.pid
         left join first f on f.writer = b.pid and f.lane = b.lane
         left join pg_stat_activity k on k.pid = f.blocker
         order by b.lane",
        lane_lock("a", "w.pipeline", "w.instance::text", "w.lane"),
        time("k.state_change") + " as state_since",
        time("k.xact_start") + " as transaction_since",
        time("k.query_start") + " as query_since",
    );
    let rows = reading
        .query_typed(&sql, &[(&pipeline, Type::TEXT)])
        .map_err(|error| classify(error, "looking at the server's backends"))?;
    Ok(rows.iter().map(read_writer).collect())
}

/// Who has a lock on a table in which nobody else can write: the one that has had it for longest.
///
/// # Errors
/// Where the server's views can't be read.
pub fn holder(reading: &mut Transaction<'_>, table: &TableName) -> Result<Option<Blocker>> {
    let sql = format!(
        // The modes that are in the way of ROW EXCLUSIVE, and so of every row that is written:
        // https://www.postgresql.org/docs/current/explicit-locking.html
        "select l.pid as blocker, k.usename::text as usename, k.application_name, k.state, {}, {}, {}
         from pg_locks l left join pg_stat_activity k on k.pid = l.pid
         where l.locktype = 'relation' and l.granted and l.pid <> pg_backend_pid()
           and l.relation = to_regclass($1)
           and l.database = (select oid from pg_database where datname = current_database())
           and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
         order by k.xact_start nulls last limit 1",
        time("k.state_change") + " as state_since",
        time("k.xact_start") + " as transaction_since",
        time("k.query_start") + " as query_since",
    );
    let row = reading
        .query_typed_opt(&sql, &[(&quote::table(table), Type::TEXT)])
        .map_err(|error| classify(error, "looking at the server's locks"))?;
    Ok(row.and_then(|row| read_blocker(&row)))
}

fn read_writer(row: &Row) -> Writer {
    let seconds: Option<f64> = row.get("busy");
    Writer {
        lane: row.get("lane"),
        backend: row.get("pid"),
        active: row.get("active"),
        busy: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        waits_for: row.get("waits_for"),
        blocked_by: read_blocker(row),
    }
}

fn read_blocker(row: &Row) -> Option<Blocker> {
    let backend: Option<i32> = row.get("blocker");
    backend.map(|backend| Blocker {
        backend,
        user: row.get("usename"),
        application: row.get("application_name"),
        state: row.get("state"),
        since: row.get("state_since"),
        transaction_since: row.get("transaction_since"),
        query_since: row.get("query_since"),
    })
}
