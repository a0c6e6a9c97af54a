//! Records that a filter leaves out have no row and no dead letter: only their count says that they
//! were there.

use ingestd_actors::error::ErrorKind;
use ingestd_actors::flow::Limits;
use ingestd_actors::model::Lane;
use ingestd_actors::testing::{Fault, Life, Setting, State, Step, TestFile, TestRecord, World};

use crate::{check_all_loaded, put_all, run};

/// Batches of so many records, and memory for all of them.
fn batches_of(rows: usize) -> Setting {
    Setting {
        limits: Limits {
            rows,
            bytes: 1 << 20,
        },
        memory: 1 << 20,
        ..Setting::default()
    }
}

/// Rows, with every kind of neighbour of a filtered record among them.
fn mixed(first_key: u64, count: u64) -> TestFile {
    let mut file = TestFile::rows(first_key, count);
    for (index, record) in file.records.iter_mut().enumerate() {
        match index % 7 {
            1 | 2 | 5 => *record = TestRecord::Filtered,
            6 => *record = TestRecord::Malformed,
            _ => {}
        }
    }
    file
}

/// What the rejects' lane of the file has counted.
fn counted(state: &State) -> (u64, u64) {
    let file = state.file("0000.csv").expect("it is known");
    let (position, counts) = file.lanes[&Lane::Rejects];
    (position.record, counts.filtered)
}

#[test]
fn filtered_records_are_counted_once_whatever_goes_wrong() {
    let faults = [
        Fault::Error(ErrorKind::Bug),
        Fault::Panic,
        Fault::LostAnswer(ErrorKind::Unknown),
        Fault::LostAnswer(ErrorKind::Bug),
    ];
    let steps = [
        Step::StoreRejects,
        Step::SinkWrite,
        Step::SourceNext,
        Step::Progress,
        Step::Commit,
    ];
    for step in steps {
        for fault in &faults {
            for skip in [0, 1, 3] {
                run(async {
                    let world = World::new(2);
                    let files = [mixed(0, 60), TestFile::filtered(40), mixed(100, 9)];
                    put_all(&world, &files);
                    world.fail_after(step, skip, 1, fault.clone());
                    let _life = Life::start(&world, batches_of(10));
                    check_all_loaded(&world, &files).await;
                });
            }
        }
    }
}

/// The checkpoint may stand in the middle of what is a chunk in the next life.
#[test]
fn filtered_records_are_counted_once_where_chunks_fall_elsewhere_after_a_death() {
    for (before, after) in [(3, 5), (5, 3), (4, 100), (1, 7)] {
        for kill_at in [1, 2, 4] {
            run(async {
                let world = World::new(2);
                let mut file = mixed(0, 200);
                file.chunk = before;
                put_all(&world, std::slice::from_ref(&file));
                let life = Life::start(&world, batches_of(20));
                world.until_called(Step::StoreRejects, kill_at).await;
                drop(life);
                file.chunk = after;
                {
                    let mut state = world.state();
                    state.inbox.insert("0000.csv".into(), file.clone());
                    for entry in state.files.values_mut() {
                        entry.content = file.clone();
                    }
                }
                let _life = Life::start(&world, batches_of(20));
                check_all_loaded(&world, &[file]).await;
            });
        }
    }
}

#[test]
fn a_file_of_filtered_records_does_not_cost_a_transaction_for_each_chunk() {
    run(async {
        let world = World::new(2);
        let files = [TestFile::filtered(3_000)];
        put_all(&world, &files);
        let _life = Life::start(&world, batches_of(300));
        check_all_loaded(&world, &files).await;
        let state = world.state();
        assert_eq!(state.chunks_read, 1_000);
        let transactions = state.called(Step::StoreRejects);
        assert!((1..=11).contains(&transactions), "{transactions}");
    });
}

#[test]
fn filtered_records_do_not_pin_the_resume_point() {
    run(async {
        let world = World::new(2);
        let mut file = TestFile::rows(0, 3_000);
        file.records[1] = TestRecord::Filtered;
        let files = [file];
        put_all(&world, &files);
        world.fail_after(
            Step::SourceNext,
            500,
            1_000,
            Fault::Error(ErrorKind::Transient),
        );
        let _life = Life::start(&world, batches_of(100));
        let far = |state: &State| {
            let file = state.file("0000.csv");
            file.is_some_and(|file| file.watermark.record == 1_500)
        };
        world.until("all that was read is noted", far).await;
        world.heal();
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn counts_that_wait_give_their_memory_back_to_a_reader_that_needs_it() {
    run(async {
        let world = World::new(2);
        let files = [TestFile::filtered(100), mixed(0, 100)];
        put_all(&world, &files);
        let setting = Setting {
            memory: 1,
            ..batches_of(1_000_000)
        };
        let _life = Life::start(&world, setting);
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn counts_that_wait_are_durable_after_an_orderly_end() {
    run(async {
        let world = World::new(2);
        let files = [TestFile::filtered(3_000)];
        put_all(&world, &files);
        let life = Life::start(&world, batches_of(1_000_000));
        world
            .until("some chunks", |state| state.chunks_read > 100)
            .await;
        assert!(life.drain().await);
        {
            let state = world.state();
            let (position, filtered) = counted(&state);
            assert!(filtered > 300 && filtered < 3_000, "{filtered}");
            assert_eq!(position, filtered);
            assert_eq!(state.called(Step::StoreRejects), 1);
        }
        let _life = Life::start(&world, batches_of(1_000_000));
        check_all_loaded(&world, &files).await;
    });
}
