//! `ingestd pause`, `resume`, `drain` and `rescan`: commands to a service that runs anywhere.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use ingestd_actors::error::{Error, ErrorKind, Result};
use postgres::Client;
use postgres::types::Type;

use super::context::{ConfigArgs, connect_to_ledger, may_not_write};
use super::output::{complain, count_of, harmless, print};
use crate::postgres::classify;
use crate::settings::{Settings, nearest};
use crate::view::commands::{DONE, KNOWN, Obeying, RESCAN};
use crate::view::instances::{DEGRADED, FROM};

/// How long until the services are asked again.
const LOOK_EVERY: Duration = Duration::from_millis(30);

/// The flags of a command to pipelines.
#[derive(Clone, Debug, clap::Args)]
pub struct ControlArgs {
    /// The pipelines [default: all of them]
    #[arg(value_name = "PIPELINE")]
    pipelines: Vec<String>,

    /// Give the command, and do not wait until it has come about
    #[arg(long)]
    no_wait: bool,

    /// How long to wait for the services that run
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,

    #[command(flatten)]
    config: ConfigArgs,
}

/// What is commanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Read nothing more.
    Pause,
    /// Go on.
    Resume,
    /// Read nothing more, and let go of the lease.
    Drain,
    /// Look through the directory.
    Rescan,
}

/// A command that was given to one pipeline.
struct Given {
    pipeline: String,
    /// What is wanted now.
    wanted: String,
    /// What an answer has to have.
    number: i64,
}

/// Runs the subcommand.
pub fn run(args: &ControlArgs, control: Control) -> Result<ExitCode> {
    let settings = args.config.settings_or_defaults()?;
    let mut connection = connect_to_ledger(&settings)?;
    let client = &mut connection.client;
    let names = meant(client, &settings, &args.pipelines)?;
    // All of them first, so that they come about beside each other.
    let given = names
        .iter()
        .map(|name| give(client, control, name, args.timeout))
        .collect::<Result<Vec<_>>>()?;
    let deadline = Instant::now() + args.timeout;
    let mut code = ExitCode::SUCCESS;
    for given in &given {
        if args.no_wait {
            print(&format!(
                "{}: {}\n",
                given.pipeline,
                to_come(control, given)
            ))?;
            continue;
        }
        match wait(client, control, given, deadline)? {
            Waited::Done(services) => print(&format!(
                "{}: {}\n",
                given.pipeline,
                outcome(client, control, given, services)?
            ))?,
            Waited::NoService => print(&format!(
                "{}: no service runs: {}\n",
                given.pipeline,
                at_the_start(control, given)
            ))?,
            Waited::Late(who) => {
                complain(&format!(
                    "{}: {} has not answered within {}; the command stands, and `ingestd status` shows when it has come about",
                    given.pipeline,
                    harmless(&who),
                    humantime::format_duration(args.timeout)
                ));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// The pipelines of these names, or all; those that are configured are known, whether they have run
/// or not.
fn meant(client: &mut Client, settings: &Settings, named: &[String]) -> Result<Vec<String>> {
    let read = |error| classify(error, "reading the ledger");
    let rows = client.query_typed(KNOWN, &[]).map_err(read)?;
    let mut known: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let configured = settings.pipelines.iter().map(|one| one.name.clone());
    let new: Vec<String> = configured.filter(|name| !known.contains(name)).collect();
    known.extend(new.iter().cloned());
    known.sort();
    for name in named {
        if !known.contains(name) {
            return Err(unknown(name, &known));
        }
    }
    // Nobody who asks for all means the tables that were loaded without a configuration.
    let is_meant = |name: &String| match named {
        [] => !name.starts_with("load_"),
        named => named.contains(name),
    };
    let meant: Vec<String> = known.into_iter().filter(is_meant).collect();
    if meant.is_empty() {
        let error = Error::new(ErrorKind::Configuration, "there is no pipeline yet");
        return Err(error.with_advice("`ingestd run` makes the configured ones known"));
    }
    let new: Vec<&String> = new.iter().filter(|name| meant.contains(name)).collect();
    client
        .execute_typed(
            "insert into ingestd.pipelines (name) select unnest($1::text[]) on conflict do nothing",
            &[(&new, Type::TEXT_ARRAY)],
        )
        .map_err(|error| may_not_write(classify(error, "making pipelines known")))?;
    Ok(meant)
}

fn unknown(name: &str, known: &[String]) -> Error {
    let names = || known.iter().map(String::as_str);
    let advice = match nearest(name, names()) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None if known.is_empty() => "none has run into this database yet".to_owned(),
        None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
    };
    let message = format!("there is no pipeline {name:?}");
    Error::new(ErrorKind::Configuration, message).with_advice(advice)
}

/// A service that is stopped in the middle of a transaction may hold the pipeline's row: then it is not
/// waited for longer than for its answer.
fn give(client: &mut Client, control: Control, name: &str, patience: Duration) -> Result<Given> {
    let failed = |error| {
        let error = may_not_write(classify(error, "giving the command"));
        match error.code() {
            Some("55P03") => error.with_advice(
                "another transaction holds the pipeline's row: look for a service that is stopped or cut off (`ingestd status`), and end it",
            ),
            _ => error,
        }
    };
    let mut transaction = client.transaction().map_err(failed)?;
    let patience = patience.as_millis().clamp(1, i32::MAX as u128);
    transaction
        .batch_execute(&format!("set local lock_timeout = {patience}"))
        .map_err(failed)?;
    let wanted = match control {
        Control::Pause => "paused",
        Control::Resume => "running",
        Control::Drain => "drained",
        Control::Rescan => "",
    };
    let given = match control {
        Control::Rescan => transaction.query_typed_one(RESCAN, &[(&name, Type::TEXT)]),
        _ => transaction.query_typed_one(
            "select wanted, command from ingestd.command_pipelines($1, $2, session_user::text)",
            &[(&name, Type::TEXT), (&wanted, Type::TEXT)],
        ),
    };
    let row = given.map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(Given {
        pipeline: name.to_owned(),
        wanted: row.get(0),
        number: row.get(1),
    })
}

enum Waited {
    /// By so many services.
    Done(usize),
    NoService,
    /// Who has not answered.
    Late(String),
}

/// Waits until all services that run have done it.
fn wait(client: &mut Client, control: Control, given: &Given, deadline: Instant) -> Result<Waited> {
    let rescan = control == Control::Rescan;
    loop {
        let rows = client
            .query_typed(
                DONE,
                &[
                    (&given.pipeline, Type::TEXT),
                    (&rescan, Type::BOOL),
                    (&given.number, Type::INT8),
                ],
            )
            .map_err(|error| classify(error, "waiting for the services"))?;
        if rows.is_empty() {
            return Ok(Waited::NoService);
        }
        let Some(late) = rows.iter().map(Obeying::of).find(|one| !one.done) else {
            return Ok(Waited::Done(rows.len()));
        };
        if Instant::now() >= deadline {
            let Obeying { host, process, .. } = late;
            return Ok(Waited::Late(format!("process {process} on host {host}")));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// What has come about.
fn outcome(
    client: &mut Client,
    control: Control,
    given: &Given,
    services: usize,
) -> Result<String> {
    let row = client
        .query_typed_one(
            "select count(*) from ingestd.files
             where pipeline = $1 and state in ('SCHEDULED', 'READING', 'COMPLETED')",
            &[(&given.pipeline, Type::TEXT)],
        )
        .map_err(|error| classify(error, "counting files"))?;
    let unfinished = row.get::<_, i64>(0).cast_unsigned();
    let wait = match unfinished {
        0 => String::new(),
        1 => "; 1 file waits".to_owned(),
        more => format!("; {} wait", count_of(more, "file")),
    };
    let by = match services {
        1 => String::new(),
        more => format!(" by {more} services"),
    };
    Ok(match (control, given.wanted.as_str()) {
        (Control::Pause, "drained") => {
            format!("is drained{by}, and a pause leaves it so; `ingestd resume` ends that{wait}")
        }
        (Control::Rescan, "running") => format!(
            "looked through its directory{by}{}",
            held_up(client, &given.pipeline)?
        ),
        (Control::Rescan, "paused") => {
            format!("looked through its directory{by}; it is paused, and reads nothing{wait}")
        }
        (Control::Rescan, _) => format!("is drained{by}, and looks once it is resumed{wait}"),
        (Control::Resume, _) => format!("running{by}{}", held_up(client, &given.pipeline)?),
        (Control::Pause | Control::Drain, wanted) => format!("{wanted}{by}{wait}"),
    })
}

/// What keeps it from going on all the same, where anything does.
fn held_up(client: &mut Client, pipeline: &str) -> Result<String> {
    let query = format!("select {DEGRADED} from ingestd.pipelines p{FROM} where p.name = $1");
    let row = client
        .query_typed_opt(&query, &[(&pipeline, Type::TEXT)])
        .map_err(|error| classify(error, "looking what holds the pipeline up"))?;
    let degraded: Option<String> = row.and_then(|row| row.get(0));
    Ok(degraded.map_or_else(String::new, |why| format!("; degraded: {}", harmless(&why))))
}

fn at_the_start(control: Control, given: &Given) -> &'static str {
    match (control, given.wanted.as_str()) {
        (Control::Rescan, _) => "one that starts looks by itself",
        (Control::Pause, "drained") => "it is drained, and stays so when one starts",
        (Control::Pause, _) => "it will be paused when one starts",
        (Control::Resume, _) => "it will load when one starts",
        (Control::Drain, _) => "it will stay drained when one starts",
    }
}

fn to_come(control: Control, given: &Given) -> String {
    match control {
        Control::Rescan => "is asked to look through its directory".to_owned(),
        _ => format!("is to be {}", given.wanted),
    }
}
