//! What most ask for: read at most once a second, while anybody asks, and shared by all who do.
//!
//! What a reading costs the server is bounded: one that takes long is followed by a longer wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use ingestd_actors::error::Result;
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::supervision::Pulse;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;
use utoipa::ToSchema;

use super::ask::{Ask, parameter, rows};
use super::desk::Parts;
use super::merge::{Counts, Own, merge};
use super::problem::Problem;
use super::rates::History;
use super::recent::Recent;
use super::shared::SharedByAll;
use crate::metrics::PipelineFigures;
use crate::postgres::migrations;
use crate::service::Kept;
use crate::view;
use crate::view::counts::Counted;
use crate::view::events::{Cursor, Happened};
use crate::view::flight::InFlight;
use crate::view::pipelines::{PipelineNow, PipelineRow};
use crate::view::services::ServiceNow;

/// How often what is shared is read.
const EVERY: Duration = Duration::from_secs(1);
/// How many times as long as readings take they are not repeated: they cost a twentieth of a core.
const REST: u32 = 20;
/// The longest pause between two of them, however long they take.
const LONGEST: Duration = Duration::from_secs(5);
/// All files are counted for a hundredth of a core.
const REST_OF_COUNTS: u32 = 100;
/// How long somebody waits for a reading.
const PATIENCE: Duration = Duration::from_secs(7);
/// How many events a reading takes at most.
const EVENTS: i64 = 1000;
/// How many events wait for a stream that does not take them.
const WAITING: usize = 4096;
/// How far back what was committed is looked for behind the counts: a transaction may show late.
const MARGIN: f64 = 10.0;

/// The state of all pipelines and services at a moment.
#[derive(Debug, Serialize, ToSchema)]
pub struct StateNow {
    /// When.
    pub at: String,
    /// The pipelines, by name.
    pub pipelines: Vec<PipelineNow>,
    /// The services, the oldest first.
    pub services: Vec<ServiceNow>,
    /// Files that are being loaded, and those that come next: at most 20, the oldest first.
    pub in_flight: Vec<InFlight>,
    /// The migrations that the ledger lacks.
    #[serde(skip)]
    #[schema(ignore)]
    pub missing_migrations: Vec<i32>,
}

/// What was read.
pub struct Taken {
    /// Until when it counts.
    pub until: Instant,
    /// The state, or why there is none.
    pub state: std::result::Result<StateNow, Problem>,
    /// All of it as JSON.
    pub json: Bytes,
    /// Its pipelines as JSON.
    pub pipelines: Bytes,
    /// Its services as JSON.
    pub services: Bytes,
}

/// What all share.
#[derive(Clone)]
pub struct Snapshots {
    asked: Arc<Notify>,
    taken: watch::Receiver<Arc<Taken>>,
    events: broadcast::Sender<Arc<Happened>>,
    /// Whoever reads, and whoever takes down rates, as long as anybody may ask.
    _kept: Arc<[Kept; 2]>,
}

impl Snapshots {
    /// Begins to read for those who ask, on the runtime that this is called on.
    pub fn start(ask: Ask, parts: Parts, shared: SharedByAll) -> Snapshots {
        let asked = Arc::new(Notify::new());
        let nothing = Taken::of(
            Err(Problem::unavailable(
                "starting",
                "Not yet",
                "the service has just started",
            )),
            Instant::now(),
        );
        let (publish, taken) = watch::channel(Arc::new(nothing));
        let (events, _) = broadcast::channel(WAITING);
        let history = Arc::new(Mutex::new(History::default()));
        let (background, runtime) = (parts.beside.background.clone(), Handle::current());
        let counted = (parts.clone(), Arc::clone(&history));
        let counting = background.keep(&runtime, "rates", move |pulse| {
            let (parts, history) = counted.clone();
            count_for_ever(parts, history, pulse)
        });
        let (publish, notify, tell) = (Arc::new(publish), Arc::clone(&asked), events.clone());
        let reading = background.keep(&runtime, "snapshots", move |pulse| {
            let reader = Reader {
                ask: ask.clone(),
                parts: parts.clone(),
                history: Arc::clone(&history),
                counts: Arc::default(),
                counted: None,
                counting: Duration::ZERO,
                last: None,
                recent: None,
                events: tell.clone(),
                shared: shared.clone(),
            };
            read_for_ever(reader, Arc::clone(&notify), Arc::clone(&publish), pulse)
        });
        Snapshots {
            asked,
            taken,
            events,
            _kept: Arc::new([counting, reading]),
        }
    }

    /// What was read last, where that still counts, or else what is read now.
    ///
    /// # Errors
    /// Where the database does not answer in time. (Where it answers otherwise, the state says so.)
    pub async fn get(&self) -> std::result::Result<Arc<Taken>, Problem> {
        let mut taken = self.taken.clone();
        {
            let last = taken.borrow_and_update();
            if Instant::now() < last.until {
                return Ok(Arc::clone(&last));
            }
        }
        self.asked.notify_one();
        let late = || {
            let detail = "the database does not answer in time";
            Problem::unavailable("database", "The database does not answer", detail)
        };
        match timeout(PATIENCE, taken.changed()).await {
            Ok(Ok(())) => Ok(Arc::clone(&taken.borrow())),
            _ => Err(late()),
        }
    }

    /// Events from now on, and of the last seconds where nobody has asked before, while anybody asks for the
    /// state.
    pub fn events(&self) -> broadcast::Receiver<Arc<Happened>> {
        self.events.subscribe()
    }
}

impl Taken {
    /// The state.
    ///
    /// # Errors
    /// Why there is none.
    pub fn state(&self) -> std::result::Result<&StateNow, Problem> {
        self.state.as_ref().map_err(Clone::clone)
    }

    fn of(state: std::result::Result<StateNow, Problem>, until: Instant) -> Taken {
        let json = |value: &dyn erased::Json| Bytes::from(value.json());
        let (all, pipelines, services) = match &state {
            Ok(state) => (json(state), json(&state.pipelines), json(&state.services)),
            Err(problem) => (json(problem), Bytes::new(), Bytes::new()),
        };
        Taken {
            until,
            json: all,
            pipelines,
            services,
            state,
        }
    }
}

mod erased {
    /// Whatever becomes JSON.
    pub trait Json {
        fn json(&self) -> Vec<u8>;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> Vec<u8> {
            serde_json::to_vec(self).unwrap_or_default()
        }
    }
}

async fn count_for_ever(parts: Parts, history: Arc<Mutex<History>>, pulse: Pulse) -> Result<()> {
    loop {
        pulse.working();
        pass(Step::RatesCount).await?;
        let figures = parts.metrics.pipelines();
        note_figures(&history, figures);
        pulse.waiting();
        sleep(EVERY).await;
    }
}

fn note_figures(history: &Mutex<History>, figures: Vec<PipelineFigures>) {
    let mut history = history.lock().unwrap_or_else(PoisonError::into_inner);
    history.add(Instant::now(), figures);
}

async fn read_for_ever(
    mut reader: Reader,
    asked: Arc<Notify>,
    publish: Arc<watch::Sender<Arc<Taken>>>,
    pulse: Pulse,
) -> Result<()> {
    let mut before = Duration::ZERO;
    loop {
        pulse.waiting();
        asked.notified().await;
        let until = publish.borrow().until;
        sleep_until(until.into()).await;
        pulse.working();
        pass(Step::SnapshotsRead).await?;
        let started = Instant::now();
        // It has limits of its own.
        pulse.waiting();
        let state = reader.read().await.map_err(Problem::from);
        // A single one that took long, with its connection perhaps, tells nothing of the next.
        let took = started.elapsed();
        let wait = (took.min(before) * REST).clamp(EVERY, LONGEST);
        before = took;
        let wait = match state {
            Ok(_) => wait,
            // Whoever waits for the database wants to know when it is back.
            Err(_) => EVERY,
        };
        publish.send_replace(Arc::new(Taken::of(state, started + wait)));
    }
}

/// What the reading remembers.
struct Reader {
    ask: Ask,
    parts: Parts,
    history: Arc<Mutex<History>>,
    counts: Arc<Counts>,
    /// When all files were counted, and how long that is to do.
    counted: Option<(Instant, Duration)>,
    /// How long counting them took.
    counting: Duration,
    /// When it was read last, or could not be.
    last: Option<Instant>,
    recent: Option<Recent>,
    events: broadcast::Sender<Arc<Happened>>,
    shared: SharedByAll,
}

/// What is read in one transaction.
struct Read {
    at: String,
    epoch: f64,
    rows: Vec<PipelineRow>,
    missing_indexes: Vec<view::missing_indexes::MissingIndex>,
    services: Vec<ServiceNow>,
    in_flight: Vec<InFlight>,
    versions: Vec<i32>,
    events: Vec<(Cursor, Happened)>,
}

impl Reader {
    async fn read(&mut self) -> Result<StateNow> {
        // What was read long ago was shown to nobody who listens now.
        if self.last.is_some_and(|last| last.elapsed() > LONGEST * 2) {
            self.recent = None;
        }
        let read = self.read_now().await;
        // Where it can't be read, whoever listens goes on listening.
        self.last = Some(Instant::now());
        read
    }

    async fn read_now(&mut self) -> Result<StateNow> {
        self.count().await?;
        let since = (self.counts.epoch - MARGIN).max(0.0);
        let from = self.recent.as_ref().map(Recent::from);
        let read = self
            .ask
            .transact(move |transaction| Box::pin(read(transaction, since, from)))
            .await?;
        // Whoever is told of this, and looks into a list then, finds it there.
        self.shared.lock().forget(Instant::now());
        // Whoever listens may have asked for what he has missed some time before this reading: where it is
        // the first one, what has happened a little before it is news, too.
        let begin = || Recent::since(now_cursor(read.epoch));
        let new = self.recent.get_or_insert_with(begin).new_ones(read.events);
        for (_, event) in new {
            // Where nobody listens, nobody misses it.
            let _ = self.events.send(Arc::new(event));
        }
        let rates = {
            let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
            history.rates()
        };
        let configured = self.parts.reload.pipelines();
        let own = Own {
            here: configured.iter().map(|it| it.name.clone()).collect(),
            rates,
            waiting: self.parts.metrics.waiting(),
        };
        Ok(StateNow {
            at: read.at,
            pipelines: merge(
                read.rows,
                &self.counts,
                &own,
                &read.missing_indexes,
                read.epoch,
            ),
            services: read.services,
            in_flight: read.in_flight,
            missing_migrations: migrations::versions()
                .into_iter()
                .filter(|version| !read.versions.contains(version))
                .collect(),
        })
    }

    /// Counts all files, where that is due.
    async fn count(&mut self) -> Result<()> {
        if self.counted.is_some_and(|(at, rest)| at.elapsed() < rest) {
            return Ok(());
        }
        let started = Instant::now();
        let counting = self.ask.transact(|transaction| {
            Box::pin(async move {
                let now = rows(transaction, &now_statement(), &[]).await?;
                let counted = rows(transaction, &view::counts::query(), &[]).await?;
                let by_pipeline: BTreeMap<String, Counted> = counted
                    .iter()
                    .map(Counted::of)
                    .map(|counted| (counted.pipeline.clone(), counted))
                    .collect();
                Ok(Counts {
                    epoch: now.first().map_or(0.0, |row| row.get("epoch")),
                    at: now.first().map(|row| row.get("at")),
                    by_pipeline,
                })
            })
        });
        let counts = match counting.await {
            Ok(counts) => counts,
            // Too many to be counted in time: all else is shown without.
            Err(error) if error.code() == Some("57014") => Counts::default(),
            Err(error) => return Err(error),
        };
        let took = started.elapsed();
        let rest = took.min(self.counting) * REST_OF_COUNTS;
        self.counting = took;
        self.counts = Arc::new(counts);
        self.counted = Some((Instant::now(), rest.max(EVERY / 2)));
        Ok(())
    }
}

fn now_cursor(epoch: f64) -> Cursor {
    Cursor {
        micros: (epoch * 1e6) as i64,
        ..Cursor::NEWEST
    }
}

fn now_statement() -> String {
    format!(
        "select extract(epoch from clock_timestamp())::float8 as epoch, {} as at",
        view::time("clock_timestamp()")
    )
}

async fn read(transaction: &Transaction<'_>, since: f64, from: Option<Cursor>) -> Result<Read> {
    let versions = rows(transaction, "select version from ingestd.migrations", &[]).await?;
    let now = rows(transaction, &now_statement(), &[]).await?;
    let since = [parameter(since, Type::FLOAT8)];
    let pipelines = rows(transaction, &view::pipelines::now_query(), &since).await?;
    let missing = rows(transaction, &view::missing_indexes::query(), &[]).await?;
    let services = rows(transaction, &view::services::query(), &[]).await?;
    let in_flight = rows(transaction, &view::flight::query(), &[]).await?;
    let epoch = now.first().map_or(0.0, |row| row.get("epoch"));
    let from = from.unwrap_or_else(|| Recent::since(now_cursor(epoch)).from());
    let (micros, file, note) = view::events::after(from);
    let parameters = [
        parameter(micros, Type::INT8),
        parameter(file, Type::INT8),
        parameter(note, Type::INT8),
        parameter(EVENTS, Type::INT8),
        parameter(None::<String>, Type::TEXT),
    ];
    let events = rows(transaction, &view::events::after_query(), &parameters).await?;
    Ok(Read {
        at: now.first().map_or_else(String::new, |row| row.get("at")),
        epoch,
        rows: pipelines.iter().map(PipelineRow::of).collect(),
        missing_indexes: missing.iter().map(view::missing_indexes::of).collect(),
        services: view::services::gather(&services),
        in_flight: in_flight.iter().map(InFlight::of).collect(),
        versions: versions.iter().map(|row| row.get(0)).collect(),
        events: events.iter().map(Happened::of).collect(),
    })
}
