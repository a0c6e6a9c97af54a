//! `ingestd run`: the service.

use std::future::pending;
use std::process::ExitCode;
use std::sync::Arc;

use ingestd_actors::error::Result;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::context::ConfigArgs;
use crate::alerts::Alerts;
use crate::dead_letters::ReplayRequests;
use crate::http::{Bound, Listener, Parts};
use crate::logging;
use crate::metrics::Metrics;
use crate::service::{
    Beside, Ended, Loading, ReadSettings, ReloadDesk, Reloader, Signals, Tree, block_on,
    open_database, pipeline_spec,
};
use crate::settings::Settings;

/// Run the service: load files as they arrive, until told to stop
///
/// SIGTERM and SIGINT end it in order: what is in flight is committed first, and a second one ends
/// it at once. SIGHUP reads the configuration again, and touches only the pipelines that differ.
/// SIGUSR1 pauses, SIGUSR2 goes on, as `ingestd pause` and `ingestd resume` do; a pause survives a
/// restart.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example:\n  ingestd run --config /etc/ingestd/ingestd.toml")]
pub struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the subcommand.
pub fn run(args: &RunArgs) -> Result<ExitCode> {
    let settings = args.config.settings()?;
    settings.some_pipelines()?;
    let (log, _flush) = logging::for_stderr(&settings.service.log)?;
    let config = args.config.clone();
    let read: ReadSettings = Arc::new(move || config.settings());
    let ended = block_on(|runtime| serve(&settings, read, runtime, &log))?;
    Ok(exit_code(&ended))
}

async fn serve(
    settings: &Settings,
    read: ReadSettings,
    runtime: Handle,
    log: &slog::Logger,
) -> Result<Ended> {
    // Before anything is loaded: an address that can't be had is no silent loss.
    let bound = Bound::bind(&settings.service.http)?;
    let mut signals = Signals::catch_with_reload()?;
    let tell = |waits: &str| slog::warn!(log, "{}", waits);
    let opened = open_database(&settings.service, &runtime, log, &mut signals, &tell).await?;
    let Some(opened) = opened else {
        return Ok(Ended::Drained);
    };
    let metrics = Metrics::new()?;
    metrics.ask(&opened.database);
    if opened.private.is_some() {
        metrics.add_service_child("private server");
    }
    let stuck_after = settings.service.stuck_after;
    let (beside, notes) = Beside::start(&opened.database, Some(&metrics), stuck_after, log);
    let looking = metrics.clone();
    let runtime = opened.database.runtime();
    let _looking = beside.background.keep(runtime, "metrics", move |pulse| {
        looking.clone().look_for_ever(pulse)
    });
    let pipelines = settings
        .pipelines
        .iter()
        .map(|pipeline| {
            let observer = metrics.pipeline(&pipeline.name);
            pipeline_spec(
                &beside,
                &settings.service,
                pipeline.clone(),
                Loading::Directory,
                observer,
                log,
            )
        })
        .collect::<Result<Vec<_>>>()?;
    for pipeline in &settings.pipelines {
        slog::info!(log, "pipeline starts"; "pipeline" => &pipeline.name,
            "directory" => %pipeline.directory.display(), "table" => %pipeline.table);
    }
    let desk = ReloadDesk::new(&settings.pipelines);
    let configured = desk.clone();
    let configured = Arc::new(move || configured.pipelines());
    let replays = ReplayRequests::start(&beside, configured, log.clone());
    let reloader = Reloader::new(
        read,
        settings.clone(),
        beside.clone(),
        desk.clone(),
        metrics.clone(),
        log.clone(),
    );
    let stopping = CancellationToken::new();
    let parts = Parts {
        connection: opened.connection.clone(),
        metrics: metrics.clone(),
        beside: beside.clone(),
        stopping: stopping.clone(),
        reload: desk,
        log: log.clone(),
    };
    let listener = listen(bound, parts, log).await?;
    let tree = Tree::start(
        pipelines,
        &opened,
        &settings.service,
        signals,
        Some(&metrics),
        log,
    )
    .telling(stopping.clone());
    slog::info!(log, "service is ready"; "pipelines" => settings.pipelines.len());
    let alerts = Alerts::start(&beside, settings, stopping, log);
    let reloader = reloader.with(alerts.taker());
    let ended = tree.reload_with(reloader).run_until(pending()).await;
    if let Some(listener) = listener {
        listener.stop(log).await;
    }
    // Before the server goes: what it is at is undone, and gone on with by the next service.
    drop(replays);
    tokio::join!(alerts.finish(), notes.finish(log));
    if let Some(private) = opened.private {
        private.stop().await?;
    }
    match &ended {
        Ended::GaveUp(error) => slog::crit!(log, "giving up"; "reason" => %error),
        Ended::Drained => slog::info!(log, "stopped"),
        Ended::Cut => {}
    }
    Ok(ended)
}

/// Answers to HTTP, where that is configured.
async fn listen(
    bound: Option<Bound>,
    parts: Parts,
    log: &slog::Logger,
) -> Result<Option<Listener>> {
    let Some(bound) = bound else {
        return Ok(None);
    };
    let listener = bound.serve(parts).await?;
    slog::info!(log, "http listens"; "url" => listener.url());
    Ok(Some(listener))
}

/// 0 for an orderly end, 1 otherwise.
pub fn exit_code(ended: &Ended) -> ExitCode {
    match ended {
        Ended::Drained => ExitCode::SUCCESS,
        Ended::Cut | Ended::GaveUp(_) => ExitCode::FAILURE,
    }
}
