use std::path::Path;
use std::time::Duration;

use ingestd_actors::error::ErrorKind;
use ingestd_actors::port::Event;
use ingestd_actors::testing::{Fault, Hold, Life, Setting, Step, TestFile, World};

use crate::{check_all_loaded, put_all, run, until_idle};

#[test]
fn a_file_that_has_to_wait_for_an_equal_one_is_announced_again() {
    run(async {
        let world = World::new(1);
        let file = TestFile::rows(0, 9);
        put_all(&world, &[file.clone(), file.clone()]);
        let hold = Hold::default();
        world.fail(Step::Commit, 1, Fault::Hold(hold.clone()));
        let _life = Life::start(&world, Setting::default());
        tokio::time::sleep(Duration::from_secs(3)).await;
        let admitted = world.state().called(Step::Admit);
        assert!((3..10).contains(&admitted), "asked {admitted} times in 3 s");
        hold.release();
        until_idle(&world).await;
        let state = world.state();
        state.check_loaded([&file]);
        assert_eq!(state.archived.len(), 2);
    });
}

#[test]
fn a_file_in_flight_that_has_changed_or_moved_is_not_claimed_twice() {
    for moved in [false, true] {
        run(async {
            let world = World::new(1);
            let file = TestFile::rows(0, 9);
            put_all(&world, std::slice::from_ref(&file));
            let hold = Hold::default();
            world.fail(Step::Commit, 1, Fault::Hold(hold.clone()));
            let _life = Life::start(&world, Setting::default());
            world.until_called(Step::Commit, 1).await;
            let changed = TestFile {
                modified: 2,
                ..file.clone()
            };
            if moved {
                // A second name of the same inode, as a rename in flight leaves it.
                world.put_link("0000.csv", "a.csv");
            } else {
                world.put("0000.csv", changed);
            }
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert_eq!(
                world.state().files[&ingestd_actors::model::FileId(1)]
                    .epoch
                    .0,
                1
            );
            let admitted = world.state().called(Step::Admit);
            assert_eq!(admitted, 1, "it is known to be open");
            hold.release();
            world
                .until("committed", |state| {
                    state.count(|event| matches!(event, Event::FileCommitted { .. })) == 1
                })
                .await;
            assert_eq!(world.state().rows.len(), 9);
            let violations = world.state().violations.clone();
            assert!(violations.is_empty(), "{violations:?}");
        });
    }
}

#[test]
fn a_file_that_is_replaced_after_its_end_is_loaded_as_a_new_one() {
    run(async {
        let world = World::new(1);
        let (old, new) = (TestFile::rows(0, 9), TestFile::rows(20, 12));
        put_all(&world, std::slice::from_ref(&old));
        let hold = Hold::default();
        world.fail(Step::Archive, 1, Fault::Hold(hold.clone()));
        let _life = Life::start(&world, Setting::default());
        world.until_called(Step::Archive, 1).await;
        world.put("0000.csv", new.clone());
        hold.release();
        world
            .until("the new one", |state| state.rows.len() == 21)
            .await;
        world.until("gone", |state| state.inbox.is_empty()).await;
        world.state().check_loaded([&old, &new]);
    });
}

#[test]
fn idle_is_not_told_while_an_earlier_life_left_a_file_that_has_no_name_any_more() {
    run(async {
        let world = World::new(1);
        let file = TestFile::rows(0, 60);
        put_all(&world, std::slice::from_ref(&file));
        let life = Life::start(&world, Setting::default());
        world.until_called(Step::SinkWrite, 2).await;
        drop(life);
        // The scan does not see it, but the ledger knows it.
        let taken = world.state().inbox.remove(Path::new("0000.csv"));
        let hold = Hold::default();
        world.fail(Step::Resume, 1, Fault::Hold(hold.clone()));
        let _life = Life::start(&world, Setting::default());
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.state().count(|event| matches!(event, Event::Idle)), 0);
        world.put("0000.csv", taken.expect("was there"));
        hold.release();
        check_all_loaded(&world, &[file]).await;
    });
}

#[test]
fn idle_is_not_told_when_the_group_dies() {
    for step in [Step::Commit, Step::Archive, Step::SourceNext, Step::Admit] {
        run(async {
            let world = World::new(1);
            let files = [TestFile::rows(0, 9), TestFile::rows(20, 9)];
            put_all(&world, &files);
            world.fail(step, 2, Fault::Panic);
            let _life = Life::start(&world, Setting::default());
            check_all_loaded(&world, &files).await;
        });
    }
}

#[test]
fn a_hint_that_fails_is_no_reason_to_start_again() {
    run(async {
        let world = World::new(1);
        world.fail(Step::Changed, u64::MAX, Fault::Error(ErrorKind::Transient));
        let files = [TestFile::rows(0, 9)];
        let _life = Life::start(&world, Setting::default());
        tokio::time::sleep(Duration::from_secs(10)).await;
        put_all(&world, &files);
        check_all_loaded(&world, &files).await;
        let state = world.state();
        assert_eq!(state.called(Step::Resume), 1);
    });
}

/// Between two scans a file was loaded, left, and was put back as it had been: the watcher knew it
/// already, and it stood there until the next start.
#[test]
fn a_file_that_was_taken_out_and_put_back_unchanged_is_announced_again() {
    run(async {
        let world = World::new(1);
        let file = TestFile::rows(0, 9);
        put_all(&world, std::slice::from_ref(&file));
        let _life = Life::start(&world, Setting::default());
        check_all_loaded(&world, std::slice::from_ref(&file)).await;
        // Nothing scans while nothing changes: the watcher remembers what left meanwhile.
        let admitted = world.state().called(Step::Admit);
        world.put("0000.csv", file);
        world.until_called(Step::Admit, admitted + 1).await;
    });
}
