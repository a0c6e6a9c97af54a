//! SIGHUP: the configuration is read again, and taken on where all of it can be.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use actix::Addr;
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::pipeline_supervisor::PipelineSpec;
use ingestd_actors::service_supervisor::{Reconfigure, ServiceSupervisor};
use serde::Serialize;
use tokio::sync::{Notify, watch};
use utoipa::ToSchema;

use super::beside::Beside;
use super::pipeline::{Loading, pipeline_spec};
use crate::metrics::Metrics;
use crate::settings::{Change, Pipeline, Settings};

/// Reads the configuration from where it came from at the start.
pub type ReadSettings = Arc<dyn Fn() -> Result<Settings> + Send + Sync>;

/// Takes on what concerns a part of the service that runs.
pub type TakeOn = Arc<dyn Fn(&Settings) + Send + Sync>;

/// How a reload has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReloadOutcome {
    /// Whether the new configuration counts.
    pub reloaded: bool,
    /// Pipelines that are new.
    pub added: Vec<String>,
    /// Pipelines that have ended.
    pub removed: Vec<String>,
    /// Pipelines that have started anew.
    pub changed: Vec<String>,
    /// Keys whose change counts from the next start on.
    pub needs_restart: Vec<String>,
    /// What is wrong with the new configuration, where it does not count.
    pub problems: Vec<String>,
}

/// Where others than signals ask for a reload and learn how it has ended; and what is configured now.
#[derive(Clone)]
pub struct ReloadDesk {
    asked: Arc<AtomicU64>,
    wake: Arc<Notify>,
    /// Up to which request reloads have ended, and how the last one has.
    ended: watch::Sender<(u64, ReloadOutcome)>,
    pipelines: Arc<RwLock<Arc<Vec<Pipeline>>>>,
}

impl ReloadDesk {
    /// A desk of a service that has these pipelines.
    pub fn new(pipelines: &[Pipeline]) -> ReloadDesk {
        let pipelines = Arc::new(pipelines.to_vec());
        ReloadDesk {
            asked: Arc::default(),
            wake: Arc::default(),
            ended: watch::channel((0, ReloadOutcome::default())).0,
            pipelines: Arc::new(RwLock::new(pipelines)),
        }
    }

    /// The pipelines that are configured now.
    pub fn pipelines(&self) -> Arc<Vec<Pipeline>> {
        let pipelines = self.pipelines.read();
        Arc::clone(&pipelines.unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks for a reload; resolves once one that has begun after this has ended, with how.
    pub fn ask(&self) -> impl Future<Output = Option<ReloadOutcome>> + use<> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut ended = self.ended.subscribe();
        self.wake.notify_one();
        async move {
            let ended = ended.wait_for(|(upto, _)| *upto >= number).await.ok()?;
            Some(ended.1.clone())
        }
    }

    /// Resolves once somebody has asked.
    pub(super) async fn asked(&self) {
        self.wake.notified().await;
    }

    fn note(&self, upto: u64, outcome: ReloadOutcome) {
        self.ended.send_replace((upto, outcome));
    }
}

/// Knows the configuration that counts, and how to take on another one.
pub struct Reloader {
    read: ReadSettings,
    now: Settings,
    beside: Beside,
    desk: ReloadDesk,
    metrics: Metrics,
    takers: Vec<TakeOn>,
    log: slog::Logger,
}

/// What is to be done, composed as far as it can be: nothing was touched yet.
struct Prepared {
    change: Change,
    settings: Settings,
    start: Vec<PipelineSpec>,
}

impl Reloader {
    /// A reloader of a service that runs with these settings.
    pub fn new(
        read: ReadSettings,
        now: Settings,
        beside: Beside,
        desk: ReloadDesk,
        metrics: Metrics,
        log: slog::Logger,
    ) -> Reloader {
        Reloader {
            read,
            now,
            beside,
            desk,
            metrics,
            takers: Vec::new(),
            log,
        }
    }

    /// Where others ask for a reload.
    pub fn desk(&self) -> &ReloadDesk {
        &self.desk
    }

    /// What else takes on a new configuration, once the pipelines have.
    pub fn with(mut self, taker: TakeOn) -> Reloader {
        self.takers.push(taker);
        self
    }

    /// Reads the configuration, and takes it on; where anything in it can't be, all stays as it is.
    /// Either way the log says so, and the desk.
    pub async fn reload(mut self, root: Addr<ServiceSupervisor>) -> Reloader {
        let upto = self.desk.asked.load(Ordering::SeqCst);
        let outcome = self.take_on(root).await;
        let desk = self.desk.clone();
        let pipelines = Arc::new(self.now.pipelines.clone());
        *desk
            .pipelines
            .write()
            .unwrap_or_else(PoisonError::into_inner) = pipelines;
        desk.note(upto, outcome);
        self
    }

    async fn take_on(&mut self, root: Addr<ServiceSupervisor>) -> ReloadOutcome {
        slog::info!(self.log, "reloading the configuration");
        let prepared = match self.prepare().await {
            Ok(prepared) => prepared,
            Err(error) => {
                self.refuse(&error);
                return ReloadOutcome {
                    problems: error.to_string().lines().map(str::to_owned).collect(),
                    ..ReloadOutcome::default()
                };
            }
        };
        let Prepared {
            change,
            settings,
            start,
        } = prepared;
        for name in &change.removed {
            slog::info!(self.log, "pipeline is removed: it commits what is in flight, and stops"; "pipeline" => name);
        }
        for name in &change.changed {
            slog::info!(self.log, "pipeline is changed: it commits what is in flight, and starts anew"; "pipeline" => name);
        }
        for pipeline in &settings.pipelines {
            if change.added.contains(&pipeline.name) {
                slog::info!(self.log, "pipeline is added"; "pipeline" => &pipeline.name,
                    "directory" => %pipeline.directory.display(), "table" => %pipeline.table);
            }
        }
        for name in &change.unchanged {
            slog::info!(self.log, "pipeline is unchanged"; "pipeline" => name);
        }
        if settings.alerts != self.now.alerts {
            slog::info!(self.log, "alerts are changed"; "rules" => settings.alerts.rules.len());
        }
        for key in &change.later {
            slog::warn!(self.log, "this change needs a restart; until then the old value counts"; "key" => key);
        }
        let end = change.removed.iter().chain(&change.changed).cloned();
        let reconfigure = Reconfigure {
            end: end.collect(),
            start,
        };
        if root.send(reconfigure).await.is_err() {
            // The root is gone: the service ends, and its next start reads the new configuration.
            return ReloadOutcome {
                problems: vec!["the service ends".to_owned()],
                ..ReloadOutcome::default()
            };
        }
        slog::info!(self.log, "reloaded";
            "added" => change.added.len(), "removed" => change.removed.len(),
            "changed" => change.changed.len(), "unchanged" => change.unchanged.len());
        for take_on in &self.takers {
            take_on(&settings);
        }
        self.now.pipelines = settings.pipelines;
        self.now.alerts = settings.alerts;
        ReloadOutcome {
            reloaded: true,
            added: change.added,
            removed: change.removed,
            changed: change.changed,
            needs_restart: change.later.iter().map(|&key| key.to_owned()).collect(),
            problems: Vec::new(),
        }
    }

    async fn prepare(&self) -> Result<Prepared> {
        let read = Arc::clone(&self.read);
        let reading = tokio::task::spawn_blocking(move || read());
        let settings = reading.await.map_err(|error| {
            Error::new(ErrorKind::Bug, "reading the configuration").with_source(error)
        })??;
        settings.some_pipelines()?;
        let change = Change::between(&self.now, &settings);
        if !change.impossible.is_empty() {
            let keys = change.impossible.join(" and ");
            let message = format!("{keys} can't be changed while the service runs");
            return Err(Error::new(ErrorKind::Configuration, message)
                .with_advice("restart it, or put the old value back and reload again"));
        }
        let starts = |pipeline: &&Pipeline| {
            change.added.contains(&pipeline.name) || change.changed.contains(&pipeline.name)
        };
        let start = settings
            .pipelines
            .iter()
            .filter(starts)
            .map(|pipeline| self.compose(pipeline))
            .collect::<Result<_>>()?;
        Ok(Prepared {
            change,
            settings,
            start,
        })
    }

    fn compose(&self, pipeline: &Pipeline) -> Result<PipelineSpec> {
        pipeline_spec(
            &self.beside,
            &self.now.service,
            pipeline.clone(),
            Loading::Directory,
            self.metrics.pipeline(&pipeline.name),
            &self.log,
        )
    }

    /// All problems, each in a line of its own.
    fn refuse(&self, error: &Error) {
        let text = error.to_string();
        for problem in text.lines() {
            slog::error!(self.log, "problem in the new configuration"; "problem" => problem);
        }
        slog::error!(self.log, "not reloaded: the old configuration stays";
            "problems" => text.lines().count());
    }
}
