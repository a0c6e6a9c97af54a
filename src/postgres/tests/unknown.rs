//! Connections that are lost, a COMMIT whose answer is among them.

use std::sync::Arc;
use std::time::Duration;

use ingestd_actors::error::ErrorKind;
use ingestd_actors::port::Sink;

use super::fixture::{Fixture, LOG, appended, counts_of, figures, share};

/// Ends the backend inside of COMMIT, once: before it is durable.
const KILLED_IN_COMMIT: &str = "create unlogged table killed (at int);
    create function kills() returns trigger language plpgsql as $$
    begin
        if not exists (select from killed) then
            perform pg_terminate_backend(pg_backend_pid());
        end if;
        return null;
    end $$;
    create constraint trigger kills after insert on items deferrable initially deferred
        for each row execute function kills()";

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_ends_before_its_commit_has_written_nothing() {
    // SET CONSTRAINTS IMMEDIATE brings the trigger forward: the row statement meets it.
    let fixture = Fixture::new(&format!("{LOG}; {KILLED_IN_COMMIT}")).await;
    let file = fixture.file().await;
    let batch = appended(vec![share(file, 0, &[(1, "a", 1)])]);
    let mut writer = fixture.writer();
    let error = writer.write(&batch).await.expect_err("ended");
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert!(fixture.items().await.is_empty());
    fixture
        .client
        .batch_execute("insert into killed values (1)")
        .await
        .expect("once");
    writer
        .write(&batch)
        .await
        .expect("again, on a new connection");
    assert_eq!(fixture.items().await, ["1|a|1"]);
}

/// A crash of a server whose commits don't wait for its disk, as the ledger shows it. Rows of the next
/// file would be committed before those of the first one come again.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_behind_what_the_server_has_forgotten() {
    let fixture = Fixture::new(LOG).await;
    let (first, second) = (fixture.file().await, fixture.file().await);
    let sink = fixture.sink();
    let open = || sink.open(0, ingestd_actors::supervision::Pulse::default());
    let batch = |file, id| Arc::new(appended(vec![share(file, 0, &[(id, "a", 1)])]));
    let mut writer = open().await.expect("a writer");
    writer.write(batch(first, 1)).await.expect("written");
    drop(writer);
    open().await.expect("all of it is there");

    fixture.set_checkpoint(first, 0, 1, 0).await;
    let error = open().await.err().expect("it was forgotten");
    assert_eq!(error.kind(), ErrorKind::Fenced);
    assert!(error.to_string().contains("has forgotten"), "{error}");

    // The next life has claimed it, and knows.
    fixture.set_checkpoint(first, 0, 2, 0).await;
    let mut writer = open().await.expect("a writer");
    writer.write(batch(second, 2)).await.expect("written");
}

/// A proxy that cuts the connection when it sees a COMMIT: before it has
/// passed it on, or after, with the answer kept back.
pub mod proxy;

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_lost_on_its_way_is_done_again() {
    let fixture = Fixture::new(LOG).await;
    let file = fixture.file().await;
    let (mut writer, proxy) = proxy::writer(&fixture, proxy::Cut::Before).await;
    let batch = appended(vec![share(file, 0, &[(1, "a", 1), (2, "b", 2)])]);
    let written = writer.write(&batch).await.expect("decided");
    assert_eq!(figures(counts_of(&written)), [2, 0, 0, 0, 0]);
    assert_eq!(proxy.commits(), 2);
    assert_eq!(fixture.items().await, ["1|a|1", "2|b|2"]);
    assert_eq!(fixture.checkpoint(file, 0).await, "2|20|3|2|0|0|0|0");
    assert_eq!(writer.row_statements, 2, "written twice, committed once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_found() {
    let fixture = Fixture::new(LOG).await;
    let file = fixture.file().await;
    let (mut writer, proxy) = proxy::writer(&fixture, proxy::Cut::After).await;
    let batch = appended(vec![share(file, 0, &[(1, "a", 1), (2, "b", 2)])]);
    let written = writer.write(&batch).await.expect("decided");
    assert_eq!(
        figures(counts_of(&written)),
        [2, 0, 0, 0, 0],
        "its own counts"
    );
    assert_eq!(proxy.commits(), 1);
    assert_eq!(fixture.items().await, ["1|a|1", "2|b|2"]);
    assert_eq!(fixture.checkpoint(file, 0).await, "2|20|3|2|0|0|0|0");
    assert_eq!(writer.row_statements, 1, "written once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_begin_that_is_refused_moves_no_checkpoint() {
    let fixture = Fixture::new(LOG).await;
    let file = fixture.file().await;
    let (mut writer, _proxy) = proxy::writer(&fixture, proxy::Cut::Never).await;
    let batch = appended(vec![share(file, 0, &[(1, "a", 1), (2, "b", 2)])]);
    writer.write(&batch).await.expect_err("not begun");
    assert_eq!(fixture.checkpoint(file, 0).await, "0|0|1|0|0|0|0|0");
    let written = writer.write(&batch).await.expect("again");
    assert_eq!(figures(counts_of(&written)), [2, 0, 0, 0, 0]);
    assert_eq!(fixture.items().await, ["1|a|1", "2|b|2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_made_anew() {
    let fixture = Fixture::new(LOG).await;
    let file = fixture.file().await;
    let mut writer = fixture.writer();
    writer
        .write(&appended(vec![share(file, 0, &[(1, "a", 1)])]))
        .await
        .expect("first");
    let end = "select pg_terminate_backend(backend) from ingestd.writers";
    fixture.client.execute(end, &[]).await.expect("ended");
    let batch = appended(vec![share(file, 1, &[(2, "b", 2)])]);
    let error = writer.write(&batch).await.expect_err("lost");
    assert_eq!(error.kind(), ErrorKind::Transient);
    writer.write(&batch).await.expect("second");
    assert_eq!(fixture.items().await, ["1|a|1", "2|b|2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_given_up_in_a_transaction_does_not_hold_up_the_next() {
    let stall = "create function stalls() returns trigger language plpgsql as $$
        begin
            if new.name = 'stall' then perform pg_sleep(60); end if;
            return new;
        end $$;
        create trigger stalls before insert on items for each row execute function stalls()";
    let fixture = Fixture::new(&format!("{LOG}; {stall}")).await;
    let file = fixture.file().await;
    let sink = fixture.sink().with_lock_timeout(Duration::from_secs(20));
    let mut stalled = sink
        .open(0, ingestd_actors::supervision::Pulse::default())
        .await
        .expect("a writer");
    let writing = stalled.write(Arc::new(appended(vec![share(file, 0, &[(1, "stall", 1)])])));
    let asleep = "select count(*) from pg_stat_activity
                  where wait_event = 'PgSleep' and datname = current_database()";
    let sleeping = async {
        while fixture.ask(asleep).await != ["1"] {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = writing => panic!("it stalls"),
        () = sleeping => {}
    }
    drop(stalled);
    let mut next = sink
        .open(0, ingestd_actors::supervision::Pulse::default())
        .await
        .expect("the next generation");
    let batch = Arc::new(appended(vec![share(file, 0, &[(1, "a", 1)])]));
    let written = tokio::time::timeout(Duration::from_secs(15), next.write(batch)).await;
    written.expect("before the sleep is over").expect("written");
    assert_eq!(fixture.items().await, ["1|a|1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_somebody_else_holds_passes_by_itself() {
    let fixture = Fixture::new(LOG).await;
    let file = fixture.file().await;
    let other = super::fixture::connect(&fixture.url).await;
    other
        .batch_execute("begin; lock table items")
        .await
        .expect("locked");
    let owner = fixture
        .sink()
        .with_lock_timeout(Duration::from_millis(50))
        .owner(0);
    let mut writer = crate::postgres::sink::writer::Writer::new(owner);
    let batch = appended(vec![share(file, 0, &[(1, "a", 1)])]);
    let error = writer.write(&batch).await.expect_err("locked");
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Transient, Some("55P03"))
    );
    other.batch_execute("rollback").await.expect("unlocked");
    writer.write(&batch).await.expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_is_told_at_once() {
    let fixture = Fixture::new(LOG).await;
    let url = fixture.url.replace("///", "///not_");
    let database = crate::postgres::Database::new(
        &url.parse().expect("a URL"),
        tokio::runtime::Handle::current(),
    )
    .await;
    let database = database.expect("a URL");
    let start = std::time::Instant::now();
    let pooled = database.client().await.expect_err("no database");
    assert_eq!(
        (pooled.kind(), pooled.code()),
        (ErrorKind::Configuration, Some("3D000"))
    );
    let dedicated = database.dedicated().await.expect_err("no database");
    assert_eq!(dedicated.kind(), ErrorKind::Configuration);
    assert!(start.elapsed() < Duration::from_secs(5));
}
