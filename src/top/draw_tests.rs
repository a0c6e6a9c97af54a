use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::super::picture::{File, Writer};
use super::super::screen::Key;
use super::*;

fn screen() -> Screen {
    let mut screen = Screen::default();
    let pipeline = |name: &str, state: &str| Pipeline {
        name: name.into(),
        state: state.into(),
        rate: Some(12_345),
        backlog_files: 7,
        backlog_bytes: 3 << 20,
        lag: Some(Duration::from_secs(42)),
        held_up_by: "no table events".into(),
    };
    let file = File {
        file: 9,
        path: "/in/b\u{1b}[2Jad\u{202e}.csv".into(),
        state: "QUARANTINED".into(),
        records: 1_000,
        reason: "no field \"id\"".into(),
    };
    screen.saw(Picture {
        pipelines: vec![
            pipeline("events", "degraded"),
            pipeline("orders", "running"),
        ],
        in_flight: vec![InFlight {
            file: 3,
            path: "/in/a.csv".into(),
            pipeline: "orders".into(),
            share: Some(420),
            records: 5_000,
        }],
        writers: vec![
            Writer {
                pipeline: "orders".into(),
                lane: 1,
                backend: 4711,
                does: "waits for backend 99".into(),
            },
            Writer {
                pipeline: "orders".into(),
                lane: -1,
                backend: 4712,
                does: "is idle".into(),
            },
        ],
        dead_letters: vec![("invalid_value".into(), 1_234)],
        quarantined: vec![file.clone()],
        files: vec![file],
        why: vec![("because".into(), "it is\npaused".into())],
    });
    screen
}

fn drawn(screen: &Screen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    let done = terminal.draw(|frame| draw(frame, screen, "2026-11-21T10:00:00Z"));
    let buffer = done.expect("drawn").buffer.clone();
    let cells = buffer.content.chunks(usize::from(width).max(1));
    let line = |cells: &[ratatui::buffer::Cell]| {
        cells.iter().map(|cell| cell.symbol()).collect::<String>()
    };
    cells.map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn all_of_it_stands_on_a_usual_terminal() {
    let text = drawn(&screen(), 120, 30);
    for words in [
        "ingestd  2026-11-21T10:00:00Z",
        "events",
        "degraded",
        "12,345",
        "3.0 MiB",
        "42 s",
        "no table events",
        "[####------]  42 %",
        "file 3 orders: a.csv",
        "orders/1 backend 4711 waits for backend 99",
        "orders/dead letters backend 4712 is idle",
        "1,234 invalid_value",
        "quarantined: file 9",
        "? help",
    ] {
        assert!(text.contains(words), "{words:?} in\n{text}");
    }
}

#[test]
fn a_name_can_do_nothing_to_the_terminal() {
    let mut screen = screen();
    for view in [
        View::Pipelines,
        View::Files("orders".into()),
        View::Why(9, "orders".into()),
    ] {
        screen.view = view;
        let text = drawn(&screen, 120, 30);
        let steers = |c: &char| *c != '\n' && (c.is_control() || *c == '\u{202e}');
        assert_eq!(text.chars().find(steers), None, "{text:?}");
    }
    screen.view = View::Files("orders".into());
    assert!(drawn(&screen, 120, 30).contains("b\\u{1b}[2Jad\\u{202e}.csv"));
}

#[test]
fn no_terminal_is_too_small() {
    for asked in [None, Some(Key::Char('p')), Some(Key::Char('?'))] {
        for view in [
            View::Pipelines,
            View::Files("orders".into()),
            View::Why(9, "orders".into()),
        ] {
            let mut screen = screen();
            screen.view = view;
            asked.map(|key| screen.key(key));
            for (width, height) in [
                (80, 24),
                (40, 12),
                (20, 5),
                (1, 1),
                (3, 40),
                (200, 2),
                (0, 0),
            ] {
                drawn(&screen, width, height);
            }
        }
    }
    let small = drawn(&screen(), 40, 12);
    for words in ["events", "degraded", "12,345", "orders"] {
        assert!(small.contains(words), "{words:?} in\n{small}");
    }
    let mut list = screen();
    list.view = View::Files("orders".into());
    let small = drawn(&list, 40, 12);
    assert!(small.contains("QUARANTINED b\\u{1b}[2Jad"), "{small}");
    let usual = drawn(&screen(), 80, 24);
    for words in ["42 s", "files in flight", "invalid_value"] {
        assert!(usual.contains(words), "{words:?} in\n{usual}");
    }
}

#[test]
fn what_is_asked_and_what_goes_wrong_is_on_the_last_line() {
    let mut screen = screen();
    screen.key(Key::Char('p'));
    assert!(drawn(&screen, 80, 24).ends_with(&format!("{:<80}", "pause events? [y/n]")));
    screen.key(Key::Char('n'));
    assert!(drawn(&screen, 80, 24).contains("nothing was changed"));
    screen.failed("the server is away".into());
    let text = drawn(&screen, 80, 24);
    assert!(text.contains("trying again: the server is away"), "{text}");
    assert!(text.contains("orders"), "what was seen stays");
    assert!(drawn(&Screen::default(), 80, 24).contains("looking"));
}

#[test]
fn sizes_and_times_are_short() {
    assert_eq!(
        [0, 999, 2048, 5 << 30].map(bytes),
        ["0 B", "999 B", "2.0 KiB", "5.0 GiB"]
    );
    let spans = [500, 42_000, 600_000, 90_000_000].map(|it| span(Duration::from_millis(it)));
    assert_eq!(spans, ["500 ms", "42 s", "10 min", "25 h"]);
}
