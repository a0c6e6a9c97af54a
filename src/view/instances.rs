//! The processes that load a pipeline.

use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;

/// What [`of`] needs, of `i` in [`FROM`].
pub const COLUMNS: &str = "
    coalesce(i.hosts, '{}') as hosts, coalesce(i.processes, '{}') as processes,
    coalesce(i.held_up, '{}') as held_up";

/// What stands behind a `from ingestd.pipelines p`.
pub const FROM: &str = "
left join lateral (
    select array_agg(i.host order by i.since, i.instance) as hosts,
           array_agg(i.process order by i.since, i.instance) as processes,
           -- One that has the pipeline alone notes it beside the pipeline.
           array_agg(coalesce(i.degraded,
                              case when p.lease_instance is null or p.lease_instance = i.instance
                                   then p.degraded end)
                     order by i.since, i.instance) as held_up,
           string_agg(distinct i.degraded, '; ') as degraded,
           min(i.degraded_at) filter (where i.degraded is not null) as degraded_at
    from ingestd.live_instances i where i.pipeline = p.name
) i on true";

/// SQL: what holds a pipeline up, of `p` and of `i` in [`FROM`].
pub const DEGRADED: &str = "coalesce(p.degraded, i.degraded)";
/// SQL: since when.
pub const DEGRADED_AT: &str = "coalesce(p.degraded_at, i.degraded_at)";

/// A process that loads a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Instance {
    /// The machine.
    pub host: String,
    /// The process there.
    pub process: i32,
    /// What keeps it from going on, where anything does.
    pub held_up_by: Option<String>,
}

/// Those that live, the oldest first.
pub fn of(row: &Row) -> Vec<Instance> {
    let hosts: Vec<String> = row.get("hosts");
    let processes: Vec<i32> = row.get("processes");
    let held_up: Vec<Option<String>> = row.get("held_up");
    let all = hosts.into_iter().zip(processes).zip(held_up);
    all.map(|((host, process), held_up_by)| Instance {
        host,
        process,
        held_up_by,
    })
    .collect()
}
