use std::time::Duration;

use ingestd_actors::error::ErrorKind;
use ingestd_actors::model::FileState;
use ingestd_actors::testing::{Fault, Life, Setting, Step, TestFile, TestRecord, World};

use crate::{check_all_loaded, put_all, run};

fn files() -> Vec<TestFile> {
    let mut files: Vec<TestFile> = (0..4).map(|file| TestFile::rows(file * 7, 20)).collect();
    for file in &mut files {
        file.records[4] = TestRecord::Malformed;
        file.records[11] = TestRecord::Malformed;
    }
    files
}

fn survives(step: Step, skip: u64, fault: Fault) {
    run(async {
        let world = World::new(3);
        let files = files();
        put_all(&world, &files);
        world.fail_after(step, skip, 1, fault.clone());
        let setting = Setting {
            stuck_after: Duration::from_millis(20),
            ..Setting::default()
        };
        let _life = Life::start(&world, setting);
        check_all_loaded(&world, &files).await;
        let state = world.state();
        assert!(
            state.called(Step::Resume) > 1,
            "{fault:?} at {step:?} restarts the group"
        );
        assert!(
            state
                .files
                .values()
                .all(|it| it.state == FileState::Archived)
        );
    });
}

#[test]
fn the_reader() {
    for step in [Step::Resume, Step::Admit] {
        survives(step, 0, Fault::Panic);
        survives(step, 0, Fault::Error(ErrorKind::Bug));
    }
    for step in [Step::SourceOpen, Step::SourceNext] {
        for skip in [0, 2] {
            survives(step, skip, Fault::Panic);
            survives(step, skip, Fault::Error(ErrorKind::Fenced));
            survives(step, skip, Fault::Hang);
        }
    }
}

#[test]
fn the_accumulator() {
    for skip in [0, 3, 9] {
        survives(Step::SourceNext, skip, Fault::Poison);
    }
}

#[test]
fn the_dead_letters() {
    for skip in 0..4 {
        survives(Step::StoreRejects, skip, Fault::Panic);
        survives(Step::StoreRejects, skip, Fault::Error(ErrorKind::Row));
    }
}

#[test]
fn the_checkpointer() {
    for step in [Step::Commit, Step::Archive] {
        survives(step, 0, Fault::Panic);
        survives(step, 1, Fault::Panic);
    }
    survives(Step::Commit, 0, Fault::Error(ErrorKind::Fenced));
}

#[test]
fn the_watcher() {
    survives(Step::Scan, 0, Fault::Panic);
    survives(Step::Scan, 0, Fault::Error(ErrorKind::Bug));
}

#[test]
fn a_life_that_is_killed_at_any_step_is_followed_by_one_that_ends_its_work() {
    for step in [
        Step::SourceNext,
        Step::SinkWrite,
        Step::StoreRejects,
        Step::Commit,
    ] {
        for calls in [1, 2, 5] {
            run(async {
                let world = World::new(2);
                let files = files();
                put_all(&world, &files);
                let life = Life::start(&world, Setting::default());
                world
                    .until("its step, or the end", |state| {
                        state.called(step) >= calls || state.is_finished()
                    })
                    .await;
                drop(life);
                let _life = Life::start(&world, Setting::default());
                check_all_loaded(&world, &files).await;
            });
        }
    }
}
