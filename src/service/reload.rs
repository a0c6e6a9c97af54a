//! SIGHUP: the configuration is read again, and taken on where all of it can be.

use std::sync::Arc;

use actix::Addr;
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::pipeline_supervisor::PipelineSpec;
use ingestd_actors::service_supervisor::{Reconfigure, ServiceSupervisor};

use super::pipeline::{Loading, pipeline_spec};
use crate::postgres::Database;
use crate::settings::{Change, Pipeline, Settings};

/// Reads the configuration from where it came from at the start.
pub type ReadSettings = Arc<dyn Fn() -> Result<Settings> + Send + Sync>;

/// Knows the configuration that counts, and how to take on another one.
pub struct Reloader {
    read: ReadSettings,
    now: Settings,
    database: Database,
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
        database: Database,
        log: slog::Logger,
    ) -> Reloader {
        Reloader {
            read,
            now,
            database,
            log,
        }
    }

    /// Reads the configuration, and takes it on; where anything in it can't be, all stays as it is.
    /// Either way the log says so.
    pub async fn reload(mut self, root: Addr<ServiceSupervisor>) -> Reloader {
        slog::info!(self.log, "reloading the configuration");
        let prepared = match self.prepare().await {
            Ok(prepared) => prepared,
            Err(error) => {
                self.refuse(&error);
                return self;
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
            return self;
        }
        slog::info!(self.log, "reloaded";
            "added" => change.added.len(), "removed" => change.removed.len(),
            "changed" => change.changed.len(), "unchanged" => change.unchanged.len());
        self.now.pipelines = settings.pipelines;
        self
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
            &self.database,
            &self.now.service,
            pipeline.clone(),
            Loading::Directory,
            crate::watch::Ignore::observer(),
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
