//! `ingestd alerts`: which fire, which there have been, what is watched; and a test of the sinks.

use std::process::ExitCode;
use std::time::Instant;

use ingestd_actors::error::{Error, ErrorKind, Result};
use postgres::types::Type;

use super::context::{ConfigArgs, JsonArgs, connect_to_ledger};
use super::output::{harmless, print, print_json, table};
use crate::alerts::notice::Notice;
use crate::alerts::sink::deliver;
use crate::alerts::words::{amount_of, machine, unit};
use crate::alerts::{Alert, book};
use crate::logging;
use crate::postgres::classify;
use crate::settings::{AlertSink, Condition, Settings, nearest};

/// Show the alerts that fire
///
/// Of every service on this database. Ends with 0 whether any fires or not.
#[derive(Clone, Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  ingestd alerts\n  ingestd alerts --all\n  ingestd alerts rules\n  ingestd alerts test ops"
)]
pub struct AlertsArgs {
    #[command(subcommand)]
    command: Option<AlertsCommand>,

    #[command(flatten)]
    list: ListArgs,
}

#[derive(Clone, Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Those that have ended too, as far back as 30 days
    #[arg(long)]
    all: bool,

    /// The most that are shown
    #[arg(long, value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    #[command(flatten)]
    form: JsonArgs,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum AlertsCommand {
    /// Show the rules that count here, those that are built in among them
    #[command(after_help = "Example:\n  ingestd alerts rules")]
    Rules(RulesArgs),
    /// Send a test notification through each sink, or through one, and say what came back
    ///
    /// Each is tried once. Ends with 1 where one has failed.
    #[command(after_help = "Example:\n  ingestd alerts test ops")]
    Test(TestArgs),
}

#[derive(Clone, Debug, clap::Args)]
struct RulesArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Clone, Debug, clap::Args)]
struct TestArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Only this sink
    sink: Option<String>,
}

/// Runs the subcommand.
pub fn run(args: &AlertsArgs) -> Result<ExitCode> {
    match &args.command {
        None => list(&args.list).map(|()| ExitCode::SUCCESS),
        Some(AlertsCommand::Rules(args)) => rules(args).map(|()| ExitCode::SUCCESS),
        Some(AlertsCommand::Test(args)) => test(args),
    }
}

fn list(args: &ListArgs) -> Result<()> {
    let settings = args.config.settings_or_defaults()?;
    let mut connection = connect_to_ledger(&settings)?;
    let alerts = match args.all {
        true => read(
            &mut connection.client,
            &book::all_query(),
            Some(args.limit.into()),
        )?,
        false => firing(&mut connection.client)?,
    };
    let shown = alerts.len().min(args.limit as usize);
    let alerts = &alerts[..shown];
    if args.form.json {
        let value = serde_json::to_value(alerts)
            .map_err(|error| Error::new(ErrorKind::Bug, "alerts as JSON").with_source(error))?;
        return print_json(&value);
    }
    match (alerts.is_empty(), args.all) {
        (true, false) => print("no alert fires\n"),
        (true, true) => print("no alert has fired within 30 days\n"),
        (false, _) => print(&lines(alerts)),
    }
}

/// The alerts that fire now.
pub(super) fn firing(client: &mut postgres::Client) -> Result<Vec<Alert>> {
    read(client, &book::firing_query(), None)
}

fn read(client: &mut postgres::Client, query: &str, limit: Option<i64>) -> Result<Vec<Alert>> {
    let rows = match limit {
        Some(limit) => client.query_typed(query, &[(&limit, Type::INT8)]),
        None => client.query_typed(query, &[]),
    };
    let rows = rows.map_err(|error| classify(error, "reading the alerts"))?;
    Ok(rows.iter().map(book::alert).collect())
}

/// For people: a line for each.
pub(super) fn lines(alerts: &[Alert]) -> String {
    let line = |alert: &Alert| {
        let about = alert.pipeline.as_ref().or(alert.host.as_ref());
        vec![
            alert.alert.clone(),
            harmless(about.map_or("", String::as_str)),
            alert.since.clone(),
            alert
                .resolved_at
                .clone()
                .unwrap_or_else(|| "firing".to_owned()),
            harmless(&alert.text),
            harmless(&alert.look_at),
        ]
    };
    let rows: Vec<Vec<String>> = alerts.iter().map(line).collect();
    table(
        &["alert", "about", "since", "until", "what", "look at"],
        &rows,
    )
}

fn rules(args: &RulesArgs) -> Result<()> {
    let settings = args.config.settings()?;
    if settings.alerts.rules.is_empty() {
        return print("no rule: nothing is watched\n");
    }
    let rows: Vec<Vec<String>> = settings
        .alerts
        .rules
        .iter()
        .map(|rule| {
            let limit = machine(rule).limit.threshold();
            let hold = humantime::format_duration(rule.hold).to_string();
            vec![
                rule.name.clone(),
                rule.condition.word().to_owned(),
                match rule.condition {
                    Condition::FileQuarantined => "any file".to_owned(),
                    _ => amount_of(limit, unit(&rule.condition)),
                },
                hold,
                match rule.condition.is_of_pipelines() {
                    true => rule.pipelines.join(", "),
                    false => "the service".to_owned(),
                },
                rule.sinks.join(", "),
                match rule.built_in {
                    true => "built in".to_owned(),
                    false => "configured".to_owned(),
                },
            ]
        })
        .collect();
    let heading = ["alert", "when", "limit", "for", "about", "sinks", "by"];
    print(&table(&heading, &rows))
}

fn test(args: &TestArgs) -> Result<ExitCode> {
    let settings = args.config.settings()?;
    let sinks = chosen(&settings, args.sink.as_deref())?;
    let (log, _flush) = logging::for_stderr(&settings.service.log)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            let message = format!("sinks can't be tried: {error}");
            Error::new(ErrorKind::Transient, message)
        })?;
    let mut code = ExitCode::SUCCESS;
    for sink in sinks {
        let started = Instant::now();
        let notice = Notice::test(&sink.name);
        let result = runtime.block_on(deliver(sink, &notice, &log));
        let took = started.elapsed().as_millis();
        let line = match result {
            Ok(said) => format!("{}: {} ({took} ms)\n", sink.name, harmless(&said)),
            Err(failure) => {
                code = ExitCode::FAILURE;
                let what = harmless(&failure.what);
                format!("{}: FAILED: {what} ({took} ms)\n", sink.name)
            }
        };
        print(&line)?;
    }
    // A thread that still waits for an answer is none to wait for.
    runtime.shutdown_background();
    Ok(code)
}

fn chosen<'a>(settings: &'a Settings, name: Option<&str>) -> Result<Vec<&'a AlertSink>> {
    let all = || settings.alerts.sinks.iter();
    let Some(name) = name else {
        return Ok(all().collect());
    };
    let names = || all().map(|sink| sink.name.as_str());
    match all().find(|sink| sink.name == name) {
        Some(sink) => Ok(vec![sink]),
        None => {
            let advice = match nearest(name, names()) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
            };
            let message = format!("there is no alert sink {name:?}");
            Err(Error::new(ErrorKind::Configuration, message).with_advice(advice))
        }
    }
}
