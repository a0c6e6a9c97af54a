//! What a quarantine keeps for a retry.

use ingestd_actors::model::Position;
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
