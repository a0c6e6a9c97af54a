//! Files that are committed as a whole: one by one, in the order in which they were begun.

use ingestd_actors::model::FileId;
use ingestd_actors::port::Event;
use ingestd_actors::testing::{Fault, Hold, Life, Setting, Step, TestFile, World};

use crate::{check_all_loaded, put_all, run};

fn committed(world: &World) -> Vec<FileId> {
    let state = world.state();
    let committed = state.events.iter().filter_map(|event| match event {
        Event::FileCommitted { file, .. } => Some(*file),
        _ => None,
    });
    committed.collect()
}

/// The first file has rows in the partition that is held up, the others have none there.
fn files() -> Vec<TestFile> {
    let mut files = vec![TestFile::rows(0, 40)];
    files.extend((1..5).map(|number| TestFile::rows(1_000 * number + 1, 1)));
    files
}

#[test]
fn one_that_is_ready_waits_for_those_before_it() {
    run(async {
        let world = World::new(2);
        world.state().all_or_nothing = true;
        let files = files();
        put_all(&world, &files);
        let setting = Setting {
            memory: 1 << 20,
            ..Setting::default()
        };
        let hold = Hold::default();
        world.fail(Step::SinkWrite, 1, Fault::Hold(hold.clone()));
        let _life = Life::start(&world, setting);
        world
            .until("all else is written", |state| state.rows.len() >= 4 + 20)
            .await;
        assert!(committed(&world).is_empty());
        assert_eq!(world.state().called(Step::Commit), 0);
        hold.release();
        check_all_loaded(&world, &files).await;
        let expected: Vec<FileId> = (1..=5).map(FileId).collect();
        assert_eq!(committed(&world), expected);
        // One at a time.
        assert_eq!(world.state().called(Step::Commit), 5);
    });
}
