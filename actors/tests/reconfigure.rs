//! Pipelines that come, go and change while the others don't notice.

use ingestd_actors::error::ErrorKind;
use ingestd_actors::model::Wanted;
use ingestd_actors::service_supervisor::Reconfigure;
use ingestd_actors::testing::{Fault, Life, Setting, Step, World};

use crate::{begun, check_all_loaded, held, run, seconds, stocked};

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

/// Changes what runs, and waits until it is so.
async fn reconfigure(life: &Life, end: &[&str], start: &[(&str, &World)]) {
    let answer = life.service.send(change(end, start)).await;
    answer.expect("the root lives");
}

#[test]
fn a_new_pipeline_starts_and_the_others_do_not_notice() {
    run(async {
        let (other, _) = stocked(1);
        let (world, files, life) = begun(2).await;
        reconfigure(&life, &[], &[("other", &other)]).await;
        check_all_loaded(&other, &files).await;
        check_all_loaded(&world, &files).await;
        assert_eq!(world.state().called(Step::Resume), 1);
        assert_eq!(world.state().released, 0);
    });
}

#[test]
fn a_pipeline_that_goes_commits_what_is_in_flight() {
    run(async {
        let (world, files, life) = begun(2).await;
        reconfigure(&life, &["events", "nobody"], &[]).await;
        {
            let state = world.state();
            assert_eq!(state.rows.len() as u64, state.chunks_read * 3);
            assert_eq!(state.released, 1);
        }
        let read = world.state().chunks_read;
        seconds(60).await;
        assert_eq!(world.state().chunks_read, read);
        // It comes back as if the process had been started anew.
        reconfigure(&life, &[], &[("events", &world)]).await;
        check_all_loaded(&world, &files).await;
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
            let (world, files) = stocked(2);
            let life = Life::start(&world, Setting::default());
            for round in 1..=5 {
                world.until_called(Step::SourceNext, round * 3).await;
                world.fail(step, 1, fault.clone());
                reconfigure(&life, &["events"], &[("events", &world)]).await;
            }
            check_all_loaded(&world, &files).await;
            assert!(world.state().called(Step::Resume) >= 6);
        });
    }
}

#[test]
fn a_drained_pipeline_stays_so_with_its_new_configuration() {
    run(async {
        let (world, files, life) = begun(2).await;
        let command = world.command("events", Wanted::Drained);
        world.until_done("events", command, Wanted::Drained).await;
        let resumed = world.state().called(Step::Resume);
        reconfigure(&life, &["events"], &[("events", &world)]).await;
        seconds(60).await;
        assert_eq!(world.state().called(Step::Resume), resumed);
        life.pause(false).await;
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn what_is_commanded_while_it_changes_counts() {
    run(async {
        let (world, files, life, hold) = held(1, Setting::default()).await;
        let service = life.service.clone();
        let reconfigure = change(&["events"], &[("events", &world)]);
        let changing = tokio::task::spawn_local(async move { service.send(reconfigure).await });
        seconds(3).await;
        let command = world.command("events", Wanted::Paused);
        seconds(3).await;
        hold.release();
        changing.await.expect("no panic").expect("the root lives");
        world.until_done("events", command, Wanted::Paused).await;
        let read = world.state().chunks_read;
        seconds(60).await;
        assert_eq!(world.state().chunks_read, read);
        life.pause(false).await;
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn the_end_of_the_service_during_a_change_starts_nothing_again() {
    run(async {
        let (world, files, life, hold) = held(1, Setting::default()).await;
        let reconfigure = change(&["events"], &[("events", &world)]);
        life.service.do_send(reconfigure);
        let service = life.service.clone();
        let draining = tokio::task::spawn_local(async move {
            let drain = ingestd_actors::service_supervisor::DrainAll;
            service.send(drain).await.expect("the root lives")
        });
        seconds(3).await;
        assert!(!draining.is_finished(), "a batch is in flight");
        hold.release();
        assert!(draining.await.expect("no panic"));
        seconds(60).await;
        assert_eq!(world.state().called(Step::Resume), 1);
        drop(life);
        let _life = Life::start(&world, Setting::default());
        check_all_loaded(&world, &files).await;
    });
}
