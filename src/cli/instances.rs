//! The processes that load a pipeline, as `ingestd status` shows them.

use std::collections::BTreeMap;

use serde_json::json;

/// What [`of`] needs, of `i` in [`FROM`].
pub const COLUMNS: &str = "
    coalesce(i.hosts, '{}') as hosts, coalesce(i.processes, '{}') as processes,
    coalesce(i.held_up, '{}') as held_up";

/// What stands behind a `from ingestd.pipelines p`.
pub const FROM: &str = "
left join lateral (
    select array_agg(i.host order by i.since, i.instance) as hosts,
           array_agg(i.process order by i.since, i.instance) as processes,
           array_agg(i.degraded order by i.since, i.instance) as held_up,
           string_agg(distinct i.degraded, '; ') as degraded
    from ingestd.live_instances i where i.pipeline = p.name
) i on true";

/// A process that loads a pipeline.
pub struct Instance {
    host: String,
    process: i32,
    held_up: Option<String>,
}

impl Instance {
    /// For programs.
    pub fn json(&self) -> serde_json::Value {
        json!({ "host": self.host, "process": self.process, "held_up_by": self.held_up })
    }
}

/// Those that live, the oldest first.
pub fn of(row: &postgres::Row) -> Vec<Instance> {
    let hosts: Vec<String> = row.get("hosts");
    let processes: Vec<i32> = row.get("processes");
    let held_up: Vec<Option<String>> = row.get("held_up");
    let all = hosts.into_iter().zip(processes).zip(held_up);
    all.map(|((host, process), held_up)| Instance {
        host,
        process,
        held_up,
    })
    .collect()
}

/// For people: the processes, those of one host together.
pub fn in_words(instances: &[Instance]) -> String {
    let mut hosts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for instance in instances {
        let processes = hosts.entry(&instance.host).or_default();
        processes.push(instance.process.to_string());
    }
    let hosts = hosts
        .iter()
        .map(|(host, processes)| format!("{} on {host}", processes.join(", ")));
    hosts.collect::<Vec<_>>().join("; ")
}
