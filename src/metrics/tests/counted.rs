//! The figures are those of what was really loaded.

use std::time::{Duration, SystemTime};

use super::running::with_service;
use super::{of_events, value};

/// Seven good rows; one with too few fields, one with a word for a number, one that the table refuses.
pub const MIXED: &str = "id,name,amount\n1,a,10\n2,b,20\n3,c\n4,d,forty\n5,e,50\n6,f,-60\n7,g,70\n\
                         8,h,80\n9,i,90\n10,j,100\n";

/// One row that is there already, one that changes another, one that is new.
const MORE: &str = "id,name,amount\n1,a,10\n2,b,21\n11,k,110\n";

#[test]
fn what_a_pipeline_does_is_counted() {
    with_service("", async |service| {
        service.drop_file("mixed.csv", MIXED);
        service.until_archived(1).await;
        service.drop_file("again.csv", MIXED);
        service.until_archived(2).await;
        service.drop_file("more.csv", MORE);
        service.until_archived(3).await;
        let idle = "ingestd_backlog_files{pipeline=\"events\"}";
        service.until(idle, |files| files == 0.0).await;

        let text = service.metrics.scrape().await;
        let of = |metric: &str| of_events(&text, metric, None);
        let by = |metric: &str, label, value| of_events(&text, metric, Some((label, value)));
        assert_eq!(of("ingestd_records_read_total"), 13.0);
        let bytes = of("ingestd_bytes_read_total");
        let headers = 2 * "id,name,amount\n".len();
        assert_eq!(bytes, (MIXED.len() + MORE.len() - headers) as f64);
        assert_eq!(by("ingestd_rows_written_total", "outcome", "inserted"), 8.0);
        assert_eq!(by("ingestd_rows_written_total", "outcome", "updated"), 1.0);
        assert_eq!(
            by("ingestd_rows_written_total", "outcome", "unchanged"),
            1.0
        );
        for reason in ["field_count", "invalid_value", "refused"] {
            assert_eq!(
                by("ingestd_dead_letters_total", "reason", reason),
                1.0,
                "{reason}"
            );
        }
        assert_eq!(by("ingestd_dead_letters_total", "reason", "nul_byte"), 0.0);
        for (state, files) in [
            ("SCHEDULED", 2.0),
            ("READING", 2.0),
            ("COMPLETED", 2.0),
            ("COMMITTED", 2.0),
            ("SKIPPED", 1.0),
            ("QUARANTINED", 0.0),
        ] {
            assert_eq!(by("ingestd_files_total", "state", state), files, "{state}");
        }
        assert_eq!(of("ingestd_drop_to_commit_seconds_count"), 2.0);
        for gauge in ["backlog_bytes", "lag_seconds", "in_flight_bytes", "paused"] {
            assert_eq!(of(&format!("ingestd_{gauge}")), 0.0, "{gauge}");
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let age =
            now.expect("after it").as_secs_f64() - of("ingestd_last_commit_timestamp_seconds");
        assert!((-1.0..60.0).contains(&age), "{age}");

        let [figures] = &service.metrics.pipelines()[..] else {
            panic!("one pipeline");
        };
        assert_eq!(figures.name, "events");
        assert_eq!((figures.records_read, figures.rows_written), (13, 10));
        assert_eq!((figures.dead_letters, figures.in_flight_bytes), (3, 0));
        assert_eq!(figures.bytes_read as f64, bytes);
        let samples = super::samples(&text);
        let sum = |prefix: &str| -> f64 {
            let all = samples
                .iter()
                .filter(|(series, _)| series.starts_with(prefix));
            all.map(|(_, value)| value).sum()
        };
        assert_eq!(sum("ingestd_batch_rows_count"), figures.batches as f64);
        assert_eq!(
            sum("ingestd_batch_commit_seconds_count"),
            figures.batches as f64
        );
        assert_eq!(
            sum("ingestd_batch_rows_sum"),
            11.0,
            "those of refused rows too"
        );
        assert!(sum("ingestd_batch_commit_seconds_sum") > 0.0);
        assert_eq!(value(&text, "ingestd_database_up"), 1.0);
        assert!(sum("ingestd_pool_connections") >= 1.0);
    });
}

#[test]
fn what_the_ledger_has_is_shown_by_state_and_is_asked_for_seldom() {
    with_service("", async |service| {
        service.drop_file("mixed.csv", MIXED);
        service.until_archived(1).await;
        let archived = "ingestd_files{pipeline=\"events\",state=\"ARCHIVED\"}";
        service.until(archived, |files| files == 1.0).await;
        assert_eq!(
            service
                .value("ingestd_files{pipeline=\"events\",state=\"QUARANTINED\"}")
                .await,
            0.0
        );
        let delete = "delete from ingestd.files";
        service.client.batch_execute(delete).await.expect("deleted");
        assert_eq!(service.value(archived).await, 1.0, "what was said last");
        service.until(archived, |files| files == 0.0).await;
    });
}

#[test]
fn what_waits_is_the_backlog_and_its_age_the_lag() {
    with_service("", async |service| {
        service.drop_file("first.csv", "id,name,amount\n1,a,1\n");
        service.until_archived(1).await;
        let lock = "begin; lock table events in access exclusive mode";
        service.client.batch_execute(lock).await.expect("locked");
        service.drop_file("a.csv", "id,name,amount\n2,a,1\n3,a,1\n");
        service.drop_file("b.csv", "id,name,amount\n4,a,1\n");
        let files = "ingestd_backlog_files{pipeline=\"events\"}";
        service.until(files, |files| files >= 1.0).await;
        let in_flight = "ingestd_in_flight_bytes{pipeline=\"events\"}";
        service.until(in_flight, |bytes| bytes > 0.0).await;
        let lag = "ingestd_lag_seconds{pipeline=\"events\"}";
        service.until(lag, |lag| lag > 0.3).await;
        assert!(
            service
                .value("ingestd_backlog_bytes{pipeline=\"events\"}")
                .await
                > 20.0
        );
        let waited = "ingestd_lock_wait_seconds_total{pipeline=\"events\"}";
        let before = service.value(waited).await;
        service
            .client
            .batch_execute("rollback")
            .await
            .expect("unlocked");
        service.until_archived(3).await;
        service.until(lag, |lag| lag == 0.0).await;
        service.until(files, |files| files == 0.0).await;
        let after = service.value(waited).await;
        assert!(after - before > 0.2, "{before} to {after}");
        let way = "ingestd_drop_to_commit_seconds_sum{pipeline=\"events\"}";
        assert!(service.value(way).await > 0.3);
    });
}

#[test]
fn what_does_not_go_is_counted_and_a_pause_shows() {
    with_service("", async |service| {
        let away = "alter table events rename to elsewhere";
        service.client.batch_execute(away).await.expect("renamed");
        service.drop_file("mixed.csv", MIXED);
        let retries = "ingestd_retries_total{pipeline=\"events\",sqlstate_class=";
        let any = |text: &str| -> f64 {
            let samples = super::samples(text);
            let all = samples.iter().filter(|(it, _)| it.starts_with(retries));
            all.map(|(_, value)| value).sum()
        };
        let start = std::time::Instant::now();
        while any(&service.metrics.encode()) < 1.0 {
            assert!(start.elapsed().as_secs() < 30, "no retry was counted");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let paused = "ingestd_paused{pipeline=\"events\"}";
        assert_eq!(service.value(paused).await, 0.0);
        service.pause(true).await;
        assert_eq!(service.value(paused).await, 1.0);
        service.pause(false).await;
        assert_eq!(service.value(paused).await, 0.0);
        let back = "alter table elsewhere rename to events";
        service.client.batch_execute(back).await.expect("renamed");
        service.until_archived(1).await;
    });
}

#[test]
fn a_file_of_last_year_arrives_as_it_is_moved_in() {
    with_service("", async |service| {
        let path = service.place().join("old.csv");
        std::fs::write(&path, "id,name,amount\n1,a,1\n").expect("written");
        let file = std::fs::File::options().write(true).open(&path);
        let year = Duration::from_secs(365 * 86_400);
        let aged = file
            .expect("the file")
            .set_modified(SystemTime::now() - year);
        aged.expect("set");
        service.move_in(&path);
        service.until_archived(1).await;
        let way = "ingestd_drop_to_commit_seconds_sum{pipeline=\"events\"}";
        let way = service.value(way).await;
        assert!((0.0..60.0).contains(&way) && way > 0.0, "{way}");
    });
}

#[test]
fn a_file_that_is_loaded_as_a_whole_is_counted_once_it_is_in_the_table() {
    with_service("all_or_nothing = true\nmax_errors = 5", async |service| {
        service.drop_file("mixed.csv", MIXED);
        service.until_archived(1).await;
        let text = service.metrics.scrape().await;
        let inserted = "ingestd_rows_written_total{outcome=\"inserted\",pipeline=\"events\"}";
        assert_eq!(value(&text, inserted), 7.0);
        let letters = |reason: &str| {
            let labels = format!("{{pipeline=\"events\",reason=\"{reason}\"}}");
            value(&text, &format!("ingestd_dead_letters_total{labels}"))
        };
        assert_eq!(
            ["field_count", "invalid_value", "refused"].map(letters),
            [1.0; 3]
        );
    });
}

#[test]
fn the_dead_letters_of_a_file_over_its_budget_are_counted() {
    with_service("max_errors = 1", async |service| {
        service.drop_file("bad.csv", "id,name,amount\n1,a,1\n2\n3,a,1\n4\n5,a,1\n");
        let state = "ingestd_files_total{pipeline=\"events\",state=\"QUARANTINED\"}";
        service.until(state, |files| files == 1.0).await;
        let letters = "ingestd_dead_letters_total{pipeline=\"events\",reason=\"field_count\"}";
        let stored = "select count(*) from ingestd.dead_letters";
        let stored = service
            .client
            .query_one(stored, &[])
            .await
            .expect("a count");
        assert_eq!(service.value(letters).await, stored.get::<_, i64>(0) as f64);
        assert_eq!(
            service
                .value("ingestd_backlog_files{pipeline=\"events\"}")
                .await,
            0.0
        );
    });
}
