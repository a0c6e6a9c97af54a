//! What a quarantine keeps for a retry.

use ingestd_actors::error::ErrorKind;
use ingestd_actors::model::{Epoch, Position};
use ingestd_actors::port::Ledger;

use super::world::World;

const AT: Position = Position {
    record: 1,
    offset: 4,
    line: 3,
};

#[tokio::test]
async fn checkpoints_stay_where_rows_are_loaded_and_no_batch_moves_them_any_more() {
    let world = World::new(true).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n2\n3\n");
    let claim = world.claim(&ledger, &path).await;
    assert!(world.move_checkpoint(&claim, 0, AT, 1).await);
    let reason = || "unreadable".to_owned();
    ledger
        .quarantine(claim.file, claim.epoch, reason())
        .await
        .unwrap();
    assert_eq!(world.state(claim.file.0).await, "QUARANTINED");
    let end = Position { record: 3, ..AT };
    assert!(
        !world.move_checkpoint(&claim, 0, end, 2).await,
        "it is fenced"
    );
    let kept = "select count(*), max(record) from ingestd.checkpoints";
    assert_eq!(world.ask(kept).await, "(3,1)");
    // Asked once more, since the answer was lost.
    ledger
        .quarantine(claim.file, claim.epoch, reason())
        .await
        .unwrap();
    assert_eq!(world.ask(kept).await, "(3,1)");
}

#[tokio::test]
async fn checkpoints_of_a_file_of_which_nothing_is_loaded_go() {
    let world = World::new(true).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n");
    let claim = world.claim(&ledger, &path).await;
    ledger
        .quarantine(claim.file, claim.epoch, "unreadable".to_owned())
        .await
        .unwrap();
    assert_eq!(
        world.ask("select count(*) from ingestd.checkpoints").await,
        "(0)"
    );
}

/// It was QUARANTINED, and waited for an operator, who had nothing to do: what took its place is loaded.
/// Found by `ingestd chaos --faults replace`.
#[tokio::test]
async fn a_file_that_was_replaced_before_it_was_read_is_skipped_and_of_a_part_it_is_told() {
    let world = World::new(true).await;
    let ledger = world.life().await;
    for (name, loaded, state) in [("a.csv", 0, "SKIPPED"), ("b.csv", 1, "FAILED")] {
        let path = world.write(name, format!("x\n1\n2\n{loaded}\n"));
        let claim = world.claim(&ledger, &path).await;
        if loaded > 0 {
            assert!(world.move_checkpoint(&claim, 0, AT, loaded).await);
        }
        let mut reasons = Vec::new();
        // Asked once more, since the answer was lost.
        for _ in 0..2 {
            reasons.push(ledger.replaced(claim.file, claim.epoch).await.unwrap());
        }
        assert_eq!(reasons[0], reasons[1]);
        assert!(reasons[0].contains("took its place"), "{reasons:?}");
        assert_eq!(world.state(claim.file.0).await, state);
        let end = Position { record: 3, ..AT };
        assert!(
            !world.move_checkpoint(&claim, 0, end, 2).await,
            "it is fenced"
        );
        let gone = "select count(*) from ingestd.files where archived_at is null";
        assert_eq!(world.ask(gone).await, "(0)");
    }
    let path = world.write("c.csv", "x\n5\n");
    let claim = world.claim(&ledger, &path).await;
    let stale = ledger.replaced(claim.file, Epoch(0)).await;
    assert_eq!(stale.unwrap_err().kind(), ErrorKind::Fenced);
}
