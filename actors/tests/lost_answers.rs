use ingestd_actors::error::ErrorKind;
use ingestd_actors::testing::{Fault, Life, Setting, Step, TestFile, TestRecord, World};

use crate::{check_all_loaded, put_all, run};

#[test]
fn what_was_done_before_the_answer_was_lost_is_not_done_twice() {
    let steps = [
        Step::SinkWrite,
        Step::StoreRejects,
        Step::Commit,
        Step::Admit,
        Step::Resume,
        Step::Archive,
        Step::Progress,
    ];
    for step in steps {
        for kind in [ErrorKind::Unknown, ErrorKind::Transient, ErrorKind::Bug] {
            for skip in [0, 2] {
                run(async {
                    let world = World::new(3);
                    let mut first = TestFile::rows(0, 25);
                    first.records[2] = TestRecord::Malformed;
                    first.records[20] = TestRecord::Malformed;
                    first.records[21] = TestRecord::Filtered;
                    let mut second = TestFile::rows(3, 12);
                    second.records[7] = TestRecord::Filtered;
                    let files = [first, second, TestFile::malformed(5)];
                    put_all(&world, &files);
                    world.fail_after(step, skip, 2, Fault::LostAnswer(kind));
                    let life = Life::start(&world, Setting::default());
                    if step == Step::Archive && kind == ErrorKind::Bug {
                        // Nobody tries again: the file has left.
                        world.until("all gone", |state| state.is_finished()).await;
                        world.state().check_loaded(&files);
                    } else {
                        check_all_loaded(&world, &files).await;
                    }
                    drop(life);
                });
            }
        }
    }
}

#[test]
fn a_quarantine_whose_answer_was_lost_is_moved_once() {
    run(async {
        let world = World::new(1);
        let mut file = TestFile::rows(0, 9);
        file.broken_after = Some(6);
        put_all(&world, &[file]);
        world.fail(Step::Quarantine, 2, Fault::LostAnswer(ErrorKind::Unknown));
        world.fail(
            Step::MoveQuarantined,
            1,
            Fault::LostAnswer(ErrorKind::Transient),
        );
        let _life = Life::start(&world, Setting::default());
        crate::until_idle(&world).await;
        let state = world.state();
        assert_eq!(state.quarantined.len(), 1);
        assert_eq!(state.rows.len(), 6);
        assert!(state.violations.is_empty(), "{:?}", state.violations);
    });
}
