//! The write modes: what rows do to the table, and what they count as.

use ingestd_actors::model::Written;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::fixture::{Fixture, batch, counts};
use super::ops::{
    COLUMNS, Model, Op, Scene, all_figures, by_integer, by_version, delete, plan_for, put,
    share_of, shown, with_deletions,
};
use crate::plan::{LoadPlan, Routing, ValueType, WriteMode, WriteRules};

fn update_name() -> WriteRules {
    WriteRules {
        update: Some(vec!["name".into()]),
        ..WriteRules::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn append_with_a_key_refuses_a_row_whose_key_is_there() {
    let mut scene = Scene::new(plan_for(WriteMode::Append, WriteRules::default())).await;
    let ops = [put(1, "a", 1, ""), put(2, "b", 2, ""), put(1, "c", 3, "")];
    assert_eq!(scene.write(&ops).await, [2, 0, 0, 0, 0, 1]);
    assert_eq!(scene.write(&ops[1..2]).await, [0, 0, 0, 0, 0, 1]);
    assert_eq!(scene.shown().await, ["1|a|1|-", "2|b|2|-"]);
    let letters = scene.fixture.dead_letters().await;
    let file = scene.file.0;
    let expected = [3, 4].map(|record| format!("{file}|{record}|refused|23505"));
    assert_eq!(letters, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn ignore_keeps_what_is_there_and_the_first_of_a_batch() {
    let mut scene = Scene::new(plan_for(WriteMode::Ignore, WriteRules::default())).await;
    let ops = [put(1, "a", 1, ""), put(1, "b", 2, ""), put(2, "c", 3, "")];
    assert_eq!(scene.write(&ops).await, [2, 0, 0, 1, 0, 0]);
    let ops = [put(2, "d", 4, ""), put(3, "e", 5, ""), put(0, "f", 6, "")];
    assert_eq!(scene.write(&ops).await, [2, 0, 1, 0, 0, 0]);
    let expected = ["-|f|6|-", "1|a|1|-", "2|c|3|-", "3|e|5|-"];
    assert_eq!(scene.shown().await, expected);
    // The first is refused: then the second is the first.
    let ops = [put(4, "g", -1, ""), put(4, "h", 7, ""), put(4, "i", 8, "")];
    assert_eq!(scene.write(&ops).await, [1, 0, 0, 1, 0, 1]);
    assert_eq!(scene.shown().await[4], "4|h|7|-");
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_keeps_the_greatest_version_whenever_it_comes() {
    let mut scene = Scene::new(plan_for(WriteMode::Newest, by_version())).await;
    let ops = [put(1, "a", 1, "5"), put(2, "b", 2, "5"), put(3, "c", 3, "")];
    assert_eq!(scene.write(&ops).await, [3, 0, 0, 0, 0, 0]);
    let ops = [
        put(1, "older", 1, "4"),
        put(2, "equal", 2, "5"),
        put(3, "null too", 3, ""),
    ];
    assert_eq!(scene.write(&ops).await, [0, 2, 1, 0, 0, 0]);
    let ops = [put(1, "null", 1, ""), put(3, "any", 3, "0")];
    assert_eq!(scene.write(&ops).await, [0, 1, 1, 0, 0, 0]);
    let expected = ["1|a|1|5", "2|equal|2|5", "3|any|3|0"];
    assert_eq!(scene.shown().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_batch_the_greatest_version_is_written() {
    let plan = by_integer(plan_for(WriteMode::Newest, by_version()));
    let ddl = "create table items (id bigint unique, name text,
                                   amount integer check (amount >= 0), seen integer)";
    let mut scene = Scene::with(plan, ddl).await;
    let ops = [
        put(1, "a", 1, "10"),
        put(1, "refused", -1, "11"),
        put(1, "b", 2, "9"),
        put(1, "c", 3, "10"),
        put(1, "null", 4, ""),
    ];
    assert_eq!(scene.write(&ops).await, [1, 0, 0, 3, 0, 1]);
    assert_eq!(scene.shown().await, ["1|c|3|10"]);
}

/// 1.4 and 1.1 seconds are the same to a column without fractions, so that the last one wins.
#[tokio::test(flavor = "multi_thread")]
async fn versions_that_the_server_rounds_are_compared_by_the_server() {
    let ddl = "create table items (id bigint unique, name text, amount integer, seen timestamp(0))";
    let mut plan = plan_for(WriteMode::Newest, by_version());
    let seen = &mut plan.columns[3];
    seen.value_type = ValueType::Timestamp;
    seen.type_name = "timestamp without time zone".into();
    let mut scene = Scene::with(plan, ddl).await;
    let ops = [put(1, "first", 1, "1400000"), put(1, "last", 1, "1100000")];
    assert_eq!(scene.write(&ops).await[0], 1);
    assert_eq!(scene.shown().await, ["1|last|1|2000-01-01 00:00:01"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn upsert_of_some_columns_takes_the_others_from_the_first_row() {
    let mut scene = Scene::new(plan_for(WriteMode::Upsert, update_name())).await;
    let ops = [
        put(1, "a", 1, "x"),
        put(1, "b", 2, "y"),
        put(1, "c", 3, "z"),
        put(0, "null", 4, ""),
        put(0, "null", 4, ""),
    ];
    let [inserted, rest @ ..] = scene.write(&ops).await;
    assert_eq!((inserted, rest.iter().sum::<u64>()), (3, 2));
    let null = "-|null|4|-";
    assert_eq!(scene.shown().await, [null, null, "1|c|1|x"]);
    let ops = [put(1, "c", 9, "w"), put(2, "d", 5, "")];
    assert_eq!(scene.write(&ops).await, [1, 0, 1, 0, 0, 0]);
    let ops = [put(1, "e", 9, "w")];
    assert_eq!(scene.write(&ops).await, [0, 1, 0, 0, 0, 0]);
    assert_eq!(scene.shown().await[2..], ["1|e|1|x", "2|d|5|-"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_deletes_the_row_of_its_key() {
    let rules = with_deletions(WriteRules::default());
    let mut scene = Scene::new(plan_for(WriteMode::Upsert, rules)).await;
    let ops = [
        put(1, "a", 1, ""),
        put(2, "b", 2, ""),
        put(0, "null", 0, ""),
    ];
    assert_eq!(scene.write(&ops).await, [3, 0, 0, 0, 0, 0]);
    // Key 3 was never there, and a NULL equals none.
    let ops = [delete(2, ""), delete(3, ""), delete(0, ""), delete(2, "")];
    assert_eq!(scene.write(&ops).await, [0, 0, 2, 1, 1, 0]);
    assert_eq!(scene.shown().await, ["-|null|0|-", "1|a|1|-"]);
    // What comes after a deletion is new, whatever was there.
    let ops = [delete(1, ""), put(1, "again", 1, ""), put(1, "more", 1, "")];
    assert_eq!(scene.write(&ops).await, [1, 0, 0, 1, 1, 0]);
    let ops = [put(4, "d", 4, ""), delete(4, "")];
    assert_eq!(scene.write(&ops).await, [1, 0, 0, 0, 1, 0]);
    assert_eq!(scene.shown().await, ["-|null|0|-", "1|more|1|-"]);
    let checkpoint = "select inserted, updated, unchanged, duplicate, deleted, rejected
                      from ingestd.checkpoints where lane = 0";
    assert_eq!(scene.fixture.ask(checkpoint).await, ["5|0|2|2|3|0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_deletion_leaves_the_row() {
    let rules = with_deletions(by_version());
    let mut scene = Scene::new(plan_for(WriteMode::Newest, rules)).await;
    let ops = [put(1, "a", 1, "5"), put(2, "b", 2, "5"), put(3, "c", 3, "")];
    scene.write(&ops).await;
    let ops = [delete(1, "4"), delete(2, "5"), delete(3, "")];
    assert_eq!(scene.write(&ops).await, [0, 0, 1, 0, 2, 0]);
    assert_eq!(scene.shown().await, ["1|a|1|5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_the_server_refuses_is_a_dead_letter() {
    let rules = with_deletions(WriteRules::default());
    let ddl = format!(
        "create table items ({COLUMNS}, primary key (id));
         create table orders (item bigint references items);
         insert into items select i, 'x', 1, null from generate_series(1, 9) i;
         insert into orders values (5)"
    );
    let mut scene = Scene::with(plan_for(WriteMode::Upsert, rules), &ddl).await;
    let mut ops: Vec<Op> = (1..=9).map(|id| delete(id, "")).collect();
    ops.push(put(10, "y", 1, ""));
    ops.push(put(11, "y", -1, ""));
    assert_eq!(scene.write(&ops).await, [1, 0, 0, 0, 8, 2]);
    assert_eq!(scene.shown().await, ["10|y|1|-", "5|x|1|-"]);
    let letters = "select record, sqlstate from ingestd.dead_letters order by 1";
    assert_eq!(scene.fixture.ask(letters).await, ["5|23503", "11|23514"]);
}

/// A key that changes back and forth takes one pair of statements a time.
#[tokio::test(flavor = "multi_thread")]
async fn many_turns_of_one_key_in_a_batch() {
    let rules = with_deletions(WriteRules::default());
    for routing in [Routing::Key, Routing::Single] {
        let mut plan = plan_for(WriteMode::Upsert, rules.clone());
        plan.routing = routing;
        let mut scene = Scene::new(plan).await;
        let turn = |turn: i32| [put(1, "x", turn, ""), delete(1, "")];
        let mut ops: Vec<Op> = (0..20).flat_map(turn).collect();
        ops.push(put(1, "last", 1, ""));
        assert_eq!(scene.write(&ops).await, [21, 0, 0, 0, 20, 0]);
        assert_eq!(scene.shown().await, ["1|last|1|-"]);
    }
}

/// The images of A and a differ, and the server calls them equal: what A had before the row that is
/// refused must not come after a.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_takes_the_place_of_a_refused_one_keeps_its_turn() {
    let ddl = "create collation anycase (provider = icu, locale = 'und-u-ks-level2',
                   deterministic = false);
               create table items (id bigint, name text collate anycase unique,
                                   amount integer check (amount >= 0))";
    let fixture = Fixture::new(ddl).await;
    let file = fixture.file().await;
    // The fixture makes the images of the ids.
    let items = [(1, "A", 1), (2, "a", 2), (1, "A", -1)];
    let plan = super::fixture::plan(&["name"], Routing::Single);
    let share = super::fixture::share(file, 0, &items);
    let written = fixture.writer().write(&batch(&plan, vec![share])).await;
    let figures = all_figures(counts(&written.expect("written").outcomes[0]));
    assert_eq!(figures, [1, 1, 0, 0, 0, 1]);
    assert_eq!(fixture.items().await, ["2|A|2"]);
}

/// How many kinds of plans and tables are tried: TEST_ROUNDS, or so many.
const ROUNDS: usize = 12;

/// How many batches each gets.
const BATCHES: usize = 5;

/// Everything that decides what a row does: generated batches, with refused rows among them, leave
/// the table as a model does that knows no batches.
#[tokio::test(flavor = "multi_thread")]
async fn any_batches_do_what_their_rows_would_one_after_the_other() {
    let told = |name: &str| std::env::var(name).ok();
    let seed = told("TEST_SEED").map_or_else(rand::random, |it| it.parse().expect("a number"));
    eprintln!("TEST_SEED={seed} makes the same batches");
    let rounds = told("TEST_ROUNDS").map_or(ROUNDS, |it| it.parse().expect("a number"));
    let mut random = StdRng::seed_from_u64(seed);
    let fixture = Fixture::new("select").await;
    for round in 0..rounds {
        let (plan, ddl) = some_plan(round, &mut random);
        let again = format!("drop table if exists items; {ddl}");
        fixture.client.batch_execute(&again).await.expect("a table");
        let what = format!("{:?} {:?} {ddl}", plan.mode, plan.rules);
        load_and_compare(&fixture, &plan, &what, &mut random).await;
    }
}

/// One mode after the other, for any kind of key, version and table.
fn some_plan(round: usize, random: &mut StdRng) -> (LoadPlan, String) {
    let mut some = || random.random_bool(0.5);
    let [deletes, single, partitioned, integer] = [some(), some(), some(), some()];
    let (mode, rules) = match round % 4 {
        0 => (WriteMode::Upsert, WriteRules::default()),
        1 => (WriteMode::Upsert, update_name()),
        2 => (WriteMode::Ignore, WriteRules::default()),
        _ => (WriteMode::Newest, by_version()),
    };
    let rules = if deletes {
        with_deletions(rules)
    } else {
        rules
    };
    let mut plan = plan_for(mode, rules);
    let mut columns = COLUMNS.to_owned();
    if integer {
        plan = by_integer(plan);
        columns = columns.replace("seen text", "seen integer");
    }
    if single {
        plan.routing = Routing::Single;
    }
    let parts = match partitioned {
        true => {
            "partition by list (id);
             create table few partition of items for values in (1, 2);
             create table rest partition of items default"
        }
        false => "",
    };
    let ddl = format!("create table items ({columns}, unique (id)) {parts}");
    (plan, ddl)
}

async fn load_and_compare(fixture: &Fixture, plan: &LoadPlan, what: &str, random: &mut StdRng) {
    let mut writer = fixture.writer();
    let files = [fixture.file().await, fixture.file().await];
    let (mut records, mut model) = ([0, 0], Model::default());
    for number in 0..BATCHES {
        let before = model.clone();
        let deletes = plan.rules.delete_when.is_some();
        let ops = [0, 1].map(|_| some_ops(deletes, random));
        let shares = [0, 1].map(|file| share_of(files[file], records[file], plan, &ops[file]));
        let written = writer.write(&batch(plan, shares.to_vec())).await;
        let written = written.unwrap_or_else(|error| panic!("{what}: {error}"));
        for (file, ops) in ops.iter().enumerate() {
            records[file] += ops.len() as u64;
            let total = counts(&written.outcomes[file]).total();
            assert_eq!(total, ops.len() as u64, "{what}, file {file}");
            ops.iter().for_each(|op| model.apply(plan, op));
        }
        let shown = shown(fixture).await;
        assert_eq!(shown, model.shown(), "{what}, batch {number}: {ops:?}");
        let sum = |figure: usize| sum(&written, figure);
        let expected = [
            model.inserted - before.inserted,
            model.deleted - before.deleted,
        ];
        assert_eq!(
            [sum(0), sum(4)],
            expected,
            "{what}, batch {number}: {ops:?}"
        );
    }
}

fn sum(written: &Written, figure: usize) -> u64 {
    let outcomes = written.outcomes.iter();
    outcomes.map(|one| all_figures(counts(one))[figure]).sum()
}

fn some_ops(deletes: bool, random: &mut StdRng) -> Vec<Op> {
    let count = random.random_range(0..10);
    let some = |_| {
        let id = random.random_range(0..5);
        let seen = ["", "1", "2", "3"][random.random_range(0..4)];
        if deletes && random.random_range(0..3) == 0 {
            return delete(id, seen);
        }
        let name = ["a", "b", "c"][random.random_range(0..3)];
        let amount = random.random_range(-1..6);
        put(id, name, amount, seen)
    };
    (0..count).map(some).collect()
}
