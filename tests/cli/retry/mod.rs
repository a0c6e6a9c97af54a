//! `retry`: quarantined files go on, wherever it is killed.

mod archive;
mod goes_on;
mod killed;
mod refused;

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
