//! `ingestd demo`: the main job, with nothing to configure, and the comparison at its end.

use std::collections::HashSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ingestd_actors::error::{Error, ErrorKind, Result};
use tokio::runtime::Handle;

use super::context::ConfigArgs;
use super::output::{complain, count_of, print, thousands};
use crate::demo::{PIPELINE, Story, TABLE, Verdict, Writing, compare, files_in_ledger, start_over};
use crate::generate::Generator;
use crate::logging;
use crate::service::{
    Beside, Ended, Loading, Signals, Tree, block_on, open_database, pipeline_spec,
};
use crate::settings::{ECOMMERCE, Environment, LogLevel, Settings};
use crate::watch::{Figures, LiveView};

/// How many rows a demo has unless told otherwise.
const ROWS: u64 = 500_000;

/// Watch it work: a generator, a private server, and a comparison at the end
///
/// The main job with nothing to configure: e-commerce events are dropped as CSV files into an inbox,
/// and flow into a table of a private PostgreSQL server. At the end, table and dead letters are
/// compared with what was generated; the exit code is 1 where they differ.
///
/// Kill it in the middle and start it again: it goes on where it was. The data stay.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  ingestd demo
  ingestd demo --rows 2000000 --fresh

DATABASE_URL is ignored: only --database-url makes the demo use another database.")]
pub struct DemoArgs {
    /// How many rows are generated [default: 500000, or as many as the demo that goes on]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rows: Option<u64>,

    /// Start over: drop the table, forget the files
    #[arg(long)]
    fresh: bool,

    /// Go on running at the end, until told to stop
    #[arg(long)]
    keep_running: bool,

    /// Use this database instead of the private server
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,

    /// Where the private server, the inbox and the archive live
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl DemoArgs {
    /// What it has in common with the other commands.
    fn flags(&self) -> ConfigArgs {
        ConfigArgs {
            config: None,
            database_url: self.database_url.clone(),
            data_dir: self.data_dir.clone(),
        }
    }

    /// What to type to look at the result. The other commands do heed DATABASE_URL.
    fn next_commands(&self) -> String {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let mut misled: Vec<String> = names
            .filter(|name| name == "DATABASE_URL" || name.starts_with("INGESTD__DATABASE__"))
            .filter(|_| self.database_url.is_none())
            .collect();
        misled.sort();
        let unset: String = misled.iter().map(|name| format!(" -u {name}")).collect();
        let before = match unset.as_str() {
            "" => String::new(),
            unset => format!("env{unset} "),
        };
        let command = |subcommand| format!("{before}{}", self.flags().command(subcommand));
        format!(
            "look at the table:         {} -- -c 'select * from {TABLE} limit 5'\n\
             look at the dead letters:  {}\n\
             look at the files:         {}\n",
            command("psql"),
            command("dead-letters list"),
            command("files"),
        )
    }
}

/// Runs the subcommand.
pub fn run(args: &DemoArgs) -> Result<ExitCode> {
    let mut settings = settings(args)?;
    settings.service.log.level = LogLevel::Warning;
    let (log, flush) = logging::for_stderr(&settings.service.log)?;
    let outcome = block_on(|runtime| demo(args, &settings, runtime, &log));
    drop(flush);
    let (ended, verdict) = outcome?;
    match ended {
        Ended::GaveUp(error) => Err(error),
        Ended::Cut => Ok(ExitCode::FAILURE),
        Ended::Drained => Ok(match verdict {
            Some(verdict) if !verdict.holds() => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        }),
    }
}

fn settings(args: &DemoArgs) -> Result<Settings> {
    let sources = args
        .flags()
        .sources(ECOMMERCE, Environment::of_process())
        .database_by_flag_only();
    Settings::load(&sources)
}

async fn demo(
    args: &DemoArgs,
    settings: &Settings,
    runtime: Handle,
    log: &slog::Logger,
) -> Result<(Ended, Option<Verdict>)> {
    let mut signals = Signals::catch()?;
    let service = &settings.service;
    let pipeline = settings.pipeline(PIPELINE)?.clone();
    if service.database.is_none() {
        print("starting a private PostgreSQL server\n")?;
    }
    let opened = open_database(service, &runtime, log, &mut signals, &|waits| {
        complain(waits)
    })
    .await?;
    let Some(opened) = opened else {
        return Ok((Ended::Cut, None));
    };
    if args.fresh {
        start_over(&opened.database, &service.data_dir, &pipeline).await?;
    }
    let story = Story::find_or_begin(&service.data_dir, args.rows, ROWS)?;
    let generator = Arc::new(story.generator()?);
    let known = files_in_ledger(&opened.database).await?;
    announce(
        &story,
        &generator,
        &known,
        service.database.is_some(),
        &pipeline.directory,
    )?;

    let started = Instant::now();
    let figures = Figures::default();
    let inbox = pipeline.directory.clone();
    let (beside, notes) = Beside::start(&opened.database, None, service.stuck_after, log);
    let spec = pipeline_spec(
        &beside,
        service,
        pipeline,
        Loading::Directory,
        figures.observer(),
        log,
    )?;
    let writing = Writing::start(Arc::clone(&generator), inbox, known);
    let view = LiveView::start(
        figures.clone(),
        generator.spec().rows,
        std::io::stdout().is_terminal(),
    );
    let tree = Tree::start(vec![spec], &opened, service, signals, None, log);
    let connection = opened.connection.clone();
    let keep_running = args.keep_running;
    let next = args.next_commands();
    let verdict = Arc::new(std::sync::OnceLock::new());
    let judged = {
        let (figures, generator, verdict) = (figures.clone(), generator, Arc::clone(&verdict));
        let written = writing.written();
        async move {
            if written.await.is_err() {
                return;
            }
            // Idle counts from here: everything has been dropped into the inbox.
            let idle = figures.look(|now| now.idle);
            figures.wait_until(move |now| now.idle > idle).await;
            view.finish();
            let loaded_in = started.elapsed();
            let compared = tokio::task::spawn_blocking(move || {
                compare(&connection, &generator, TABLE, PIPELINE)
            });
            let compared = compared.await.unwrap_or_else(|error| {
                Err(Error::new(ErrorKind::Bug, "comparing").with_source(error))
            });
            let done = figures.look(|now| now.durable.total());
            let _ = print(&closing_words(&compared, done, loaded_in, &next));
            let _ = verdict.set(compared);
            if keep_running {
                let _ = print("still running: drop files into the inbox, stop with Ctrl-C\n");
                std::future::pending::<()>().await;
            }
        }
    };
    let ended = tree.run_until(judged).await;
    writing.finish()?;
    notes.finish(log).await;
    if let Some(private) = opened.private {
        private.stop().await?;
    }
    let verdict = Arc::into_inner(verdict).and_then(std::sync::OnceLock::into_inner);
    if verdict.is_none() {
        print("stopped before the end; `ingestd demo` goes on where this one was\n")?;
    }
    Ok((ended, verdict.transpose()?))
}

fn speed(loaded: u64, took: Duration) -> String {
    format!(
        "{} in {:.1} s, {} a second\n",
        count_of(loaded, "record"),
        took.as_secs_f64(),
        thousands((loaded as f64 / took.as_secs_f64()) as u64),
    )
}

fn announce(
    story: &Story,
    generator: &Generator,
    known: &HashSet<String>,
    configured: bool,
    inbox: &Path,
) -> Result<()> {
    let database = if configured {
        "the database of --database-url"
    } else {
        "a private PostgreSQL server"
    };
    let files = count_of(generator.files(), "CSV file");
    let goes_on = match known.len() as u64 {
        0 => String::new(),
        known => format!("; going on: an earlier demo has begun {known} of them"),
    };
    print(&format!(
        "{} e-commerce events in {files}, dropped into {}, loaded into table {TABLE} of {database}{goes_on}\n",
        thousands(story.rows()),
        inbox.display(),
    ))
}

fn closing_words(compared: &Result<Verdict>, loaded: u64, took: Duration, next: &str) -> String {
    let mut text = if loaded == 0 {
        "nothing was left to load; --fresh starts over\n".to_owned()
    } else {
        speed(loaded, took)
    };
    let Ok(verdict) = compared else {
        return text;
    };
    text.push_str(&format!(
        "rows          {:>10} expected, {} missing, {} too many\n",
        thousands(verdict.rows_expected),
        thousands(verdict.rows_missing),
        thousands(verdict.rows_extra)
    ));
    text.push_str(&format!(
        "dead letters  {:>10} expected, {} missing, {} too many\n",
        thousands(verdict.dead_letters_expected),
        thousands(verdict.dead_letters_missing),
        thousands(verdict.dead_letters_extra)
    ));
    text.push_str(if verdict.holds() {
        "verdict: every row exactly once, every bad record kept with its reason\n"
    } else {
        "verdict: table and dead letters DIFFER from what was generated\n"
    });
    text.push_str(next);
    text
}
