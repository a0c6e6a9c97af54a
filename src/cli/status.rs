//! `ingestd status`: the pipelines, what they do, and what holds them up.

use std::process::ExitCode;
use std::time::Duration;

use humantime::format_duration;
use ingestd_actors::error::Result;
use postgres::types::Type;
use serde_json::json;

use super::alerts;
use super::context::{ConfigArgs, connect_to_ledger};
use super::output::{harmless, print, table, thousands};
use super::{instances, missing_indexes, watch_status};
use crate::alerts::Alert;
use crate::postgres::classify;
use crate::settings::Pipeline;
use crate::view::missing_indexes::of_pipeline;
use crate::view::pipelines::{self, PipelineStatus};

/// Show the pipelines: what they do, what holds them up
///
/// Every pipeline that has ever run into this database: its state, its files, its dead letters, the
/// indexes that are still to be built after a first load, and the alerts that fire.
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
        .query_typed(&pipelines::status_query(), &[])
        .map_err(|error| classify(error, "reading the ledger"))?;
    let missing = missing_indexes::read(client)?;
    let firing = alerts::firing(client)?;
    let status = rows.iter().map(PipelineStatus::of);
    let status: Vec<PipelineStatus> = status
        .map(|one| PipelineStatus {
            missing_indexes: of_pipeline(&missing, &one.pipeline),
            alerts: about(&firing, &one.pipeline),
            ..one
        })
        .collect();
    if as_json {
        return Ok(format!("{:#}\n", json!(status)));
    }
    if status.is_empty() {
        return Ok(format!(
            "no pipeline has run yet\n{}{}",
            missing_indexes::in_words(&missing),
            in_words(&firing)
        ));
    }
    Ok(format!(
        "{}{}{}{}",
        pipelines_table(&status),
        held_up(&status),
        missing_indexes::in_words(&missing),
        in_words(&firing)
    ))
}

/// A line for each pipeline; what no pipeline has any of is left out, so that the lines stay short.
fn pipelines_table(all: &[PipelineStatus]) -> String {
    type Cell = fn(&PipelineStatus) -> String;
    let columns: [(&str, bool, Cell); 13] = [
        ("pipeline", true, |one| harmless(&one.pipeline)),
        ("state", true, |one| one.state.to_owned()),
        ("backlog", true, |one| thousands(one.backlog.files)),
        ("lag", true, lag),
        ("loaded", true, |one| thousands(one.files.committed)),
        ("skipped", false, |one| thousands(one.files.skipped)),
        ("quarantined", false, |one| thousands(one.files.quarantined)),
        ("failed", false, |one| thousands(one.files.failed)),
        ("records", true, |one| thousands(one.records)),
        ("filtered", false, |one| thousands(one.filtered)),
        ("dead letters", true, |one| thousands(one.dead_letters)),
        ("last commit", true, last_commit),
        ("loaded by", true, |one| {
            harmless(&instances::in_words(&one.instances))
        }),
    ];
    let shown: Vec<&(&str, bool, Cell)> = columns
        .iter()
        .filter(|(_, always, cell)| *always || all.iter().any(|one| cell(one) != "0"))
        .collect();
    let heading: Vec<&str> = shown.iter().map(|(name, _, _)| *name).collect();
    let line = |one: &PipelineStatus| shown.iter().map(|(_, _, cell)| cell(one)).collect();
    let lines: Vec<Vec<String>> = all.iter().map(line).collect();
    table(&heading, &lines)
}

/// For how long the oldest file has waited; nothing where none does.
fn lag(status: &PipelineStatus) -> String {
    match status.backlog.files {
        0 => String::new(),
        _ => format_duration(Duration::from_secs(status.lag_seconds as u64)).to_string(),
    }
}

/// To the second; --json has it whole.
fn last_commit(status: &PipelineStatus) -> String {
    let Some(at) = &status.last_commit_at else {
        return "never".to_owned();
    };
    match at.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => at.clone(),
    }
}

/// Below the table: a reason may be as long as it likes there.
fn held_up(all: &[PipelineStatus]) -> String {
    let line = |one: &PipelineStatus| {
        let why = one.held_up_by()?;
        let pipeline = harmless(&one.pipeline);
        Some(format!("{pipeline} is held up by: {}\n", harmless(&why)))
    };
    let lines: String = all.iter().filter_map(line).collect();
    match lines.is_empty() {
        true => lines,
        false => format!("\n{lines}"),
    }
}

/// The alerts that fire, in a section of their own.
fn in_words(firing: &[Alert]) -> String {
    let count = match firing.len() {
        0 => return String::new(),
        1 => "1 alert fires".to_owned(),
        many => format!("{many} alerts fire"),
    };
    format!("\n{count}:\n{}", alerts::lines(firing))
}

/// The alerts about a pipeline.
fn about(firing: &[Alert], pipeline: &str) -> Vec<Alert> {
    let of_it = firing
        .iter()
        .filter(|alert| alert.pipeline.as_deref() == Some(pipeline));
    of_it.cloned().collect()
}
