//! Batches that are told apart: the keys that are there are upserted, the others copied.

use super::fixture::{Fixture, ITEMS, batch, counts, counts_of, figures, keyed, plan, share};
use crate::plan::Routing;
use crate::postgres::sink::writer::Writer;

/// How many rows make telling them apart worth it, and some more.
const MANY: i64 = 1_500;

/// A writer that has met a key that was there, and then one that was not.
async fn writer_after_a_conflict(fixture: &Fixture) -> Writer {
    let file = fixture.file().await;
    let mut writer = fixture.writer();
    for (from, id) in [(0, 0), (1, 0), (2, -1)] {
        let items = [(id, "a", 0)];
        writer
            .write(&keyed(vec![share(file, from, &items)]))
            .await
            .expect("a batch");
    }
    writer
}

#[tokio::test(flavor = "multi_thread")]
async fn some_keys_are_there_and_each_file_is_counted_for_itself() {
    let fixture = Fixture::new(ITEMS).await;
    let (one, two) = (fixture.file().await, fixture.file().await);
    let mut writer = writer_after_a_conflict(&fixture).await;
    fixture
        .client
        .batch_execute(
            "insert into items select i, 'same', 1 from generate_series(100, 199) i;
             insert into items select i, 'other', 1 from generate_series(1400, 1419) i",
        )
        .await
        .expect("rows");
    let items: Vec<_> = (1..=MANY).map(|id| (id, "same", 1)).collect();
    let (first, second) = items.split_at(1000);
    let before = writer.row_statements;
    let shares = vec![share(one, 0, first), share(two, 0, second)];
    let written = writer.write(&keyed(shares)).await.expect("sorted");
    assert_eq!(figures(counts(&written.outcomes[0])), [900, 0, 100, 0, 0]);
    assert_eq!(figures(counts(&written.outcomes[1])), [480, 20, 0, 0, 0]);
    assert_eq!(
        writer.row_statements - before,
        3,
        "one COPY, staging and merge"
    );
    let sums = fixture
        .ask(
            "select count(*), count(distinct id), count(*) filter (where name = 'same') from items",
        )
        .await;
    assert_eq!(sums, ["1502|1502|1500"]);
    assert_eq!(
        fixture.checkpoint(one, 0).await,
        "1000|10000|1001|900|0|100|0|0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_several_columns_are_asked_for_too() {
    let ddl = "create table items (id bigint, name varchar(20), amount integer,
                                   unique (name, amount))";
    let fixture = Fixture::new(ddl).await;
    let file = fixture.file().await;
    let plan = plan(&["name", "amount"], Routing::Key);
    let names: Vec<String> = (0..MANY).map(|id| format!("näme {}", id / 2)).collect();
    let items: Vec<_> = names
        .iter()
        .zip(0..)
        .map(|(name, id)| (i64::from(id), name.as_str(), id % 2))
        .collect();
    let mut writer = fixture.writer();
    let half = vec![share(file, 0, &items[..600])];
    writer.write(&batch(&plan, half)).await.expect("copied");
    let all = vec![share(file, 600, &items)];
    let written = writer.write(&batch(&plan, all)).await.expect("sorted");
    assert_eq!(figures(counts_of(&written)), [900, 0, 600, 0, 0]);
    let count = fixture.ask("select count(*) from items").await;
    assert_eq!(count, ["1500"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_somebody_else_adds_meanwhile_is_upserted() {
    let fixture = Fixture::new(ITEMS).await;
    let file = fixture.file().await;
    let mut writer = writer_after_a_conflict(&fixture).await;
    // Added after the question was answered, and before the COPY meets its key.
    fixture
        .client
        .batch_execute(
            "create function meddle() returns trigger language plpgsql as $$
             begin
                 insert into items values (1500, 'theirs', 1) on conflict do nothing;
                 return null;
             end $$;
             create trigger meddle before insert on items for each statement
             when (pg_trigger_depth() = 0) execute function meddle()",
        )
        .await
        .expect("a trigger");
    let items: Vec<_> = (1..=MANY).map(|id| (id, "ours", 2)).collect();
    let written = writer.write(&keyed(vec![share(file, 0, &items)])).await;
    assert_eq!(
        figures(counts_of(&written.expect("upserted"))),
        [1499, 1, 0, 0, 0]
    );
    let theirs = fixture
        .ask("select count(*) from items where name = 'theirs'")
        .await;
    assert_eq!(theirs, ["0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_takes_too_long_does_not_stop_the_rows() {
    let ddl = format!(
        "{ITEMS}; insert into items select i, 'same', 1 from generate_series(1000001, 1050000) i;
         do $$ declare setting text; begin
             foreach setting in array array['statement_timeout = 300', 'enable_indexscan = off',
                 'enable_indexonlyscan = off', 'enable_bitmapscan = off', 'jit = off'] loop
                 execute format('alter database %I set %s', current_database(), setting);
             end loop;
         end $$"
    );
    let fixture = Fixture::new(&ddl).await;
    let file = fixture.file().await;
    let mut writer = writer_after_a_conflict(&fixture).await;
    let items: Vec<_> = (1..=MANY).map(|id| (id, "same", 1)).collect();
    let written = writer.write(&keyed(vec![share(file, 0, &items)])).await;
    assert_eq!(counts_of(&written.expect("written")).inserted, MANY as u64);
}
