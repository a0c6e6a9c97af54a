//! The indexes that are still to be built after a first load.

use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::time;

/// An index that is still to be built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct MissingIndex {
    /// Whose table's it is.
    #[serde(skip)]
    pub pipeline: String,
    /// Its name.
    pub index: String,
    /// Its table's name.
    pub table: String,
    /// Since when it is being built, by a backend that is there.
    pub building_since: Option<String>,
    /// What the server says of how far that is.
    pub phase: Option<String>,
}

/// The statement for [`of`]: all of them, pipeline by pipeline.
pub fn query() -> String {
    format!(
        "select i.pipeline, i.name, i.relation::text,
       -- Behind a pooler the backend is not known.
       case when a.pid is not null or i.backend is null and l.instance is not null then {} end,
       g.phase
from ingestd.deferred_indexes i
left join pg_stat_activity a on a.pid = i.backend
    -- Of another role's backend one sees the process alone.
    and coalesce(a.backend_start, i.backend_start) = i.backend_start
left join ingestd.live_instances l on l.instance = i.builder
left join pg_stat_progress_create_index g
       on g.pid = a.pid
       or i.backend is null and g.relid = i.relation
          and exists (select from pg_class c where c.oid = g.index_relid and c.relname = i.name)
order by i.pipeline, i.index_id",
        time("i.building_since")
    )
}

/// A row of [`query`].
pub fn of(row: &Row) -> MissingIndex {
    MissingIndex {
        pipeline: row.get(0),
        index: row.get(1),
        table: row.get(2),
        building_since: row.get(3),
        phase: row.get(4),
    }
}

/// Those of one pipeline.
pub fn of_pipeline(all: &[MissingIndex], pipeline: &str) -> Vec<MissingIndex> {
    let own = all.iter().filter(|index| index.pipeline == pipeline);
    own.cloned().collect()
}
