use std::time::Duration;

use super::super::facts::*;
use super::*;

#[path = "finished_tests.rs"]
mod finished;

fn pipeline() -> Pipeline {
    Pipeline {
        name: "events".into(),
        known: true,
        wanted: "running".into(),
        served: true,
        instances: vec![Instance {
            host: "here".into(),
            process: 7,
        }],
        leaves: Some(Leaves::AtOnce),
        ..Pipeline::default()
    }
}

fn facts(state: &str) -> Facts {
    Facts {
        path: "/in/a.csv".into(),
        file: Some(File {
            file: 3,
            state: state.into(),
            size: 1_000,
            ..File::default()
        }),
        pipeline: Some(pipeline()),
        host: "here".into(),
        ..Facts::default()
    }
}

fn ready() -> Facts {
    Facts {
        file: None,
        place: Place::Ready {
            scan_interval: Duration::from_secs(5),
        },
        ..facts("")
    }
}

fn blocked() -> Vec<Writer> {
    let waits = Writer {
        lane: 1,
        backend: 11,
        blocked_by: Some(Blocker {
            backend: 99,
            user: Some("bob".into()),
            application: Some("psql".into()),
            state: Some("idle in transaction".into()),
            ..Blocker::default()
        }),
        ..Writer::default()
    };
    vec![Writer::default(), waits]
}

fn file(facts: &mut Facts) -> &mut File {
    facts.file.as_mut().expect("a file")
}

#[test]
fn a_command_comes_before_everything_that_holds_up_a_pipeline_that_runs() {
    for (wanted, expected) in [("paused", Stage::Paused), ("drained", Stage::Drained)] {
        for mut facts in [facts("READING"), facts("SCHEDULED"), ready()] {
            facts.writers = blocked();
            let pipeline = facts.pipeline.as_mut().expect("a pipeline");
            pipeline.wanted = wanted.into();
            pipeline.wanted_by = Some("alice".into());
            let found = stage(&facts);
            assert_eq!(found.stage, expected);
            assert!(found.because.contains("by alice"), "{}", found.because);
            assert_eq!(found.advice.as_deref(), Some("`ingestd resume events`"));
        }
    }
}

#[test]
fn without_a_service_nothing_goes_on() {
    for mut facts in [facts("READING"), facts("COMPLETED"), ready()] {
        let pipeline = facts.pipeline.as_mut().expect("a pipeline");
        (pipeline.served, pipeline.instances) = (false, Vec::new());
        assert_eq!(stage(&facts).stage, Stage::NoService);
    }
}

#[test]
fn somebodys_lock_is_told_before_what_comes_of_it() {
    let mut facts = facts("COMPLETED");
    facts.writers = blocked();
    facts.pipeline.as_mut().expect("one").degraded = Some("a lock timeout".into());
    let found = stage(&facts);
    assert_eq!(found.stage, Stage::BlockedByLock);
    for word in [
        "lane 1",
        "backend 11",
        "backend 99",
        "user bob",
        "application psql",
    ] {
        assert!(found.because.contains(word), "{}", found.because);
    }
    // Between two attempts nobody waits for it.
    facts.holder = blocked().remove(1).blocked_by;
    facts.writers.clear();
    let found = stage(&facts);
    assert_eq!(found.stage, Stage::BlockedByLock);
    for word in ["a lock timeout; backend 99", "user bob"] {
        assert!(found.because.contains(word), "{}", found.because);
    }
    facts.holder = None;
    let found = stage(&facts);
    assert_eq!(found.stage, Stage::Degraded);
    assert!(
        found.because.contains("a lock timeout"),
        "{}",
        found.because
    );
}

/// Every row that two batches share was a lock of somebody else, to be ended by force.
#[test]
fn a_wait_for_a_moment_is_no_hurdle() {
    let mut facts = facts("READING");
    facts.writers = blocked();
    facts.writers[1].busy = Some(Duration::from_millis(300));
    assert_eq!(stage(&facts).stage, Stage::Reading);
    facts.writers[1].busy = Some(LONG);
    assert_eq!(stage(&facts).stage, Stage::BlockedByLock);
    facts.writers[1].lane = -1;
    let found = stage(&facts);
    let words = "the writer of the dead letters (backend 11) waits";
    assert!(found.because.starts_with(words), "{}", found.because);
}

#[test]
fn whoever_asks_is_not_told_to_ask() {
    let mut facts = facts("READING");
    facts.pipeline.as_mut().expect("one").degraded = Some(format!("no lock (55P03); {ASK_WHY}"));
    let found = stage(&facts);
    assert_eq!(
        found.because,
        "pipeline events can't go on: no lock (55P03)"
    );
}

#[test]
fn of_a_blocker_that_is_not_shown_that_is_said() {
    assert!(describe(&Blocker::default()).contains("shown no more"));
}

#[test]
fn a_file_that_waits_names_the_first_and_guesses_by_the_pace() {
    for mut facts in [facts("SCHEDULED"), ready()] {
        facts.ahead = Ahead {
            files: 3,
            bytes: 5_000,
            first: Some((1, "/in/0.csv".into())),
        };
        facts.pace = Pace {
            bytes: 10_000,
            took: Duration::from_secs(4),
        };
        facts.writers = blocked();
        let found = stage(&facts);
        assert_eq!(found.stage, Stage::WaitingBehind);
        assert_eq!(
            found.because,
            "it waits behind file 1 (/in/0.csv), and behind 2 more"
        );
        assert_eq!(found.estimate_seconds, Some(2.0));
    }
}

#[test]
fn reading_goes_at_the_pace_of_the_last_moment_or_else_of_the_whole() {
    let mut facts = facts("READING");
    *file(&mut facts) = File {
        offset: 250,
        records: 50,
        started: Some(("then".into(), Duration::from_secs(10))),
        ..file(&mut facts).clone()
    };
    let found = stage(&facts);
    assert_eq!(found.stage, Stage::Reading);
    assert_eq!(found.estimate_seconds, Some(30.0));
    let words = ", 25 %: 50 records are committed, 5 records a second";
    assert!(found.because.ends_with(words), "{}", found.because);

    file(&mut facts).lately = Some((75, 20, Duration::from_secs(1)));
    let found = stage(&facts);
    assert_eq!(found.estimate_seconds, Some(10.0));
    assert!(found.because.ends_with(", 20 records a second"));

    file(&mut facts).lately = Some((0, 0, Duration::from_millis(400)));
    let found = stage(&facts);
    assert!(
        found
            .because
            .contains("nothing more of it was in the last 400 ms")
    );
    assert_eq!(found.estimate_seconds, Some(30.0), "by the whole");

    file(&mut facts).compressed = true;
    let found = stage(&facts);
    assert_eq!(found.estimate_seconds, None, "nobody knows its length");
    assert!(!found.because.contains('%'), "{}", found.because);
}

#[test]
fn a_writer_that_takes_long_is_named() {
    let mut facts = facts("READING");
    let busy = |lane, seconds| Writer {
        lane,
        backend: 20 + lane,
        active: true,
        busy: Some(Duration::from_secs(seconds)),
        waits_for: Some("IO: DataFileExtend".into()),
        ..Writer::default()
    };
    facts.writers = vec![busy(0, 1), busy(1, 30), busy(2, 12)];
    let found = stage(&facts);
    assert_eq!(found.stage, Stage::WritersBusy);
    assert!(
        found.because.contains("lane 1 (backend 21)"),
        "{}",
        found.because
    );
    assert!(
        found
            .because
            .contains("30 s, waiting for IO: DataFileExtend")
    );
    for writer in &mut facts.writers {
        writer.waits_for = Some(FOR_ROWS.into());
    }
    let for_us = stage(&facts);
    assert_eq!(for_us.stage, Stage::Reading, "it waits for rows");
    facts.writers.truncate(1);
    assert_eq!(stage(&facts).stage, Stage::Reading);
}

#[test]
fn a_file_that_nobody_here_looks_for_says_who_has_the_pipeline() {
    let mut facts = ready();
    assert_eq!(stage(&facts).stage, Stage::AboutToBeFound);
    facts.host = "there".into();
    let found = stage(&facts);
    assert_eq!(found.stage, Stage::LeasedElsewhere);
    assert!(
        found.because.contains("process 7 on host here"),
        "{}",
        found.because
    );
}

#[test]
fn what_is_missing_beside_a_file_is_told_even_of_a_paused_pipeline() {
    let unfinished = |by| Facts {
        place: Place::Unfinished {
            by,
            why: "a.csv.done is not there yet".into(),
            left: None,
        },
        ..ready()
    };
    for (by, running, paused) in [
        (Unfinished::Settling, Stage::Settling, Stage::Paused),
        (
            Unfinished::Marker,
            Stage::WaitingForMarker,
            Stage::WaitingForMarker,
        ),
        (
            Unfinished::Manifest,
            Stage::WaitingForManifest,
            Stage::WaitingForManifest,
        ),
    ] {
        let mut facts = unfinished(by);
        assert_eq!(stage(&facts).stage, running);
        facts.pipeline.as_mut().expect("one").wanted = "paused".into();
        assert_eq!(stage(&facts).stage, paused);
    }
}
