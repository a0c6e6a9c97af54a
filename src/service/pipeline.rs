//! One pipeline's ports, composed.

use std::path::PathBuf;
use std::sync::Arc;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::flow::Limits;
use ingestd_actors::pipeline_supervisor::PipelineSpec;
use ingestd_actors::port::{Inbox, Observer, Ports, Sweep};
use ingestd_actors::supervision::RestartPolicy;
use uuid::Uuid;

use crate::fs::{FsInbox, ListInbox};
use crate::ledger::{LedgerOptions, PostgresArchive, PostgresLedger, PostgresSweep};
use crate::postgres::{Origins, PostgresIndexes, PostgresRejects, PostgresSink, Resolver, Stages};
use crate::settings::{Pipeline, Service};
use crate::source::CsvSource;

use super::beside::Beside;
use super::first_load::{Backlog, FirstLoad};
use super::held_up::HeldUpNotes;
use super::planner::CatalogPlanner;

/// Which files a pipeline loads.
pub enum Loading {
    /// Those that arrive in its directory.
    Directory,
    /// These, once (`load FILE…`).
    Files {
        /// Their paths.
        paths: Vec<PathBuf>,
        /// Whether what was loaded before is loaded again.
        again: bool,
    },
}

/// An inbox below the data directory is ours to make; any other is the operator's.
fn make_own_directory(pipeline: &Pipeline, service: &Service) -> Result<()> {
    if !pipeline.directory.starts_with(&service.data_dir) {
        return Ok(());
    }
    std::fs::create_dir_all(&pipeline.directory).map_err(|error| {
        let directory = pipeline.directory.display();
        Error::new(
            ErrorKind::Configuration,
            format!("the inbox {directory} can't be made: {error}"),
        )
    })
}

/// What the tree needs of a pipeline.
///
/// # Errors
/// `Configuration` where its directory or its files can't be read.
pub fn pipeline_spec(
    beside: &Beside,
    service: &Service,
    pipeline: Pipeline,
    loading: Loading,
    observer: Arc<dyn Observer>,
    log: &slog::Logger,
) -> Result<PipelineSpec> {
    let database = &beside.database;
    let log = log.new(slog::o!("pipeline" => pipeline.name.clone()));
    let instance = Uuid::new_v4();
    let pipeline = Arc::new(pipeline);
    let (inbox, options, first_load): (Arc<dyn Inbox>, _, _) = match loading {
        Loading::Directory => {
            make_own_directory(&pipeline, service)?;
            let inbox = FsInbox::new(&pipeline, database.runtime().clone(), log.clone())?;
            let backlog = Backlog::default();
            (
                backlog.measured(Arc::new(inbox)),
                LedgerOptions {
                    lease: service.lease,
                    notes: beside.notes.clone(),
                    ..LedgerOptions::default()
                },
                FirstLoad::of_inbox(backlog),
            )
        }
        Loading::Files { paths, again } => {
            let inbox = ListInbox::new(&paths)?;
            let only = inbox.files().iter().map(|file| file.path.clone()).collect();
            let options = LedgerOptions {
                again,
                only: Some(only),
                lease: service.lease,
                notes: beside.notes.clone(),
            };
            let bytes = inbox.files().iter().map(|file| file.size).sum();
            (Arc::new(inbox), options, FirstLoad::of_files(bytes))
        }
    };
    let named = options.only.is_some();
    let planner = CatalogPlanner::new(database.clone(), Arc::clone(&pipeline), first_load);
    let ledger = PostgresLedger::new(
        database.clone(),
        Arc::clone(&pipeline),
        instance,
        Arc::new(planner),
        options,
        log.clone(),
    );
    let archive = PostgresArchive::new(
        database.clone(),
        Arc::clone(&pipeline),
        named,
        instance,
        log.clone(),
    );
    let sweep: Option<Arc<dyn Sweep>> = match named {
        // Whoever loads files by their names is not the one who looks after the archive.
        true => None,
        false => Some(Arc::new(PostgresSweep::new(archive.clone()))),
    };
    let resolver = Resolver::new(database.clone());
    let observer = HeldUpNotes::before(observer, beside, &pipeline.name, instance);
    Ok(PipelineSpec {
        name: pipeline.name.clone(),
        limits: Limits {
            rows: pipeline.batch_rows,
            bytes: pipeline.batch_bytes,
        },
        memory: pipeline.memory,
        budget: pipeline.tolerance.budget,
        scan_interval: pipeline.scan_interval,
        restarts: RestartPolicy::default(),
        stuck_after: service.stuck_after,
        ports: Ports {
            inbox,
            ledger: Arc::new(ledger),
            source: Arc::new(
                CsvSource::new(
                    database.runtime().clone(),
                    resolver,
                    Origins::new(database.clone()),
                    Stages::new(database.clone()),
                    pipeline.batch_rows,
                    log,
                )
                .with_inbox(&pipeline.directory),
            ),
            sink: Arc::new(PostgresSink::new(
                database.clone(),
                pipeline.name.clone(),
                instance,
            )),
            rejects: Arc::new(PostgresRejects::new(
                database.clone(),
                pipeline.name.clone(),
                instance,
            )),
            archive: Arc::new(archive),
            sweep,
            indexes: Arc::new(PostgresIndexes::new(
                database.clone(),
                pipeline.name.clone(),
                instance,
            )),
            observer,
        },
    })
}
