//! Two instances of one pipeline.

use ingestd_actors::error::ErrorKind;
use ingestd_actors::port::Ledger;

use super::world::World;
use crate::ledger::LedgerOptions;

#[tokio::test]
async fn one_instance_loads_and_the_other_is_told_who() {
    let world = World::ordered().await;
    let first = world.life().await;
    let second = world.ledger(LedgerOptions::default());
    let early = second.admit(Vec::new()).await.unwrap_err();
    assert_eq!(early.kind(), ErrorKind::Fenced);
    let refused = second.resume().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Transient);
    let process = format!("process {} on host", std::process::id());
    assert!(refused.message().contains(&process), "{refused}");

    first.release().await.unwrap();
    second.resume().await.unwrap();
    let fenced = first.admit(Vec::new()).await.unwrap_err();
    assert_eq!(fenced.kind(), ErrorKind::Fenced);
}

#[tokio::test]
async fn the_lease_is_free_once_its_backend_is_gone() {
    let world = World::ordered().await;
    let first = world.life().await;
    let path = world.write("a.csv", "x\n1\n");
    world
        .execute(
            "select pg_terminate_backend(lease_backend) from ingestd.pipelines",
            &[],
        )
        .await;
    let second = world.ledger(LedgerOptions::default());
    while second.resume().await.is_err() {
        tokio::task::yield_now().await;
    }
    // The first does not know yet: the transaction finds out.
    let candidate = crate::fs::candidate_at(&path).unwrap().unwrap();
    let fenced = first.admit(vec![candidate]).await.unwrap_err();
    assert_eq!(fenced.kind(), ErrorKind::Fenced);
    assert_eq!(world.ask("select count(*) from ingestd.files").await, "(0)");
}

#[tokio::test]
async fn an_expired_lease_is_free() {
    let world = World::ordered().await;
    let _first = world.life().await;
    world
        .execute(
            "update ingestd.pipelines set lease_expires = now() - interval '1 second'",
            &[],
        )
        .await;
    world.life().await;
}

#[tokio::test]
async fn a_takeover_ends_the_writers_that_were_left() {
    let world = World::ordered().await;
    let first = world.life().await;
    let path = world.write("a.csv", "x\n1\n");
    let claim = world.claim(&first, &path).await;
    let mut writer = world.database.client().await.unwrap();
    writer
        .execute(
            "insert into ingestd.writers
             select 'events', 0, gen_random_uuid(), pid, backend_start
             from pg_stat_activity where pid = pg_backend_pid()",
            &[],
        )
        .await
        .unwrap();
    // It holds its checkpoint, and would for ever.
    let held = writer.transaction().await.unwrap();
    held.execute(
        "update ingestd.checkpoints set record = 1 where lane = 0",
        &[],
    )
    .await
    .unwrap();
    first.release().await.unwrap();
    let second = world.ledger(LedgerOptions::default());
    let resumed = second.resume().await.unwrap();
    assert_eq!(resumed.len(), 1);
    assert!(held.commit().await.is_err());
    let left = "select count(*) from ingestd.writers";
    assert_eq!(world.ask(left).await, "(0)");
    let checkpoints = "select max(record), min(epoch) from ingestd.checkpoints";
    assert_eq!(
        world.ask(checkpoints).await,
        format!("(0,{})", claim.epoch.0 + 1)
    );
}
