//! The indexes that a first load puts off, on a real server.

use std::time::Duration;

use ingestd_actors::error::ErrorKind;
use ingestd_actors::port::{DeferredIndexes, IndexEnd, MissingIndex};
use tokio_postgres::Client;
use uuid::Uuid;

use super::fixture::{Fixture, connect};
use super::schema::{named, pipeline};
use crate::postgres::PostgresIndexes;
use crate::postgres::catalog::read_table;
use crate::postgres::ddl::{FurtherIndexes, create_table};
use crate::settings::Pipeline;

const TABLE: &str = "\"Sales\".\"Orders\"";
const ONE: &str = "Orders_price_idx";
const TWO: &str = "Orders_quantity_price_idx";

/// The indexes of the table, and which of them are valid.
const INDEXES: &str = "select c.relname, i.indisvalid from pg_index i
    join pg_class c on c.oid = i.indexrelid
    where i.indrelid = '\"Sales\".\"Orders\"'::regclass order by 1";

fn orders() -> Pipeline {
    pipeline(named(Some("Sales"), "Orders"))
}

/// A table that was created for a first load.
async fn first_load() -> (Fixture, PostgresIndexes) {
    let fixture = Fixture::new("select").await;
    let mut client = connect(&fixture.url).await;
    let database = &fixture.database;
    let created = create_table(database, &mut client, &orders(), FurtherIndexes::AfterLoad).await;
    assert!(created.expect("created"));
    lease(&fixture, fixture.instance).await;
    let indexes = PostgresIndexes::new(fixture.database.clone(), "orders", fixture.instance);
    (fixture, indexes)
}

async fn lease(fixture: &Fixture, instance: Uuid) {
    let sql =
        format!("update ingestd.pipelines set lease_instance = '{instance}' where name = 'orders'");
    fixture.client.batch_execute(&sql).await.expect("a lease");
}

async fn listed(fixture: &Fixture) -> Vec<String> {
    let sql = "select name from ingestd.deferred_indexes order by index_id";
    fixture.ask(sql).await
}

async fn first(indexes: &PostgresIndexes) -> MissingIndex {
    indexes.missing().await.expect("a list").remove(0)
}

/// Builds the first of the list.
async fn build_first(indexes: &PostgresIndexes) -> IndexEnd {
    let index = first(indexes).await;
    indexes.build(index).await.expect("an end")
}

/// A connection with an open transaction that every building waits for.
async fn in_the_way(fixture: &Fixture) -> Client {
    let client = connect(&fixture.url).await;
    let lock = format!("begin; lock table {TABLE} in row exclusive mode");
    client.batch_execute(&lock).await.expect("a lock");
    client
}

/// Waits until an index is being built, and waits itself; its backend.
async fn backend_that_waits(fixture: &Fixture) -> String {
    let sql = "select i.backend from ingestd.deferred_indexes i
               join pg_stat_activity a on a.pid = i.backend and a.backend_start = i.backend_start
               where a.wait_event_type = 'Lock' and i.building_since is not null";
    let waiting = async {
        loop {
            if let Some(backend) = fixture.ask(sql).await.pop() {
                return backend;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    waited.expect("somebody who builds, and waits")
}

/// Leaves an invalid index behind, as a building does that fails.
async fn fail_to_build(fixture: &Fixture, name: &str) {
    let in_the_way = in_the_way(fixture).await;
    let client = connect(&fixture.url).await;
    client
        .batch_execute("set lock_timeout = '1ms'")
        .await
        .expect("set");
    let sql = format!("create index concurrently \"{name}\" on {TABLE} (price)");
    client.batch_execute(&sql).await.expect_err("a timeout");
    drop(in_the_way);
    let valid = fixture.ask(INDEXES).await;
    assert!(valid.contains(&format!("{name}|f")), "{valid:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_there_at_once_and_the_others_stand_in_the_list() {
    let (fixture, indexes) = first_load().await;
    assert_eq!(fixture.ask(INDEXES).await, ["Orders_pkey|t"]);
    let missing = indexes.missing().await.expect("a list");
    let names: Vec<_> = missing.iter().map(|index| index.name.as_str()).collect();
    assert_eq!(names, [ONE, TWO]);
    assert_eq!(missing[0].table, TABLE);
    let columns = "select columns from ingestd.deferred_indexes order by index_id";
    assert_eq!(fixture.ask(columns).await, ["{price}", "{quantity,price}"]);
    // Whoever comes second finds the table, and notes nothing.
    let mut client = connect(&fixture.url).await;
    let database = &fixture.database;
    let created = create_table(database, &mut client, &orders(), FurtherIndexes::AfterLoad).await;
    assert!(!created.expect("found"));
    assert_eq!(listed(&fixture).await, [ONE, TWO]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_built_is_said_before_anything_is_loaded() {
    let fixture = Fixture::new("create table \"Sales_taken_idx\" ()").await;
    let mut client = connect(&fixture.url).await;
    let mut without_order = pipeline(named(None, "Points"));
    without_order.columns[1].sql_type = "json".into();
    without_order.generated.clear();
    let mut taken = pipeline(named(None, "Sales"));
    taken.columns[1].name = "taken".into();
    taken.generated.clear();
    taken.indexes = vec![vec!["taken".into()]];
    let mut same_name = pipeline(named(None, "Twice"));
    same_name.columns[1].name = "created".into();
    same_name.columns[2].name = "at".into();
    same_name.generated.clear();
    same_name.indexes = vec![
        vec!["created_at".into()],
        vec!["created".into(), "at".into()],
    ];
    for (pipeline, code) in [
        (without_order, "42704"),
        (taken, "42P07"),
        (same_name, "42P07"),
    ] {
        let created = create_table(
            &fixture.database,
            &mut client,
            &pipeline,
            FurtherIndexes::AfterLoad,
        )
        .await;
        let error = created.expect_err(code);
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert_eq!(error.code(), Some(code), "{error}");
        let found = read_table(&client, &pipeline.table).await;
        assert_eq!(found.expect("read"), None);
    }
    assert_eq!(listed(&fixture).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_built_and_struck_from_the_list() {
    let (fixture, indexes) = first_load().await;
    assert_eq!(build_first(&indexes).await, IndexEnd::Built);
    assert_eq!(listed(&fixture).await, [TWO]);
    assert_eq!(build_first(&indexes).await, IndexEnd::Built);
    assert_eq!(indexes.missing().await.expect("a list"), []);
    let expected = [
        "Orders_pkey|t",
        "Orders_price_idx|t",
        "Orders_quantity_price_idx|t",
    ];
    assert_eq!(fixture.ask(INDEXES).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_one_of_the_name_is_dropped_first() {
    let (fixture, indexes) = first_load().await;
    fail_to_build(&fixture, ONE).await;
    let oid = format!("select '\"Sales\".\"{ONE}\"'::regclass::oid");
    let before = fixture.ask(&oid).await;
    assert_eq!(build_first(&indexes).await, IndexEnd::Built);
    assert_ne!(fixture.ask(&oid).await, before, "it is another index");
    let expected = ["Orders_pkey|t", "Orders_price_idx|t"];
    assert_eq!(fixture.ask(INDEXES).await, expected);
    assert_eq!(listed(&fixture).await, [TWO]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valid_one_of_the_name_is_taken_for_it() {
    let (fixture, indexes) = first_load().await;
    let sql = format!("create index \"{ONE}\" on {TABLE} using hash (price)");
    fixture.client.batch_execute(&sql).await.expect("an index");
    assert_eq!(build_first(&indexes).await, IndexEnd::WasThere);
    assert_eq!(listed(&fixture).await, [TWO]);
    let kind = format!(
        "select am.amname from pg_class c join pg_am am on am.oid = c.relam
                        where c.oid = '\"Sales\".\"{ONE}\"'::regclass"
    );
    assert_eq!(fixture.ask(&kind).await, ["hash"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_something_else_has_is_left_to_the_operator() {
    let (fixture, indexes) = first_load().await;
    let sql = format!(
        "create table \"Sales\".other (price int);
                       create index \"{ONE}\" on \"Sales\".other (price)"
    );
    fixture.client.batch_execute(&sql).await.expect("an index");
    let index = first(&indexes).await;
    let error = indexes.build(index).await.expect_err("taken");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("rename"), "{error}");
    assert_eq!(listed(&fixture).await, [ONE, TWO]);
    let renamed = format!("alter index \"Sales\".\"{ONE}\" rename to elsewhere");
    fixture
        .client
        .batch_execute(&renamed)
        .await
        .expect("renamed");
    assert_eq!(build_first(&indexes).await, IndexEnd::Built);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_gone_leaves_nothing_to_build() {
    for (change, why) in [
        (format!("drop table {TABLE}"), "its table is gone"),
        (
            format!(
                "drop table {TABLE};
                     create table {TABLE} (price int, quantity int) partition by hash (price)"
            ),
            "its table is gone",
        ),
        (
            format!("drop table {TABLE}; create view {TABLE} as select 1 as price, 2 as quantity"),
            "its table is gone",
        ),
        (
            format!("alter table {TABLE} drop column price cascade"),
            "has no column \"price\" any more",
        ),
    ] {
        let (fixture, indexes) = first_load().await;
        fixture
            .client
            .batch_execute(&change)
            .await
            .expect("changed");
        for _ in [ONE, TWO] {
            let end = build_first(&indexes).await;
            assert!(
                matches!(&end, IndexEnd::GivenUp(reason) if reason.contains(why)),
                "{change}: {end:?}"
            );
        }
        assert_eq!(indexes.missing().await.expect("a list"), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_renamed_is_found() {
    let (fixture, indexes) = first_load().await;
    let change = format!(
        "alter table {TABLE} rename to \"Past\"; alter table \"Sales\".\"Past\" set schema public"
    );
    fixture
        .client
        .batch_execute(&change)
        .await
        .expect("renamed");
    assert_eq!(build_first(&indexes).await, IndexEnd::Built);
    let on = format!("select tablename from pg_indexes where indexname = '{ONE}'");
    assert_eq!(fixture.ask(&on).await, ["Past"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_without_the_lease_builds_nothing() {
    let (fixture, indexes) = first_load().await;
    lease(&fixture, Uuid::new_v4()).await;
    let index = first(&indexes).await;
    let error = indexes.build(index).await.expect_err("no lease");
    assert_eq!(error.kind(), ErrorKind::Fenced);
    assert_eq!(fixture.ask(INDEXES).await, ["Orders_pkey|t"]);
}

/// The one that took the pipeline over ends the one that still builds, and does it itself.
#[tokio::test(flavor = "multi_thread")]
async fn only_one_builds_at_a_time() {
    let (fixture, indexes) = first_load().await;
    let in_the_way = in_the_way(&fixture).await;
    let index = first(&indexes).await;
    let old = tokio::spawn(indexes.build(index.clone()));
    let backend = backend_that_waits(&fixture).await;

    let successor = Uuid::new_v4();
    lease(&fixture, successor).await;
    let indexes = PostgresIndexes::new(fixture.database.clone(), "orders", successor);
    let new = tokio::spawn(indexes.build(index));
    let ended = tokio::time::timeout(Duration::from_secs(30), old).await;
    let ended = ended.expect("it does not go on for ever");
    let error = ended.expect("no panic").expect_err("ended");
    assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
    assert_ne!(backend_that_waits(&fixture).await, backend);
    in_the_way.batch_execute("commit").await.expect("committed");
    let end = new.await.expect("no panic").expect("built");
    assert_eq!(end, IndexEnd::Built);
    assert_eq!(listed(&fixture).await, [TWO]);
    let expected = ["Orders_pkey|t", "Orders_price_idx|t"];
    assert_eq!(fixture.ask(INDEXES).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn timeouts_of_the_role_end_no_building() {
    let (fixture, _) = first_load().await;
    // As ALTER ROLE … SET does.
    let options = "options=-c%20statement_timeout%3D100%20-c%20lock_timeout%3D100";
    let url = format!("{}&{options}", fixture.url);
    let runtime = tokio::runtime::Handle::current();
    let database = crate::postgres::Database::new(&url.parse().expect("a URL"), runtime).await;
    let database = database.expect("a database");
    let indexes = PostgresIndexes::new(database, "orders", fixture.instance);
    let in_the_way = in_the_way(&fixture).await;
    let index = first(&indexes).await;
    let building = tokio::spawn(indexes.build(index));
    backend_that_waits(&fixture).await;
    // Much longer than they are.
    in_the_way
        .batch_execute("select pg_sleep(0.3); commit")
        .await
        .expect("committed");
    let end = building.await.expect("no panic").expect("built");
    assert_eq!(end, IndexEnd::Built);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_cancelled_is_built_by_the_next_try() {
    let (fixture, indexes) = first_load().await;
    let in_the_way = in_the_way(&fixture).await;
    let index = first(&indexes).await;
    let building = tokio::spawn(indexes.build(index));
    let backend = backend_that_waits(&fixture).await;
    fixture
        .ask(&format!("select pg_cancel_backend({backend})"))
        .await;
    let error = building.await.expect("no panic").expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert_eq!(error.code(), Some("57014"));
    assert!(fixture.ask(INDEXES).await.contains(&format!("{ONE}|f")));
    drop(in_the_way);
    assert_eq!(build_first(&indexes).await, IndexEnd::Built);
    assert!(fixture.ask(INDEXES).await.contains(&format!("{ONE}|t")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_too_long_for_it_is_the_operators() {
    let (fixture, indexes) = first_load().await;
    // Text that does not compress below a third of a page.
    let wide = format!(
        "alter table {TABLE} drop column total;
         alter table {TABLE} alter column price type text;
         insert into {TABLE} (\"order id\", price)
         select '{}', string_agg(md5(n::text), '') from generate_series(1, 300) n",
        Uuid::new_v4()
    );
    fixture.client.batch_execute(&wide).await.expect("a row");
    let index = first(&indexes).await;
    let error = indexes.build(index).await.expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    assert_eq!(error.code(), Some("54000"));
    assert!(error.to_string().contains("too long"), "{error}");
    let left = fixture.ask(INDEXES).await;
    assert_eq!(left, ["Orders_pkey|t"], "what is left would take room");
    let shorter = format!("update {TABLE} set price = 'short'");
    fixture.client.batch_execute(&shorter).await.expect("a row");
    assert_eq!(build_first(&indexes).await, IndexEnd::Built);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_own_the_table_is_told_what_to_do() {
    let (fixture, _) = first_load().await;
    // A role belongs to the whole server.
    let role = format!("builder_{}", fixture.instance.simple());
    let grants = format!(
        "create role {role} login; grant usage on schema ingestd, \"Sales\" to {role};
         grant all on all tables in schema ingestd to {role}; grant all on {TABLE} to {role}"
    );
    fixture.client.batch_execute(&grants).await.expect("a role");
    let (server, _) = fixture.url.split_once("&user=").expect("a URL with a role");
    let url = format!("{server}&user={role}");
    let runtime = tokio::runtime::Handle::current();
    let database = crate::postgres::Database::new(&url.parse().expect("a URL"), runtime).await;
    let database = database.expect("a database");
    let indexes = PostgresIndexes::new(database, "orders", fixture.instance);
    let index = first(&indexes).await;
    let error = indexes.build(index).await.expect_err("not the owner");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(error.code(), Some("42501"));
    assert!(error.to_string().contains("owner"), "{error}");
    assert_eq!(listed(&fixture).await, [ONE, TWO]);
}
