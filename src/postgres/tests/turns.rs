//! Deletions that make way for rows of other keys.

use super::ops::{COLUMNS, Scene, delete, put};
use super::targets::merging_plans;

/// The row was written before the deletion that stands before it, and refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_makes_way_for_a_row_of_another_key() {
    for plan in merging_plans() {
        let ddl = format!("create table items ({COLUMNS}, unique (id), unique (name))");
        let mode = plan.mode;
        let mut scene = Scene::with(plan, &ddl).await;
        let ops = [put(1, "a", 1, "1"), put(2, "b", 2, "1")];
        assert_eq!(scene.write(&ops).await, [2, 0, 0, 0, 0, 0], "{mode:?}");
        let ops = [
            delete(1, "1"),
            put(5, "a", 5, "1"),
            put(6, "b", 6, "1"),
            delete(5, "1"),
            put(7, "a", 7, "1"),
            put(1, "c", -1, "1"),
        ];
        assert_eq!(scene.write(&ops).await, [2, 0, 0, 0, 2, 2], "{mode:?}");
        assert_eq!(scene.shown().await, ["2|b|2|1", "7|a|7|1"], "{mode:?}");
        let letters = "select record, sqlstate from ingestd.dead_letters order by 1";
        assert_eq!(scene.fixture.ask(letters).await, ["5|23505", "8|23514"]);
    }
}
