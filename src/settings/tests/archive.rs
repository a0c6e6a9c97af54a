//! How files leave, and how long they are kept.

use super::*;
use crate::settings::{ArchiveRules, Collision, Finished};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn every_key_arrives() {
    let text = with(
        "archive = 'done'\nfinished = 'move'\narchive_collision = 'replace'\narchive_dates = '%Y/%m'\n\
         archive_compression = 'zstd'\narchive_retention = '2y'\nquarantine_retention = '90d'",
    );
    let pipeline = &load(&text).pipelines[0];
    assert_eq!(pipeline.archive.as_deref(), Some(Path::new("/data/done")));
    let rules = ArchiveRules {
        finished: Finished::Move,
        collision: Collision::Replace,
        dates: Some("%Y/%m".into()),
        compress: true,
        archive_retention: Some(Duration::from_secs(2 * 31_557_600)),
        quarantine_retention: Some(90 * DAY),
    };
    assert_eq!(pipeline.archive_rules, rules);
    assert!(pipeline.leaves_at_once());
}

#[test]
fn files_move_unless_something_else_is_said() {
    let finished = |lines: &str| {
        let settings = load(&with(lines));
        let pipeline = &settings.pipelines[0];
        let rules = &pipeline.archive_rules;
        (
            rules.finished,
            pipeline.archive.is_some(),
            pipeline.leaves_at_once(),
        )
    };
    let delete = |after| Finished::Delete { after };
    for (lines, expected) in [
        ("", (Finished::Move, true, true)),
        ("archive = true", (Finished::Move, true, true)),
        ("archive = false", (Finished::Keep, false, false)),
        ("finished = 'keep'", (Finished::Keep, false, false)),
        (
            "finished = 'keep'\narchive = false",
            (Finished::Keep, false, false),
        ),
        (
            "finished = 'delete'\ndelete_after = '7d'",
            (delete(7 * DAY), false, false),
        ),
        (
            "finished = 'delete'\ndelete_after = '0s'\narchive = false",
            (delete(Duration::ZERO), false, true),
        ),
    ] {
        assert_eq!(finished(lines), expected, "{lines}");
    }
}

/// What is written, the key that is named, and a part of what is said.
#[rustfmt::skip]
const MISTAKES: &[(&str, &str, &str)] = &[
    ("finished = 'remove'", "finished", "write one of \"move\", \"keep\", \"delete\""),
    ("finished = 'move'\narchive = false", "finished", "needs an archive"),
    ("finished = 'keep'\narchive = 'done'", "finished", "leave archive out"),
    ("finished = 'delete'\ndelete_after = '7d'\narchive = 'done'", "finished", "archive_retention"),
    ("finished = 'delete'", "delete_after", "\"0s\" to delete it at once"),
    ("finished = 'delete'\ndelete_after = 'soon'", "delete_after", "is no duration"),
    ("finished = 'delete'\ndelete_after = 7", "delete_after", "expected text in quotes"),
    ("finished = 'delete'\ndelete_after = '7'", "delete_after", "has no unit"),
    ("delete_after = '7d'", "delete_after", "is for finished = \"delete\" alone"),
    ("archive_collision = 'overwrite'", "archive_collision", "write one of \"rename\", \"replace\", \"keep\", \"fail\""),
    ("archive = false\narchive_collision = 'fail'", "archive_collision", "has no meaning"),
    ("finished = 'keep'\narchive_dates = '%Y'", "archive_dates", "has no meaning"),
    ("finished = 'keep'\narchive_compression = 'zstd'", "archive_compression", "has no meaning"),
    ("finished = 'delete'\ndelete_after = '1d'\narchive_retention = '7d'", "archive_retention", "has no meaning"),
    ("quarantine = false\nquarantine_retention = '7d'", "quarantine_retention", "has no meaning"),
    ("archive_retention = '0s'", "archive_retention", "write \"1s\" or more"),
    ("archive_retention = '200y'", "archive_retention", "longer than 100 years"),
    ("archive_dates = '../%Y'", "archive_dates", "no plain path"),
    ("archive_dates = '%Y/%!'", "archive_dates", "is no format of a date"),
    ("archive_compression = 'gzip'", "archive_compression", "write one of \"none\", \"zstd\""),
];

#[test]
fn mistakes_are_told_with_what_would_be_right() {
    for (lines, key, text) in MISTAKES {
        let problem = refusal(&with(lines));
        let lines_told: Vec<&str> = problem.lines().collect();
        assert_eq!(lines_told.len(), 1, "{lines}: {problem}");
        let key = format!(": pipelines.events.{key}: ");
        assert!(
            problem.contains(&key) && problem.contains(text),
            "{lines}: {problem}"
        );
    }
}
