//! Tables that are altered while files are loaded.

use ingestd_actors::error::ErrorKind;

use super::fixture::{
    Fixture, ITEMS, LOG, appended, at, batch, counts_of, figures, keyed, plan, share,
};
use crate::plan::Routing;

#[tokio::test(flavor = "multi_thread")]
async fn a_type_of_the_same_width_does_not_take_the_bytes_of_another() {
    for ddl in [LOG, ITEMS] {
        let fixture = Fixture::new(ddl).await;
        let file = fixture.file().await;
        let batch = |from, item| {
            let shares = vec![share(file, from, &[item])];
            if ddl == LOG {
                appended(shares)
            } else {
                keyed(shares)
            }
        };
        let mut writer = fixture.writer();
        let first = batch(0, (1, "a", 7));
        writer.write(&first).await.expect("written");

        let alter = "alter table items drop constraint items_amount_check;
                     alter table items alter amount type real";
        fixture.client.batch_execute(alter).await.expect("altered");
        let second = batch(1, (2, "b", 8));
        let error = writer.write(&second).await.expect_err("another type");
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        assert!(error.message().contains("\"amount\""), "{error}");

        let back = "alter table items alter amount type integer";
        fixture
            .client
            .batch_execute(back)
            .await
            .expect("altered back");
        let mut next = fixture.writer();
        next.write(&second).await.expect("written");
        assert_eq!(fixture.items().await, ["1|a|7", "2|b|8"]);
        assert!(
            fixture
                .checkpoint(file, 0)
                .await
                .starts_with(&format!("{}|", at(2).record))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_was_widened_takes_all_that_fits_by_then() {
    let ddl = "create table items (id bigint primary key, name varchar(3), amount integer)";
    let fixture = Fixture::new(ddl).await;
    let file = fixture.file().await;
    let mut writer = fixture.writer();
    // The second one meets a key that is there: the connection makes its staging table.
    for from in 0..2 {
        let batch = keyed(vec![share(file, from, &[(1, "a", from as i32)])]);
        writer.write(&batch).await.expect("written");
    }
    let alter = "alter table items alter name type varchar(6)";
    fixture.client.batch_execute(alter).await.expect("altered");
    let items = [(1, "abcdef", 1), (2, "abc  ", 2)];
    let written = writer.write(&keyed(vec![share(file, 2, &items)])).await;
    assert_eq!(
        figures(counts_of(&written.expect("written"))),
        [1, 1, 0, 0, 0]
    );
    assert_eq!(fixture.items().await, ["1|abcdef|1", "2|abc  |2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_of_the_same_name_does_not_take_the_bytes_of_another() {
    let ddl = "create domain amount as integer check (value >= 0);
               create table items (id bigint, name text, amount amount)";
    let fixture = Fixture::new(ddl).await;
    let file = fixture.file().await;
    let mut plan = plan(&[], Routing::Blocks);
    plan.columns[2].type_name = "amount".into();
    let mut writer = fixture.writer();
    let first = batch(&plan, vec![share(file, 0, &[(1, "a", 7)])]);
    writer.write(&first).await.expect("written");
    assert_eq!(fixture.items().await, ["1|a|7"]);

    let alter = "alter table items alter amount type integer; drop domain amount;
                 create domain amount as real; alter table items alter amount type amount";
    fixture.client.batch_execute(alter).await.expect("altered");
    let second = batch(&plan, vec![share(file, 1, &[(2, "b", 8)])]);
    let error = writer.write(&second).await.expect_err("another type");
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    assert!(error.message().contains("\"amount\""), "{error}");
}
