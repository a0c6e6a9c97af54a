use ingestd_actors::model::FileState;
use ingestd_actors::port::Event;
use ingestd_actors::testing::{Life, Setting, TestFile, TestRecord, World};

use crate::{check_all_loaded, put_all, run};

#[test]
fn files_with_rejects_are_loaded_once_in_order_and_archived() {
    run(async {
        let world = World::new(3);
        let mut mixed = TestFile::rows(5, 20);
        mixed.records[3] = TestRecord::Malformed;
        mixed.records[19] = TestRecord::Malformed;
        mixed.records[7] = TestRecord::Refused { key: 1 };
        let files = [
            TestFile::rows(0, 40),
            mixed,
            TestFile::new([]),
            TestFile::malformed(4),
        ];
        put_all(&world, &files);
        let _life = Life::start(&world, Setting::default());
        check_all_loaded(&world, &files).await;

        let state = world.state();
        assert!(
            state
                .files
                .values()
                .all(|it| it.state == FileState::Archived)
        );
        let counts = state.file("0001.csv").expect("loaded").counts;
        assert_eq!((counts.total(), counts.rejected), (20, 3));
        assert_eq!(
            state.count(|event| matches!(event, Event::Degraded { .. })),
            0
        );
        for id in state.files.keys() {
            let story: Vec<&str> = state
                .events
                .iter()
                .filter_map(|event| match event {
                    Event::FileStarted { file, .. } if file == id => Some("started"),
                    Event::FileCommitted { file, .. } if file == id => Some("committed"),
                    Event::FileFinished { file } if file == id => Some("finished"),
                    _ => None,
                })
                .collect();
            assert_eq!(story, ["started", "committed", "finished"]);
        }
    });
}

#[test]
fn files_that_arrive_later_are_noticed_by_a_hint_and_by_a_scan() {
    run(async {
        let world = World::new(2);
        let _life = Life::start(&world, Setting::default());
        let files = [TestFile::rows(0, 4), TestFile::rows(10, 4)];
        put_all(&world, &files[..1]);
        check_all_loaded(&world, &files[..1]).await;
        world
            .state()
            .inbox
            .insert("0001.csv".into(), files[1].clone());
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn a_copy_of_a_loaded_file_is_skipped() {
    run(async {
        let world = World::new(2);
        let _life = Life::start(&world, Setting::default());
        let file = TestFile::rows(0, 10);
        put_all(&world, &[file.clone(), file.clone()]);
        world
            .until("both gone", |state| state.archived.len() == 2)
            .await;
        let state = world.state();
        state.check_loaded([&file]);
        assert_eq!(
            state.count(|event| matches!(event, Event::FileSkipped { .. })),
            1
        );
    });
}
