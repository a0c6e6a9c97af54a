//! Columns whose types are domains.

use super::ops::{Scene, delete, put};
use super::targets::merging_plans;

/// A domain said no to the NULL that a deletion has where its record tells nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_has_nothing_for_a_domain_that_refuses_null() {
    for plan in merging_plans() {
        let ddl = "create domain label as text not null;
                   create domain quantity as integer check (value is not null and value >= 0);
                   create table items (id bigint unique, name label, amount quantity, seen text)";
        let mode = plan.mode;
        let mut scene = Scene::with(plan, ddl).await;
        let ops = [put(1, "a", 1, "1"), put(2, "b", 2, "1")];
        assert_eq!(scene.write(&ops).await, [2, 0, 0, 0, 0, 0], "{mode:?}");
        let ops = [delete(1, "1"), put(3, "c", 3, "1"), put(4, "d", -1, "1")];
        assert_eq!(scene.write(&ops).await, [1, 0, 0, 0, 1, 1], "{mode:?}");
        assert_eq!(scene.shown().await, ["2|b|2|1", "3|c|3|1"], "{mode:?}");
    }
}
