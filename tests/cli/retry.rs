//! `retry`: quarantined files go on, wherever it is killed.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ingestd::ledger::retry::{Retried, Retry};
use ingestd::ledger::{LedgerOptions, PostgresArchive, PostgresLedger};
use ingestd::postgres::Database;
use ingestd::service::{CatalogPlanner, FirstLoad};
use ingestd::settings::{ConfigFile, Environment, Pipeline, Settings, Sources};
use ingestd_actors::port::{Archive, Leaving, Ledger, Quarantined, Verdict};
use uuid::Uuid;

use crate::support::home::{Home, names_in};
use crate::support::{TestDatabase, database, wait_until};

const TIMEOUT: Duration = Duration::from_secs(60);
const ROWS: i64 = 6_000;

/// Each batch takes so long that a file is still being read when it is looked at.
const SLOW: &str = "
    create table events (id int primary key, price int);
    create function slow() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.005); return null; end $$;
    create trigger slow before insert on events for each statement execute function slow()";

/// How many wait for a lock in the database of the test.
const WAITING: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'";

struct Shop {
    home: Home,
    database: TestDatabase,
}

impl Shop {
    fn new(table: &str, keys: &str) -> Shop {
        let database = database();
        database.client().batch_execute(table).expect("a table");
        let pipeline = format!(
            "[pipelines.events]\ndirectory = \"inbox\"\ntable = \"events\"\nkey = [\"id\"]\n\
             settle = \"10ms\"\nscan_interval = \"50ms\"\npartitions = 2\n{keys}"
        );
        let home = Home::new(Some(&database.url), "", &pipeline);
        home.directory("inbox");
        assert!(home.ask(&["migrate"]).status.success());
        Shop { home, database }
    }

    fn pipeline(&self) -> Pipeline {
        let config = self
            .home
            .data()
            .parent()
            .expect("above")
            .join("ingestd.toml");
        let sources = Sources::new(ConfigFile::Path(config), Environment::default());
        let settings = Settings::load(&sources).expect("valid");
        settings.pipeline("events").expect("there").clone()
    }

    fn number(&self, query: &str) -> i64 {
        let row = self.database.client().query_one(query, &[]);
        row.expect("a row").get(0)
    }

    fn states(&self) -> Vec<String> {
        let query = "select state from ingestd.files order by file_id";
        let rows = self.database.client().query(query, &[]).expect("files");
        rows.iter().map(|row| row.get(0)).collect()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.data().join(name)
    }

    fn retry(&self, arguments: &[&str]) -> (String, Option<i32>) {
        let output = self.home.ask(&[&["retry"], arguments].concat());
        let said = [output.stdout, output.stderr].concat();
        (String::from_utf8(said).expect("text"), output.status.code())
    }

    /// A service loads all there is.
    fn finish(&self) {
        let ready = || self.home.log().matches("\"msg\":\"ready\"").count();
        let before = ready();
        let service = self.home.run();
        // One that has nothing to do might be told to stop before it listens to signals.
        wait_until(TIMEOUT, || ready() > before);
        wait_until(TIMEOUT, || {
            // It may have nothing to do: one that is not there yet can't be stopped in order.
            if self.number("select count(*) from ingestd.live_instances") == 0 {
                return false;
            }
            let query = "select count(*) from ingestd.files
                         where state not in ('ARCHIVED', 'SKIPPED', 'QUARANTINED')
                            or state = 'QUARANTINED' and archived_at is null";
            self.number(query) == 0 && names_in(&self.at("inbox")).is_empty()
        });
        service.stop();
    }

    /// One file whose loading has ended half-way, in the quarantine.
    fn half_way(&self) {
        self.half_way_and(|| {});
        assert_eq!(self.states(), ["QUARANTINED"]);
        assert!(self.at("quarantine/events/a.csv.reason").exists());
    }

    /// The same; something happens between the quarantine and the move.
    fn half_way_and(&self, meanwhile: impl FnOnce()) {
        let mut text = "id,price\n".to_owned();
        for row in 1..=ROWS {
            let price = if row % 100 == 0 { "x" } else { "1" };
            text.push_str(&format!("{row},{price}\n"));
        }
        fs::write(self.at("inbox/a.csv"), text).expect("written");
        let service = self.home.run();
        let refused = "select coalesce(sum(rejected), 0)::bigint from ingestd.file_status";
        wait_until(TIMEOUT, || {
            self.number("select count(*) from events") > 300 && self.number(refused) > 0
        });
        service.kill();
        let runtime = tokio::runtime::Runtime::new().expect("threads");
        runtime.block_on(self.quarantine(runtime.handle().clone(), meanwhile));
        let drop = "drop trigger slow on events";
        self.database.client().batch_execute(drop).expect("dropped");
    }

    /// What the service does with a file that it can't read on.
    async fn quarantine(&self, runtime: tokio::runtime::Handle, meanwhile: impl FnOnce()) {
        let log = || slog::Logger::root(slog::Discard, slog::o!());
        let instance = Uuid::new_v4();
        let pipeline = Arc::new(self.pipeline());
        let database = Database::new(&self.database.url.parse().expect("a URL"), runtime)
            .await
            .expect("a pool");
        let planner =
            CatalogPlanner::new(database.clone(), pipeline.clone(), FirstLoad::of_files(0));
        let ledger = PostgresLedger::new(
            database.clone(),
            pipeline.clone(),
            instance,
            Arc::new(planner),
            LedgerOptions::default(),
            log(),
        );
        // The lease is free once the server has noticed the death of the last one that had it.
        let deadline = Instant::now() + TIMEOUT;
        let resumed = loop {
            match ledger.resume().await {
                Ok(resumed) => break resumed,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let [Verdict::Load(claim)] = &resumed[..] else {
            panic!("one file is unfinished: {resumed:?}");
        };
        let reason = "it could not be read on".to_owned();
        ledger
            .quarantine(claim.file, claim.epoch, reason.clone())
            .await
            .expect("quarantined");
        tokio::task::block_in_place(meanwhile);
        let leaving = Leaving::Quarantine(Quarantined {
            file: claim.file,
            candidate: claim.candidate.clone(),
            reason,
        });
        let archive = PostgresArchive::new(database, pipeline, false, instance, log());
        let answers = archive.take_out(vec![leaving]).await.expect("moved");
        assert!(answers[0].is_ok());
        ledger.release().await.expect("released");
    }

    fn assert_exactly_once(&self) {
        assert_eq!(self.states(), ["ARCHIVED"]);
        assert_eq!(
            self.number("select count(*) from events"),
            ROWS - ROWS / 100
        );
        assert_eq!(
            self.number("select count(*) from ingestd.dead_letters"),
            ROWS / 100
        );
        let identity =
            "select records - inserted - updated - unchanged - rejected from ingestd.files";
        assert_eq!(self.number(identity), 0);
        // Had rows been loaded twice, they would have been there already.
        assert_eq!(
            self.number("select inserted from ingestd.files"),
            ROWS - ROWS / 100
        );
        assert_eq!(self.number("select count(*) from ingestd.checkpoints"), 0);
    }
}

#[test]
fn a_file_goes_on_from_its_checkpoints_beside_a_running_service() {
    let shop = Shop::new(SLOW, "batch_rows = 20\n");
    shop.half_way();
    let before = shop.number("select count(*) from events");
    assert!(before > 0 && before < ROWS / 2, "{before}");
    let service = shop.home.run();
    wait_until(TIMEOUT, || {
        shop.number("select count(*) from ingestd.live_instances") == 1
    });
    let (said, code) = shop.retry(&["a.csv"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("goes on from its checkpoints"), "{said}");
    assert!(!said.contains("no service"), "{said}");
    assert!(!said.contains("does not stand in the inbox"), "{said}");
    wait_until(TIMEOUT, || shop.states() == ["ARCHIVED"]);
    service.stop();
    shop.assert_exactly_once();
    assert_eq!(names_in(&shop.at("quarantine/events")), [""; 0]);
    assert_eq!(names_in(&shop.at("archive/events")), ["a.csv"]);
}

/// Such a pipeline has no lease of its own: its instances lease files.
#[test]
fn a_service_that_loads_without_a_key_is_seen_too() {
    let database = database();
    let mut client = database.client();
    client
        .batch_execute("create table events (id int, price int)")
        .expect("a table");
    let home = Home::new(
        Some(&database.url),
        "",
        "[pipelines.events]\ndirectory = \"inbox\"\ntable = \"events\"\n\
         settle = \"10ms\"\nscan_interval = \"50ms\"\n",
    );
    fs::write(home.directory("inbox").join("a.csv"), "id,cost\n1,2\n").expect("written");
    let mut is_quarantined = |file: i64| -> bool {
        let query = "select from ingestd.files
                     where file_id = $1 and state = 'QUARANTINED' and archived_at is not null";
        let row = client.query_opt(query, &[&file]);
        row.is_ok_and(|row| row.is_some())
    };
    let retry = |file: &str| {
        let output = home.ask(&["retry", file]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let service = home.run();
    wait_until(TIMEOUT, || is_quarantined(1));
    let said = retry("1");
    assert!(said.ends_with("as a new file\n"), "{said}");
    wait_until(TIMEOUT, || is_quarantined(2));
    service.stop();
    let said = retry("2");
    assert!(
        said.ends_with("no service runs: `ingestd run` takes it up\n"),
        "{said}"
    );
}

/// Whatever step it is killed after: typed again, or with nothing but the next life of the service.
#[test]
fn a_retry_that_is_killed_at_any_step_loses_and_doubles_nothing() {
    for again in [true, false] {
        for steps in 0..=3 {
            let shop = Shop::new(SLOW, "batch_rows = 20\n");
            shop.half_way();
            let (pipeline, mut client) = (shop.pipeline(), shop.database.client());
            let mut retry = Retry::new(1, &pipeline);
            let mut last = None;
            for _ in 0..steps {
                last = retry.advance(&mut client).expect("a step");
            }
            assert_eq!(last.is_some(), steps == 3, "there are three steps");
            let begun = shop.states() != ["QUARANTINED"];
            assert_eq!(begun, steps >= 2);
            if again {
                let (said, code) = shop.retry(&["--all"]);
                assert_eq!(code, Some(0), "{said}");
                let (said, code) = shop.retry(&["1"]);
                assert_eq!(code, Some(0), "after {steps} steps: {said}");
            }
            shop.finish();
            if again || begun {
                shop.assert_exactly_once();
            } else {
                assert_eq!(shop.states(), ["QUARANTINED"]);
            }
        }
    }
}

/// It goes on by the ledger, but stands in the quarantine, where a service that runs does not look.
#[test]
fn a_killed_retry_of_all_is_ended_by_the_next_beside_a_running_service() {
    let shop = Shop::new(SLOW, "batch_rows = 20\n");
    shop.half_way();
    let service = shop.home.run();
    let lives = "select count(*) from ingestd.live_instances";
    wait_until(TIMEOUT, || shop.number(lives) == 1);
    wait_until(TIMEOUT, || {
        shop.home.log().matches("\"msg\":\"ready\"").count() == 2
    });
    let (pipeline, mut client) = (shop.pipeline(), shop.database.client());
    let mut retry = Retry::new(1, &pipeline);
    for _ in 0..2 {
        retry.advance(&mut client).expect("a step");
    }
    assert_eq!(shop.states(), ["READING"]);
    let (said, code) = shop.retry(&["--all"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("is on its way"), "{said}");
    wait_until(TIMEOUT, || shop.states() == ["ARCHIVED"]);
    service.stop();
    shop.assert_exactly_once();
    assert_eq!(names_in(&shop.at("quarantine/events")), [""; 0]);
}

/// In the middle of the move the file has a private name.
#[test]
fn a_retry_that_is_killed_in_the_middle_of_its_move_goes_on() {
    let shop = Shop::new(SLOW, "batch_rows = 20\n");
    shop.half_way();
    let (pipeline, mut client) = (shop.pipeline(), shop.database.client());
    let mut retry = Retry::new(1, &pipeline);
    for _ in 0..2 {
        retry.advance(&mut client).expect("a step");
    }
    let quarantine = shop.at("quarantine/events");
    fs::rename(
        quarantine.join("a.csv"),
        quarantine.join(".ingestd-1.moving"),
    )
    .expect("taken");
    // A file of that name that comes meanwhile is not replaced.
    fs::write(shop.at("inbox/a.csv"), "id,price\n").expect("written");
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("another file stands there by now"), "{said}");
    fs::remove_file(shop.at("inbox/a.csv")).expect("removed");
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(names_in(&quarantine), [""; 0]);
    shop.finish();
    shop.assert_exactly_once();
}

/// It was moved into the quarantine all the same, and nobody read it there.
#[test]
fn a_file_that_is_retried_before_it_was_moved_away_stays_and_goes_on() {
    let shop = Shop::new(SLOW, "batch_rows = 20\n");
    shop.half_way_and(|| {
        let (said, code) = shop.retry(&["1"]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("goes on"), "{said}");
    });
    assert_eq!(shop.states(), ["READING"]);
    assert_eq!(names_in(&shop.at("inbox")), ["a.csv"]);
    shop.finish();
    shop.assert_exactly_once();
}

#[test]
fn a_file_whose_move_begins_while_it_is_looked_at_is_not_retried() {
    let shop = Shop::new(SLOW, "batch_rows = 20\n");
    shop.half_way_and(|| {
        let mut client = shop.database.client();
        let mut service = client.transaction().expect("a transaction");
        // As a service does that has just started.
        let begin = "update ingestd.files set archive_path = '/somewhere/a.csv'";
        service.batch_execute(begin).expect("begun");
        std::thread::scope(|scope| {
            let retry = scope.spawn(|| shop.retry(&["1"]));
            wait_until(TIMEOUT, || shop.number(WAITING) > 0);
            service.commit().expect("committed");
            let (said, code) = retry.join().expect("ended");
            assert_ne!(code, Some(0), "{said}");
            assert!(said.contains("has just changed its state"), "{said}");
        });
        assert_eq!(shop.states(), ["QUARANTINED"]);
        let back = "update ingestd.files set archive_path = null";
        client.batch_execute(back).expect("as it was");
    });
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(0), "{said}");
    shop.finish();
    shop.assert_exactly_once();
}

/// Nothing of it was loaded: it is SKIPPED for the new file that it is to be, and stands in the
/// quarantine until it is moved. It was taken for one of the archive's.
#[test]
fn the_archives_retention_leaves_a_file_alone_that_a_killed_retry_has_left_in_the_quarantine() {
    let table = "create table events (id int primary key, price int)";
    let shop = Shop::new(table, "archive_retention = \"1h\"\n");
    fs::write(shop.at("inbox/a.csv"), "id,cost\n1,2\n").expect("written");
    fs::write(shop.at("inbox/b.csv"), "id,price\n2,2\n").expect("written");
    let service = shop.home.run();
    let left = "select count(*) from ingestd.files where archived_at is not null";
    wait_until(TIMEOUT, || shop.number(left) == 2);
    service.stop();
    let (pipeline, mut client) = (shop.pipeline(), shop.database.client());
    client
        .batch_execute(
            "update ingestd.files set archived_at = archived_at - interval '2 hours';
             alter table events rename price to cost",
        )
        .expect("time has passed");
    let mut retry = Retry::new(1, &pipeline);
    for _ in 0..2 {
        retry.advance(&mut client).expect("a step");
    }
    assert_eq!(shop.states(), ["SKIPPED", "ARCHIVED"]);
    let service = shop.home.run();
    let archive = shop.at("archive/events");
    wait_until(TIMEOUT, || names_in(&archive).is_empty());
    assert_eq!(names_in(&shop.at("quarantine/events")), ["a.csv"]);
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(0), "{said}");
    wait_until(TIMEOUT, || {
        shop.states() == ["SKIPPED", "ARCHIVED", "ARCHIVED"]
    });
    service.stop();
    assert_eq!(shop.number("select count(*) from events"), 2);
}

/// It is locked until its removal is noted: a retry in between found it in the ledger, and lost it.
#[test]
fn a_file_that_the_quarantines_retention_is_removing_is_not_retried() {
    let shop = Shop::new(SLOW, "batch_rows = 20\nquarantine_retention = \"1h\"\n");
    shop.half_way();
    let mut client = shop.database.client();
    // The note of the removal takes until the lock is free; the file is gone by then.
    client
        .batch_execute(
            "update ingestd.files set archived_at = archived_at - interval '2 hours';
             create function wait() returns trigger language plpgsql as
                 $$ begin perform pg_advisory_xact_lock(1); return new; end $$;
             create trigger wait before update of archive_removed_at on ingestd.files
                 for each row execute function wait()",
        )
        .expect("time has passed");
    let quarantine = shop.at("quarantine/events");
    let file = fs::read(quarantine.join("a.csv")).expect("there");
    let mut lock = client.transaction().expect("a transaction");
    lock.batch_execute("select pg_advisory_xact_lock(1)")
        .expect("locked");
    let service = shop.home.run();
    wait_until(TIMEOUT, || names_in(&quarantine).is_empty());
    // As it stands there while the sweeper looks at it.
    fs::write(quarantine.join("a.csv"), file).expect("written");
    std::thread::scope(|scope| {
        let retry = scope.spawn(|| shop.retry(&["1"]));
        wait_until(TIMEOUT, || shop.number(WAITING) > 1 || retry.is_finished());
        lock.rollback().expect("released");
        let (said, code) = retry.join().expect("ended");
        assert_ne!(code, Some(0), "{said}");
    });
    assert_eq!(shop.states(), ["QUARANTINED"]);
    service.stop();
}

#[test]
fn a_retry_that_is_killed_while_it_waits_for_the_ledger_changes_nothing() {
    let shop = Shop::new(SLOW, "batch_rows = 20\n");
    shop.half_way();
    let mut client = shop.database.client();
    let mut lock = client.transaction().expect("a transaction");
    lock.batch_execute("lock table ingestd.files in exclusive mode")
        .expect("locked");
    let waiting = shop.home.start(&["retry", "1"]);
    wait_until(TIMEOUT, || {
        shop.number("select count(*) from pg_locks where not granted") > 0
    });
    waiting.kill();
    lock.rollback().expect("released");
    assert_eq!(shop.states(), ["QUARANTINED"]);
    assert!(shop.at("quarantine/events/a.csv").exists());
    let (said, code) = shop.retry(&["1", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let report: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(report[0]["outcome"], "goes_on");
    shop.finish();
    shop.assert_exactly_once();
}

#[test]
fn what_can_not_go_on_is_refused_and_stays_as_it_is() {
    let shop = Shop::new(SLOW, "batch_rows = 20\n");
    shop.half_way();
    let file = shop.at("quarantine/events/a.csv");
    let whole = fs::read(&file).expect("there");
    let refused = |hint: &str, arguments: &[&str]| {
        let (said, code) = shop.retry(arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(hint), "{hint}: {said}");
        assert_eq!(shop.states(), ["QUARANTINED"]);
    };
    fs::write(shop.at("inbox/a.csv"), "id,price\n").expect("written");
    refused("another file stands there", &["1"]);
    fs::remove_file(shop.at("inbox/a.csv")).expect("removed");
    let mut changed = whole.clone();
    changed[12] = b'7';
    fs::write(&file, &changed).expect("written");
    refused("its content has changed", &["1"]);
    fs::remove_file(&file).expect("removed");
    refused("is gone", &["1"]);
    refused("no file 77", &["77"]);
    refused("did you mean \"a.csv\"?", &["b.csv"]);
    fs::write(&file, &whole).expect("written");
    let mut client = shop.database.client();
    let mut older = |statement: &str| client.batch_execute(statement).expect(statement);
    older(
        "create table kept as select * from ingestd.checkpoints; delete from ingestd.checkpoints",
    );
    refused("kept no checkpoints", &["1"]);
    older("insert into ingestd.checkpoints select * from kept; drop table kept");
    let mut rename = |name: &str| {
        let statement = format!("update ingestd.files set pipeline = '{name}'");
        client.batch_execute(&statement).expect("renamed");
    };
    rename("gone");
    refused("not configured", &["1"]);
    rename("events");
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(0), "the content is what it was: {said}");
    shop.finish();
    shop.assert_exactly_once();
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("ARCHIVED: all of it is loaded"), "{said}");
    client
        .batch_execute("update ingestd.files set state = 'FAILED', reason = 'lost'")
        .expect("failed");
    let (said, code) = shop.retry(&["--all", "--state", "failed"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("load --again"), "{said}");
}

#[test]
fn a_file_of_which_nothing_was_loaded_is_looked_at_afresh() {
    for stays in [false, true] {
        let keys = if stays { "quarantine = false\n" } else { "" };
        let shop = Shop::new("create table events (id int primary key, price int)", keys);
        fs::write(shop.at("inbox/a.csv"), "id,cost\n1,2\nx,3\n").expect("written");
        let service = shop.home.run();
        let gone = || stays || names_in(&shop.at("inbox")).is_empty();
        wait_until(TIMEOUT, || shop.states() == ["QUARANTINED"] && gone());
        service.stop();
        shop.database
            .client()
            .batch_execute("alter table events rename price to cost")
            .expect("altered");
        let service = shop.home.run();
        let leased = "select count(*) from ingestd.live_instances";
        wait_until(TIMEOUT, || shop.number(leased) == 1);
        let (said, code) = shop.retry(&["--all"]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("looked at afresh"), "{said}");
        wait_until(TIMEOUT, || shop.states() == ["SKIPPED", "ARCHIVED"]);
        service.stop();
        assert_eq!(shop.number("select count(*) from events"), 1);
        assert_eq!(shop.number("select count(*) from ingestd.dead_letters"), 1);
        let (said, code) = shop.retry(&["--all"]);
        assert_eq!((code, said.as_str()), (Some(0), "no file is QUARANTINED\n"));
    }
}

/// Whoever shares a pipeline has no lease of it alone.
#[test]
fn a_service_that_shares_its_pipeline_is_seen_to_run() {
    let shop = Shop::new("create table events (id int, price int)", "");
    shop.home.replace("key = [\"id\"]\n", "");
    fs::write(shop.at("inbox/a.csv"), "id,cost\n1,2\n").expect("written");
    let service = shop.home.run();
    let left = "select count(*) from ingestd.files where archived_at is not null";
    wait_until(TIMEOUT, || shop.number(left) == 1);
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("no service runs"), "{said}");
    service.stop();
}

/// A file that was loaded by its name has no place in the inbox.
#[test]
fn a_file_that_was_named_from_elsewhere_stays_there() {
    let shop = Shop::new("create table events (id int primary key, price int)", "");
    let file = shop.home.data().join("mine.csv");
    fs::write(&file, "id,cost\n1,2\n").expect("written");
    let load = || {
        let output = shop.home.ask(&["load", file.to_str().expect("plain")]);
        output.status.code()
    };
    assert_eq!(load(), Some(1));
    assert_eq!(shop.states(), ["QUARANTINED"]);
    let mut client = shop.database.client();
    client
        .batch_execute("alter table events rename price to cost")
        .expect("altered");
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("does not stand in the inbox"), "{said}");
    assert!(file.exists() && names_in(&shop.at("inbox")).is_empty());
    assert_eq!(load(), Some(0));
    assert_eq!(shop.states(), ["SKIPPED", "COMMITTED"]);
    // One that is being loaded from elsewhere is left alone too.
    client
        .batch_execute(
            "update ingestd.files set state = 'READING', load_path = path where file_id = 2",
        )
        .expect("unfinished");
    let (said, code) = shop.retry(&["2"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("on its way already"), "{said}");
    assert!(file.exists() && names_in(&shop.at("inbox")).is_empty());
}

/// What stands there was touched, and so it was loaded once more where `redropped` says so.
#[test]
fn a_file_whose_place_another_one_has_taken_is_refused() {
    let table = "create table events (id int primary key, price int)";
    let keys = "archive = false\nquarantine = false\nredropped = { same = \"reload\" }\n";
    let shop = Shop::new(table, keys);
    let path = shop.at("inbox/a.csv");
    fs::write(&path, "id,cost\n1,2\n").expect("written");
    let service = shop.home.run();
    wait_until(TIMEOUT, || shop.states() == ["QUARANTINED"]);
    fs::write(&path, "id,price\n1,2\n").expect("written");
    wait_until(TIMEOUT, || shop.states() == ["QUARANTINED", "COMMITTED"]);
    service.stop();
    let before = fs::metadata(&path).and_then(|found| found.modified());
    let (said, code) = shop.retry(&["1"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("file 2 stands at"), "{said}");
    let after = fs::metadata(&path).and_then(|found| found.modified());
    assert_eq!(before.expect("there"), after.expect("there"));
    assert_eq!(shop.states(), ["QUARANTINED", "COMMITTED"]);
}

/// Looked at afresh, it would be loaded from its start, which is in the table.
#[test]
fn a_file_that_begins_with_what_is_loaded_is_refused() {
    let table = "create table events (id int primary key, price int)";
    let shop = Shop::new(table, "archive = false\n");
    let path = shop.at("inbox/a.csv");
    fs::write(&path, "id,price\n1,1").expect("written");
    let service = shop.home.run();
    wait_until(TIMEOUT, || shop.states() == ["COMMITTED"]);
    fs::write(&path, "id,price\n1,12\n2,2\n").expect("written");
    wait_until(TIMEOUT, || {
        shop.number("select count(*) from ingestd.files where state = 'QUARANTINED' and archived_at is not null") == 1
    });
    service.stop();
    let (said, code) = shop.retry(&["2"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("begins with what is loaded as file 1"),
        "{said}"
    );
    assert!(names_in(&shop.at("inbox")).is_empty());
}

#[test]
fn afresh_too_it_may_be_killed_at_any_step() {
    for steps in 0..=3 {
        let shop = Shop::new("create table events (id int primary key, price int)", "");
        fs::write(shop.at("inbox/a.csv"), "id,cost\n1,2\n").expect("written");
        shop.finish();
        wait_until(TIMEOUT, || shop.states() == ["QUARANTINED"]);
        let mut client = shop.database.client();
        client
            .batch_execute("alter table events rename price to cost")
            .expect("altered");
        let pipeline = shop.pipeline();
        let mut retry = Retry::new(1, &pipeline);
        for step in 1..=steps {
            let retried = retry.advance(&mut client).expect("a step");
            assert_eq!(retried, (step == 3).then_some(Retried::Afresh));
        }
        let (said, code) = shop.retry(&["1"]);
        assert_eq!(code, Some(0), "after {steps} steps: {said}");
        shop.finish();
        assert_eq!(
            shop.states(),
            ["SKIPPED", "ARCHIVED"],
            "after {steps} steps"
        );
        assert_eq!(shop.number("select count(*) from events"), 1);
    }
}
