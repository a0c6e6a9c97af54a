//! A service in this process: the real tree, on a real database and real files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Addr};
use ingestd_actors::model::Wanted;
use ingestd_actors::service_supervisor::{Command, DrainAll, ServiceSpec, ServiceSupervisor};
use ingestd_actors::supervision::RestartPolicy;
use tokio_postgres::Client;

use crate::ledger::PostgresControl;
use crate::metrics::Metrics;
use crate::postgres::Database;
use crate::postgres::migrations::migrate;
use crate::service::{Beside, Loading, database_runtime, pipeline_spec};
use crate::settings::{ConfigFile, Environment, Settings, Sources};
use crate::test_databases::database;

/// The table that files come into.
const TABLE: &str = "create table events (
    id bigint primary key, name text, amount integer check (amount >= 0))";

/// A service with one pipeline, `events`.
pub struct Running {
    pub metrics: Metrics,
    pub client: Client,
    root: Addr<ServiceSupervisor>,
    place: PathBuf,
}

/// Runs a service whose pipeline has these further keys, for as long as `work` takes.
pub fn with_service(keys: &str, work: impl AsyncFnOnce(&Running)) {
    let place = tempfile::tempdir().expect("a directory");
    let test_database = database();
    let settings = settings(place.path(), &test_database.url, keys);
    let runtime = database_runtime().expect("threads");
    actix::System::new().block_on(async {
        let running = start(
            place.path(),
            &test_database.url,
            &settings,
            runtime.handle(),
        )
        .await;
        work(&running).await;
        let drained = running.root.send(DrainAll).await;
        assert!(drained.expect("the root lives"), "an orderly end");
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
}

fn settings(place: &Path, url: &str, keys: &str) -> Settings {
    let text = format!(
        "[service]\ndata_dir = '{place}/data'\n[database]\nurl = '{url}'\n[pipelines.events]\n\
         directory = '{place}/inbox'\narchive = '{place}/archive'\ntable = 'events'\nkey = ['id']\n\
         partitions = 2\n{keys}\n",
        place = place.display()
    );
    for directory in ["inbox", "archive", "data"] {
        std::fs::create_dir(place.join(directory)).expect("a directory");
    }
    let path = place.join("ingestd.toml");
    std::fs::write(&path, text).expect("written");
    let sources = Sources::new(ConfigFile::Path(path), Environment::default());
    Settings::load(&sources).unwrap_or_else(|error| panic!("{error}"))
}

async fn start(
    place: &Path,
    url: &str,
    settings: &Settings,
    runtime: &tokio::runtime::Handle,
) -> Running {
    let config: tokio_postgres::Config = url.parse().expect("a URL");
    let connected = config.connect(tokio_postgres::NoTls).await;
    let (mut client, connection) = connected.expect("a connection");
    runtime.spawn(connection);
    migrate(&mut client).await.expect("a ledger");
    client.batch_execute(TABLE).await.expect("a table");

    let log = slog::Logger::root(slog::Discard, slog::o!());
    let database = Database::new(&url.parse().expect("a URL"), runtime.clone()).await;
    let database = database.expect("a database");
    let metrics = Metrics::new().expect("metrics");
    metrics.ask(&database);
    let (beside, _) = Beside::start(
        &database,
        Some(&metrics),
        settings.service.stuck_after,
        &log,
    );
    let looking = metrics.clone();
    let looking = beside.background.keep(runtime, "metrics", move |pulse| {
        looking.clone().look_for_ever(pulse)
    });
    looking.let_go();
    let pipeline = settings.pipelines[0].clone();
    let observer = metrics.pipeline(&pipeline.name);
    let spec = pipeline_spec(
        &beside,
        &settings.service,
        pipeline,
        Loading::Directory,
        observer,
        &log,
    );
    let spec = ServiceSpec {
        companion: None,
        control: Arc::new(PostgresControl::new(database, Some(metrics.clone()))),
        pipelines: vec![spec.expect("a pipeline")],
        restarts: RestartPolicy::default(),
        drain_timeout: Duration::from_secs(20),
        observer: metrics.service(),
        log,
    };
    let (give_up, _) = tokio::sync::oneshot::channel();
    Running {
        metrics,
        client,
        root: ServiceSupervisor::new(spec, give_up).start(),
        place: place.to_owned(),
    }
}

impl Running {
    /// Puts a file in place as a careful writer does.
    pub fn drop_file(&self, name: &str, text: &str) {
        let hidden = self.place.join(name);
        std::fs::write(&hidden, text).expect("written");
        self.move_in(&hidden);
    }

    /// Moves a file into the inbox.
    pub fn move_in(&self, path: &Path) {
        let name = path.file_name().expect("a name");
        let target = self.place.join("inbox").join(name);
        std::fs::rename(path, target).expect("renamed");
    }

    /// Where files may be made ready.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// The value of a series now.
    pub async fn value(&self, series: &str) -> f64 {
        super::value(&self.metrics.scrape().await, series)
    }

    /// Waits until a series has a value that is asked for.
    pub async fn until(&self, series: &str, wanted: impl Fn(f64) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let text = self.metrics.encode();
            let value = super::samples(&text).get(series).copied();
            if value.is_some_and(&wanted) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{series} stays {value:?}:\n{text}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until so many files have left the inbox after their load.
    pub async fn until_archived(&self, files: u64) {
        let series = "ingestd_files_total{pipeline=\"events\",state=\"ARCHIVED\"}";
        self.until(series, |seen| seen == files as f64).await;
    }

    /// Pauses the pipeline, or lets it go on.
    pub async fn pause(&self, paused: bool) {
        let wanted = match paused {
            true => Wanted::Paused,
            false => Wanted::Running,
        };
        let command = Command {
            pipeline: None,
            wanted,
        };
        self.root.send(command).await.expect("the root lives");
    }
}
