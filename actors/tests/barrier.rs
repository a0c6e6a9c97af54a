use std::time::Duration;

use ingestd_actors::port::Event;
use ingestd_actors::testing::{Fault, Hold, Life, Setting, Step, TestFile, World};

use crate::{check_all_loaded, put_all, run};

fn two_plans() -> Vec<TestFile> {
    let mut files: Vec<TestFile> = (0..6).map(|file| TestFile::rows(file * 3, 10)).collect();
    files[3].plan = 2;
    files[4].plan = 2;
    files
}

#[test]
fn a_file_of_another_plan_is_opened_when_all_earlier_ones_are_committed() {
    run(async {
        let world = World::new(2);
        let files = two_plans();
        put_all(&world, &files);
        let hold = Hold::default();
        world.fail(Step::SinkWrite, 2, Fault::Hold(hold.clone()));
        let _life = Life::start(&world, Setting::default());
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.state().called(Step::SourceOpen), 3);
        hold.release();
        check_all_loaded(&world, &files).await;
        check_barrier(&world);
    });
}

#[test]
fn the_barrier_stands_after_a_death_of_the_checkpointer_and_of_the_process() {
    run(async {
        let world = World::new(2);
        let files = two_plans();
        put_all(&world, &files);
        world.fail(Step::Commit, 1, Fault::Panic);
        world.fail(Step::Archive, 2, Fault::Panic);
        let life = Life::start(&world, Setting::default());
        world.until_called(Step::Commit, 2).await;
        drop(life);
        let _life = Life::start(&world, Setting::default());
        check_all_loaded(&world, &files).await;
        check_barrier(&world);
    });
}

/// Whenever a file starts, no unfinished one has another plan.
fn check_barrier(world: &World) {
    let state = world.state();
    let mut open = std::collections::BTreeMap::new();
    for event in &state.events {
        match event {
            Event::FileStarted { file, .. } => {
                let plan = state.files[file].content.plan;
                open.insert(*file, plan);
                assert!(open.values().all(|&other| other == plan), "{open:?}");
            }
            Event::FileCommitted { file, .. } => {
                open.remove(file);
            }
            _ => {}
        }
    }
}
