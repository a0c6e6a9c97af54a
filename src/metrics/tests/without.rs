//! Without a tree: what is told where nobody answers, or nobody is there any more.

use ingestd_actors::error::ErrorKind;
use ingestd_actors::port::{Event, Measured};
use ingestd_actors::supervision::Pulse;

use super::{samples, value};
use crate::metrics::Metrics;
use crate::postgres::Database;
use crate::test_databases::database;

#[tokio::test]
async fn a_ledger_that_does_not_answer_is_told() {
    let place = tokio::task::spawn_blocking(database)
        .await
        .expect("a database");
    let runtime = tokio::runtime::Handle::current();
    // There is a database, but no ledger in it.
    let empty = Database::new(&place.url.parse().expect("a URL"), runtime).await;
    let metrics = Metrics::new().expect("metrics");
    let _events = metrics.pipeline("events");
    assert!(
        !metrics.encode().contains("ingestd_database_up"),
        "nobody was asked"
    );
    metrics.ask(&empty.expect("a database"));
    let looking = tokio::spawn(metrics.clone().look_for_ever(Pulse::default()));
    let text = metrics.scrape().await;
    assert_eq!(value(&text, "ingestd_database_up"), 0.0);
    assert!(!text.contains("ingestd_files{"), "{text}");
    assert_eq!(
        value(&text, "ingestd_records_read_total{pipeline=\"events\"}"),
        0.0
    );
    looking.abort();
    drop(metrics);
    tokio::task::spawn_blocking(move || drop(place))
        .await
        .expect("dropped");
}

#[test]
fn a_pipeline_that_is_gone_has_no_gauges_and_keeps_its_counters() {
    let metrics = Metrics::new().expect("metrics");
    let first = metrics.pipeline("events");
    let read = Event::Measured(Measured::Read {
        records: 7,
        bytes: 70,
    });
    first.observe(&read);
    first.observe(&Event::Measured(Measured::Found {
        path: "a.csv".into(),
        size: 70,
    }));
    let backlog = "ingestd_backlog_files{pipeline=\"events\"}";
    let records = "ingestd_records_read_total{pipeline=\"events\"}";
    assert_eq!(value(&metrics.encode(), backlog), 1.0);
    // A reload makes the next one before the last one is gone.
    let second = metrics.pipeline("events");
    drop(first);
    assert_eq!(value(&metrics.encode(), backlog), 1.0);
    second.observe(&read);
    assert_eq!(metrics.pipelines().len(), 1);
    drop(second);
    let text = metrics.encode();
    assert!(!samples(&text).contains_key(backlog), "{text}");
    assert_eq!(value(&text, records), 14.0);
    assert_eq!(metrics.pipelines(), []);
    let _third = metrics.pipeline("events");
    let text = metrics.encode();
    assert_eq!((value(&text, backlog), value(&text, records)), (0.0, 14.0));
}

#[test]
fn no_fault_makes_more_series() {
    let metrics = Metrics::new().expect("metrics");
    let events = metrics.pipeline("events");
    let service = metrics.service();
    let before = samples(&metrics.encode()).len();
    for number in 0..500 {
        let measured = [
            Measured::Retried {
                kind: ErrorKind::Transient,
                code: Some(format!("{number:05}")),
            },
            Measured::Retried {
                kind: ErrorKind::Transient,
                code: Some(format!("no SQLSTATE {number}")),
            },
            Measured::Restarted {
                child: format!("writer {number}"),
            },
            Measured::Restarted {
                child: format!("somebody {number}"),
            },
        ];
        for event in measured.map(Event::Measured) {
            events.observe(&event);
            service.observe(&event);
        }
    }
    let text = metrics.encode();
    assert_eq!(samples(&text).len(), before);
    let restarts = "ingestd_restarts_total{child=\"writer\",pipeline=\"events\"}";
    assert_eq!(value(&text, restarts), 500.0);
    let [figures] = &metrics.pipelines()[..] else {
        panic!("one pipeline");
    };
    assert_eq!(figures.restarts, 1000);
}

#[test]
fn the_name_of_a_pipeline_can_say_nothing_else() {
    let metrics = Metrics::new().expect("metrics");
    let _odd = metrics.pipeline("a\"} 1\nb{c=\"");
    let samples = samples(&metrics.encode());
    assert!(
        samples.keys().all(|series| !series.starts_with('b')),
        "{samples:?}"
    );
}
