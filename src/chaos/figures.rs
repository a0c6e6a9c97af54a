//! What a running service costs, as it is looked at again and again.

use std::fs;

use postgres::Client;

use super::soak::Sample;

const COSTS: &str = "
    select (select count(*) from pg_stat_activity
            where datname = current_database() and backend_type = 'client backend'
              and pid <> pg_backend_pid()),
           (select count(*) from ingestd.files) + (select count(*) from ingestd.checkpoints)
         + (select count(*) from ingestd.plans) + (select count(*) from ingestd.dead_letters)
         + (select count(*) from ingestd.writers) + (select count(*) from ingestd.instances)
         + (select count(*) from ingestd.services),
           (select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint from pg_class c
            join pg_namespace n on n.oid = c.relnamespace
            where n.nspname = 'ingestd' and c.relkind = 'r'),
           (select count(*) from ingestd.files)";

/// Looks at a process and at its ledger; the rate is still to be said.
pub fn look(pid: i32, client: &mut Client) -> Result<Sample, postgres::Error> {
    let row = client.query_typed_one(COSTS, &[])?;
    let number = |column: usize| row.get::<_, i64>(column).cast_unsigned();
    let files = number(3).max(1);
    Ok(Sample {
        memory: resident(pid),
        descriptors: fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |open| open.count() as u64),
        connections: number(0),
        ledger_rows: number(1),
        rows_per_file: number(1) as f64 / files as f64,
        bytes_per_file: number(2) / files,
        rate: 0,
    })
}

/// The resident memory of a process, in bytes; 0 where it is gone.
fn resident(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.map(|line| line.trim().trim_end_matches(" kB"));
    number.and_then(|it| it.parse::<u64>().ok()).unwrap_or(0) * 1_024
}
