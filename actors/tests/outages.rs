use std::collections::BTreeMap;

use ingestd_actors::error::ErrorKind;
use ingestd_actors::port::Event;
use ingestd_actors::testing::{Fault, Life, Setting, Step, TestFile, TestRecord, World};

use crate::{check_all_loaded, put_all, run};

/// Every child that says that it is degraded says that it has recovered.
fn check_recovered(world: &World) -> usize {
    let state = world.state();
    let mut degraded: BTreeMap<&str, bool> = BTreeMap::new();
    for event in &state.events {
        match event {
            Event::Degraded { child, .. } => degraded.insert(child, true),
            Event::Recovered { child } => degraded.insert(child, false),
            _ => None,
        };
    }
    assert!(degraded.values().all(|degraded| !degraded), "{degraded:?}");
    degraded.len()
}

fn files() -> Vec<TestFile> {
    let mut files = vec![TestFile::rows(0, 20), TestFile::rows(5, 20)];
    files[0].records[4] = TestRecord::Malformed;
    files
}

#[test]
fn an_outage_of_any_port_is_waited_out() {
    let steps = [
        Step::Scan,
        Step::Resume,
        Step::Admit,
        Step::SourceOpen,
        Step::SourceNext,
        Step::SinkOpen,
        Step::SinkWrite,
        Step::StoreRejects,
        Step::Commit,
        Step::Archive,
    ];
    for step in steps {
        for kind in [ErrorKind::Transient, ErrorKind::Configuration] {
            run(async {
                let world = World::new(2);
                let files = files();
                put_all(&world, &files);
                world.fail(step, 5, Fault::Error(kind));
                let _life = Life::start(&world, Setting::default());
                check_all_loaded(&world, &files).await;
                assert_eq!(world.state().called(Step::Scan).min(1), 1);
                assert!(check_recovered(&world) > 0, "{step:?} was told");
                if step != Step::Resume {
                    let restarts = world.state().called(Step::Resume);
                    assert_eq!(restarts, 1, "{step:?}: nothing restarts");
                }
            });
        }
    }
}

#[test]
fn an_outage_of_everything_is_waited_out() {
    run(async {
        let world = World::new(2);
        let files = files();
        put_all(&world, &files);
        for step in Step::ALL {
            world.fail(step, 7, Fault::Error(ErrorKind::Transient));
        }
        let _life = Life::start(&world, Setting::default());
        check_all_loaded(&world, &files).await;
        check_recovered(&world);
    });
}

#[test]
fn a_child_that_dies_while_it_is_degraded_does_not_stay_so() {
    run(async {
        let world = World::new(2);
        let files = files();
        put_all(&world, &files);
        world.fail(Step::Commit, 3, Fault::Error(ErrorKind::Configuration));
        world.fail_after(Step::Scan, 1, 1, Fault::Panic);
        let _life = Life::start(&world, Setting::default());
        world.until_called(Step::Commit, 1).await;
        world.put("later.csv", TestFile::new([]));
        world.until_called(Step::Resume, 2).await;
        world.heal();
        crate::until_idle(&world).await;
        check_recovered(&world);
    });
}
