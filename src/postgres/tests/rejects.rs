//! Dead letters of records that could not be decoded.

use std::sync::Arc;

use bytes::Bytes;
use ingestd_actors::model::{
    DeadLetter, Epoch, FileId, Filtered, Reason, RejectBatch, RejectShare, ShareOutcome,
};
use ingestd_actors::port::RejectStore;

use super::fixture::{Fixture, ITEMS, at, counts};
use super::unknown::proxy;
use crate::postgres::rejects::PostgresRejects;

fn letter(record: u64) -> DeadLetter {
    DeadLetter {
        record,
        line: record + 1,
        offset: record * 10,
        length: 5,
        raw: Bytes::from_static(b"a\0\xff,b"),
        column: record.is_multiple_of(2).then(|| "id".to_owned()),
        reason: Reason::NulByte,
        message: "a NUL byte \0 in it".to_owned(),
        sqlstate: None,
    }
}

fn share(file: FileId, from: u64, to: u64, records: &[u64]) -> RejectShare {
    RejectShare {
        file,
        epoch: Epoch(1),
        from: at(from),
        to: at(to),
        dead_letters: records.iter().map(|record| letter(*record)).collect(),
        filtered: Filtered::default(),
    }
}

fn batch(shares: Vec<RejectShare>) -> Arc<RejectBatch> {
    Arc::new(RejectBatch { shares })
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_move_the_rejects_checkpoint_and_are_stored_once() {
    let fixture = Fixture::new(ITEMS).await;
    let (one, two) = (fixture.file().await, fixture.file().await);
    let store = PostgresRejects::new(fixture.database.clone(), "items", fixture.instance);
    let shares = || batch(vec![share(two, 0, 9, &[3, 4]), share(one, 0, 5, &[])]);
    let outcomes = store.store(shares()).await.expect("stored");
    assert_eq!(counts(&outcomes[0]).rejected, 2);
    assert_eq!(counts(&outcomes[1]).rejected, 0);
    assert_eq!(fixture.checkpoint(two, -1).await, "9|90|10|0|0|0|0|2");
    assert_eq!(fixture.checkpoint(one, -1).await, "5|50|6|0|0|0|0|0");
    let stored = "select record, line, byte_offset, length, encode(raw, 'hex'), column_name,
                  reason, sqlstate, attempts from ingestd.dead_letters order by 1";
    let expected = [
        "3|4|30|5|6100ff2c62|-|nul_byte|-|1",
        "4|5|40|5|6100ff2c62|id|nul_byte|-|1",
    ];
    assert_eq!(fixture.ask(stored).await, expected);

    let again = store.store(shares()).await.expect("stored before");
    assert!(matches!(again[0], ShareOutcome::Moved { to, counts, .. }
        if to == at(9) && counts.total() == 0));
    assert_eq!(fixture.ask(stored).await, expected);
    assert_eq!(fixture.checkpoint(two, -1).await, "9|90|10|0|0|0|0|2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_life_has_stored_is_trimmed_and_another_claim_is_fenced() {
    let fixture = Fixture::new(ITEMS).await;
    let (one, two) = (fixture.file().await, fixture.file().await);
    fixture.set_checkpoint(one, -1, 1, 3).await;
    fixture.set_checkpoint(two, -1, 2, 0).await;
    let store = PostgresRejects::new(fixture.database.clone(), "items", fixture.instance);
    let shares = vec![share(one, 0, 9, &[3, 4]), share(two, 0, 9, &[1])];
    let outcomes = store.store(batch(shares)).await.expect("decided");
    assert_eq!(counts(&outcomes[0]).rejected, 1);
    assert!(matches!(outcomes[1], ShareOutcome::Fenced { .. }));
    assert_eq!(
        fixture.dead_letters().await,
        [format!("{}|4|nul_byte|-", one.0)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn filtered_records_are_counted_with_the_checkpoint_that_covers_them() {
    let fixture = Fixture::new(ITEMS).await;
    let (one, two) = (fixture.file().await, fixture.file().await);
    // Another life was here, and has counted the records up to the fourth.
    fixture.set_checkpoint(one, -1, 1, 4).await;
    let store = PostgresRejects::new(fixture.database.clone(), "items", fixture.instance);
    let shares = || {
        let mut shares = vec![share(one, 0, 9, &[7]), share(two, 0, 9, &[])];
        for share in &mut shares {
            share.filtered = [2, 3, 4, 5, 9].into_iter().collect();
        }
        batch(shares)
    };
    let outcomes = store.store(shares()).await.expect("stored");
    let counted = |index: usize| {
        (
            counts(&outcomes[index]).filtered,
            counts(&outcomes[index]).total(),
        )
    };
    assert_eq!((counted(0), counted(1)), ((2, 3), (5, 5)));
    let sums = "select filtered from ingestd.checkpoints where lane = -1 order by file_id";
    assert_eq!(fixture.ask(sums).await, ["2", "5"]);
    store.store(shares()).await.expect("stored before");
    assert_eq!(fixture.ask(sums).await, ["2", "5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_commit_is_decided_both_ways() {
    for cut in [proxy::Cut::Before, proxy::Cut::After] {
        let fixture = Fixture::new(ITEMS).await;
        let file = fixture.file().await;
        let (database, proxy) = proxy::database(&fixture, cut).await;
        let store = PostgresRejects::new(database, "items", fixture.instance);
        let outcomes = store.store(batch(vec![share(file, 0, 9, &[3])])).await;
        assert_eq!(counts(&outcomes.expect("decided")[0]).rejected, 1);
        let commits = if cut == proxy::Cut::Before { 2 } else { 1 };
        assert_eq!(proxy.commits(), commits);
        assert_eq!(fixture.checkpoint(file, -1).await, "9|90|10|0|0|0|0|1");
        assert_eq!(
            fixture
                .ask("select attempts from ingestd.dead_letters")
                .await,
            ["1"]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_bytes_are_capped() {
    let fixture = Fixture::new(ITEMS).await;
    let file = fixture.file().await;
    let store = PostgresRejects::new(fixture.database.clone(), "items", fixture.instance);
    let mut big = share(file, 0, 30, &(1..=30).collect::<Vec<_>>());
    for letter in &mut big.dead_letters {
        letter.raw = vec![b'x'; (1 << 20) + 1].into();
        letter.length = 5 << 20;
    }
    store
        .store(batch(vec![big]))
        .await
        .expect("stored in several statements");
    let sizes = "select count(*), max(length(raw)), max(length) from ingestd.dead_letters";
    assert_eq!(fixture.ask(sizes).await, ["30|1048576|5242880"]);
}
