//! `ingestd status`: the pipelines, what they do, and what holds them up.

use std::collections::BTreeMap;

use ingestd_actors::error::Result;
use serde_json::json;

use super::context::{ConfigArgs, connect_to_ledger};
use super::missing_indexes::{self, MissingIndex};
use super::output::{harmless, print, print_json, table, thousands};
use crate::postgres::classify;

/// Show the pipelines: what they do, what holds them up
///
/// Every pipeline that has ever run into this database: its state, its files, its dead letters, and
/// the indexes that are still to be built after a first load.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example:\n  ingestd status --json | jq '.[].state'")]
pub struct StatusArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const QUERY: &str = "
select p.name, p.paused, coalesce(p.degraded, i.degraded) as degraded,
       coalesce(i.hosts, '{}') as hosts, coalesce(i.processes, '{}') as processes,
       coalesce(i.held_up, '{}') as held_up,
       coalesce(f.waiting, 0) as waiting, coalesce(f.committed, 0) as committed,
       coalesce(f.skipped, 0) as skipped, coalesce(f.quarantined, 0) as quarantined,
       coalesce(f.failed, 0) as failed, coalesce(f.records, 0)::bigint as records,
       coalesce(f.filtered, 0)::bigint as filtered,
       (select count(*) from ingestd.dead_letters d where d.pipeline = p.name and d.status = 'NEW') as dead_letters,
       to_char(f.last_commit at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') as last_commit
from ingestd.pipelines p
left join lateral (
    select array_agg(i.host order by i.since, i.instance) as hosts,
           array_agg(i.process order by i.since, i.instance) as processes,
           array_agg(i.degraded order by i.since, i.instance) as held_up,
           string_agg(distinct i.degraded, '; ') as degraded
    from ingestd.live_instances i where i.pipeline = p.name
) i on true
left join lateral (
    select count(*) filter (where state in ('SCHEDULED', 'READING', 'COMPLETED')) as waiting,
           count(*) filter (where state in ('COMMITTED', 'ARCHIVED')) as committed,
           count(*) filter (where state = 'SKIPPED') as skipped,
           count(*) filter (where state = 'QUARANTINED') as quarantined,
           count(*) filter (where state = 'FAILED') as failed,
           sum(records) as records, sum(filtered) as filtered, max(committed_at) as last_commit
    from ingestd.files f where f.pipeline = p.name
) f on true
order by p.name";

/// Runs the subcommand.
pub fn run(args: &StatusArgs) -> Result<()> {
    let mut connection = connect_to_ledger(&args.config.settings_or_defaults()?)?;
    let rows = connection
        .client
        .query_typed(QUERY, &[])
        .map_err(|error| classify(error, "reading the ledger"))?;
    let missing = missing_indexes::read(&mut connection.client)?;
    let count = |row: &postgres::Row, column: &str| row.get::<_, i64>(column).cast_unsigned();
    if args.json {
        let pipelines = rows.iter().map(|row| {
            let name: String = row.get("name");
            let missing = missing.iter().filter(|index| index.pipeline == name);
            let missing: Vec<_> = missing.map(MissingIndex::json).collect();
            json!({
                "pipeline": name, "state": state(row),
                "instances": instances(row).iter().map(Instance::json).collect::<Vec<_>>(),
                "degraded": row.get::<_, Option<String>>("degraded"),
                "files": {
                    "loading": count(row, "waiting"), "committed": count(row, "committed"),
                    "skipped": count(row, "skipped"), "quarantined": count(row, "quarantined"),
                    "failed": count(row, "failed"),
                },
                "records": count(row, "records"), "filtered": count(row, "filtered"), "dead_letters": count(row, "dead_letters"),
                "last_commit_at": row.get::<_, Option<String>>("last_commit"),
                "missing_indexes": missing,
            })
        });
        return print_json(&pipelines.collect());
    }
    if rows.is_empty() {
        return print(&format!(
            "no pipeline has run yet\n{}",
            missing_indexes::in_words(&missing)
        ));
    }
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.get("name"),
                state(row).to_owned(),
                thousands(count(row, "waiting")),
                thousands(count(row, "committed")),
                thousands(count(row, "skipped")),
                thousands(count(row, "quarantined")),
                thousands(count(row, "failed")),
                thousands(count(row, "records")),
                thousands(count(row, "filtered")),
                thousands(count(row, "dead_letters")),
                row.get::<_, Option<String>>("last_commit")
                    .unwrap_or_else(|| "never".to_owned()),
                harmless(&loaded_by(&instances(row))),
                harmless(&row.get::<_, Option<String>>("degraded").unwrap_or_default()),
            ]
        })
        .collect();
    let heading = [
        "pipeline",
        "state",
        "loading",
        "loaded",
        "skipped",
        "quarantined",
        "failed",
        "records",
        "filtered",
        "dead letters",
        "last commit",
        "loaded by",
        "held up by",
    ];
    print(&format!(
        "{}{}",
        table(&heading, &lines),
        missing_indexes::in_words(&missing)
    ))
}

/// A process that loads a pipeline.
struct Instance {
    host: String,
    process: i32,
    held_up: Option<String>,
}

impl Instance {
    fn json(&self) -> serde_json::Value {
        json!({ "host": self.host, "process": self.process, "held_up_by": self.held_up })
    }
}

/// Those that live, the oldest first.
fn instances(row: &postgres::Row) -> Vec<Instance> {
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
fn loaded_by(instances: &[Instance]) -> String {
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

fn state(row: &postgres::Row) -> &'static str {
    let running = !instances(row).is_empty();
    let paused: bool = row.get("paused");
    let degraded = row.get::<_, Option<String>>("degraded").is_some();
    match (running, paused, degraded) {
        (true, true, _) => "paused",
        (true, false, true) => "degraded",
        (true, false, false) => "running",
        (false, true, _) => "stopped (paused)",
        (false, false, _) => "stopped",
    }
}
