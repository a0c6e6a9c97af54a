//! `ingestd run`: the service.

use std::future::pending;
use std::process::ExitCode;
use std::sync::Arc;

use ingestd_actors::error::Result;
use tokio::runtime::Handle;

use super::context::ConfigArgs;
use crate::logging;
use crate::service::{
    Ended, Loading, ReadSettings, Reloader, Signals, Tree, block_on, open_database, pipeline_spec,
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
    let mut signals = Signals::catch_with_reload()?;
    let tell = |waits: &str| slog::warn!(log, "{}", waits);
    let opened = open_database(&settings.service, &runtime, log, &mut signals, &tell).await?;
    let Some(opened) = opened else {
        return Ok(Ended::Drained);
    };
    let pipelines = settings
        .pipelines
        .iter()
        .map(|pipeline| {
            let observer = crate::watch::Ignore::observer();
            pipeline_spec(
                &opened.database,
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
    let reloader = Reloader::new(read, settings.clone(), opened.database.clone(), log.clone());
    let tree = Tree::start(pipelines, &opened, &settings.service, signals, log);
    slog::info!(log, "service is ready"; "pipelines" => settings.pipelines.len());
    let ended = tree.reload_with(reloader).run_until(pending()).await;
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

/// 0 for an orderly end, 1 otherwise.
pub fn exit_code(ended: &Ended) -> ExitCode {
    match ended {
        Ended::Drained => ExitCode::SUCCESS,
        Ended::Cut | Ended::GaveUp(_) => ExitCode::FAILURE,
    }
}
