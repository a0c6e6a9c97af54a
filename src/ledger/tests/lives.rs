//! What one life leaves to the next.

use ingestd_actors::error::ErrorKind;
use ingestd_actors::model::{Checkpoint, Lane, Position};
use ingestd_actors::port::{Committed, Ledger, Progress, Verdict};

use super::world::{World, claim, end_of};
use crate::ledger::LedgerOptions;

fn at(record: u64, offset: u64) -> Position {
    Position {
        record,
        offset,
        line: record + 2,
    }
}

#[tokio::test]
async fn a_new_life_goes_on_where_the_last_one_was() {
    let world = World::new(false).await;
    let first = world.life().await;
    let path = world.write("a.csv", "x\n1\n2\n3\n");
    let old = world.claim(&first, &path).await;
    let progress = Progress {
        file: old.file,
        epoch: old.epoch,
        watermark: at(1, 4),
        seen: Vec::new(),
        hash_mark: None,
        completed: false,
    };
    first.progress(vec![progress]).await.unwrap();
    assert_eq!(world.state(old.file.0).await, "READING");
    assert!(world.move_checkpoint(&old, 1, at(2, 6), 2).await);
    first.release().await.unwrap();

    let second = world.ledger(LedgerOptions::default());
    let resumed = second.resume().await.unwrap();
    let [verdict] = <[Verdict; 1]>::try_from(resumed).unwrap();
    let new = claim(verdict);
    assert_eq!(new.file, old.file);
    assert_eq!(new.epoch.0, 2);
    assert_eq!(new.plan, old.plan);
    assert_eq!(new.resume_at(), at(1, 4));
    let highest = new.checkpoints.iter().map(|one| one.position).max();
    assert_eq!(highest, Some(at(2, 6)));

    assert!(
        !world.move_checkpoint(&old, 0, at(3, 8), 3).await,
        "the old claim is fenced"
    );
    let fenced = world.commit(&second, &old, end_of(&old)).await;
    assert!(matches!(fenced, Committed::Fenced { .. }));
    assert!(world.move_checkpoint(&new, 0, at(3, 8), 1).await);
    let done = world.commit(&second, &new, end_of(&new)).await;
    assert!(matches!(done, Committed::Done { counts, .. } if counts.inserted == 3));
}

#[tokio::test]
async fn an_unfinished_file_that_was_moved_goes_on_at_its_new_path() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n2\n3\n");
    let old = world.claim(&ledger, &path).await;
    assert!(world.move_checkpoint(&old, 0, at(1, 4), 1).await);
    // Copied, so that nothing but the content tells.
    let elsewhere = world.write("b.csv", "x\n1\n2\n3\n");
    assert!(matches!(
        world.admit(&ledger, &elsewhere).await,
        Verdict::Later { .. }
    ));
    std::fs::remove_file(&path).unwrap();
    let [gone] = <[Verdict; 1]>::try_from(ledger.resume().await.unwrap()).unwrap();
    assert!(matches!(gone, Verdict::Later { .. }));
    let new = world.claim(&ledger, &elsewhere).await;
    assert_eq!((new.file, new.epoch.0), (old.file, 2));
    assert_eq!(new.candidate.path, elsewhere);
}

#[tokio::test]
async fn a_file_that_was_replaced_while_it_was_loaded_is_given_up() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n2\n3\n");
    let old = world.claim(&ledger, &path).await;
    assert!(world.move_checkpoint(&old, 0, at(1, 4), 1).await);
    world.write("a.csv", "x\n7\n8\n9\n");
    let new = world.claim(&ledger, &path).await;
    assert_ne!(new.file, old.file);
    assert_eq!(new.resume_at(), Position::START);
    assert_eq!(world.state(old.file.0).await, "FAILED");
    let query = format!(
        "select inserted, reason like '%changed while being loaded%' from ingestd.files where file_id = {}",
        old.file.0
    );
    assert_eq!(world.ask(&query).await, "(1,t)");
    assert!(
        !world.move_checkpoint(&old, 0, at(3, 8), 2).await,
        "nothing more of it is loaded"
    );

    world.write("a.csv", "x\n4\n");
    world.claim(&ledger, &path).await;
    assert_eq!(
        world.state(new.file.0).await,
        "SKIPPED",
        "nothing of it was loaded"
    );
}

#[tokio::test]
async fn a_file_that_grows_while_it_is_loaded_stays_one() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n");
    let old = world.claim(&ledger, &path).await;
    assert!(world.move_checkpoint(&old, 0, at(1, 4), 1).await);
    world.write("a.csv", "x\n1\n2\n");
    let new = world.claim(&ledger, &path).await;
    assert_eq!((new.file, new.epoch.0), (old.file, 2));
    assert_eq!(new.candidate.size, 6);
}

#[tokio::test]
async fn what_does_not_add_up_is_failed() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n2\n");
    let claim = world.claim(&ledger, &path).await;
    assert!(world.move_checkpoint(&claim, 0, at(2, 6), 1).await);
    for _ in 0..2 {
        let answer = world.commit(&ledger, &claim, end_of(&claim)).await;
        let Committed::Unbalanced { reason, .. } = answer else {
            panic!("one record is missing: {answer:?}");
        };
        assert!(reason.contains("2 records were read"), "{reason}");
    }
    assert_eq!(world.state(claim.file.0).await, "FAILED");
    assert!(matches!(
        world.admit(&ledger, &path).await,
        Verdict::Ignore(_)
    ));
    let copy = world.write("b.csv", "x\n1\n2\n");
    let verdict = world.admit(&ledger, &copy).await;
    assert!(
        matches!(verdict, Verdict::Quarantine(_)),
        "part of it is in the table: {verdict:?}"
    );
}

#[tokio::test]
async fn a_quarantined_file_is_fenced_and_keeps_its_figures() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n2\n");
    let claim = world.claim(&ledger, &path).await;
    assert!(world.move_checkpoint(&claim, 0, at(1, 4), 1).await);
    for _ in 0..2 {
        ledger
            .quarantine(claim.file, claim.epoch, "all refused".into())
            .await
            .unwrap();
    }
    assert_eq!(world.state(claim.file.0).await, "QUARANTINED");
    assert_eq!(world.ask("select inserted from ingestd.files").await, "(1)");
    assert!(!world.move_checkpoint(&claim, 0, at(2, 6), 1).await);
    let late = world.commit(&ledger, &claim, end_of(&claim)).await;
    // What ended it is told once more: it may have been this very claim, whose answer was lost.
    let Committed::Refused { reason, .. } = late else {
        panic!("nothing of it is committed: {late:?}");
    };
    assert_eq!(reason, "all refused");
    assert_eq!(world.ask("select inserted from ingestd.files").await, "(1)");

    let other = world.write("b.csv", "x\n5\n");
    let claim = world.claim(&ledger, &other).await;
    let stale = ledger
        .quarantine(claim.file, ingestd_actors::model::Epoch(0), "late".into())
        .await;
    assert_eq!(stale.unwrap_err().kind(), ErrorKind::Fenced);
}

#[tokio::test]
async fn a_watermark_beyond_what_a_crash_has_left_is_not_believed() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n2\n3\n");
    let claim = world.claim(&ledger, &path).await;
    assert!(world.move_checkpoint(&claim, 1, at(2, 6), 2).await);
    for (seen, expected) in [(3, "(0)"), (2, "(2)")] {
        let progress = Progress {
            file: claim.file,
            epoch: claim.epoch,
            watermark: at(2, 6),
            seen: vec![Checkpoint {
                lane: Lane::Partition(1),
                position: at(seen, 2 + 2 * seen),
            }],
            hash_mark: None,
            completed: false,
        };
        ledger.progress(vec![progress]).await.unwrap();
        let noted = world
            .ask("select watermark_record from ingestd.files")
            .await;
        assert_eq!(noted, expected);
    }
}
