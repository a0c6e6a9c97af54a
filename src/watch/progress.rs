//! Progress for people: a bar on a terminal, a line now and then elsewhere.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

use super::Figures;
use crate::cli::{harmless, thousands};

/// How often a bar is drawn.
const REDRAW: Duration = Duration::from_millis(100);
/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows the progress of loading a known number of bytes, until it is finished.
pub struct Progress {
    bar: ProgressBar,
    task: JoinHandle<()>,
}

impl Progress {
    /// Starts showing it on standard error; inside a local task set.
    pub fn start(figures: Figures, total_bytes: u64, on_terminal: bool) -> Progress {
        let bar = if on_terminal {
            ProgressBar::with_draw_target(Some(total_bytes), ProgressDrawTarget::stderr())
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes}  {msg}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        let shown = bar.clone();
        let task = tokio::task::spawn_local(async move {
            let started = Instant::now();
            let mut next_line = started + LINE_EVERY;
            loop {
                tokio::time::sleep(REDRAW).await;
                let (bytes, rows, held_up, building) = figures.look(|now| {
                    let held_up = now.held_up_by().map(harmless);
                    (
                        now.bytes_read,
                        now.durable.total(),
                        held_up,
                        now.building.clone(),
                    )
                });
                let rate = (rows as f64 / started.elapsed().as_secs_f64()) as u64;
                let message = match (held_up, building) {
                    (Some(reason), _) => format!("waiting: {reason}"),
                    (None, Some((index, since))) => format!(
                        "{} rows, building index {}, {:.0} s",
                        thousands(rows),
                        harmless(&index),
                        since.elapsed().as_secs_f64()
                    ),
                    (None, None) => format!("{} rows, {} rows/s", thousands(rows), thousands(rate)),
                };
                shown.set_position(bytes.min(total_bytes));
                let left = match bytes < total_bytes {
                    true => format!("  {:#} left", HumanDuration(shown.eta())),
                    false => String::new(),
                };
                shown.set_message(format!("{message}{left}"));
                if !on_terminal && Instant::now() >= next_line {
                    next_line += LINE_EVERY;
                    let _ = writeln!(
                        io::stderr(),
                        "{} of {}, {message}",
                        HumanBytes(bytes.min(total_bytes)),
                        HumanBytes(total_bytes)
                    );
                }
            }
        });
        Progress { bar, task }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}
