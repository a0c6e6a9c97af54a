//! A table that refers to itself.

use super::ops::{Op, Scene, by_version, delete, plan_for, put};
use super::targets::{all_plans, merging_plans};
use crate::plan::{Routing, WriteMode, WriteRules};

/// While refused rows are looked for, a row is tried before one that stands after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_may_stand_before_the_one_of_its_table_that_it_refers_to() {
    for plan in all_plans() {
        let ddl = "create table items (id bigint primary key, name text,
            amount integer references items check (amount >= 0), seen text)";
        let mut scene = Scene::with(plan, ddl).await;
        let chain = |ids: std::ops::Range<i64>| ids.map(|id| put(id, "x", id as i32 + 1, "1"));
        let mut ops: Vec<Op> = chain(1..8).collect();
        ops.push(put(8, "root", 8, "1"));
        assert_eq!(scene.write(&ops).await, [8, 0, 0, 0, 0, 0]);

        let mut ops: Vec<Op> = chain(11..18).collect();
        ops.insert(3, put(20, "refused", -1, "1"));
        ops.push(put(21, "orphan", 99, "1"));
        ops.push(put(18, "root", 18, "1"));
        assert_eq!(scene.write(&ops).await, [8, 0, 0, 0, 0, 2]);
        let letters = "select record, sqlstate from ingestd.dead_letters order by 1";
        assert_eq!(scene.fixture.ask(letters).await, ["12|23514", "17|23503"]);
    }
}

/// It was written after the later row of its key, once the row that it refers to was there.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_had_to_wait_for_another_stays_before_the_later_ones_of_its_key() {
    let ddl = "create table items (id bigint primary key, name text,
        amount integer references items check (amount >= 0), seen text)";
    let update = WriteRules {
        update: Some(vec!["name".into()]),
        ..WriteRules::default()
    };
    let as_text = plan_for(WriteMode::Newest, by_version());
    let mut single = plan_for(WriteMode::Ignore, WriteRules::default());
    single.routing = Routing::Single;
    let plain = |mode| plan_for(mode, WriteRules::default());
    for (plan, expected) in [
        (plain(WriteMode::Upsert), "1|second|1|b"),
        (plan_for(WriteMode::Upsert, update), "1|second|9|a"),
        (plain(WriteMode::Ignore), "1|first|9|a"),
        (single, "1|first|9|a"),
        (as_text, "1|second|1|b"),
    ] {
        let mode = plan.mode;
        let mut scene = Scene::with(plan, ddl).await;
        let ops = [
            put(1, "first", 9, "a"),
            put(1, "second", 1, "b"),
            put(2, "refused", -1, "a"),
            put(9, "root", 9, "a"),
        ];
        let [inserted, .., deleted, rejected] = scene.write(&ops).await;
        assert_eq!((inserted, deleted, rejected), (2, 0, 1), "{mode:?}");
        assert_eq!(scene.shown().await, [expected, "9|root|9|a"], "{mode:?}");
    }
}

/// While refused rows were looked for, the row that others referred to could not be deleted before
/// them.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_may_stand_before_those_of_the_rows_that_refer_to_its_own() {
    for plan in merging_plans() {
        let ddl = "create table items (id bigint primary key, name text,
            amount integer references items check (amount >= 0), seen text)";
        let mode = plan.mode;
        let mut scene = Scene::with(plan, ddl).await;
        let rows = [1, 1, 2, 3, 1].into_iter().zip(1..);
        let rows: Vec<Op> = rows.map(|(of, id)| put(id, "x", of, "1")).collect();
        assert_eq!(scene.write(&rows).await, [5, 0, 0, 0, 0, 0], "{mode:?}");
        // The last is refused: 5 refers to it.
        let ops = [2, 3, 4, 1].map(|id| delete(id, "1"));
        assert_eq!(scene.write(&ops).await, [0, 0, 0, 0, 3, 1], "{mode:?}");
        assert_eq!(scene.shown().await, ["1|x|1|1", "5|x|1|1"], "{mode:?}");
        let letters = "select record, sqlstate from ingestd.dead_letters";
        assert_eq!(scene.fixture.ask(letters).await, ["9|23503"]);
    }
}
