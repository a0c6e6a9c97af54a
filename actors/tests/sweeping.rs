//! What is due by time, beside the loading.

use std::time::Duration;

use ingestd_actors::error::ErrorKind;
use ingestd_actors::port::Event;
use ingestd_actors::testing::{Fault, Hold, Life, Setting, Step, TestFile, World};
use tokio::time::Instant;

use crate::{check_all_loaded, put_all, run};

const HOUR: Duration = Duration::from_secs(3600);

fn world_with(due: &[(Duration, &'static str)]) -> World {
    let world = World::new(1);
    let now = Instant::now();
    world.state().due = due
        .iter()
        .map(|&(after, what)| (now + after, what))
        .collect();
    world
}

async fn until_swept(world: &World, what: &[&'static str]) {
    let words = format!("{what:?} is swept");
    world.until(&words, |state| state.swept == what).await;
}

#[test]
fn what_was_due_while_nobody_ran_is_done_at_once_however_much() {
    run(async {
        let world = world_with(&[]);
        let past = Instant::now();
        world.state().due = ["a", "b", "c", "d", "e"].map(|what| (past, what)).to_vec();
        let _life = Life::start(&world, Setting::default());
        until_swept(&world, &["a", "b", "c", "d", "e"]).await;
        assert!(
            past.elapsed() < Duration::from_secs(1),
            "it slept between groups"
        );
    });
}

#[test]
fn it_sleeps_until_the_next_is_due() {
    run(async {
        let world = world_with(&[(HOUR / 2, "b"), (HOUR / 4, "a"), (5 * HOUR, "c")]);
        let started = Instant::now();
        let _life = Life::start(&world, Setting::default());
        until_swept(&world, &["a", "b"]).await;
        let after = started.elapsed();
        assert!(
            after >= HOUR / 2 && after < HOUR / 2 + Duration::from_secs(2),
            "{after:?}"
        );
        until_swept(&world, &["a", "b", "c"]).await;
        assert!(world.state().called(Step::Sweep) < 12, "it polls");
    });
}

#[test]
fn an_outage_is_waited_out_and_told() {
    for kind in [ErrorKind::Transient, ErrorKind::Configuration] {
        run(async {
            let world = world_with(&[(Duration::ZERO, "a")]);
            world.fail(Step::Sweep, 5, Fault::Error(kind));
            let _life = Life::start(&world, Setting::default());
            until_swept(&world, &["a"]).await;
            let state = world.state();
            let told = |state: &ingestd_actors::testing::State| {
                state.count(|it| matches!(it, Event::Degraded { child, .. } if child == "sweeper"))
            };
            assert_eq!(told(&state), 5);
            assert!(state.called(Step::Resume) <= 1, "nothing restarts");
        });
    }
}

#[test]
fn it_restarts_alone() {
    for fault in [Fault::Panic, Fault::Error(ErrorKind::Fenced)] {
        run(async {
            let world = world_with(&[(Duration::ZERO, "a")]);
            let files = [TestFile::rows(0, 40)];
            put_all(&world, &files);
            world.fail(Step::Sweep, 3, fault);
            let _life = Life::start(&world, Setting::default());
            until_swept(&world, &["a"]).await;
            check_all_loaded(&world, &files).await;
            assert_eq!(world.state().called(Step::Resume), 1, "the others go on");
        });
    }
}

#[test]
fn one_that_never_ends_delays_nothing() {
    run(async {
        let world = world_with(&[(Duration::ZERO, "a")]);
        world.fail(Step::Sweep, 1, Fault::Hold(Hold::default()));
        let files = [TestFile::rows(0, 40), TestFile::rows(100, 40)];
        put_all(&world, &files);
        let life = Life::start(&world, Setting::default());
        check_all_loaded(&world, &files).await;
        assert!(life.drain().await, "an orderly end does not wait for it");
        assert_eq!(world.state().swept, [""; 0]);
    });
}

#[test]
fn one_that_always_fails_ends_the_pipeline_and_then_the_service() {
    run(async {
        let world = world_with(&[(Duration::ZERO, "a")]);
        world.fail(Step::Sweep, u64::MAX, Fault::Panic);
        let mut setting = Setting::default();
        setting.restarts.maximum = 3;
        let life = Life::start(&world, setting);
        let error = life.given_up.await.expect("it gives up");
        assert_eq!(error.kind(), ErrorKind::Bug);
    });
}

#[test]
fn a_paused_pipeline_sweeps_nothing_until_it_goes_on() {
    run(async {
        let world = world_with(&[(HOUR, "a")]);
        let life = Life::start(&world, Setting::default());
        life.pause(true).await;
        tokio::time::sleep(3 * HOUR).await;
        assert_eq!(world.state().swept, [""; 0]);
        life.pause(false).await;
        until_swept(&world, &["a"]).await;
    });
}
