//! The ways of a batch into the table: COPY, upsert, several files, odd tables.

use ingestd_actors::error::ErrorKind;
use ingestd_actors::port::Sink;
use std::sync::Arc;

use super::fixture::{
    Fixture, ITEMS, LOG, appended, batch, counts, counts_of, figures, keyed, plan, share,
};
use crate::plan::Routing;

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_are_copied_and_the_checkpoint_moves_with_them() {
    let fixture = Fixture::new(ITEMS).await;
    let file = fixture.file().await;
    let mut writer = fixture
        .sink()
        .open(0, ingestd_actors::supervision::Pulse::default());
    let mut writer = (&mut writer).await.expect("a writer");
    let items = [(1, "a", 1), (2, "", 2)];
    let written = writer.write(Arc::new(keyed(vec![share(file, 0, &items)])));
    let written = written.await.expect("written");
    assert_eq!(figures(counts_of(&written)), [2, 0, 0, 0, 0]);
    assert_eq!(fixture.items().await, ["1|a|1", "2||2"]);
    assert_eq!(fixture.checkpoint(file, 0).await, "2|20|3|2|0|0|0|0");

    let written = writer.write(Arc::new(keyed(vec![share(file, 2, &[(3, "c", 3)])])));
    written.await.expect("written again on the same connection");
    assert_eq!(fixture.items().await.len(), 3);
    let writers = fixture
        .ask("select pipeline, lane from ingestd.writers")
        .await;
    assert_eq!(writers, ["items|0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_there_turns_to_the_upsert() {
    let fixture = Fixture::new(ITEMS).await;
    let file = fixture.file().await;
    let mut writer = fixture.writer();
    let first = [(1, "a", 1), (2, "b", 2), (3, "c", 3)];
    writer
        .write(&keyed(vec![share(file, 0, &first)]))
        .await
        .expect("first");
    let second = [(3, "c", 3), (2, "changed", 2), (4, "d", 4)];
    let written = writer.write(&keyed(vec![share(file, 3, &second)])).await;
    assert_eq!(
        figures(counts_of(&written.expect("second"))),
        [1, 1, 1, 0, 0]
    );
    let expected = ["1|a|1", "2|changed|2", "3|c|3", "4|d|4"];
    assert_eq!(fixture.items().await, expected);
    // One COPY, one that failed, staging and merge.
    assert_eq!(writer.row_statements, 4);

    // The staging table is empty again, and is used again.
    let third = [(5, "e", 5), (1, "a", 9)];
    let written = writer.write(&keyed(vec![share(file, 6, &third)])).await;
    assert_eq!(
        figures(counts_of(&written.expect("third"))),
        [1, 1, 0, 0, 0]
    );
    assert_eq!(fixture.checkpoint(file, 0).await, "8|80|9|5|2|1|0|0");
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_batches_lead_back_to_copy() {
    let fixture = Fixture::new(ITEMS).await;
    let file = fixture.file().await;
    let mut writer = fixture.writer();
    writer
        .write(&keyed(vec![share(file, 0, &[(1, "a", 1)])]))
        .await
        .expect("first");
    writer
        .write(&keyed(vec![share(file, 1, &[(1, "b", 1)])]))
        .await
        .expect("conflict");
    let mut sent = Vec::new();
    for record in 2..20 {
        let before = writer.row_statements;
        let items = [(record as i64, "x", 1)];
        writer
            .write(&keyed(vec![share(file, record, &items)]))
            .await
            .expect("quiet");
        sent.push(writer.row_statements - before);
    }
    assert_eq!((sent[0], sent[17]), (2, 1), "{sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_row_of_a_key_wins_on_both_ways() {
    let fixture = Fixture::new(ITEMS).await;
    let (one, two) = (fixture.file().await, fixture.file().await);
    let mut writer = fixture.writer();
    let items = [(1, "first", 1), (2, "b", 2), (1, "last", 1)];
    let written = writer.write(&keyed(vec![share(one, 0, &items)])).await;
    assert_eq!(
        figures(counts_of(&written.expect("copied"))),
        [2, 0, 0, 1, 0]
    );
    assert_eq!(fixture.items().await, ["1|last|1", "2|b|2"]);

    let shares = vec![share(one, 3, &[(1, "x", 1)]), share(two, 0, &[(1, "y", 1)])];
    let written = writer.write(&keyed(shares)).await.expect("merged");
    assert_eq!(figures(counts(&written.outcomes[0])), [0, 0, 0, 1, 0]);
    assert_eq!(figures(counts(&written.outcomes[1])), [0, 1, 0, 0, 0]);
    assert_eq!(fixture.items().await, ["1|y|1", "2|b|2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_one_batch_are_counted_apart() {
    let fixture = Fixture::new(ITEMS).await;
    let mut files = Vec::new();
    for _ in 0..3 {
        files.push(fixture.file().await);
    }
    fixture
        .client
        .batch_execute("insert into items values (1, 'a', 1), (2, 'b', 2)")
        .await
        .expect("rows");
    let shares = vec![
        share(files[2], 0, &[(1, "a", 1), (3, "c", 3)]),
        share(files[0], 0, &[]),
        share(files[1], 0, &[(2, "new", 2), (4, "d", 4), (5, "e", 5)]),
    ];
    let written = fixture
        .writer()
        .write(&keyed(shares))
        .await
        .expect("written");
    let figures: Vec<_> = written
        .outcomes
        .iter()
        .map(|o| figures(counts(o)))
        .collect();
    assert_eq!(figures, [[1, 0, 1, 0, 0], [0; 5], [2, 1, 0, 0, 0]]);
    assert_eq!(fixture.checkpoint(files[1], 0).await, "3|30|4|2|1|0|0|0");
    assert_eq!(fixture.checkpoint(files[2], 0).await, "2|20|3|1|0|1|0|0");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_every_row_is_appended() {
    let fixture = Fixture::new(LOG).await;
    let file = fixture.file().await;
    let items = [(1, "a", 1), (1, "a", 1)];
    let written = fixture
        .writer()
        .write(&appended(vec![share(file, 0, &items)]))
        .await;
    assert_eq!(
        figures(counts_of(&written.expect("written"))),
        [2, 0, 0, 0, 0]
    );
    assert_eq!(fixture.items().await, ["1|a|1", "1|a|1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitioned_tables_count_what_they_can() {
    let ddl = "create table items (id bigint primary key, name text, amount integer)
                   partition by range (id);
               create table items_low partition of items for values from (0) to (10);
               create table items_high partition of items for values from (10) to (20)";
    let fixture = Fixture::new(ddl).await;
    let file = fixture.file().await;
    let mut writer = fixture.writer();
    let items = [(1, "a", 1), (11, "b", 2)];
    writer
        .write(&keyed(vec![share(file, 0, &items)]))
        .await
        .expect("first");
    let items = [(1, "a", 1), (11, "new", 2), (2, "c", 3)];
    let written = writer.write(&keyed(vec![share(file, 2, &items)])).await;
    assert_eq!(
        figures(counts_of(&written.expect("second"))),
        [1, 1, 1, 0, 0]
    );

    let error = writer
        .write(&keyed(vec![share(file, 5, &[(99, "z", 1)])]))
        .await;
    let error = error.expect_err("there is no partition for it");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(
        error
            .advice()
            .is_some_and(|advice| advice.contains("partition"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_equality_only_the_server_knows() {
    let ddl = "create collation anycase (provider = icu, locale = 'und-u-ks-level2',
                   deterministic = false);
               create table items (id bigint, name text collate anycase unique, amount integer)";
    let fixture = Fixture::new(ddl).await;
    let file = fixture.file().await;
    fixture
        .client
        .batch_execute("insert into items values (9, 'A', 9)")
        .await
        .expect("a row");
    // No image of the key: nothing is deduplicated before the server sees it.
    let items = [(0, "a", 1), (0, "b", 2), (0, "B", 3)];
    let plan = plan(&["name"], Routing::Single);
    let written = fixture
        .writer()
        .write(&batch(&plan, vec![share(file, 0, &items)]))
        .await;
    assert_eq!(counts_of(&written.expect("written")).total(), 3);
    let items = "select name, amount from items order by id desc, name";
    assert_eq!(fixture.ask(items).await, ["A|1", "B|3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_only_the_server_knows_to_be_superseded_is_counted_once() {
    let ddl = "create collation anycase (provider = icu, locale = 'und-u-ks-level2',
                   deterministic = false);
               create table items (id bigint, name text collate anycase unique, amount integer);
               insert into items values (9, 'C', 9)";
    let fixture = Fixture::new(ddl).await;
    let (one, two) = (fixture.file().await, fixture.file().await);
    let plan = plan(&["name"], Routing::Single);
    let shares = vec![
        share(one, 0, &[(0, "a", 1), (0, "b", 2), (0, "c", 3)]),
        share(two, 0, &[(0, "B", 4), (0, "C", 5)]),
    ];
    let written = fixture.writer().write(&batch(&plan, shares)).await;
    let written = written.expect("written");
    assert_eq!(figures(counts(&written.outcomes[0])), [1, 0, 2, 0, 0]);
    assert_eq!(figures(counts(&written.outcomes[1])), [1, 1, 0, 0, 0]);
    let items = "select name, amount from items order by name";
    assert_eq!(fixture.ask(items).await, ["a|1", "B|4", "C|5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_keys_are_left_as_they_are() {
    let ddl = "create table items (id bigint, name text, amount integer,
                   primary key (id, name, amount))";
    let fixture = Fixture::new(ddl).await;
    let file = fixture.file().await;
    let plan = plan(&["id", "name", "amount"], Routing::Single);
    let mut writer = fixture.writer();
    let items = [(1, "a", 1)];
    writer
        .write(&batch(&plan, vec![share(file, 0, &items)]))
        .await
        .expect("first");
    let items = [(1, "a", 1), (2, "b", 2)];
    let written = writer
        .write(&batch(&plan, vec![share(file, 1, &items)]))
        .await;
    assert_eq!(
        figures(counts_of(&written.expect("second"))),
        [1, 0, 1, 0, 0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn row_level_security_takes_insert() {
    let fixture = Fixture::new(ITEMS).await;
    // Roles belong to the server, which other runs of this test may share.
    let loader = format!("loader_{}", std::process::id());
    fixture
        .client
        .batch_execute(&format!(
            "create role {loader} login; grant all on items to {loader};
             grant usage on schema ingestd to {loader};
             grant all on all tables in schema ingestd to {loader};
             alter table items enable row level security;
             create policy small on items to {loader} using (true) with check (amount < 100)"
        ))
        .await
        .expect("a policy");
    let file = fixture.file().await;
    let (server, _) = fixture.url.split_once("&user=").expect("a URL with a role");
    let url = format!("{server}&user={loader}");
    let database = crate::postgres::Database::new(
        &url.parse().expect("a URL"),
        tokio::runtime::Handle::current(),
    )
    .await;
    let sink = crate::postgres::sink::PostgresSink::new(
        database.expect("a database"),
        "items",
        fixture.instance,
    );
    let mut writer = crate::postgres::sink::writer::Writer::new(sink.owner(0));
    let written = writer
        .write(&keyed(vec![share(file, 0, &[(1, "a", 1)])]))
        .await;
    assert_eq!(counts_of(&written.expect("inserted")).inserted, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_has_to_do_is_said() {
    let fixture = Fixture::new("select").await;
    let file = fixture.file().await;
    let mut writer = fixture.writer();
    let batch = keyed(vec![share(file, 0, &[(1, "a", 1)])]);
    let error = writer.write(&batch).await.expect_err("no table");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.advice().is_some());
    fixture
        .client
        .batch_execute(ITEMS)
        .await
        .expect("the table");
    writer.write(&batch).await.expect("healed by CREATE TABLE");
    assert_eq!(fixture.items().await, ["1|a|1"]);
}
