//! What stands in a log, read back from a file.

use std::path::PathBuf;

use slog::{debug, error, info, warn};
use tempfile::TempDir;

use super::*;

/// A log file of its own.
fn file() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("log/ingestd.log");
    (directory, path)
}

/// What a logger of this format leaves in a file.
fn written(format: LogFormat, level: Level, log: impl FnOnce(&Logger)) -> String {
    let (_directory, path) = file();
    let (logger, guard) = match format {
        LogFormat::Terminal => start(terminal::plain(open(&path).unwrap()), level),
        _ => start(json::lines(open(&path).unwrap()), level),
    };
    log(&logger);
    drop(guard);
    std::fs::read_to_string(path).unwrap()
}

fn objects(text: &str) -> Vec<serde_json::Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

#[test]
fn a_json_line_has_time_level_message_and_fields() {
    let text = written(LogFormat::Json, Level::Info, |logger| {
        let logger = logger.new(o!("pipeline" => "events"));
        info!(logger, "loaded a file"; "rows" => 15, "file" => "a.csv");
    });
    assert!(text.starts_with("{\"ts\":\"2"), "{text}");
    let objects = objects(&text);
    assert_eq!(objects.len(), 1);
    let line = &objects[0];
    assert_eq!(line["level"], "info");
    assert_eq!(line["msg"], "loaded a file");
    assert_eq!(line["pipeline"], "events");
    assert_eq!(line["rows"], 15);
    assert_eq!(line["file"], "a.csv");
    let time = line["ts"].as_str().unwrap();
    assert!(time.ends_with('Z'), "{time}");
    let time = humantime::parse_rfc3339(time).unwrap();
    assert!(time.elapsed().unwrap() < std::time::Duration::from_secs(60));
}

#[test]
fn a_line_for_people_is_whole() {
    let text = written(LogFormat::Terminal, Level::Info, |logger| {
        let logger = logger.new(o!("pipeline" => "events"));
        info!(logger, "loaded a file"; "rows" => 15, "bytes" => 700);
        warn!(logger, "slow");
    });
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].ends_with(" INFO loaded a file, pipeline: events, rows: 15, bytes: 700"),
        "{text}"
    );
    assert!(lines[1].ends_with(" WARN slow, pipeline: events"), "{text}");
}

#[test]
fn nobody_forges_a_line() {
    const EVIL: &str =
        "a\nb\r\nc\x1b[2J\u{85}\u{2028}\u{2029}\u{202e}\u{7f}\u{9b}2J\0{\"msg\":\"forged\"}";
    for format in [LogFormat::Json, LogFormat::Terminal] {
        let text = written(format, Level::Info, |logger| {
            let logger = logger.new(o!("context" => EVIL));
            info!(logger, "{}", EVIL; "value" => EVIL, "shown" => %EVIL, "debugged" => ?EVIL);
        });
        assert!(text.ends_with('\n'));
        let line = text.trim_end_matches('\n');
        let found = line.chars().find(|c| is_unsafe(*c));
        assert_eq!(found, None, "{format:?}: {line:?}");
        assert!(line.contains("forged"));
        if format == LogFormat::Json {
            let line = &objects(&text)[0];
            for key in ["msg", "context", "value", "shown"] {
                assert_eq!(
                    line[key], EVIL,
                    "{key} is kept, only written in another way"
                );
            }
        }
    }
}

#[test]
fn the_level_decides() {
    let log = |logger: &Logger| {
        error!(logger, "one");
        warn!(logger, "two");
        info!(logger, "three");
        debug!(logger, "four");
    };
    for (level, expected) in [
        (LogLevel::Error, 1),
        (LogLevel::Warning, 2),
        (LogLevel::Info, 3),
        (LogLevel::Debug, 4),
    ] {
        let text = written(LogFormat::Json, level_of(level), log);
        let levels: Vec<_> = objects(&text)
            .iter()
            .map(|line| line["level"].as_str().unwrap_or_default().to_owned())
            .collect();
        let all = ["error", "warning", "info", "debug"];
        assert_eq!(levels, all[..expected]);
    }
}

#[test]
fn nothing_is_dropped() {
    let many = WAITING * 5;
    let text = written(LogFormat::Json, Level::Info, |logger| {
        for number in 0..many {
            info!(logger, "a line"; "number" => number);
        }
    });
    let numbers: Vec<_> = objects(&text)
        .iter()
        .map(|line| line["number"].as_u64().unwrap() as usize)
        .collect();
    assert!(numbers.iter().copied().eq(0..many));
}

#[test]
fn people_are_written_to_where_they_read() {
    for (format, to_terminal, expected) in [
        (LogFormat::Auto, true, true),
        (LogFormat::Auto, false, false),
        (LogFormat::Terminal, false, true),
        (LogFormat::Json, true, false),
    ] {
        assert_eq!(is_for_people(format, to_terminal), expected);
    }
}

/// The only test that calls [`build`]: the bridge is one for the whole process.
#[test]
fn the_whole_log_appends_to_a_file_and_bridges_other_crates() {
    let (_directory, path) = file();
    let settings = LogSettings {
        file: Some(path.clone()),
        ..LogSettings::default()
    };
    for life in 1..=2 {
        // A terminal on standard error is no reason to write for people into a file.
        let (logger, guard) = build(&settings, true).unwrap();
        info!(logger, "started"; "life" => life);
        log::warn!("from a crate that uses log, life {life}");
        log::info!("too unimportant");
        drop(guard);
        log::warn!("too late, and no panic");
        info!(logger, "too late, and no panic");
    }
    let text = std::fs::read_to_string(path).unwrap();
    let messages: Vec<_> = objects(&text)
        .iter()
        .map(|line| line["msg"].as_str().unwrap_or_default().to_owned())
        .filter(|message| {
            message == "started" || message.starts_with("from") || message.starts_with("too")
        })
        .collect();
    assert_eq!(
        messages,
        [
            "started",
            "from a crate that uses log, life 1",
            "started",
            "from a crate that uses log, life 2"
        ]
    );
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let settings = LogSettings {
        file: Some(directory.path().to_owned()),
        ..LogSettings::default()
    };
    let Err(error) = build(&settings, false) else {
        panic!("a directory is no log file");
    };
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let text = error.to_string();
    assert!(
        text.contains(&directory.path().display().to_string()),
        "{text}"
    );
    assert!(text.contains("log.file"), "{text}");
}
