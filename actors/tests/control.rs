use std::time::Duration;

use ingestd_actors::error::ErrorKind;
use ingestd_actors::model::{FileState, Wanted};
use ingestd_actors::port::Event;
use ingestd_actors::service_supervisor::Command;
use ingestd_actors::testing::{Fault, Hold, Life, Setting, Step, TestFile, TestRecord, World};

use crate::{begun, check_all_loaded, held, put_all, run, seconds, stocked};

#[test]
fn a_pause_reads_nothing_more_commits_what_is_in_flight_and_survives_lives() {
    run(async {
        let (world, files, life) = begun(2).await;
        life.pause(true).await;
        let read = world.state().chunks_read;
        assert_eq!(
            world.state().wanted("events"),
            Wanted::Paused,
            "the ledger knows"
        );
        seconds(60).await;
        {
            let state = world.state();
            assert_eq!(state.chunks_read, read, "nothing is read");
            assert_eq!(
                state.rows.len() as u64,
                read * 3,
                "all that was read is committed"
            );
            assert_eq!(state.count(|event| matches!(event, Event::Idle)), 0);
        }
        drop(life);
        let life = Life::start(&world, Setting::default());
        seconds(60).await;
        assert_eq!(
            world.state().chunks_read,
            read,
            "the next life is paused too"
        );
        life.pause(false).await;
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn a_pause_outlives_a_restart_of_the_group() {
    run(async {
        let (world, files, life) = begun(2).await;
        life.pause(true).await;
        let read = world.state().chunks_read;
        world.fail(Step::Scan, 1, Fault::Panic);
        seconds(60).await;
        assert_eq!(world.state().chunks_read, read);
        life.pause(false).await;
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn to_go_on_right_after_the_start_of_a_paused_pipeline_is_not_forgotten() {
    run(async {
        let (world, files) = stocked(1);
        world.command("events", Wanted::Paused);
        let hold = Hold::default();
        world.fail(Step::Resume, 1, Fault::Hold(hold.clone()));
        world.fail_after(Step::Exchange, 1, 3, Fault::Error(ErrorKind::Transient));
        let life = Life::start(&world, Setting::default());
        world.until_called(Step::Resume, 1).await;
        let service = life.service.clone();
        let going_on = tokio::task::spawn_local(async move {
            let message = Command {
                pipeline: Some("events".to_owned()),
                wanted: Wanted::Running,
            };
            service.send(message).await
        });
        world.until_called(Step::Exchange, 2).await;
        hold.release();
        going_on.await.expect("no panic").expect("the root lives");
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn the_last_of_two_commands_is_what_the_ledger_remembers() {
    run(async {
        let (world, files) = stocked(1);
        let hold = Hold::default();
        world.fail(Step::SourceNext, 1, Fault::Hold(hold.clone()));
        let life = Life::start(&world, Setting::default());
        world.until_called(Step::SourceNext, 1).await;
        let (pause, go_on) = (life.pause(true), life.pause(false));
        let release = async {
            seconds(1).await;
            hold.release();
        };
        futures_util::join!(pause, go_on, release);
        assert_eq!(world.state().wanted("events"), Wanted::Running);
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn a_pause_is_answered_while_the_table_can_not_be_written() {
    run(async {
        let (world, files) = stocked(1);
        world.fail(
            Step::SinkWrite,
            u64::MAX,
            Fault::Error(ErrorKind::Configuration),
        );
        let setting = Setting {
            memory: 100,
            ..Setting::default()
        };
        let life = Life::start(&world, setting);
        seconds(10).await;
        let answered = tokio::time::timeout(Duration::from_secs(10), life.pause(true)).await;
        answered.expect("nothing is read: the pause is there");
        let read = world.state().chunks_read;
        world.heal();
        seconds(100).await;
        assert_eq!(world.state().chunks_read, read);
        life.pause(false).await;
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn a_drain_commits_what_is_in_flight_and_lets_go() {
    run(async {
        let (world, files, life, hold) = held(1, Setting::default()).await;
        let service = life.service.clone();
        let draining = tokio::task::spawn_local(async move {
            let drain = ingestd_actors::service_supervisor::DrainAll;
            service.send(drain).await.expect("the root lives")
        });
        seconds(5).await;
        assert!(!draining.is_finished(), "a batch is in flight");
        hold.release();
        assert!(draining.await.expect("no panic"));
        let read = {
            let state = world.state();
            assert_eq!(state.rows.len() as u64, state.chunks_read * 3);
            assert_eq!(state.released, 1);
            let open = state.files.values().find(|file| file.is_unfinished());
            let open = open.expect("stopped in the middle of a file");
            assert_eq!(
                (open.watermark.record, open.state),
                (
                    open.lanes
                        .values()
                        .map(|lane| lane.0.record)
                        .max()
                        .unwrap_or(0),
                    FileState::Reading
                ),
                "the ledger knows how far it has come"
            );
            state.chunks_read
        };
        seconds(60).await;
        assert_eq!(world.state().chunks_read, read, "it has ended");
        drop(life);
        let _life = Life::start(&world, Setting::default());
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn a_drain_waits_out_an_outage() {
    run(async {
        let (world, files) = stocked(2);
        for step in [Step::SinkWrite, Step::Commit, Step::Progress] {
            world.fail(step, 6, Fault::Error(ErrorKind::Transient));
        }
        let life = Life::start(&world, Setting::default());
        world.until_called(Step::SinkWrite, 3).await;
        assert!(life.drain().await);
        drop(life);
        let _life = Life::start(&world, Setting::default());
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn a_drain_during_which_a_child_dies_says_no_and_starts_nothing_again() {
    for step in [Step::SinkWrite, Step::StoreRejects, Step::Commit] {
        run(async {
            let world = World::new(1);
            let mut file = TestFile::rows(0, 6);
            file.records[1] = TestRecord::Malformed;
            let files = vec![file];
            put_all(&world, &files);
            let hold = Hold::default();
            world.fail(step, 1, Fault::Hold(hold.clone()));
            world.fail_after(Step::Scan, 1, 1, Fault::Panic);
            let life = Life::start(&world, Setting::default());
            world.until_called(step, 1).await;
            // The file is read to its end, so that the watcher comes to its next scan, and dies.
            world.until_called(Step::SourceNext, 3).await;
            seconds(1).await;
            let drained = tokio::time::timeout(Duration::from_secs(30), life.drain()).await;
            assert_eq!(drained, Ok(false), "nothing is left to wait for");
            seconds(60).await;
            assert_eq!(world.state().called(Step::Resume), 1);
            assert_eq!(world.state().released, 1);
            drop(life);
            hold.release();
            world.heal();
            let _life = Life::start(&world, Setting::default());
            check_all_loaded(&world, &files).await;
        });
    }
}

#[test]
fn a_drain_while_the_group_is_down_keeps_it_down() {
    run(async {
        let (world, _) = stocked(1);
        world.fail(Step::Resume, u64::MAX, Fault::Panic);
        let mut setting = Setting::default();
        setting.restarts.backoff.initial = Duration::from_secs(10);
        setting.restarts.backoff.maximum = Duration::from_secs(10);
        let life = Life::start(&world, setting);
        world.until_called(Step::Resume, 1).await;
        seconds(1).await;
        assert!(!life.drain().await, "nobody can tell what was in flight");
        world.heal();
        seconds(60).await;
        assert_eq!(world.state().called(Step::Resume), 1);
        assert_eq!(world.state().released, 1);
    });
}
