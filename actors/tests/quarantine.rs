use ingestd_actors::error::ErrorKind;
use ingestd_actors::model::FileState;
use ingestd_actors::port::Event;
use ingestd_actors::testing::{Fault, Life, Setting, Step, TestFile, World};

use crate::{put_all, run, until_idle};

fn quarantined(bad: TestFile, rows_of_bad: usize) -> String {
    run(async {
        let world = World::new(2);
        let good = [TestFile::rows(100, 10), TestFile::rows(200, 10)];
        put_all(&world, &[good[0].clone(), bad.clone(), good[1].clone()]);
        let _life = Life::start(&world, Setting::default());
        until_idle(&world).await;
        let state = world.state();
        assert!(state.violations.is_empty(), "{:?}", state.violations);
        assert_eq!(state.rows.len(), 20 + rows_of_bad);
        assert!(state.dead_letters.is_empty());
        assert_eq!(state.archived.len(), 2);
        assert_eq!(state.quarantined.len(), 1);
        let file = state.file("0001.csv").expect("in the ledger");
        assert_eq!(file.state, FileState::Quarantined);
        let mut reasons = state.events.iter().filter_map(|event| match event {
            Event::FileQuarantined { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        let reason = reasons.next().expect("told");
        assert_eq!(reasons.next(), None, "told once");
        reason
    })
}

#[test]
fn a_file_that_can_not_be_opened() {
    let mut bad = TestFile::rows(0, 10);
    bad.unreadable = true;
    assert_eq!(quarantined(bad, 0), "unreadable");
}

#[test]
fn a_file_that_breaks_in_the_middle_keeps_what_was_read() {
    let mut bad = TestFile::rows(0, 10);
    bad.broken_after = Some(7);
    assert_eq!(quarantined(bad, 7), "broken");
}

#[test]
fn a_file_whose_first_thousand_records_are_all_refused() {
    let mut bad = TestFile::malformed(1_500);
    bad.chunk = 40;
    let reason = quarantined(bad, 0);
    assert!(
        reason.starts_with("its first 1000 records are all refused"),
        "{reason}"
    );
}

#[test]
fn a_quarantine_survives_the_death_of_the_checkpointer() {
    for step in [Step::Quarantine, Step::MoveQuarantined] {
        for fault in [Fault::Panic, Fault::Error(ErrorKind::Transient)] {
            run(async {
                let world = World::new(1);
                let mut bad = TestFile::rows(0, 9);
                bad.broken_after = Some(3);
                put_all(&world, &[bad, TestFile::rows(100, 5)]);
                world.fail(step, 1, fault.clone());
                let _life = Life::start(&world, Setting::default());
                until_idle(&world).await;
                let state = world.state();
                assert!(state.violations.is_empty(), "{:?}", state.violations);
                assert_eq!((state.rows.len(), state.quarantined.len()), (8, 1));
            });
        }
    }
}

#[test]
fn a_file_that_is_refused_at_its_end_leaves_with_its_rows_committed() {
    let mut bad = TestFile::rows(0, 7);
    bad.refused_at_end = true;
    assert_eq!(quarantined(bad, 7), "refused at its end");
}

#[test]
fn a_refusal_at_the_end_survives_lost_answers_and_deaths() {
    for step in [Step::Commit, Step::MoveQuarantined] {
        for fault in [
            Fault::Panic,
            Fault::Error(ErrorKind::Transient),
            Fault::LostAnswer(ErrorKind::Transient),
        ] {
            run(async {
                let world = World::new(2);
                let mut bad = TestFile::rows(0, 9);
                bad.refused_at_end = true;
                put_all(&world, &[bad, TestFile::rows(100, 5)]);
                world.fail(step, 1, fault.clone());
                let _life = Life::start(&world, Setting::default());
                until_idle(&world).await;
                let state = world.state();
                assert!(state.violations.is_empty(), "{:?}", state.violations);
                assert_eq!((state.rows.len(), state.quarantined.len()), (14, 1));
                assert_eq!(state.archived.len(), 1);
            });
        }
    }
}
