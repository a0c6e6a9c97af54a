//! Kinds of tables, in each mode that makes a difference to them.

use ingestd_actors::error::ErrorKind;

use super::fixture::Fixture;
use super::ops::{COLUMNS, Op, Scene, by_version, delete, plan_for, put, with_deletions};
use super::schema::named;
use crate::plan::{LoadPlan, WriteMode, WriteRules, check_key};
use crate::postgres::Database;
use crate::postgres::catalog::read_table;
use crate::postgres::sink::PostgresSink;
use crate::postgres::sink::writer::Writer;

/// A plan for each mode that looks for the key; all of them delete.
pub fn merging_plans() -> [LoadPlan; 3] {
    [
        (WriteMode::Upsert, WriteRules::default()),
        (WriteMode::Ignore, WriteRules::default()),
        (WriteMode::Newest, by_version()),
    ]
    .map(|(mode, rules)| plan_for(mode, with_deletions(rules)))
}

/// The same, and one that only inserts.
pub fn all_plans() -> Vec<LoadPlan> {
    let append = plan_for(WriteMode::Append, WriteRules::default());
    let mut plans = merging_plans().to_vec();
    plans.push(append);
    plans
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partitioned_table_whose_key_has_the_partition_column() {
    let ddl = format!(
        "create table items ({COLUMNS}, primary key (seen, id)) partition by list (seen);
         create table a partition of items for values in ('a');
         create table b partition of items for values in ('b')"
    );
    for mode in [WriteMode::Upsert, WriteMode::Ignore] {
        let mut plan = plan_for(mode, with_deletions(WriteRules::default()));
        plan.key = vec!["seen".into(), "id".into()];
        plan.routing = crate::plan::Routing::Single;
        let mut scene = Scene::with(plan, &ddl).await;
        let ops = [
            put(1, "x", 1, "a"),
            put(1, "y", 1, "b"),
            put(2, "z", 2, "a"),
        ];
        assert_eq!(scene.write(&ops).await, [3, 0, 0, 0, 0, 0]);
        let ops = [
            put(1, "new", 1, "a"),
            put(3, "w", 3, "b"),
            delete(1, "b"),
            delete(9, "b"),
        ];
        let updated = u64::from(mode == WriteMode::Upsert);
        let expected = [1, updated, 2 - updated, 0, 1, 0];
        assert_eq!(scene.write(&ops).await, expected);
        let name = if updated == 1 { "new" } else { "x" };
        let expected = [format!("1|{name}|1|a"), "2|z|2|a".into(), "3|w|3|b".into()];
        assert_eq!(scene.shown().await, expected);
    }
}

const TRIGGERS: &str = "
    create table seen_by_trigger (what text, id bigint);
    create function before() returns trigger language plpgsql as $$
    begin
        if new.name = 'drop' then return null; end if;
        new.name := upper(new.name);
        return new;
    end $$;
    create function after() returns trigger language plpgsql as $$
    begin
        insert into seen_by_trigger values (tg_op, coalesce(new.id, old.id));
        return null;
    end $$;
    create trigger before before insert or update on items
        for each row execute function before();
    create trigger after after insert or update or delete on items
        for each row execute function after()";

#[tokio::test(flavor = "multi_thread")]
async fn triggers_change_drop_and_see_rows_as_those_of_an_insert() {
    for plan in all_plans() {
        let ddl = format!("create table items ({COLUMNS}, unique (id)); {TRIGGERS}");
        let merges = plan.merges();
        let mode = plan.mode;
        let mut scene = Scene::with(plan, &ddl).await;
        let ops = [
            put(1, "a", 1, "1"),
            put(2, "drop", 2, "1"),
            put(3, "c", 3, "1"),
        ];
        // A row that COPY was given, and a trigger dropped in silence, counts as inserted.
        assert_eq!(scene.write(&ops).await, [3, 0, 0, 0, 0, 0], "{mode:?}");
        let mut seen = vec!["INSERT|1", "INSERT|3"];
        let mut rows = vec!["1|A|1|1", "3|C|3|1"];
        if merges {
            // As the trigger makes it, the first is there already.
            let ops = [put(1, "A", 1, "1"), put(4, "drop", 4, "1"), delete(3, "1")];
            assert_eq!(scene.write(&ops).await, [0, 0, 2, 0, 1, 0], "{mode:?}");
            seen.insert(0, "DELETE|3");
            rows.pop();
        }
        assert_eq!(scene.shown().await, rows);
        let log = "select what, id from seen_by_trigger order by what, id";
        assert_eq!(scene.fixture.ask(log).await, seen);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_key_refuses_rows_in_every_mode() {
    for plan in all_plans() {
        let ddl = format!(
            "create table names (name text primary key); insert into names values ('x');
             create table items ({COLUMNS}, unique (id), foreign key (name) references names)"
        );
        let mut scene = Scene::with(plan, &ddl).await;
        let ops = [
            put(1, "x", 1, "1"),
            put(2, "nobody", 2, "1"),
            put(3, "x", 3, "1"),
        ];
        assert_eq!(scene.write(&ops).await, [2, 0, 0, 0, 0, 1]);
        let letter = format!("{}|2|refused|23503", scene.file.0);
        assert_eq!(scene.fixture.dead_letters().await, [letter]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_unique_index_refuses_a_row_in_every_mode() {
    for deferrable in ["", "deferrable initially deferred"] {
        for plan in all_plans() {
            let ddl =
                format!("create table items ({COLUMNS}, unique (id), unique (name) {deferrable})");
            let merges = plan.merges();
            let mut scene = Scene::with(plan, &ddl).await;
            let ops = [put(1, "a", 1, "1"), put(2, "b", 2, "1")];
            assert_eq!(scene.write(&ops).await, [2, 0, 0, 0, 0, 0]);
            let ops = [
                put(3, "c", 3, "1"),
                put(4, "a", 4, "1"),
                put(5, "d", 5, "1"),
            ];
            assert_eq!(scene.write(&ops).await, [2, 0, 0, 0, 0, 1]);
            let letter = format!("{}|4|refused|23505", scene.file.0);
            assert_eq!(scene.fixture.dead_letters().await, [letter]);
            if merges {
                // The name is free again once its row is deleted.
                let ops = [delete(1, "1"), put(1, "a", 6, "1"), put(2, "b", 2, "1")];
                assert_eq!(scene.write(&ops).await, [1, 0, 1, 0, 1, 0]);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deferrable_key_is_told_apart_from_one_that_is_missing() {
    let ddl = "create table items (id bigint unique deferrable, name text primary key)";
    let fixture = Fixture::new(ddl).await;
    let table = read_table(&fixture.client, &named(None, "items")).await;
    let table = table.expect("read").expect("there");
    assert_eq!(table.unique_keys, [["name"]]);
    let check = |key: &str, mode| {
        let mut pipeline = super::schema::pipeline(named(None, "items"));
        pipeline.key = vec![key.into()];
        pipeline.mode = mode;
        check_key(&pipeline, &table).map_err(|error| error.to_string())
    };
    assert_eq!(check("name", WriteMode::Ignore), Ok(()));
    assert_eq!(check("id", WriteMode::Append), Ok(()));
    for mode in [WriteMode::Upsert, WriteMode::Ignore, WriteMode::Newest] {
        let said = check("id", mode).expect_err("deferrable");
        assert!(said.contains("is deferrable"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_columns_number_what_no_file_has_and_take_what_one_has() {
    for plan in all_plans() {
        let ddl = "create table items (number int generated always as identity,
            id bigint generated by default as identity unique, name text, amount integer, seen text)";
        let mut scene = Scene::with(plan, ddl).await;
        let ops = [put(7, "a", 1, "1"), put(9, "b", 2, "1")];
        assert_eq!(scene.write(&ops).await, [2, 0, 0, 0, 0, 0]);
        let rows = "select number, id from items order by 1";
        assert_eq!(scene.fixture.ask(rows).await, ["1|7", "2|9"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_column_that_takes_no_values_waits_for_an_operator() {
    for plan in all_plans() {
        let ddl = "create table items (id bigint generated always as identity unique,
                                       name text, amount integer, seen text)";
        let mut scene = Scene::with(plan, ddl).await;
        let error = scene
            .try_write(&[put(7, "a", 1, "1")])
            .await
            .expect_err("no");
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        assert_eq!(error.code(), Some("428C9"));
        assert!(error.advice().is_some_and(|it| it.contains("BY DEFAULT")));
        assert!(scene.fixture.dead_letters().await.is_empty());
        let heal = "alter table items alter id set generated by default";
        scene
            .fixture
            .client
            .batch_execute(heal)
            .await
            .expect("healed");
        scene.writer = scene.fixture.writer();
        assert_eq!(scene.write(&[put(7, "a", 1, "1")]).await[0], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_columns_follow_what_is_written() {
    for plan in all_plans() {
        let (merges, mode) = (plan.merges(), plan.mode);
        let ddl = format!(
            "create table items ({COLUMNS}, twice int generated always as (amount * 2) stored,
                                 unique (id))"
        );
        let mut scene = Scene::with(plan, &ddl).await;
        scene
            .write(&[put(1, "a", 1, "1"), put(2, "b", 2, "1")])
            .await;
        if merges {
            scene
                .write(&[put(1, "a", 5, "2"), put(3, "c", 3, "1")])
                .await;
        }
        let twice = "select twice from items where id = 1";
        let expected = match mode {
            WriteMode::Append | WriteMode::Ignore => "2",
            WriteMode::Upsert | WriteMode::Newest => "10",
        };
        assert_eq!(scene.fixture.ask(twice).await, [expected], "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_refuses_rows_in_every_mode_and_hides_some_from_deletion() {
    for (number, plan) in all_plans().into_iter().enumerate() {
        let merges = plan.merges();
        // Roles belong to the server, which other runs of this test may share.
        let loader = format!("policed_{}_{number}", std::process::id());
        let ddl = format!(
            "create table items ({COLUMNS}, unique (id));
             insert into items values (8, 'hidden', 8, '0'), (9, 'mine', 9, '0');
             create role {loader} login; grant all on items to {loader};
             grant usage on schema ingestd to {loader};
             grant all on all tables in schema ingestd to {loader};
             alter table items enable row level security;
             create policy small on items to {loader} using (id <> 8) with check (amount < 100)"
        );
        let mut scene = Scene::with(plan, &ddl).await;
        let (server, _) = scene.fixture.url.split_once("&user=").expect("a role");
        let url = format!("{server}&user={loader}");
        let database = Database::new(
            &url.parse().expect("a URL"),
            tokio::runtime::Handle::current(),
        )
        .await;
        let sink = PostgresSink::new(
            database.expect("a database"),
            "items",
            scene.fixture.instance,
        );
        scene.writer = Writer::new(sink.owner(0));

        let ops = [
            put(1, "a", 1, "1"),
            put(2, "b", 100, "1"),
            put(3, "c", 3, "1"),
        ];
        assert_eq!(scene.write(&ops).await, [2, 0, 0, 0, 0, 1]);
        let letter = format!("{}|2|refused|42501", scene.file.0);
        assert_eq!(scene.fixture.dead_letters().await, [letter]);
        if merges {
            let ops = [delete(8, "1"), delete(9, "1"), put(4, "d", 4, "1")];
            assert_eq!(scene.write(&ops).await, [1, 0, 1, 0, 1, 0]);
        }
        // What refuses every row alike may be a right that is missing.
        let error = scene
            .try_write(&[put(5, "e", 100, "1")])
            .await
            .expect_err("no");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.advice().is_some_and(|it| it.contains("row-level")));
    }
}

/// Two pipelines meet in the same keys, from both ends: whoever has to wait in a circle is told so
/// by the server, and tries again.
#[tokio::test(flavor = "multi_thread")]
async fn several_pipelines_write_into_one_table() {
    const KEYS: i64 = 400;
    for plan in merging_plans() {
        let mode = plan.mode;
        let mut scene = Scene::new(plan.clone()).await;
        let other = PostgresSink::new(
            scene.fixture.database.clone(),
            "others",
            scene.fixture.instance,
        );
        let mut other = Writer::new(other.owner(1));
        let other_file = scene.fixture.file().await;
        let one: Vec<Op> = (1..=KEYS).map(|id| put(id, "one", 1, "1")).collect();
        let two: Vec<Op> = (1..=KEYS).rev().map(|id| put(id, "two", 2, "2")).collect();
        let mut counted = [0; 2];
        for (from, slice) in (0..KEYS as usize).step_by(50).enumerate() {
            let from = from as u64 * 50;
            let (one, two) = (&one[slice..slice + 50], &two[slice..slice + 50]);
            let mine = async {
                loop {
                    match scene.try_write(one).await {
                        Ok(figures) => return figures,
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Transient, "{error}"),
                    }
                }
            };
            let share = super::ops::share_of(other_file, from, &plan, two);
            let batch = super::fixture::batch(&plan, vec![share]);
            let theirs = async {
                loop {
                    match other.write(&batch).await {
                        Ok(written) => return super::fixture::counts_of(&written),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Transient, "{error}"),
                    }
                }
            };
            let (mine, theirs) = tokio::join!(mine, theirs);
            assert_eq!(mine.iter().sum::<u64>(), 50);
            assert_eq!(theirs.total(), 50);
            counted[0] += mine[0];
            counted[1] += theirs.inserted;
        }
        assert_eq!(
            counted[0] + counted[1],
            KEYS as u64,
            "{mode:?}: each is new once"
        );
        let names = "select count(*), count(*) filter (where name = 'two') from items";
        let names = scene.fixture.ask(names).await.concat();
        match mode {
            WriteMode::Newest => assert_eq!(names, "400|400"),
            _ => assert!(names.starts_with("400|"), "{names}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_rules_name_must_be_there() {
    let fixture = Fixture::new(&format!("create table items ({COLUMNS}, unique (id))")).await;
    let table = read_table(&fixture.client, &named(None, "items")).await;
    let table = table.expect("read").expect("there");
    let mut pipeline = super::schema::pipeline(named(None, "items"));
    (pipeline.columns, pipeline.key) = (Vec::new(), vec!["id".into()]);
    let build = |mode, rules: WriteRules, header: &str| {
        let mut pipeline = pipeline.clone();
        (pipeline.mode, pipeline.rules) = (mode, rules);
        let header: Vec<String> = header.split(',').map(str::to_owned).collect();
        crate::plan::build(&pipeline, &table, &header)
    };
    let update = |name: &str| WriteRules {
        update: Some(vec![name.into()]),
        ..WriteRules::default()
    };
    let refusals = [
        build(WriteMode::Newest, by_version(), "id,name"),
        build(
            WriteMode::Upsert,
            with_deletions(WriteRules::default()),
            "id,name",
        ),
        build(WriteMode::Upsert, update("nam"), "id,name"),
    ]
    .map(|plan| plan.expect_err("something is missing").to_string());
    for (said, missing) in refusals.iter().zip(["\"seen\"", "\"op\"", "\"nam\""]) {
        assert!(said.contains(missing), "{said}");
    }
    // A column of `update` that the file lacks is not replaced; the field that tells is no column.
    let plan = build(WriteMode::Upsert, update("name"), "id,seen").expect("a plan");
    assert_eq!(plan.rules, update("name"));
    let rules = with_deletions(by_version());
    let plan = build(WriteMode::Newest, rules.clone(), "op,id,seen").expect("a plan");
    assert_eq!(
        (plan.mode, &plan.rules, plan.columns.len()),
        (WriteMode::Newest, &rules, 2)
    );
}
