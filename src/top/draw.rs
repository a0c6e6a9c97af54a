//! PURE: the screen, drawn. Whatever a name holds, it can't steer the terminal.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Clear, Paragraph, Row, Table, TableState, Wrap};

use super::picture::{InFlight, Picture, Pipeline};
use super::screen::{Screen, View};
use crate::cli::{harmless, thousands};

const HELP: &str = "\
up, down, k, j   select a line
Enter            its files; of a file, what holds it up
Esc, h           back
p                pause the pipeline (asks)
r                let it go on (asks)
s                look through its directory now
?                this help
q, Ctrl-C        end";

/// Draws the whole screen; `time` is that of the picture.
pub fn draw(frame: &mut Frame<'_>, screen: &Screen, time: &str) {
    let [top, middle, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let title = match &screen.view {
        View::Pipelines => "ingestd".to_owned(),
        View::Files(pipeline) => format!("ingestd > {}", harmless(pipeline)),
        View::Why(file, pipeline) => {
            format!("ingestd > {} > file {file}", harmless(pipeline))
        }
    };
    let title = Line::from(vec![
        Span::styled(title, Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(format!("  {time}")),
    ]);
    frame.render_widget(Paragraph::new(title), top);
    match &screen.picture {
        None => frame.render_widget(Paragraph::new("looking"), middle),
        Some(picture) => match &screen.view {
            View::Pipelines => overview(frame, middle, picture, screen.selected()),
            View::Files(_) => files(frame, middle, picture, screen.selected()),
            View::Why(..) => why(frame, middle, picture),
        },
    }
    frame.render_widget(Paragraph::new(last_line(screen)), bottom);
    if screen.help {
        help(frame);
    }
}

/// What is asked, what went wrong, what a command has come to; else the keys.
fn last_line(screen: &Screen) -> Line<'static> {
    let bad = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
    if let Some((command, pipeline)) = &screen.asks {
        let question = format!("{} {}? [y/n]", command.name(), harmless(pipeline));
        return Line::styled(question, Style::new().add_modifier(Modifier::REVERSED));
    }
    if let Some(trouble) = &screen.trouble {
        return Line::styled(format!("trying again: {}", harmless(trouble)), bad);
    }
    match &screen.message {
        Some(message) => Line::from(harmless(message)),
        None => Line::from("Enter in  Esc out  p pause  r resume  s rescan  ? help  q end"),
    }
}

fn overview(frame: &mut Frame<'_>, area: Rect, picture: &Picture, selected: usize) {
    // The pipelines get what they need, up to half; the rest is shared by what is there.
    let wanted = u16::try_from(picture.pipelines.len() + 1).unwrap_or(u16::MAX);
    let is_small = area.height < 14;
    let first = match is_small {
        true => area.height,
        false => wanted.clamp(2, area.height / 2),
    };
    let [list, rest] =
        Layout::vertical([Constraint::Length(first), Constraint::Min(0)]).areas(area);
    pipelines(frame, list, &picture.pipelines, selected);
    if is_small {
        return;
    }
    let [flights, below] =
        Layout::vertical([Constraint::Percentage(45), Constraint::Min(0)]).areas(rest);
    in_flight(frame, flights, &picture.in_flight);
    let (left, right) = match area.width < 70 {
        true => {
            let [left, right] =
                Layout::vertical([Constraint::Percentage(50), Constraint::Min(0)]).areas(below);
            (left, right)
        }
        false => {
            let [left, right] =
                Layout::horizontal([Constraint::Percentage(50), Constraint::Min(0)]).areas(below);
            (left, right)
        }
    };
    let writers = picture.writers.iter().map(|writer| {
        // The writer of the dead letters has no number of its own.
        let lane = match writer.lane {
            0.. => writer.lane.to_string(),
            _ => "dead letters".to_owned(),
        };
        Line::from(harmless(&format!(
            "{}/{lane} backend {} {}",
            writer.pipeline, writer.backend, writer.does
        )))
    });
    lines(frame, left, "writers", writers.collect());
    let letters = picture
        .dead_letters
        .iter()
        .map(|(reason, count)| Line::from(harmless(&format!("{:>9} {reason}", thousands(*count)))));
    let quarantined = picture.quarantined.iter().map(|file| {
        let text = format!(
            "quarantined: file {} {}: {}",
            file.file,
            name_of(&file.path),
            file.reason
        );
        Line::styled(harmless(&text), Style::new().fg(Color::Yellow))
    });
    lines(
        frame,
        right,
        "dead letters, quarantined files",
        letters.chain(quarantined).collect(),
    );
}

/// Lines below a heading.
fn lines(frame: &mut Frame<'_>, area: Rect, heading: &str, lines: Vec<Line<'_>>) {
    let block = Block::new().borders(Borders::TOP).title(heading.to_owned());
    let text = match lines.is_empty() {
        true => vec![Line::from("none")],
        false => lines,
    };
    frame.render_widget(Paragraph::new(text).block(block), area);
}

fn pipelines(frame: &mut Frame<'_>, area: Rect, pipelines: &[Pipeline], selected: usize) {
    let is_narrow = area.width < 60;
    let rows = pipelines.iter().map(|pipeline| {
        let style = match pipeline.state.as_str() {
            "running" => Style::new(),
            "degraded" => Style::new().fg(Color::Red),
            _ => Style::new().fg(Color::Yellow),
        };
        let rate = pipeline.rate.map_or("-".to_owned(), thousands);
        let lag = pipeline.lag.map_or("-".to_owned(), span);
        let mut cells = vec![
            harmless(&pipeline.name),
            harmless(&pipeline.state),
            format!("{rate:>9}"),
        ];
        if !is_narrow {
            cells.push(format!("{:>7}", thousands(pipeline.backlog_files)));
            cells.push(format!("{:>9}", bytes(pipeline.backlog_bytes)));
            cells.push(format!("{lag:>7}"));
            cells.push(harmless(&pipeline.held_up_by));
        }
        Row::new(cells.into_iter().map(Cell::from)).style(style)
    });
    let mut heading = vec!["pipeline", "state", "records/s"];
    let mut widths = vec![
        Constraint::Fill(2),
        Constraint::Length(10),
        Constraint::Length(9),
    ];
    if !is_narrow {
        heading.extend(["backlog", "bytes", "lag", "held up by"]);
        widths.extend([
            Constraint::Length(7),
            Constraint::Length(9),
            Constraint::Length(7),
            Constraint::Fill(3),
        ]);
    }
    select_in(frame, area, rows.collect(), &heading, widths, selected);
}

fn files(frame: &mut Frame<'_>, area: Rect, picture: &Picture, selected: usize) {
    let is_narrow = area.width < 60;
    let rows = picture.files.iter().map(|file| {
        let mut cells = vec![
            format!("{:>7}", file.file),
            file.state.clone(),
            harmless(name_of(&file.path)),
        ];
        if !is_narrow {
            cells.insert(2, format!("{:>11}", thousands(file.records)));
            cells.push(harmless(&file.reason));
        }
        Row::new(cells.into_iter().map(Cell::from))
    });
    let mut heading = vec!["file", "state", "name"];
    let mut widths = vec![
        Constraint::Length(7),
        Constraint::Length(11),
        Constraint::Fill(2),
    ];
    if !is_narrow {
        heading.insert(2, "records");
        heading.push("reason");
        widths.insert(2, Constraint::Length(11));
        widths.push(Constraint::Fill(3));
    }
    select_in(frame, area, rows.collect(), &heading, widths, selected);
}

fn select_in(
    frame: &mut Frame<'_>,
    area: Rect,
    rows: Vec<Row<'_>>,
    heading: &[&'static str],
    widths: Vec<Constraint>,
    selected: usize,
) {
    let heading = Row::new(heading.to_vec()).style(Style::new().add_modifier(Modifier::BOLD));
    let table = Table::new(rows, widths)
        .header(heading)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::new().with_selected(selected);
    frame.render_stateful_widget(table, area, &mut state);
}

fn in_flight(frame: &mut Frame<'_>, area: Rect, files: &[InFlight]) {
    let line = |file: &InFlight| {
        let done = match file.share {
            Some(share) => format!("[{}] {:>3} %", bar(share), share / 10),
            None => format!("[{}]    ? ", bar(0)),
        };
        let text = format!(
            "{done} {:>11} file {} {}: {}",
            thousands(file.records),
            file.file,
            file.pipeline,
            name_of(&file.path)
        );
        Line::from(harmless(&text))
    };
    lines(
        frame,
        area,
        "files in flight",
        files.iter().map(line).collect(),
    );
}

fn bar(share: u64) -> String {
    let full = (share.min(1000) / 100) as usize;
    "#".repeat(full) + &"-".repeat(10 - full)
}

fn why(frame: &mut Frame<'_>, area: Rect, picture: &Picture) {
    let text: Vec<Line<'_>> = picture
        .why
        .iter()
        .map(|(name, value)| Line::from(format!("{name:<14}{}", harmless(value))))
        .collect();
    let text = match text.is_empty() {
        true => vec![Line::from("looking")],
        false => text,
    };
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }), area);
}

fn help(frame: &mut Frame<'_>) {
    let whole = frame.area();
    let width = whole.width.min(60);
    let height = whole.height.min(10);
    let area = Rect {
        x: (whole.width - width) / 2,
        y: (whole.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, area);
    let block = Block::bordered().title("keys");
    frame.render_widget(Paragraph::new(HELP).block(block), area);
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A size with a unit: three digits tell enough.
fn bytes(number: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{number} B"),
        _ => format!("{value:.1} {}", units[unit]),
    }
}

fn span(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds if seconds < 7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;
