//! The indexes that a first load has put off.

use std::time::Duration;

use ingestd_actors::error::ErrorKind;
use ingestd_actors::port::{Event, IndexEnd};
use ingestd_actors::testing::{Fault, Hold, Life, Setting, State, Step, TestFile, World};

use crate::{check_all_loaded, put_all, run, until_idle};

fn world_that_lacks(indexes: &[&str]) -> World {
    let world = World::new(2);
    world.state().missing_indexes = indexes.iter().map(|&name| name.to_owned()).collect();
    world
}

/// The indexes that were built, and the files committed before the first of them was begun.
fn built(state: &State) -> (Vec<String>, usize) {
    let mut names = Vec::new();
    let mut files_before = None;
    let mut files = 0;
    for event in &state.events {
        match event {
            Event::FileCommitted { .. } => files += 1,
            Event::IndexStarted { .. } => {
                files_before.get_or_insert(files);
            }
            Event::IndexEnded { index, end, .. } if *end == IndexEnd::Built => {
                names.push(index.clone());
            }
            _ => {}
        }
    }
    (names, files_before.unwrap_or(files))
}

#[test]
fn they_are_built_in_their_order_after_the_files() {
    run(async {
        let world = world_that_lacks(&["b", "a"]);
        let files = [TestFile::rows(0, 40), TestFile::rows(20, 40)];
        put_all(&world, &files);
        let _life = Life::start(&world, Setting::default());
        check_all_loaded(&world, &files).await;
        let (names, files_before) = built(&world.state());
        assert_eq!(names, ["b", "a"]);
        assert_eq!(files_before, 2);
    });
}

#[test]
fn what_an_earlier_life_left_is_built_where_no_file_is() {
    run(async {
        let world = world_that_lacks(&["a"]);
        let _life = Life::start(&world, Setting::default());
        until_built(&world).await;
    });
}

async fn until_built(world: &World) {
    world
        .until("the indexes, and idle", |state| {
            state.missing_indexes.is_empty() && state.count(|it| matches!(it, Event::Idle)) > 0
        })
        .await;
    assert_eq!(world.state().violations, [""; 0]);
}

/// The archive of the first file never ends, so that the pipeline is never idle.
#[test]
fn they_are_built_beside_the_loading_where_files_go_on_coming() {
    run(async {
        let world = world_that_lacks(&["a"]);
        put_all(&world, &[TestFile::rows(0, 40)]);
        let archive = Hold::default();
        world.fail(Step::Archive, 1, Fault::Hold(archive.clone()));
        let building = Hold::default();
        world.fail(Step::BuildIndex, 1, Fault::Hold(building.clone()));
        let _life = Life::start(&world, Setting::default());
        world.until_called(Step::Archive, 1).await;
        assert_eq!(world.state().called(Step::BuildIndex), 0);
        world.put("later.csv", TestFile::rows(100, 40));
        world.until_called(Step::BuildIndex, 1).await;
        world.put("last.csv", TestFile::rows(200, 40));
        world
            .until("the files that came later", |state| {
                state.count(|event| matches!(event, Event::FileCommitted { .. })) == 3
            })
            .await;
        assert_eq!(world.state().missing_indexes, ["a"]);
        building.release();
        archive.release();
        until_idle(&world).await;
        assert_eq!(world.state().violations, [""; 0]);
    });
}

#[test]
fn the_building_goes_on_while_nobody_waits_for_it() {
    run(async {
        let world = world_that_lacks(&["a"]);
        let hold = Hold::default();
        world.fail(Step::BuildIndex, 1, Fault::Hold(hold.clone()));
        let _life = Life::start(&world, Setting::default());
        world.until_called(Step::BuildIndex, 1).await;
        // Many scans, each of which gives up waiting.
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(world.state().called(Step::BuildIndex), 1);
        hold.release();
        until_built(&world).await;
    });
}

#[test]
fn an_outage_is_waited_out_and_told() {
    for step in [Step::MissingIndexes, Step::BuildIndex] {
        for kind in [ErrorKind::Transient, ErrorKind::Configuration] {
            run(async {
                let world = world_that_lacks(&["a"]);
                world.fail(step, 5, Fault::Error(kind));
                let _life = Life::start(&world, Setting::default());
                until_built(&world).await;
                let state = world.state();
                assert_eq!(state.called(Step::Resume), 1, "nothing restarts");
                let told = state.count(
                    |event| matches!(event, Event::Degraded { child, .. } if child == "index builder"),
                );
                assert_eq!(told, 5);
                let healed = state.count(
                    |event| matches!(event, Event::Recovered { child } if child == "index builder"),
                );
                assert_eq!(healed, 1);
            });
        }
    }
}

#[test]
fn one_that_can_not_be_built_keeps_no_other_back() {
    run(async {
        let world = world_that_lacks(&["bad", "good"]);
        world.fail(Step::BuildIndex, 1, Fault::Error(ErrorKind::Configuration));
        // Whatever follows the one good one.
        world.fail_after(
            Step::BuildIndex,
            2,
            u64::MAX,
            Fault::Error(ErrorKind::Configuration),
        );
        let _life = Life::start(&world, Setting::default());
        world
            .until("the good one", |state| state.missing_indexes == ["bad"])
            .await;
        world.until_called(Step::BuildIndex, 5).await;
        assert_eq!(world.state().count(|it| matches!(it, Event::Idle)), 0);
        world.heal();
        until_built(&world).await;
    });
}

#[test]
fn a_builder_that_dies_is_started_again() {
    for step in [Step::MissingIndexes, Step::BuildIndex] {
        for fault in [
            Fault::Panic,
            Fault::Error(ErrorKind::Fenced),
            Fault::LostAnswer(ErrorKind::Fenced),
        ] {
            run(async {
                let world = world_that_lacks(&["a", "b"]);
                let files = [TestFile::rows(0, 9)];
                put_all(&world, &files);
                world.fail(step, 1, fault);
                let _life = Life::start(&world, Setting::default());
                check_all_loaded(&world, &files).await;
                let state = world.state();
                assert!(state.missing_indexes.is_empty());
                assert_eq!(state.called(Step::Resume), 2, "the group restarts");
            });
        }
    }
}

#[test]
fn an_orderly_end_does_not_wait_for_them() {
    run(async {
        let world = world_that_lacks(&["a"]);
        world.fail(Step::BuildIndex, 1, Fault::Hold(Hold::default()));
        let life = Life::start(&world, Setting::default());
        world.until_called(Step::BuildIndex, 1).await;
        assert!(life.drain().await);
        assert_eq!(world.state().missing_indexes, ["a"]);
    });
}

/// The table may be created for the very files that were found just now.
#[test]
fn the_first_files_do_not_start_the_building() {
    run(async {
        let world = World::new(1);
        let _life = Life::start(&world, Setting::default());
        until_idle_without_files(&world).await;
        world.state().missing_indexes = vec!["a".to_owned()];
        let reading = Hold::default();
        world.fail(Step::SourceNext, 1, Fault::Hold(reading.clone()));
        let before = world.state().called(Step::MissingIndexes);
        world.put("first.csv", TestFile::rows(0, 9));
        world.until_called(Step::SourceNext, 1).await;
        assert_eq!(world.state().called(Step::MissingIndexes), before);
        reading.release();
        until_built(&world).await;
    });
}

async fn until_idle_without_files(world: &World) {
    world
        .until("idle", |state| {
            state.count(|it| matches!(it, Event::Idle)) > 0
        })
        .await;
}
