//! The indexes that are still to be built after a first load, for `ingestd status`.

use ingestd_actors::error::Result;
use serde_json::json;

use super::output::harmless;
use crate::postgres::classify;

/// An index that is still to be built.
#[derive(Clone, Debug, Default)]
pub struct MissingIndex {
    /// Whose table's it is.
    pub pipeline: String,
    name: String,
    table: String,
    /// Since when it is being built, by a backend that is there.
    since: Option<String>,
    /// What the server says of how far that is.
    phase: Option<String>,
}

const QUERY: &str = "
select i.pipeline, i.name, i.relation::text,
       -- Behind a pooler the backend is not known.
       case when a.pid is not null or i.backend is null and l.instance is not null then
           to_char(i.building_since at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') end,
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
order by i.pipeline, i.index_id";

/// All of them, pipeline by pipeline.
pub fn read(client: &mut postgres::Client) -> Result<Vec<MissingIndex>> {
    let rows = client
        .query_typed(QUERY, &[])
        .map_err(|error| classify(error, "reading which indexes are missing"))?;
    let index = |row: &postgres::Row| MissingIndex {
        pipeline: row.get(0),
        name: row.get(1),
        table: row.get(2),
        since: row.get(3),
        phase: row.get(4),
    };
    Ok(rows.iter().map(index).collect())
}

impl MissingIndex {
    /// For programs.
    pub fn json(&self) -> serde_json::Value {
        json!({
            "index": self.name, "table": self.table,
            "building_since": self.since, "phase": self.phase,
        })
    }

    fn in_words(&self) -> String {
        let name = harmless(&self.name);
        match (&self.since, &self.phase) {
            (Some(since), Some(phase)) => format!("{name} (being built since {since}: {phase})"),
            (Some(since), None) => format!("{name} (being built since {since})"),
            (None, _) => name,
        }
    }
}

/// For people: a line for each pipeline that has any.
pub fn in_words(missing: &[MissingIndex]) -> String {
    let of_pipeline = missing.chunk_by(|one, other| one.pipeline == other.pipeline);
    let lines = of_pipeline.map(|indexes| {
        let names: Vec<String> = indexes.iter().map(MissingIndex::in_words).collect();
        let count = match indexes.len() {
            1 => "1 index".to_owned(),
            many => format!("{many} indexes"),
        };
        format!(
            "{}: {count} still to be built after the first load: {}\n",
            indexes[0].pipeline,
            names.join(", ")
        )
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pipeline_has_a_line_that_says_what_is_being_built() {
        let index =
            |pipeline: &str, name: &str, since: Option<&str>, phase: Option<&str>| MissingIndex {
                pipeline: pipeline.to_owned(),
                name: name.to_owned(),
                since: since.map(str::to_owned),
                phase: phase.map(str::to_owned),
                ..MissingIndex::default()
            };
        let missing = [
            index("a", "one", Some("12:00Z"), Some("building index")),
            index("a", "two", None, None),
            index("b", "three", Some("12:01Z"), None),
        ];
        assert_eq!(
            in_words(&missing),
            "a: 2 indexes still to be built after the first load: \
             one (being built since 12:00Z: building index), two\n\
             b: 1 index still to be built after the first load: \
             three (being built since 12:01Z)\n"
        );
        assert_eq!(in_words(&[]), "");
    }
}
