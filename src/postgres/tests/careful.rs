//! Rows that the server refuses.

use ingestd_actors::error::ErrorKind;

use super::fixture::{
    Fixture, ITEMS, Item, LOG, appended, counts, counts_of, figures, keyed, share,
};

/// So many items, of which these (from 1) are refused by the check.
fn items(count: i64, bad: &[i64]) -> Vec<Item<'static>> {
    let amount = |id| if bad.contains(&id) { -1 } else { 1 };
    (1..=count).map(|id| (id, "x", amount(id))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_row_is_a_dead_letter_and_the_rest_is_loaded() {
    for keys in [true, false] {
        let fixture = Fixture::new(if keys { ITEMS } else { LOG }).await;
        let file = fixture.file().await;
        let shares = vec![share(file, 0, &items(256, &[77]))];
        let batch = if keys {
            keyed(shares)
        } else {
            appended(shares)
        };
        let mut writer = fixture.writer();
        let written = writer.write(&batch).await.expect("written");
        assert_eq!(figures(counts_of(&written)), [255, 0, 0, 0, 1]);
        assert_eq!(fixture.items().await.len(), 255);
        assert_eq!(
            fixture.checkpoint(file, 0).await,
            "256|2560|257|255|0|0|0|1"
        );
        let expected = format!("{}|77|refused|23514", file.0);
        assert_eq!(fixture.dead_letters().await, [expected]);
        let place = "select pipeline, line, byte_offset, length, convert_from(raw, 'UTF8'),
                     column_name, attempts, status from ingestd.dead_letters";
        let place = fixture.ask(place).await.concat();
        assert_eq!(place, "items|78|1447|7|77,x,-1|-|1|NEW");
        // The COPY that failed, the staging, and two statements a level at most.
        let statements = writer.row_statements;
        assert!(statements <= 2 + 2 * 8 + 1, "{statements} statements");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_refused_rows_are_found_in_order() {
    let fixture = Fixture::new(ITEMS).await;
    let file = fixture.file().await;
    let bad = [1, 2, 100, 500, 512];
    let mut writer = fixture.writer();
    let written = writer
        .write(&keyed(vec![share(file, 0, &items(512, &bad))]))
        .await;
    assert_eq!(
        figures(counts_of(&written.expect("written"))),
        [507, 0, 0, 0, 5]
    );
    let records = fixture
        .ask("select record from ingestd.dead_letters order by 1")
        .await;
    assert_eq!(records, bad.map(|record| record.to_string()));
    let statements = writer.row_statements;
    assert!(statements <= 3 + 2 * 5 * 9, "{statements} statements");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_rows_may_be_refused() {
    let fixture = Fixture::new(LOG).await;
    let file = fixture.file().await;
    let mut writer = fixture.writer();
    let bad: Vec<i64> = (1..=20).collect();
    let written = writer
        .write(&appended(vec![share(file, 0, &items(20, &bad))]))
        .await;
    assert_eq!(
        figures(counts_of(&written.expect("written"))),
        [0, 0, 0, 0, 20]
    );
    assert_eq!(fixture.dead_letters().await.len(), 20);
    assert!(writer.row_statements <= 2 + 2 * 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_too_long_for_its_column_names_the_column() {
    let ddl = "create table items (id bigint primary key, name varchar(3), amount integer)";
    let fixture = Fixture::new(ddl).await;
    let file = fixture.file().await;
    let items = [(1, "abc", 1), (2, "abcd", 2), (3, "ab", 3)];
    let written = fixture
        .writer()
        .write(&keyed(vec![share(file, 0, &items)]))
        .await;
    assert_eq!(
        figures(counts_of(&written.expect("written"))),
        [2, 0, 0, 0, 1]
    );
    let letter = "select record, column_name, reason, sqlstate from ingestd.dead_letters";
    assert_eq!(fixture.ask(letter).await, ["2|name|invalid_value|22001"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superseded_row_comes_back_where_its_superseder_is_refused() {
    // Refused by a constraint, then by the column's type.
    for (ddl, bad) in [
        (ITEMS, (1, "bad", -1)),
        (
            "create table items (id bigint primary key, name varchar(3), amount integer)",
            (1, "long", 1),
        ),
    ] {
        let fixture = Fixture::new(ddl).await;
        let file = fixture.file().await;
        let items = [
            (1, "old", 1),
            (2, "b", 2),
            (1, "mid", 5),
            bad,
            bad,
            (3, "c", 3),
        ];
        let written = fixture
            .writer()
            .write(&keyed(vec![share(file, 0, &items)]))
            .await;
        let figures = figures(counts_of(&written.expect("written")));
        assert_eq!(figures, [3, 0, 0, 1, 2], "{bad:?}");
        assert_eq!(fixture.items().await, ["1|mid|5", "2|b|2", "3|c|3"]);
        let records = fixture
            .ask("select record from ingestd.dead_letters order by 1")
            .await;
        assert_eq!(records, ["4", "5"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_of_several_files_are_counted_apart() {
    let fixture = Fixture::new(ITEMS).await;
    let (one, two) = (fixture.file().await, fixture.file().await);
    fixture
        .client
        .batch_execute("insert into items values (1, 'x', 0), (11, 'x', 1)")
        .await
        .expect("rows");
    let other: Vec<_> = [(11, "x", 1), (12, "x", -1), (13, "x", -1), (14, "x", 1)].into();
    let shares = vec![share(one, 0, &items(4, &[3])), share(two, 0, &other)];
    let written = fixture
        .writer()
        .write(&keyed(shares))
        .await
        .expect("written");
    assert_eq!(figures(counts(&written.outcomes[0])), [2, 1, 0, 0, 1]);
    assert_eq!(figures(counts(&written.outcomes[1])), [1, 0, 1, 0, 2]);
    assert_eq!(fixture.checkpoint(two, 0).await, "4|40|5|1|0|1|0|2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_too_big_is_halved() {
    // As a limit of the server would: no statement may write more than 10 rows.
    let limit = "create function limited() returns trigger language plpgsql as $$
        begin
            if (select count(*) from written) > 10 then
                raise exception 'too many' using errcode = '53400';
            end if;
            return null;
        end $$;
        create trigger limited after insert on items referencing new table as written
            for each statement execute function limited()";
    let fixture = Fixture::new(&format!("{LOG}; {limit}")).await;
    let file = fixture.file().await;
    let batch = appended(vec![share(file, 0, &items(64, &[5]))]);
    let written = fixture.writer().write(&batch).await.expect("written");
    assert_eq!(figures(counts_of(&written)), [63, 0, 0, 0, 1]);
    assert_eq!(fixture.items().await.len(), 63);
}

/// A trigger that raises a code of its own for negative ids.
const RAISES: &str = "create function raises() returns trigger language plpgsql as $$
    begin
        if new.id < 0 then raise exception 'secret %', new.name using errcode = 'MY001'; end if;
        return new;
    end $$;
    create trigger raises before insert on items for each row execute function raises()";

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_code_for_some_rows_refuses_those() {
    let fixture = Fixture::new(&format!("{LOG}; {RAISES}")).await;
    let file = fixture.file().await;
    let items = [(1, "a", 1), (-2, "b", 2), (3, "c", 3)];
    let written = fixture
        .writer()
        .write(&appended(vec![share(file, 0, &items)]))
        .await;
    assert_eq!(
        figures(counts_of(&written.expect("written"))),
        [2, 0, 0, 0, 1]
    );
    assert_eq!(
        fixture.dead_letters().await,
        [format!("{}|2|refused|MY001", file.0)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_code_for_every_row_waits_for_an_operator() {
    let fixture = Fixture::new(&format!("{LOG}; {RAISES}")).await;
    let file = fixture.file().await;
    let batch = appended(vec![share(file, 0, &[(-1, "a", 1), (-2, "b", 2)])]);
    let mut writer = fixture.writer();
    let error = writer.write(&batch).await.expect_err("all alike");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(error.code(), Some("MY001"));
    assert!(error.advice().is_some());
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    assert!(fixture.dead_letters().await.is_empty());
    assert_eq!(fixture.checkpoint(file, 0).await, "0|0|1|0|0|0|0|0");

    fixture
        .client
        .batch_execute("drop trigger raises on items")
        .await
        .expect("mended");
    writer.write(&batch).await.expect("healed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_in_the_middle_makes_no_dead_letter() {
    // The row after the bad one ends its own backend, once.
    let kill = "create table killed (at int);
        create function kills() returns trigger language plpgsql as $$
        begin
            if new.id = 7 and not exists (select from killed) then
                perform pg_terminate_backend(pg_backend_pid());
            end if;
            return new;
        end $$;
        create trigger kills before insert on items for each row execute function kills()";
    let fixture = Fixture::new(&format!("{LOG}; {kill}")).await;
    let file = fixture.file().await;
    let batch = appended(vec![share(file, 0, &items(8, &[2]))]);
    let mut writer = fixture.writer();
    let error = writer.write(&batch).await.expect_err("the backend ended");
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert!(fixture.dead_letters().await.is_empty());
    assert!(fixture.items().await.is_empty());

    fixture
        .client
        .batch_execute("insert into killed values (1)")
        .await
        .expect("once");
    let written = writer.write(&batch).await.expect("again");
    assert_eq!(figures(counts_of(&written)), [7, 0, 0, 0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deferred_constraint_refuses_the_row_and_not_the_commit() {
    let ddl = "create table names (name text primary key);
        insert into names values ('x');
        create table items (id bigint primary key, amount integer,
            name text references names deferrable initially deferred)";
    let fixture = Fixture::new(ddl).await;
    let file = fixture.file().await;
    let items = [(1, "x", 1), (2, "nobody", 2), (3, "x", 3)];
    let written = fixture
        .writer()
        .write(&keyed(vec![share(file, 0, &items)]))
        .await;
    assert_eq!(
        figures(counts_of(&written.expect("written"))),
        [2, 0, 0, 0, 1]
    );
    assert_eq!(
        fixture.dead_letters().await,
        [format!("{}|2|refused|23503", file.0)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_no_longer_fit_the_column_wait_for_an_operator() {
    let ddl = "create table items (id integer primary key, name text, amount integer)";
    let fixture = Fixture::new(ddl).await;
    let file = fixture.file().await;
    let batch = keyed(vec![share(file, 0, &[(1, "a", 1)])]);
    let error = fixture
        .writer()
        .write(&batch)
        .await
        .expect_err("eight bytes for four");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(fixture.dead_letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_no_file_fills_and_that_refuses_null_is_no_rows_fault() {
    for keys in [true, false] {
        let fixture = Fixture::new(if keys { ITEMS } else { LOG }).await;
        let file = fixture.file().await;
        let alter = |sql: &'static str| fixture.client.batch_execute(sql);
        alter("alter table items add column late integer not null")
            .await
            .expect("altered");
        let shares = vec![share(file, 0, &items(4, &[]))];
        let batch = if keys {
            keyed(shares)
        } else {
            appended(shares)
        };
        let mut writer = fixture.writer();
        let error = writer.write(&batch).await.expect_err("no row's fault");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("late"), "{error}");
        assert!(fixture.dead_letters().await.is_empty());

        alter("alter table items alter late set default 7")
            .await
            .expect("healed");
        let written = writer.write(&batch).await.expect("written");
        assert_eq!(figures(counts_of(&written)), [4, 0, 0, 0, 0]);
    }
}
