//! Files over their error budget: given up soon, with what they have, and the next files go on.

use ingestd_actors::error::ErrorKind;
use ingestd_actors::flow::{Budget, Limits, Millionths};
use ingestd_actors::model::FileState;
use ingestd_actors::port::Event;
use ingestd_actors::testing::{
    Fault, Hold, Life, Setting, State, Step, TestFile, TestRecord, World,
};

use crate::{put_all, run, until_idle};

fn at_most(errors: u64) -> Budget {
    Budget {
        max_errors: Some(errors),
        ..Budget::default()
    }
}

fn share(millionths: u32, min_records: u64) -> Budget {
    Budget {
        max_errors: None,
        max_ratio: Some(Millionths(millionths)),
        min_records,
    }
}

/// A good row first, so that it is no file of another kind.
fn after_a_row(records: impl IntoIterator<Item = TestRecord>) -> TestFile {
    let row = TestRecord::Row { key: 0, value: 0 };
    TestFile::new([row].into_iter().chain(records))
}

fn refused(count: u64) -> Vec<TestRecord> {
    (1..=count).map(|key| TestRecord::Refused { key }).collect()
}

fn malformed(count: usize) -> Vec<TestRecord> {
    vec![TestRecord::Malformed; count]
}

fn world(budget: Budget, file: &TestFile) -> World {
    let world = World::new(2);
    world.state().budget = budget;
    put_all(&world, &[file.clone(), TestFile::rows(1_000_000, 10)]);
    world
}

/// Loads a file, then a good one; what is left.
fn loaded(budget: Budget, file: &TestFile, setting: Setting) -> World {
    run(async {
        let world = world(budget, file);
        let _life = Life::start(&world, setting);
        until_idle(&world).await;
        check(&world.state());
        world
    })
}

fn check(state: &State) {
    assert!(state.violations.is_empty(), "{:?}", state.violations);
    let next = state.file("0001.csv").expect("the next file");
    assert_eq!(next.state, FileState::Archived);
}

fn outcome(world: &World) -> (FileState, usize) {
    let state = world.state();
    let file = state.file("0000.csv").expect("in the ledger");
    (file.state, state.dead_letters.len())
}

fn reason(world: &World) -> String {
    let state = world.state();
    let reasons = state.events.iter().filter_map(|event| match event {
        Event::FileQuarantined { reason, .. } => Some(reason.as_str()),
        _ => None,
    });
    reasons.collect::<Vec<_>>().join("; ")
}

#[test]
fn exactly_the_budget_is_loaded_and_one_more_is_not() {
    for records in [malformed(4), refused(4)] {
        let file = after_a_row(records);
        let world = loaded(at_most(4), &file, Setting::default());
        assert_eq!(outcome(&world), (FileState::Archived, 4));
        let world = loaded(at_most(3), &file, Setting::default());
        assert_eq!(outcome(&world), (FileState::Quarantined, 4));
        assert!(reason(&world).starts_with("over max_errors = 3"));
    }
}

#[test]
fn a_file_of_bad_records_is_given_up_long_before_its_end() {
    let file = after_a_row(malformed(30_000));
    let world = loaded(at_most(20), &file, Setting::default());
    assert_eq!(outcome(&world), (FileState::Quarantined, 21));
    let read = world.state().chunks_read;
    assert!(read < 50, "{read} chunks were read");
}

/// What is in flight in the other lanes at that moment may add as many as there was room for.
#[test]
fn rows_that_the_server_refuses_make_few_dead_letters_more_than_allowed() {
    let setting = Setting {
        limits: Limits {
            rows: 50,
            bytes: 100_000,
        },
        ..Setting::default()
    };
    let file = after_a_row(refused(30_000));
    let world = loaded(at_most(20), &file, setting);
    let (state, letters) = outcome(&world);
    assert_eq!(state, FileState::Quarantined);
    assert!((21..=41).contains(&letters), "{letters} dead letters");
    let read = world.state().chunks_read;
    assert!(read < 2_000, "{read} chunks were read");
}

#[test]
fn a_share_counts_from_the_sample_on() {
    let mut records = malformed(10);
    records.extend((1..=190).map(|key| TestRecord::Row { key, value: 1 }));
    let file = after_a_row(records);
    let world = loaded(share(50_000, 200), &file, Setting::default());
    assert_eq!(outcome(&world), (FileState::Archived, 10));
    let world = loaded(share(50_000, 50), &file, Setting::default());
    assert_eq!(outcome(&world), (FileState::Quarantined, 10));
    assert_eq!(reason(&world), "over max_error_ratio = 0.05");
}

#[test]
fn a_share_counts_at_the_end_however_small_the_file() {
    let file = after_a_row(malformed(1));
    let world = loaded(share(400_000, 1_000), &file, Setting::default());
    assert_eq!(outcome(&world), (FileState::Quarantined, 1));
    assert_eq!(reason(&world), "over max_error_ratio = 0.4 at its end");
    let world = loaded(share(500_000, 1_000), &file, Setting::default());
    assert_eq!(outcome(&world), (FileState::Archived, 1));
}

#[test]
fn counting_goes_on_after_a_restart() {
    for step in [
        Step::SinkWrite,
        Step::StoreRejects,
        Step::Progress,
        Step::SourceNext,
    ] {
        run(async {
            let mut records: Vec<TestRecord> = Vec::new();
            for number in 0..40 {
                records.push(TestRecord::Malformed);
                records.push(TestRecord::Refused { key: number });
            }
            let file = after_a_row(records);
            let world = world(at_most(60), &file);
            world.fail_after(step, 4, 2, Fault::Panic);
            let _life = Life::start(&world, Setting::default());
            until_idle(&world).await;
            check(&world.state());
            let (state, letters) = outcome(&world);
            assert_eq!(state, FileState::Quarantined, "{step:?}");
            assert!((61..=80).contains(&letters), "{step:?}: {letters}");
        });
    }
}

/// What a life has counted is over a budget that was lowered since.
#[test]
fn the_budget_may_be_changed_in_the_middle_of_a_file() {
    run(async {
        let file = after_a_row([malformed(30), refused(30)].concat());
        let world = world(at_most(100), &file);
        world.fail_after(Step::SourceNext, 9, 1_000_000, Fault::Hang);
        let life = Life::start(&world, Setting::default());
        world
            .until("some are stored", |state| state.dead_letters.len() > 10)
            .await;
        drop(life);
        world.heal();
        world.state().budget = at_most(5);
        let read = world.state().chunks_read;
        let _life = Life::start(&world, Setting::default());
        until_idle(&world).await;
        check(&world.state());
        assert_eq!(outcome(&world).0, FileState::Quarantined);
        let more = world.state().chunks_read - read;
        assert!(more < 10, "{more} chunks more were read");
    });
}

/// A batch that an old life has left in flight lands after the file was given up.
#[test]
fn nothing_of_a_file_is_written_once_it_is_given_up() {
    run(async {
        let file = after_a_row(malformed(30));
        let world = world(at_most(5), &file);
        let hold = Hold::default();
        world.fail(Step::SinkWrite, 1, Fault::Hold(hold.clone()));
        let life = Life::start(&world, Setting::default());
        world.until_called(Step::SinkWrite, 1).await;
        drop(life);
        let _life = Life::start(&world, Setting::default());
        until_idle(&world).await;
        check(&world.state());
        assert_eq!(outcome(&world).0, FileState::Quarantined);
        let rows = world.state().rows.len();
        hold.release();
        world.until_called(Step::SinkWrite, 3).await;
        tokio::task::yield_now().await;
        assert_eq!(world.state().rows.len(), rows);
        check(&world.state());
    });
}

#[test]
fn giving_up_survives_whatever_goes_wrong() {
    for step in [
        Step::Quarantine,
        Step::MoveQuarantined,
        Step::SinkWrite,
        Step::StoreRejects,
    ] {
        for fault in [
            Fault::Panic,
            Fault::Error(ErrorKind::Transient),
            Fault::LostAnswer(ErrorKind::Unknown),
        ] {
            run(async {
                let file = after_a_row([refused(9), malformed(9)].concat());
                let world = world(at_most(5), &file);
                world.fail(step, 1, fault.clone());
                let _life = Life::start(&world, Setting::default());
                until_idle(&world).await;
                check(&world.state());
                assert_eq!(
                    outcome(&world).0,
                    FileState::Quarantined,
                    "{step:?} {fault:?}"
                );
                assert_eq!(world.state().quarantined.len(), 1);
            });
        }
    }
}
