//! Whoever tells of backlog, lag, freshness and files by state tells the same of one ledger.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use super::super::ledger;
use crate::alerts::look::{Me, look};
use crate::postgres::Database;
use crate::postgres::migrations::migrate;
use crate::service::database_runtime;
use crate::test_databases::{TestDatabase, database};
use crate::top::Looker;
use crate::top::screen::View;
use crate::view::backlog::Backlog;
use crate::view::counts::{self, Counted, FileCounts};
use crate::view::files::STATES;
use crate::view::pipelines::{PipelineRow, PipelineStatus, StatusFiles, now_query, status_query};
use crate::why;

/// Three files wait in `busy`, the oldest for an hour, and its last commit was two minutes ago; `idle` has
/// loaded one; `new` has none.
const LEDGER: &str = "
    insert into ingestd.pipelines (name) values ('busy'), ('idle'), ('new');
    insert into ingestd.files (pipeline, path, size, modified, device, inode, head_hash, tail_hash,
                               state, watermark_offset, discovered_at, committed_at, archived_at)
    select pipeline, '/in/' || number, 1000, number, 1, number, sha256(number::text::bytea), '', state, done,
           clock_timestamp() - found * interval '1 s',
           clock_timestamp() - committed * interval '1 s',
           case when state = 'ARCHIVED' then clock_timestamp() end
    from (values (1, 'busy', 'ARCHIVED', 1000, 7200, 120), (2, 'busy', 'READING', 400, 3600, null),
                 (3, 'busy', 'COMPLETED', 1200, 1800, null), (4, 'busy', 'SCHEDULED', 0, 60, null),
                 (5, 'busy', 'QUARANTINED', 0, 9000, null), (6, 'busy', 'SKIPPED', 0, 9000, null),
                 (7, 'busy', 'FAILED', 0, 9000, null), (8, 'busy', 'COMMITTED', 1000, 9000, 600),
                 (9, 'idle', 'ARCHIVED', 1000, 9000, 300))
         as f (number, pipeline, state, done, found, committed)
    order by number";

/// What somebody says of a pipeline: backlog, lag to the second, how long ago its last commit was.
type Said = (u64, u64, f64, Option<f64>);

fn whole(seconds: f64) -> f64 {
    // The test may take a while.
    (seconds / 30.0).floor() * 30.0
}

fn said(backlog: Backlog, fresh: Option<f64>) -> Said {
    let Backlog { files, bytes, lag } = backlog;
    (files, bytes, whole(lag), fresh.map(whole))
}

fn expected() -> BTreeMap<String, Said> {
    let of = |name: &str, said: Said| (name.to_owned(), said);
    BTreeMap::from([
        of("busy", (3, 1600, 3600.0, Some(120.0))),
        of("idle", (0, 0, 0.0, Some(300.0))),
        of("new", (0, 0, 0.0, None)),
    ])
}

fn counts_of_busy() -> FileCounts {
    FileCounts {
        scheduled: 1,
        reading: 1,
        completed: 1,
        committed: 1,
        archived: 1,
        skipped: 1,
        quarantined: 1,
        failed: 1,
    }
}

#[test]
fn all_who_tell_of_a_ledger_tell_the_same() {
    let test_database = database();
    let runtime = database_runtime().expect("threads");
    runtime.block_on(of_the_service(&test_database, runtime.handle()));
    of_commands(&test_database);
}

/// The API, the metrics and the alerts.
async fn of_the_service(test_database: &TestDatabase, runtime: &tokio::runtime::Handle) {
    let connection = test_database.url.parse().expect("a URL");
    let database = Database::new(&connection, runtime.clone()).await;
    let database = database.expect("a database");
    let mut client = database.dedicated().await.expect("a connection");
    migrate(&mut client).await.expect("a ledger");
    client.batch_execute(LEDGER).await.expect("files");

    let now: f64 = client
        .query_one("select extract(epoch from clock_timestamp())::float8", &[])
        .await
        .expect("a time")
        .get(0);
    let rows = client
        .query_typed(&now_query(), &[(&0.0, Type::FLOAT8)])
        .await
        .expect("rows");
    let rows: Vec<PipelineRow> = rows.iter().map(PipelineRow::of).collect();
    let api = rows.iter().map(|row| {
        let backlog = Backlog {
            files: row.now.backlog.files,
            bytes: row.now.backlog.bytes,
            lag: row.now.lag_seconds,
        };
        let fresh = row.last_commit.map(|last| now - last);
        (row.now.pipeline.clone(), said(backlog, fresh))
    });
    assert_eq!(api.collect::<BTreeMap<_, _>>(), expected());
    let counted = client
        .query_typed(&counts::query(), &[])
        .await
        .expect("rows");
    for counted in counted.iter().map(Counted::of) {
        let row = rows.iter().find(|row| row.now.pipeline == counted.pipeline);
        let soon = row.expect("the same").now.files;
        let waits = |it: FileCounts| {
            [
                it.scheduled,
                it.reading,
                it.completed,
                it.quarantined,
                it.failed,
            ]
        };
        assert_eq!(waits(soon), waits(counted.files));
    }

    let names: Vec<String> = expected().into_keys().collect();
    let seen = ledger::look(database.clone(), names.clone())
        .await
        .expect("figures");
    for (name, seen) in seen {
        let (files, _, lag, fresh) = expected()[&name];
        assert_eq!(
            seen.oldest.map(|(lag, _)| whole(lag)),
            (files > 0).then_some(lag),
            "{name}"
        );
        assert_eq!(
            seen.last_commit.map(|last| whole(now - last)),
            fresh,
            "{name}"
        );
        if name == "busy" {
            assert_eq!(seen.files, counts_of_busy());
            assert!(STATES.iter().all(|state| seen.files.in_state(state) == 1));
        }
    }

    let me = Me {
        host: "here".to_owned(),
        process: 1,
        place: String::new(),
        origin: String::new(),
    };
    let transaction = database.begin(&mut client).await.expect("a transaction");
    let looked = look(&transaction, &names, &me, None, false)
        .await
        .expect("a look");
    assert_eq!(looked.pipelines.len(), 3);
    for pipeline in looked.pipelines {
        let (files, _, lag, _) = expected()[&pipeline.name];
        let oldest = pipeline.oldest.map(|(lag, path)| (whole(lag), path));
        assert_eq!(oldest, (files > 0).then_some((lag, "/in/2".to_owned())));
    }
}

/// `ingestd top`, `ingestd why` and `ingestd status`.
fn of_commands(test_database: &TestDatabase) {
    let mut client =
        postgres::Client::connect(&test_database.url, postgres::NoTls).expect("a connection");
    let picture = Looker::default().look(&mut client, &[], &View::Pipelines);
    for pipeline in picture.expect("a picture").pipelines {
        let (files, bytes, lag, _) = expected()[&pipeline.name];
        assert_eq!(
            (pipeline.backlog_files, pipeline.backlog_bytes),
            (files, bytes)
        );
        let shown = pipeline.lag.map(|lag| whole(lag.as_secs_f64()));
        assert_eq!(shown, (files > 0).then_some(lag));
    }
    let mut reading = why::reading(&mut client).expect("a transaction");
    for (name, (files, bytes, ..)) in expected() {
        let ahead = why::ahead(&mut reading, &name, None).expect("what is ahead");
        assert_eq!((ahead.files, ahead.bytes), (files, bytes));
    }
    drop(reading);
    let rows = client.query_typed(&status_query(), &[]).expect("rows");
    let status: Vec<PipelineStatus> = rows.iter().map(PipelineStatus::of).collect();
    let StatusFiles {
        loading,
        committed,
        skipped,
        quarantined,
        failed,
    } = status[0].files.clone();
    assert_eq!(
        (loading, committed, skipped, quarantined, failed),
        (3, 2, 1, 1, 1)
    );
    assert_eq!(
        (status[1].files.committed, status[2].files.committed),
        (1, 0)
    );
    assert!(status[0].last_commit_at.is_some() && status[2].last_commit_at.is_none());
}
