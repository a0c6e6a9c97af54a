//! `ingestd status`: the pipelines, what they do, and what holds them up.

use std::process::ExitCode;

use ingestd_actors::error::Result;
use postgres::types::Type;
use serde_json::json;

use super::context::{ConfigArgs, connect_to_ledger};
use super::instances::{self, Instance};
use super::missing_indexes::{self, MissingIndex};
use super::output::{harmless, print, table, thousands};
use super::{state, watch_status};
use crate::postgres::classify;
use crate::settings::Pipeline;

/// Show the pipelines: what they do, what holds them up
///
/// Every pipeline that has ever run into this database: its state, its files, its dead letters, and
/// the indexes that are still to be built after a first load.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  ingestd status --watch\n  ingestd status --check\n  ingestd status --json | jq '.[].state'"
)]
pub struct StatusArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Print JSON
    #[arg(long, conflicts_with = "watch")]
    json: bool,

    /// Look again and again, until Ctrl-C: on a terminal the picture is drawn anew, elsewhere each
    /// look is a line for each pipeline
    #[arg(long)]
    watch: bool,

    /// Say only which of the configured pipelines no service looks after, and end with 1 if there is
    /// one: for health checks
    #[arg(long, conflicts_with_all = ["watch", "json"])]
    check: bool,

    /// How often --watch looks
    #[arg(long, value_name = "DURATION", default_value = "2s", requires = "watch",
          value_parser = humantime::parse_duration)]
    interval: std::time::Duration,
}

/// Before it stand the columns of [`state::COLUMNS`] and of [`instances::COLUMNS`].
const QUERY: &str = ",
       p.name, coalesce(p.degraded, i.degraded) as degraded,
       coalesce(f.waiting, 0) as waiting, coalesce(f.committed, 0) as committed,
       coalesce(f.skipped, 0) as skipped, coalesce(f.quarantined, 0) as quarantined,
       coalesce(f.failed, 0) as failed, coalesce(f.records, 0)::bigint as records,
       coalesce(f.filtered, 0)::bigint as filtered,
       (select count(*) from ingestd.dead_letters d where d.pipeline = p.name and d.status = 'NEW') as dead_letters,
       to_char(f.last_commit at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') as last_commit
from ingestd.pipelines p";

/// Stands behind [`instances::FROM`].
const FILES: &str = "
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
pub fn run(args: &StatusArgs) -> Result<ExitCode> {
    let settings = match args.check {
        true => args.config.settings()?,
        false => args.config.settings_or_defaults()?,
    };
    let mut connection = connect_to_ledger(&settings)?;
    if args.check {
        return check(&mut connection.client, settings.some_pipelines()?);
    }
    if args.watch {
        watch_status::run(&settings, connection, args.interval)?;
    } else {
        print(&look(&mut connection.client, args.json)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a service looks after each of these pipelines: it loads them, or waits as it was told to.
fn check(client: &mut postgres::Client, pipelines: &[Pipeline]) -> Result<ExitCode> {
    let names: Vec<&str> = pipelines.iter().map(|it| it.name.as_str()).collect();
    let rows = client
        .query_typed(
            "select n.name from unnest($1::text[]) with ordinality as n (name, ordinal)
             where not exists (select from ingestd.service_pipelines s
                               join ingestd.live_services l using (service)
                               where s.pipeline = n.name)
             order by n.ordinal",
            &[(&names, Type::TEXT_ARRAY)],
        )
        .map_err(|error| classify(error, "looking for services"))?;
    for row in &rows {
        print(&format!("{}: no service runs it\n", row.get::<_, &str>(0)))?;
    }
    Ok(match rows.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// What there is to be seen now.
pub(super) fn look(client: &mut postgres::Client, as_json: bool) -> Result<String> {
    let rows = client
        .query_typed(
            &format!(
                "select {},{}{QUERY}{}{FILES}",
                state::COLUMNS,
                instances::COLUMNS,
                instances::FROM
            ),
            &[],
        )
        .map_err(|error| classify(error, "reading the ledger"))?;
    let missing = missing_indexes::read(client)?;
    let count = |row: &postgres::Row, column: &str| row.get::<_, i64>(column).cast_unsigned();
    if as_json {
        let pipelines = rows.iter().map(|row| {
            let name: String = row.get("name");
            let missing = missing.iter().filter(|index| index.pipeline == name);
            let missing: Vec<_> = missing.map(MissingIndex::json).collect();
            json!({
                "pipeline": name, "state": state::word(row),
                "wanted": row.get::<_, String>("wanted"),
                "wanted_by": row.get::<_, Option<String>>("wanted_by"),
                "wanted_at": row.get::<_, Option<String>>("wanted_at"),
                "instances": instances::of(row).iter().map(Instance::json).collect::<Vec<_>>(),
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
        return Ok(format!("{:#}\n", pipelines.collect::<serde_json::Value>()));
    }
    if rows.is_empty() {
        return Ok(format!(
            "no pipeline has run yet\n{}",
            missing_indexes::in_words(&missing)
        ));
    }
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.get("name"),
                state::word(row).to_owned(),
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
                harmless(&instances::in_words(&instances::of(row))),
                held_up_by(row),
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
    Ok(format!(
        "{}{}",
        table(&heading, &lines),
        missing_indexes::in_words(&missing)
    ))
}

/// Whoever paused it, and what it waits for.
fn held_up_by(row: &postgres::Row) -> String {
    let degraded: Option<String> = row.get("degraded");
    let reasons: Vec<String> = state::by_whom(row).into_iter().chain(degraded).collect();
    harmless(&reasons.join("; "))
}
