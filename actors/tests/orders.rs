//! Commands that come from outside: whichever way, there is one state, and the last one wins.

use std::time::Duration;

use ingestd_actors::error::ErrorKind;
use ingestd_actors::model::Wanted;
use ingestd_actors::service_supervisor::Command;
use ingestd_actors::testing::{Fault, Life, Setting, Step, TestFile, World};

use crate::{begun, check_all_loaded, held, run, seconds, stocked};

const EVENTS: &str = "events";

#[test]
fn a_drain_commits_lets_go_and_stays_until_it_is_let_go_on() {
    run(async {
        let (world, files, life) = begun(2).await;
        let command = world.command(EVENTS, Wanted::Drained);
        world.until_done(EVENTS, command, Wanted::Drained).await;
        let (read, resumed) = {
            let state = world.state();
            assert_eq!(state.rows.len() as u64, state.chunks_read * 3);
            assert_eq!(state.released, 1);
            (state.chunks_read, state.called(Step::Resume))
        };
        seconds(60).await;
        // A pause asks for less: it does not take the lease again.
        let command = world.command(EVENTS, Wanted::Paused);
        world.until_done(EVENTS, command, Wanted::Drained).await;
        drop(life);
        let life = Life::start(&world, Setting::default());
        seconds(60).await;
        {
            let state = world.state();
            assert_eq!(
                state.chunks_read, read,
                "nothing is read, in the next life too"
            );
            assert_eq!(state.called(Step::Resume), resumed, "and nothing is taken");
        }
        life.pause(false).await;
        assert_eq!(world.state().wanted(EVENTS), Wanted::Running);
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn a_drain_that_takes_too_long_is_cut_and_nothing_is_lost() {
    run(async {
        let setting = Setting {
            drain_timeout: Duration::from_secs(8),
            ..Setting::default()
        };
        let (world, files, _life, hold) = held(2, setting).await;
        let command = world.command(EVENTS, Wanted::Drained);
        seconds(7).await;
        assert_eq!(world.state().reports[EVENTS].done, None);
        world.until_done(EVENTS, command, Wanted::Drained).await;
        assert_eq!(world.state().released, 1);
        hold.release();
        let command = world.command(EVENTS, Wanted::Running);
        world.until_done(EVENTS, command, Wanted::Running).await;
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn to_go_on_during_a_drain_starts_it_again_after_that() {
    run(async {
        let (world, files, _life, hold) = held(1, Setting::default()).await;
        world.command(EVENTS, Wanted::Drained);
        seconds(3).await;
        let command = world.command(EVENTS, Wanted::Running);
        seconds(3).await;
        hold.release();
        world.until_done(EVENTS, command, Wanted::Running).await;
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn a_signal_during_an_outage_counts_at_once_and_is_told_later() {
    run(async {
        let (world, files, life) = begun(1).await;
        world.fail(Step::Exchange, u64::MAX, Fault::Error(ErrorKind::Transient));
        let service = life.service.clone();
        let command = |wanted| Command {
            pipeline: None,
            wanted,
        };
        service.do_send(command(Wanted::Running));
        let pausing = tokio::task::spawn_local({
            let service = service.clone();
            async move { service.send(command(Wanted::Paused)).await }
        });
        seconds(30).await;
        let read = world.state().chunks_read;
        seconds(30).await;
        assert_eq!(world.state().chunks_read, read, "it is paused");
        assert!(!pausing.is_finished(), "and not known to be");
        world.heal();
        pausing.await.expect("no panic").expect("the root lives");
        {
            let state = world.state();
            assert_eq!(state.wanted(EVENTS), Wanted::Paused);
            assert_eq!(state.orders[EVENTS].command, 2, "both were told, once");
        }
        let command = world.command(EVENTS, Wanted::Running);
        world.until_done(EVENTS, command, Wanted::Running).await;
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn the_control_may_die_at_any_time() {
    for fault in [Fault::Panic, Fault::Hang, Fault::Error(ErrorKind::Bug)] {
        run(async {
            let (world, files) = stocked(1);
            world.fail(Step::Exchange, 3, fault.clone());
            let life = Life::start(&world, Setting::default());
            life.pause(true).await;
            world.fail(Step::Exchange, 1, fault.clone());
            let command = world.command(EVENTS, Wanted::Running);
            world.until_done(EVENTS, command, Wanted::Running).await;
            check_all_loaded(&world, &files).await;
        });
    }
}

#[test]
fn commands_at_random_end_with_the_last_one() {
    use rand::{RngExt, SeedableRng};
    for seed in 0..20 {
        run(async move {
            let mut random = rand::rngs::StdRng::seed_from_u64(seed);
            let (world, files) = stocked(2);
            world.fail(Step::Exchange, 2, Fault::Error(ErrorKind::Transient));
            world.fail_after(Step::SinkWrite, 5, 2, Fault::Panic);
            let life = Life::start(&world, Setting::default());
            let states = [Wanted::Running, Wanted::Paused, Wanted::Drained];
            for _ in 0..12 {
                let wanted = states[random.random_range(0..3)];
                if random.random::<bool>() {
                    world.command(EVENTS, wanted);
                } else {
                    life.service.do_send(Command {
                        pipeline: None,
                        wanted,
                    });
                }
                let wait = random.random_range(0..1_500);
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            let command = world.command(EVENTS, Wanted::Running);
            world.until_done(EVENTS, command, Wanted::Running).await;
            check_all_loaded(&world, &files).await;
        });
    }
}

#[test]
fn a_look_is_taken_at_once_where_no_event_and_no_interval_would() {
    run(async {
        let world = World::new(1);
        let setting = Setting {
            scan_interval: Duration::from_secs(100_000),
            ..Setting::default()
        };
        let _life = Life::start(&world, setting);
        world.until_called(Step::Scan, 1).await;
        let scans = world.state().called(Step::Scan);
        let file = TestFile::rows(0, 10);
        // Without a hint, as on a network file system.
        world.state().inbox.insert("a.csv".into(), file.clone());
        seconds(100).await;
        assert_eq!(world.state().called(Step::Scan), scans);
        let asked = world.ask_to_look(EVENTS);
        world
            .until("looked", |state| state.reports[EVENTS].rescanned == asked)
            .await;
        check_all_loaded(&world, &[file]).await;
    });
}

#[test]
fn a_look_is_answered_while_the_pipeline_is_paused_or_drained() {
    run(async {
        let (world, _) = stocked(1);
        for wanted in [Wanted::Paused, Wanted::Drained] {
            let command = world.command(EVENTS, wanted);
            let life = Life::start(&world, Setting::default());
            world.until_done(EVENTS, command, wanted).await;
            let asked = world.ask_to_look(EVENTS);
            world
                .until("looked", |state| state.reports[EVENTS].rescanned == asked)
                .await;
            drop(life);
        }
        assert_eq!(world.state().chunks_read, 0);
    });
}
