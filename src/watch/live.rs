//! The demo's live view: one moving line on a terminal, a line every two seconds elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

use super::{Figures, FileOutcome};
use crate::cli::{harmless, print, thousands};

const REDRAW: Duration = Duration::from_millis(100);
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Shows what a pipeline does, until it is finished.
pub struct LiveView {
    bar: ProgressBar,
    task: JoinHandle<()>,
}

impl LiveView {
    /// Starts showing it; inside a local task set.
    pub fn start(figures: Figures, rows: u64, on_terminal: bool) -> LiveView {
        let bar = if on_terminal {
            ProgressBar::with_draw_target(Some(rows), ProgressDrawTarget::stdout())
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {msg}") {
            bar.set_style(style);
        }
        let shown = bar.clone();
        let task = tokio::task::spawn_local(async move {
            let mut speed = Speed::new();
            let mut next_line = Instant::now() + LINE_EVERY;
            loop {
                tokio::time::sleep(REDRAW).await;
                let line = figures.look(|now| {
                    let committed = now
                        .outcomes
                        .iter()
                        .filter(|outcome| matches!(outcome, FileOutcome::Committed { .. }))
                        .count();
                    let records = now.durable.total();
                    shown.set_position(records);
                    let held_up = now
                        .held_up_by()
                        .map_or_else(String::new, |why| format!("  waiting: {}", harmless(why)));
                    format!(
                        "files {committed}  records {}  {}/s  dead letters {}  lag {:.1} s{held_up}",
                        thousands(records),
                        thousands(speed.of(records)),
                        thousands(now.durable.rejected),
                        now.lag().as_secs_f64(),
                    )
                });
                shown.set_message(line.clone());
                if !on_terminal && Instant::now() >= next_line {
                    next_line += LINE_EVERY;
                    // A reader that has gone is no reason to stop.
                    let _ = print(&format!("{line}\n"));
                }
            }
        });
        LiveView { bar, task }
    }

    /// Takes the line away.
    pub fn finish(self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

/// Records a second, over the last second or so.
struct Speed {
    since: Instant,
    records: u64,
    current: u64,
}

impl Speed {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            records: 0,
            current: 0,
        }
    }

    fn of(&mut self, records: u64) -> u64 {
        let spent = self.since.elapsed();
        if spent >= Duration::from_secs(1) {
            let new = records.saturating_sub(self.records);
            self.current = (new as f64 / spent.as_secs_f64()) as u64;
            self.since = Instant::now();
            self.records = records;
        }
        self.current
    }
}
