use std::time::Duration;

use ingestd_actors::error::ErrorKind;
use ingestd_actors::flow::Limits;
use ingestd_actors::testing::{Fault, Hold, Life, Setting, Step, TestFile, TestRecord, World};
use proptest::prelude::*;

use crate::{check_all_loaded, put_all, run};

#[derive(Clone, Debug)]
enum Kind {
    Error(ErrorKind),
    Panic,
    Lost(ErrorKind),
    Hold,
    Hang,
    Poison,
}

#[derive(Clone, Debug)]
struct Planned {
    step: Step,
    skip: u64,
    times: u64,
    kind: Kind,
}

fn record() -> impl Strategy<Value = TestRecord> {
    prop_oneof![
        8 => (0..12_u64, 0..1000_u64).prop_map(|(key, value)| TestRecord::Row { key, value }),
        1 => Just(TestRecord::Malformed),
        2 => Just(TestRecord::Filtered),
        1 => (0..12_u64).prop_map(|key| TestRecord::Refused { key }),
    ]
}

fn file() -> impl Strategy<Value = TestFile> {
    (prop::collection::vec(record(), 0..40), 1..9_usize, 1..3_i64).prop_map(
        |(records, chunk, plan)| TestFile {
            chunk,
            plan,
            ..TestFile::new(records)
        },
    )
}

fn fault() -> impl Strategy<Value = Planned> {
    let steps = vec![
        Step::Scan,
        Step::Resume,
        Step::Admit,
        Step::Progress,
        Step::Commit,
        Step::SourceOpen,
        Step::SourceNext,
        Step::SinkOpen,
        Step::SinkWrite,
        Step::SinkWrite,
        Step::StoreRejects,
        Step::Archive,
    ];
    let kind = prop_oneof![
        2 => prop::sample::select(vec![
            ErrorKind::Transient, ErrorKind::Unknown, ErrorKind::Fenced, ErrorKind::Bug,
        ]).prop_map(Kind::Error),
        2 => Just(Kind::Panic),
        2 => prop::sample::select(vec![ErrorKind::Transient, ErrorKind::Unknown, ErrorKind::Bug])
            .prop_map(Kind::Lost),
        1 => Just(Kind::Hold),
        1 => Just(Kind::Hang),
        1 => Just(Kind::Poison),
    ];
    (prop::sample::select(steps), 0..8_u64, 1..4_u64, kind).prop_map(|(step, skip, times, kind)| {
        Planned {
            step: match kind {
                Kind::Poison => Step::SourceNext,
                // Only who has a pulse is found to be stuck.
                Kind::Hang if step != Step::Scan && step != Step::SourceNext => Step::SinkWrite,
                _ => step,
            },
            skip,
            times,
            kind,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_row_arrives_once_whatever_goes_wrong(
        mut files in prop::collection::vec(file(), 1..6),
        faults in prop::collection::vec(fault(), 0..7),
        partitions in 1..5_u16,
        rows in 1..20_usize,
        memory in 1..4000_usize,
        kill_after in prop::option::of(0..30_u64),
    ) {
        // Equal files would be skipped: make each one's first record its own.
        for (index, file) in files.iter_mut().enumerate() {
            let own = TestRecord::Row { key: 50 + index as u64, value: 7 };
            file.records.insert(0, own);
        }
        run(async {
            let world = World::new(partitions);
            put_all(&world, &files);
            let hold = Hold::default();
            for planned in &faults {
                let fault = match planned.kind {
                    Kind::Error(kind) => Fault::Error(kind),
                    Kind::Panic => Fault::Panic,
                    Kind::Lost(kind) => Fault::LostAnswer(kind),
                    Kind::Hold => Fault::Hold(hold.clone()),
                    Kind::Hang => Fault::Hang,
                    Kind::Poison => Fault::Poison,
                };
                world.fail_after(planned.step, planned.skip, planned.times, fault);
            }
            let setting = Setting {
                limits: Limits { rows, bytes: 2000 },
                memory,
                stuck_after: Duration::from_millis(10),
                ..Setting::default()
            };
            let mut life = Life::start(&world, setting.clone());
            if let Some(writes) = kill_after {
                let _ = tokio::time::timeout(
                    Duration::from_secs(20),
                    world.until_called(Step::SinkWrite, writes),
                )
                .await;
                drop(life);
                life = Life::start(&world, setting);
            }
            tokio::time::sleep(Duration::from_secs(30)).await;
            hold.release();
            world.heal();
            world.put("last.csv", TestFile::rows(900, 2));
            files.push(TestFile::rows(900, 2));
            world.until("the last file", |state| {
                state.rows.contains(&(901, 1802))
            }).await;
            // An archive that failed for good leaves its file to the next life.
            drop(life);
            let _life = Life::start(&world, Setting::default());
            check_all_loaded(&world, &files).await;
        });
    }
}
