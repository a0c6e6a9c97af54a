use ingestd_actors::error::ErrorKind;
use ingestd_actors::model::{FileState, Reason};
use ingestd_actors::port::{Event, Measured};
use ingestd_actors::testing::{Fault, Life, Setting, State, Step, TestFile, TestRecord, World};

use crate::{begun, check_all_loaded, put_all, run};

/// The sum of what is taken of what was measured.
fn sum(state: &State, of: impl Fn(&Measured) -> u64) -> u64 {
    let measured = state.events.iter().map(|event| match event {
        Event::Measured(measured) => of(measured),
        _ => 0,
    });
    measured.sum()
}

fn letters(state: &State, wanted: Reason) -> u64 {
    sum(state, |measured| match measured {
        Measured::DeadLetters { reason, count } if *reason == wanted => *count,
        _ => 0,
    })
}

fn states(state: &State, wanted: FileState) -> u64 {
    sum(state, |it| {
        u64::from(matches!(it, Measured::State(state) if *state == wanted))
    })
}

fn in_flight(state: &State) -> Option<usize> {
    state.events.iter().rev().find_map(|event| match event {
        Event::Measured(Measured::InFlight { bytes }) => Some(*bytes),
        _ => None,
    })
}

#[test]
fn what_is_done_is_measured_once() {
    run(async {
        let world = World::new(3);
        let mut mixed = TestFile::rows(5, 20);
        mixed.records[3] = TestRecord::Malformed;
        mixed.records[19] = TestRecord::Malformed;
        mixed.records[7] = TestRecord::Refused { key: 1 };
        let files = [TestFile::rows(0, 40), mixed, TestFile::malformed(4)];
        put_all(&world, &files);
        let _life = Life::start(&world, Setting::default());
        check_all_loaded(&world, &files).await;

        let state = world.state();
        let records = sum(&state, |it| match it {
            Measured::Read { records, .. } => *records,
            _ => 0,
        });
        assert_eq!(records, 64);
        let rows = sum(&state, |it| match it {
            Measured::Batch { rows, .. } => *rows,
            _ => 0,
        });
        assert_eq!(rows, 58, "the refused one is a row");
        assert_eq!(letters(&state, Reason::BadQuoting), 6);
        assert_eq!(letters(&state, Reason::Refused), 1);
        for wanted in [
            FileState::Scheduled,
            FileState::Reading,
            FileState::Completed,
            FileState::Committed,
            FileState::Archived,
        ] {
            assert_eq!(states(&state, wanted), 3, "{wanted:?}");
        }
        assert_eq!(in_flight(&state), Some(0));
        let most = sum(&state, |it| {
            u64::from(matches!(it, Measured::InFlight { bytes } if *bytes > 0))
        });
        assert!(most > 0, "something was on its way");
        assert_eq!(
            sum(&state, |it| u64::from(matches!(
                it,
                Measured::Arrived { .. }
            ))),
            3
        );
    });
}

#[test]
fn what_could_not_be_written_is_measured_and_counts_once_it_is() {
    run(async {
        let world = World::new(2);
        let mut file = TestFile::rows(0, 20);
        file.records[2] = TestRecord::Malformed;
        put_all(&world, std::slice::from_ref(&file));
        world.fail(Step::SinkWrite, 4, Fault::Error(ErrorKind::Transient));
        world.fail(Step::StoreRejects, 3, Fault::Error(ErrorKind::Transient));
        let _life = Life::start(&world, Setting::default());
        check_all_loaded(&world, &[file]).await;
        let state = world.state();
        let unwritten = sum(&state, |it| {
            u64::from(matches!(it, Measured::Unwritten { .. }))
        });
        let retried = sum(&state, |it| {
            u64::from(matches!(it, Measured::Retried { .. }))
        });
        assert_eq!((unwritten, retried), (7, 7));
        assert_eq!(letters(&state, Reason::BadQuoting), 1);
        let rows = sum(&state, |it| match it {
            Measured::Batch { rows, .. } => *rows,
            _ => 0,
        });
        assert_eq!(rows, 19);
    });
}

/// The names of the children that were restarted, while a step panicked so often.
fn restarted(step: Step, times: u64) -> Vec<String> {
    run(async {
        let (world, files, _life) = begun(2).await;
        world.fail(step, times, Fault::Panic);
        check_all_loaded(&world, &files).await;
        let state = world.state();
        assert_eq!(
            in_flight(&state),
            Some(0),
            "what the old life had is nobody's"
        );
        let restarted = state.events.iter().filter_map(|event| match event {
            Event::Measured(Measured::Restarted { child }) => Some(child.clone()),
            _ => None,
        });
        restarted.collect()
    })
}

#[test]
fn restarts_are_measured_by_child() {
    let writers = restarted(Step::SinkWrite, 3);
    assert_eq!(writers.len(), 3);
    assert!(
        writers.iter().all(|child| child.starts_with("writer ")),
        "{writers:?}"
    );
    assert_eq!(restarted(Step::SourceNext, 2), ["file reader"; 2]);
    assert_eq!(restarted(Step::Sweep, 0), [""; 0]);
}

#[test]
fn a_pause_is_measured() {
    run(async {
        let (world, files, life) = begun(2).await;
        let paused = |state: &State| {
            state.events.iter().rev().find_map(|event| match event {
                Event::Measured(Measured::Paused(paused)) => Some(*paused),
                _ => None,
            })
        };
        assert_eq!(paused(&world.state()), Some(false));
        life.pause(true).await;
        assert_eq!(paused(&world.state()), Some(true));
        life.pause(false).await;
        check_all_loaded(&world, &files).await;
        assert_eq!(paused(&world.state()), Some(false));
    });
}
