//! `ingestd status --watch`: the same picture again and again, and how fast it changes.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use ingestd_actors::error::{Error, ErrorKind, Result};
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use super::context::{Connected, connect_to_ledger};
use super::output::{harmless, print, thousands};
use super::status::look;
use crate::postgres::classify;
use crate::settings::Settings;
use crate::view::backlog::{FOUND, WAITING};
use crate::view::counts::among;
use crate::view::pipelines::{self, PipelineState};

/// A pause of less than this is only work for the server.
const SHORTEST: Duration = Duration::from_millis(50);

/// Home, and nothing below.
const CLEAR: &str = "\u{1b}[H\u{1b}[J";

/// Looks until a signal comes.
pub fn run(settings: &Settings, connection: Connected, interval: Duration) -> Result<()> {
    let stopped = on_signals()?;
    let on_terminal = std::io::stdout().is_terminal();
    let interval = interval.max(SHORTEST);
    let mut connection = Some(connection);
    let mut before: Option<Figures> = None;
    loop {
        let seen = match &mut connection {
            Some(connection) => see(connection, on_terminal),
            None => {
                connect_to_ledger(settings).and_then(|new| see(connection.insert(new), on_terminal))
            }
        };
        match seen {
            Ok((picture, now)) => {
                print(&draw(picture.as_deref(), &now, before.as_ref()))?;
                before = Some(now);
            }
            // A server that restarts is nothing to give up for.
            Err(error) => {
                connection = None;
                let clear = if on_terminal { CLEAR } else { "" };
                print(&format!(
                    "{clear}{}: trying again\n",
                    harmless(&error.to_string())
                ))?;
            }
        }
        match stopped.recv_timeout(interval) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// What Ctrl-C and SIGTERM say, apart from this thread, which has a connection of its own runtime.
pub(super) fn on_signals() -> Result<Receiver<()>> {
    let failed = |error: std::io::Error| {
        Error::new(
            ErrorKind::Transient,
            format!("signals can't be waited for: {error}"),
        )
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let (tell, stopped) = channel();
    let entered = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    drop(entered);
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        // Whoever would listen may have ended already.
        let _ = tell.send(());
    });
    Ok(stopped)
}

/// What the pipelines have come to at a moment.
struct Figures {
    at: Instant,
    by_pipeline: BTreeMap<String, Figure>,
}

/// What one pipeline has come to.
struct Figure {
    records: u64,
    rejected: u64,
    files: u64,
    waiting: u64,
    /// What it does; not asked where the picture has it.
    state: Option<PipelineState>,
}

fn query() -> String {
    format!(
        "select p.name, coalesce(f.records, 0), coalesce(f.rejected, 0), coalesce(f.loaded, 0),
           greatest(f.waiting, w.files, 0)
    from ingestd.pipelines p left join (
        select f.pipeline, sum(f.inserted + f.updated + f.unchanged + f.duplicate + f.deleted
                               + f.filtered + f.rejected)::bigint as records,
               sum(f.rejected)::bigint as rejected,
               count(*) filter (where f.state in ('COMMITTED', 'ARCHIVED')) as loaded,
               count(*) filter (where f.state in {}) as waiting
        from ingestd.file_status f group by f.pipeline
    ) f on f.pipeline = p.name{FOUND}",
        among(&WAITING)
    )
}

fn see(connection: &mut Connected, with_picture: bool) -> Result<(Option<String>, Figures)> {
    let client = &mut connection.client;
    let picture = with_picture.then(|| look(client, false)).transpose()?;
    let rows = client
        .query_typed(&query(), &[])
        .map_err(|error| classify(error, "reading the ledger"))?;
    let mut states = match with_picture {
        true => Vec::new(),
        false => client
            .query_typed(&pipelines::states_query(), &[])
            .map_err(|error| classify(error, "reading the ledger"))?,
    }
    .iter()
    .map(PipelineState::of)
    .map(|state| (state.pipeline.clone(), state))
    .collect::<BTreeMap<_, _>>();
    let figure = |row: &postgres::Row| {
        let name: String = row.get(0);
        let count = |index: usize| row.get::<_, i64>(index).cast_unsigned();
        let figure = Figure {
            records: count(1),
            rejected: count(2),
            files: count(3),
            waiting: count(4),
            state: states.remove(&name),
        };
        (name, figure)
    };
    let figures = Figures {
        at: Instant::now(),
        by_pipeline: rows.iter().map(figure).collect(),
    };
    Ok((picture, figures))
}

/// The picture with the rates below it; without one, a line for each pipeline.
fn draw(picture: Option<&str>, now: &Figures, before: Option<&Figures>) -> String {
    let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut text = match picture {
        Some(picture) => format!("{CLEAR}{time}, Ctrl-C ends\n\n{picture}\n"),
        None => String::new(),
    };
    for (name, figure) in &now.by_pipeline {
        let rate = before.and_then(|before| {
            let then = before.by_pipeline.get(name)?;
            Some(rate(figure.records, then.records, now.at - before.at))
        });
        let rate = rate.map_or(String::new(), |rate| {
            format!(", {} a second", thousands(rate))
        });
        let start = match picture {
            Some(_) => String::new(),
            None => format!("{time} "),
        };
        let state = figure.state.as_ref();
        let held_up = state.and_then(|it| it.held_up_by.as_ref());
        let held_up = held_up.map_or(String::new(), |why| {
            format!("; held up by: {}", harmless(why))
        });
        let state = state.map_or(String::new(), |it| format!("{}, ", it.state));
        text.push_str(&format!(
            "{start}{}: {state}files {} and {} waiting, records {}{rate}, rejected {}{held_up}\n",
            harmless(name),
            thousands(figure.files),
            thousands(figure.waiting),
            thousands(figure.records),
            thousands(figure.rejected),
        ));
    }
    if now.by_pipeline.is_empty() && picture.is_none() {
        text.push_str(&format!("{time} no pipeline has run yet\n"));
    }
    text
}

/// PURE: so many a second; a pipeline that was reset has fewer than before.
fn rate(now: u64, before: u64, took: Duration) -> u64 {
    (now.saturating_sub(before) as f64 / took.as_secs_f64().max(1e-3)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_time_between() {
        assert_eq!(rate(300, 100, Duration::from_secs(2)), 100);
        assert_eq!(rate(0, 100, Duration::from_secs(2)), 0);
        assert_eq!(rate(5, 5, Duration::ZERO), 0);
    }
}
