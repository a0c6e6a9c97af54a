use std::time::Duration;

use ingestd_actors::error::ErrorKind;
use ingestd_actors::supervision::RestartPolicy;
use ingestd_actors::testing::{Fault, Hold, Life, Setting, Step, TestFile, TestRecord, World};

use crate::{check_all_loaded, put_all, run};

/// Files whose rows share few keys, so that the order of the rows of a key shows.
fn few_keys() -> Vec<TestFile> {
    let file = |first: u64| {
        TestFile::new((first..first + 30).map(|value| TestRecord::Row {
            key: value % 5,
            value,
        }))
    };
    vec![file(0), file(100), file(200)]
}

fn survives(step: Step, skip: u64, times: u64, fault: Fault, setting: Setting) -> i64 {
    run(async {
        let world = World::new(3);
        let files = few_keys();
        put_all(&world, &files);
        world.fail_after(step, skip, times, fault);
        let _life = Life::start(&world, setting);
        check_all_loaded(&world, &files).await;
        let state = world.state();
        let claims = state.files.values().map(|file| file.epoch.0).max();
        claims.unwrap_or(0)
    })
}

#[test]
fn a_writer_that_panics_in_a_batch_is_handed_the_batch_again() {
    let claims = survives(Step::SinkWrite, 2, 3, Fault::Panic, Setting::default());
    assert_eq!(claims, 1, "a writer restarts alone");
}

#[test]
fn a_writer_that_panics_while_it_connects_is_handed_the_batch_again() {
    let claims = survives(Step::SinkOpen, 0, 4, Fault::Panic, Setting::default());
    assert_eq!(claims, 1, "a writer restarts alone");
}

#[test]
fn a_writer_that_answers_an_error_restarts_the_pipeline_from_the_ledger() {
    let fault = Fault::Error(ErrorKind::Bug);
    let claims = survives(Step::SinkWrite, 3, 1, fault, Setting::default());
    assert!(claims > 1, "files are claimed anew");
}

#[test]
fn a_stuck_writer_is_ended_and_its_batch_goes_to_the_next() {
    let setting = Setting {
        stuck_after: Duration::from_millis(300),
        ..Setting::default()
    };
    assert_eq!(survives(Step::SinkWrite, 1, 2, Fault::Hang, setting), 1);
}

#[test]
fn a_writer_that_waits_on_the_server_is_not_stuck() {
    run(async {
        let world = World::new(1);
        let files = few_keys();
        put_all(&world, &files);
        let hold = Hold::default();
        world.fail(Step::SinkWrite, 1, Fault::Hold(hold.clone()));
        let _life = Life::start(
            &world,
            Setting {
                stuck_after: Duration::from_millis(150),
                ..Setting::default()
            },
        );
        world.until_called(Step::SinkWrite, 1).await;
        std::thread::sleep(Duration::from_millis(300));
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(world.state().called(Step::SinkWrite), 1);
        hold.release();
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn a_writer_that_fails_for_ever_makes_the_service_give_up() {
    run(async {
        let world = World::new(2);
        put_all(&world, &few_keys());
        world.fail(Step::SinkWrite, u64::MAX, Fault::Panic);
        let mut setting = Setting::default();
        setting.restarts.maximum = 2;
        let life = Life::start(&world, setting);
        let error = life.given_up.await.expect("the root lives");
        let message = error.to_string();
        assert!(message.contains("events fails too often"), "{message}");
        assert!(message.contains("writer of partition"), "{message}");
        assert!(world.state().rows.is_empty());
    });
}

#[test]
fn a_pipeline_that_gave_up_is_started_again_by_the_service() {
    run(async {
        let world = World::new(1);
        let files = few_keys();
        put_all(&world, &files);
        // Two lives of a writer in each of two lives of the children; then the next pipeline.
        world.fail(Step::SinkWrite, 5, Fault::Panic);
        let mut setting = Setting::default();
        setting.restarts.maximum = 1;
        let mut life = Life::start(&world, setting);
        check_all_loaded(&world, &files).await;
        assert_eq!(world.state().called(Step::Resume), 3);
        assert!(life.given_up.try_recv().is_err());
    });
}

#[test]
fn a_crash_loop_reaches_the_root_however_long_the_backoff() {
    let policy = RestartPolicy::default();
    let burst = policy.backoff.maximum * policy.maximum as u32;
    let parent = policy.of_parent();
    assert!(parent.window >= burst * parent.maximum as u32);
}
