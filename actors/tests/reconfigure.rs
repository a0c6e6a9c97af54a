//! Pipelines that come, go and change while the others don't notice.

use std::time::Duration;

use ingestd_actors::error::ErrorKind;
use ingestd_actors::model::Wanted;
use ingestd_actors::service_supervisor::Reconfigure;
use ingestd_actors::testing::{Fault, Hold, Life, Setting, Step, TestFile, World};

use crate::{check_all_loaded, put_all, run};

fn files() -> Vec<TestFile> {
    (0..3).map(|file| TestFile::rows(file * 100, 60)).collect()
}

fn change(end: &[&str], start: &[(&str, &World)]) -> Reconfigure {
    let setting = Setting::default();
    Reconfigure {
        end: end.iter().map(|&name| name.to_owned()).collect(),
        start: start
            .iter()
            .map(|(name, world)| setting.pipeline(name, world))
            .collect(),
    }
}

#[test]
fn a_new_pipeline_starts_and_the_others_do_not_notice() {
    run(async {
        let (world, other) = (World::new(2), World::new(1));
        let files = files();
        put_all(&world, &files);
        put_all(&other, &files);
        let life = Life::start(&world, Setting::default());
        world.until_called(Step::SourceNext, 4).await;
        let reconfigure = change(&[], &[("other", &other)]);
        life.service
            .send(reconfigure)
            .await
            .expect("the root lives");
        check_all_loaded(&other, &files).await;
        check_all_loaded(&world, &files).await;
        assert_eq!(world.state().called(Step::Resume), 1);
        assert_eq!(world.state().released, 0);
    });
}

#[test]
fn a_pipeline_that_goes_commits_what_is_in_flight() {
    run(async {
        let world = World::new(2);
        put_all(&world, &files());
        let life = Life::start(&world, Setting::default());
        world.until_called(Step::SourceNext, 4).await;
        let reconfigure = change(&["events", "nobody"], &[]);
        life.service
            .send(reconfigure)
            .await
            .expect("the root lives");
        {
            let state = world.state();
            assert_eq!(state.rows.len() as u64, state.chunks_read * 3);
            assert_eq!(state.released, 1);
        }
        let read = world.state().chunks_read;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.state().chunks_read, read);
        // It comes back as if the process had been started anew.
        let reconfigure = change(&[], &[("events", &world)]);
        life.service
            .send(reconfigure)
            .await
            .expect("the root lives");
        check_all_loaded(&world, &files()).await;
    });
}

#[test]
fn a_changed_pipeline_goes_on_from_the_ledger_whatever_goes_wrong() {
    for (step, fault) in [
        (Step::SinkWrite, Fault::Panic),
        (Step::SinkWrite, Fault::Error(ErrorKind::Transient)),
        (Step::Release, Fault::Error(ErrorKind::Transient)),
        (Step::Exchange, Fault::Error(ErrorKind::Transient)),
        (Step::Scan, Fault::Panic),
        (Step::Commit, Fault::LostAnswer(ErrorKind::Transient)),
    ] {
        run(async {
            let world = World::new(2);
            let files = files();
            put_all(&world, &files);
            let life = Life::start(&world, Setting::default());
            for round in 1..=5 {
                world.until_called(Step::SourceNext, round * 3).await;
                world.fail(step, 1, fault.clone());
                let reconfigure = change(&["events"], &[("events", &world)]);
                life.service
                    .send(reconfigure)
                    .await
                    .expect("the root lives");
            }
            check_all_loaded(&world, &files).await;
            assert!(world.state().called(Step::Resume) >= 6);
        });
    }
}

#[test]
fn a_drained_pipeline_stays_so_with_its_new_configuration() {
    run(async {
        let world = World::new(2);
        let files = files();
        put_all(&world, &files);
        let life = Life::start(&world, Setting::default());
        world.until_called(Step::SourceNext, 4).await;
        let command = world.command("events", Wanted::Drained);
        world.until_done("events", command, Wanted::Drained).await;
        let resumed = world.state().called(Step::Resume);
        let reconfigure = change(&["events"], &[("events", &world)]);
        life.service
            .send(reconfigure)
            .await
            .expect("the root lives");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.state().called(Step::Resume), resumed);
        life.pause(false).await;
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn what_is_commanded_while_it_changes_counts() {
    run(async {
        let world = World::new(2);
        let files = files();
        put_all(&world, &files);
        let hold = Hold::default();
        world.fail_after(Step::SinkWrite, 3, 1, Fault::Hold(hold.clone()));
        let life = Life::start(&world, Setting::default());
        world.until_called(Step::SinkWrite, 4).await;
        let service = life.service.clone();
        let reconfigure = change(&["events"], &[("events", &world)]);
        let changing = tokio::task::spawn_local(async move { service.send(reconfigure).await });
        tokio::time::sleep(Duration::from_secs(3)).await;
        let command = world.command("events", Wanted::Paused);
        tokio::time::sleep(Duration::from_secs(3)).await;
        hold.release();
        changing.await.expect("no panic").expect("the root lives");
        world.until_done("events", command, Wanted::Paused).await;
        let read = world.state().chunks_read;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.state().chunks_read, read);
        life.pause(false).await;
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn the_end_of_the_service_during_a_change_starts_nothing_again() {
    run(async {
        let world = World::new(2);
        let files = files();
        put_all(&world, &files);
        let hold = Hold::default();
        world.fail_after(Step::SinkWrite, 3, 1, Fault::Hold(hold.clone()));
        let life = Life::start(&world, Setting::default());
        world.until_called(Step::SinkWrite, 4).await;
        let reconfigure = change(&["events"], &[("events", &world)]);
        life.service.do_send(reconfigure);
        let service = life.service.clone();
        let draining = tokio::task::spawn_local(async move {
            let drain = ingestd_actors::service_supervisor::DrainAll;
            service.send(drain).await.expect("the root lives")
        });
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(!draining.is_finished(), "a batch is in flight");
        hold.release();
        assert!(draining.await.expect("no panic"));
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.state().called(Step::Resume), 1);
        drop(life);
        let _life = Life::start(&world, Setting::default());
        check_all_loaded(&world, &files).await;
    });
}
