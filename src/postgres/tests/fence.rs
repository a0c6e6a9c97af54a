//! A checkpoint that stands elsewhere than a batch believes.

use ingestd_actors::model::ShareOutcome;

use super::fixture::{Fixture, ITEMS, appended, at, counts, counts_of, figures, keyed, share};

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_another_life_has_written_are_trimmed() {
    let fixture = Fixture::new(ITEMS).await;
    let file = fixture.file().await;
    fixture.set_checkpoint(file, 0, 1, 2).await;
    let items = [(1, "a", 1), (2, "b", 2), (3, "c", 3), (4, "d", 4)];
    let batch = keyed(vec![share(file, 0, &items)]);
    let mut writer = fixture.writer();
    let written = writer.write(&batch).await.expect("written");
    assert_eq!(figures(counts_of(&written)), [2, 0, 0, 0, 0]);
    assert_eq!(fixture.items().await, ["3|c|3", "4|d|4"]);
    assert_eq!(fixture.checkpoint(file, 0).await, "4|40|5|2|0|0|0|0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_given_twice_is_written_once() {
    let fixture = Fixture::new(super::fixture::LOG).await;
    let file = fixture.file().await;
    let batch = appended(vec![share(file, 0, &[(1, "a", 1), (2, "b", 2)])]);
    fixture.writer().write(&batch).await.expect("first");
    let again = fixture.writer().write(&batch).await.expect("second");
    let ShareOutcome::Moved { to, counts, .. } = again.outcomes[0] else {
        panic!("fenced");
    };
    assert_eq!((to, counts.total()), (at(2), 0));
    assert_eq!(fixture.items().await.len(), 2);
    assert_eq!(fixture.checkpoint(file, 0).await, "2|20|3|2|0|0|0|0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_writes_nothing() {
    let fixture = Fixture::new(ITEMS).await;
    let file = fixture.file().await;
    let batch = keyed(vec![share(file, 5, &[(1, "a", 1)])]);
    for (epoch, record) in [(2, 5), (2, 6), (0, 5), (1, 4)] {
        fixture.set_checkpoint(file, 0, epoch, record).await;
        let written = fixture.writer().write(&batch).await.expect("decided");
        assert!(
            matches!(written.outcomes[0], ShareOutcome::Fenced { .. }),
            "epoch {epoch}, record {record}: {:?}",
            written.outcomes
        );
        assert!(fixture.items().await.is_empty());
    }
    fixture
        .client
        .execute("delete from ingestd.checkpoints", &[])
        .await
        .expect("gone");
    let written = fixture.writer().write(&batch).await.expect("decided");
    assert!(matches!(written.outcomes[0], ShareOutcome::Fenced { .. }));
    assert!(fixture.items().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_of_one_batch_are_decided_one_by_one() {
    let fixture = Fixture::new(ITEMS).await;
    let mut files = Vec::new();
    for _ in 0..4 {
        files.push(fixture.file().await);
    }
    fixture.set_checkpoint(files[1], 0, 1, 1).await;
    fixture.set_checkpoint(files[2], 0, 2, 0).await;
    fixture.set_checkpoint(files[3], 0, 1, 9).await;
    let id = |file: usize| (file as i64 + 1) * 10;
    let shares: Vec<_> = (0..4)
        .rev()
        .map(|file| {
            share(
                files[file],
                0,
                &[(id(file), "x", 1), (id(file) + 1, "y", 1)],
            )
        })
        .collect();
    let written = fixture
        .writer()
        .write(&keyed(shares))
        .await
        .expect("written");
    let outcomes = &written.outcomes;
    assert!(matches!(outcomes[0], ShareOutcome::Moved { to, .. } if to == at(9)));
    assert!(matches!(outcomes[1], ShareOutcome::Fenced { file, .. } if file == files[2]));
    assert_eq!(counts(&outcomes[2]).inserted, 1);
    assert_eq!(counts(&outcomes[3]).inserted, 2);
    assert_eq!(fixture.items().await, ["10|x|1", "11|y|1", "21|y|1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superseded_row_of_a_trimmed_share_is_no_duplicate() {
    let fixture = Fixture::new(ITEMS).await;
    let file = fixture.file().await;
    fixture.set_checkpoint(file, 0, 1, 1).await;
    let items = [(1, "old", 1), (1, "new", 1)];
    let written = fixture
        .writer()
        .write(&keyed(vec![share(file, 0, &items)]))
        .await;
    assert_eq!(
        figures(counts_of(&written.expect("written"))),
        [1, 0, 0, 0, 0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_moves_while_the_fence_waits_is_seen() {
    let fixture = Fixture::new(super::fixture::LOG).await;
    let file = fixture.file().await;
    let other = super::fixture::connect(&fixture.url).await;
    other
        .batch_execute(
            "begin; update ingestd.checkpoints set record = 1, byte = 10, line = 2 where lane = 0",
        )
        .await
        .expect("another life's transaction");
    let mut writer = fixture.writer();
    let batch = appended(vec![share(file, 0, &[(1, "a", 1), (2, "b", 2)])]);
    let writing = tokio::spawn(async move { writer.write(&batch).await });
    let waiting = "select count(*) from pg_stat_activity
                   where wait_event_type = 'Lock' and datname = current_database()";
    while fixture.ask(waiting).await != ["1"] {
        assert!(!writing.is_finished(), "it did not wait");
        tokio::task::yield_now().await;
    }
    other.batch_execute("commit").await.expect("committed");
    let written = writing.await.expect("no panic").expect("written");
    assert_eq!(figures(counts_of(&written)), [1, 0, 0, 0, 0]);
    assert_eq!(fixture.items().await, ["2|b|2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_the_same_files_in_opposite_order_do_not_deadlock() {
    let fixture = Fixture::new(super::fixture::LOG).await;
    let mut files = Vec::new();
    for _ in 0..20 {
        files.push(fixture.file().await);
    }
    let up: Vec<_> = files.iter().map(|f| share(*f, 0, &[(1, "a", 1)])).collect();
    let down: Vec<_> = up.iter().rev().cloned().collect();
    let tasks: Vec<_> = [up, down]
        .into_iter()
        .map(|shares| {
            let owner = super::fixture::owner_of_another_life(&fixture);
            let mut writer = crate::postgres::sink::writer::Writer::new(owner);
            tokio::spawn(async move { writer.write(&appended(shares)).await })
        })
        .collect();
    let mut inserted = 0;
    for task in tasks {
        let written = task.await.expect("no panic").expect("written");
        inserted += written
            .outcomes
            .iter()
            .map(|o| counts(o).inserted)
            .sum::<u64>();
    }
    assert_eq!(inserted, 20);
    assert_eq!(fixture.items().await.len(), 20);
}
