//! `ingestd chaos`: faults, and the comparison of what came of the files under them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ingestd_actors::error::{Error, ErrorKind, Result};
use tokio::signal::unix::{SignalKind, signal};

use super::output::{complain, count_of, print, shell_word, table};
use crate::chaos::{self, Choice, HEADING, Interrupts, Judged, LEAST, Orders, Outcome, judge};

/// How long a run takes unless told otherwise.
const MINUTE: Duration = Duration::from_secs(60);
/// How many lines a soak has unless told otherwise.
const SOAK_LINES: u32 = 20;

/// Break the service on purpose, and compare what came of its files with a known answer
///
/// Files with a known answer flow into the tables of a scratch database while the service is killed,
/// its connections are cut, its server crashes, and so on. At the end of each wave of files, tables,
/// dead letters, ledger and archive are compared with what has to be there, row by row. The exit code
/// is 0 only where nothing was lost or doubled, and every fault was survived.
///
/// Nothing that is anybody's is touched: it has a private server in a directory of its own, or a
/// database that is empty.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  ingestd chaos
  ingestd chaos --faults kill=5,server --times 1200
      a thousand kills and two hundred crashes of the server
  ingestd chaos --url postgresql://me@localhost/scratch --minutes 10
  ingestd chaos --soak --minutes 1440
      a day: a writer fails every 5 seconds, a pause and a line with what the service costs each minute

The faults: kill (SIGKILL, and started again), cut (connections are ended), server (stopped as by a
crash, and started again; not with --url), lock (somebody locks tables, rows, or the ledger), pause
(and resume), grow (a file is added to while it is read), replace (a file is replaced by another one
while it is read), inbox and archive (gone for a while), writer (one writer's connection is cut).

Ctrl-C and SIGTERM end the faults: what was dropped is loaded and compared. A second one ends all at once.

DATABASE_URL is ignored: only --url makes it use another database.")]
pub struct ChaosArgs {
    /// Which faults; `kill=5,server`: of each six, five are kills [default: all of them]
    #[arg(long, value_name = "FAULT,…")]
    faults: Option<Choice>,

    /// Stop after so many faults
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    times: Option<u64>,

    /// Stop after so many minutes [default: 1, or as long as --times takes; of a soak 20]
    #[arg(long, value_name = "N", value_parser = minutes)]
    minutes: Option<Duration>,

    /// The number that files and faults follow from [default: another one each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// About how many rows are loaded between two comparisons
    #[arg(long, value_name = "N", default_value_t = 50_000,
          value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    rows: u64,

    /// Use this database, which has to be empty, instead of a private server. Other users of the machine
    /// see arguments: a password is better in ~/.pgpass or PGPASSWORD
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// A directory, empty or not there yet, for files and the private server [default: a new one for
    /// temporary files]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Leave everything where it is at the end
    #[arg(long)]
    keep: bool,

    /// Look whether a service that runs for long costs what it cost before: memory, descriptors,
    /// connections, the ledger for each file, records a second. A writer fails every 5 seconds, and each
    /// minute there are a pause and a line; the last third is compared with the middle third
    #[arg(long, conflicts_with_all = ["faults", "times"])]
    soak: bool,

    /// In a soak: the time from one pause and one line to the next; a writer fails twelve times as often
    #[arg(long, value_name = "DURATION", default_value = "1m", requires = "soak",
          value_parser = every)]
    every: Duration,
}

/// A soak's step: a writer fails twelve times in it, which takes its time.
fn every(text: &str) -> std::result::Result<Duration, String> {
    let every = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match every >= Duration::from_millis(100) {
        true => Ok(every),
        false => Err("it has to be 100ms at least".to_owned()),
    }
}

/// Runs the subcommand.
pub fn run(args: &ChaosArgs) -> Result<ExitCode> {
    let interrupts = catch_interrupts()?;
    let orders = orders(args)?;
    let tell = |line: &str| {
        // Where nobody listens, the run goes on: its exit code is what counts.
        let _ = print(&format!("{line}\n"));
    };
    let announce = |directory: &Path| tell(&heading(&orders, directory));
    let outcome = chaos::run(&orders, &interrupts, announce, Box::new(tell))?;
    conclude(&orders, &outcome)?;
    let is_flat = orders.soak.is_none() || outcome.interrupted || conclude_soak(&outcome)?;
    Ok(match outcome.holds() && is_flat {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn orders(args: &ChaosArgs) -> Result<Orders> {
    let seed = args.seed.unwrap_or_else(|| rand::random::<u64>() >> 32);
    let mut choice = args.faults.clone().unwrap_or_else(Choice::all);
    if args.soak {
        choice = "writer=12,pause".parse().unwrap_or(choice);
    }
    if args.url.is_some() {
        choice = choice.without_the_server();
    }
    if choice.is_empty() {
        let message = "with --url there is no fault left: the server's process is not ours to stop";
        return Err(Error::new(ErrorKind::Configuration, message)
            .with_advice("name others with --faults, or leave --url out"));
    }
    let time = match (args.minutes, args.times) {
        (None, None) if args.soak => Some(args.every * SOAK_LINES),
        (None, None) => Some(MINUTE),
        (minutes, _) => minutes,
    };
    if args.soak {
        refuse_if_too_short(time, args.every)?;
    }
    Ok(Orders {
        seed,
        choice,
        times: args.times,
        time,
        rows: args.rows,
        url: args.url.clone(),
        directory: args.data_dir.clone(),
        keep: args.keep,
        soak: args.soak.then_some(args.every),
    })
}

/// What a soak that ends before it can be judged would be for.
fn refuse_if_too_short(time: Option<Duration>, every: Duration) -> Result<()> {
    let least = every * u32::try_from(LEAST).unwrap_or(u32::MAX);
    if time.is_none_or(|time| time >= least) {
        return Ok(());
    }
    let message = format!(
        "so short a soak can't be judged: that takes {LEAST} lines, one each {}",
        humantime::format_duration(every)
    );
    let minutes = (least.as_secs_f64() / 6.0).ceil() / 10.0;
    let advice = format!("say --minutes {minutes} or more, or a shorter --every");
    Err(Error::new(ErrorKind::Configuration, message).with_advice(advice))
}

fn heading(orders: &Orders, directory: &Path) -> String {
    let server = match &orders.url {
        Some(_) => "the database of --url, whose server is not stopped",
        None => "a private PostgreSQL server",
    };
    let end = match (orders.times, orders.time) {
        (Some(times), _) => count_of(times, "fault"),
        (None, Some(time)) => humantime::format_duration(time).to_string(),
        (None, None) => "no end".to_owned(),
    };
    format!(
        "{end} of {} on {server}; files in {}\n\
         seed {}: with --seed {} --rows {}, and else as this time, the same files and faults come again",
        orders.choice,
        directory.display(),
        orders.seed,
        orders.seed,
        orders.rows,
    )
}

fn conclude(orders: &Orders, outcome: &Outcome) -> Result<()> {
    let found = &outcome.differences;
    let mut text = format!("\n{}\n", table(&HEADING, &outcome.tally.rows()));
    text.push_str(&format!(
        "rows          {:>11} expected, {} missing, {} too many\n\
         dead letters  {:>11} expected, {} missing, {} too many\n\
         files         {:>11} expected, {} not as they have to be\n",
        super::thousands(found.rows_expected),
        super::thousands(found.rows_missing),
        super::thousands(found.rows_extra),
        super::thousands(found.letters_expected),
        super::thousands(found.letters_missing),
        super::thousands(found.letters_extra),
        super::thousands(found.files_expected),
        super::thousands(found.files_wrong.len() as u64),
    ));
    for line in found.examples.iter().chain(&found.files_wrong).take(20) {
        text.push_str(&format!("  {line}\n"));
    }
    if outcome.stuck {
        text.push_str("the service made no progress any more\n");
    }
    if outcome.deaths > 0 {
        text.push_str(&format!(
            "the service ended by itself {}\n",
            count_of(outcome.deaths, "time")
        ));
    }
    if !outcome.ended_in_order {
        text.push_str("the service did not end in order when it was asked to\n");
    }
    let verdict = match (outcome.is_wrong(), outcome.interrupted) {
        (true, _) => "NOT as it has to be",
        (false, true) => "none: it was interrupted before all of it was compared",
        (false, false) if outcome.holds() => {
            "every row exactly once, every bad record kept with its reason"
        }
        (false, false) => "none: there was no fault; give it more --minutes",
    };
    text.push_str(&format!(
        "verdict: {verdict}, over {} in {} and {:.1} s\n",
        count_of(outcome.tally.times(), "fault"),
        count_of(outcome.waves, "wave"),
        outcome.took.as_secs_f64(),
    ));
    if let Some(kept) = &outcome.kept {
        text.push_str(&kept_words(orders, &kept.display().to_string()));
    }
    print(&text)
}

/// Says whether the service has cost at the end what it cost before; whether it has.
fn conclude_soak(outcome: &Outcome) -> Result<bool> {
    let Some(judged) = judge(&outcome.samples) else {
        print(&format!(
            "soak: too short to be judged: {}, and it takes {LEAST}\n",
            count_of(outcome.samples.len() as u64, "line")
        ))?;
        return Ok(false);
    };
    let row = |it: &Judged| {
        let is_flat = if it.is_flat { "flat" } else { "NOT flat" };
        vec![
            it.name.to_owned(),
            format!("{:.2}", it.middle),
            format!("{:.2}", it.last),
            is_flat.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = judged.iter().map(row).collect();
    let is_flat = judged.iter().all(|it| it.is_flat);
    let verdict = match is_flat {
        true => "flat: it costs at the end what it cost before",
        false => "NOT flat",
    };
    let heading = ["figure", "middle third", "last third", ""];
    print(&format!("\n{}soak: {verdict}\n", table(&heading, &rows)))?;
    Ok(is_flat)
}

fn kept_words(orders: &Orders, kept: &str) -> String {
    let log = shell_word(&format!("{kept}/service.log"));
    let look = match orders.url {
        Some(_) => format!(
            "what it has made in the database goes with: {}",
            chaos::drop_all()
        ),
        None => format!(
            "to look at them: env -u DATABASE_URL ingestd psql --data-dir {}",
            shell_word(kept)
        ),
    };
    format!("everything stays in {kept}; the service's log is {log}\n{look}\n")
}

/// Counts SIGINT and SIGTERM, on a thread of its own.
fn catch_interrupts() -> Result<Interrupts> {
    let failed = |error: std::io::Error| {
        let message = format!("signals can't be caught: {error}");
        Error::new(ErrorKind::Transient, message)
    };
    let interrupts: Interrupts = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&interrupts);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let _inside = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    drop(_inside);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                    if count.fetch_add(1, Ordering::Relaxed) == 0 {
                        complain("no more faults; what was dropped is loaded and compared (once more: ends at once)");
                    }
                }
            });
        })
        .map_err(failed)?;
    Ok(interrupts)
}

fn minutes(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(minutes) if minutes > 0.0 && minutes <= 1e6 => {
            Ok(Duration::from_secs_f64(minutes * 60.0))
        }
        _ => Err("write a number of minutes, such as 10 or 0.5".to_owned()),
    }
}
