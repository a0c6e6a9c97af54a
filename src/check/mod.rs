//! What an operator asks before anything is loaded: is all of it as it has to be? Nothing is changed.
//!
//! Every look gives [`Finding`]s: what is, where it was said, and what to do about it.

mod directories;
mod files;
mod finding;
mod groups;
mod key;
mod ledger;
mod server;
mod space;
mod target;

pub use files::{FileLook, Sample, look_through, pipeline_of};
pub use finding::{Finding, Level};
pub use groups::Group;

use ingestd_actors::error::Result;

use crate::postgres::Database;
use crate::settings::{Pipeline, Settings};

/// The directories of the service and of its pipelines.
pub fn directories(settings: &Settings, pipelines: &[&Pipeline]) -> Vec<Finding> {
    let mut findings = space::data_dir(&settings.service.data_dir);
    for pipeline in pipelines {
        findings.extend(directories::check(pipeline, &settings.service.data_dir));
    }
    findings.extend(directories::shared(pipelines));
    findings
}

/// The server, the ledger and the tables.
///
/// # Errors
/// Where the server can't be asked at all.
pub async fn database(
    settings: &Settings,
    pipelines: &[&Pipeline],
    database: &Database,
) -> Result<Vec<Finding>> {
    let mut client = database.client().await?;
    let mut findings = server::check(&client, settings).await?;
    findings.extend(ledger::check(&mut client).await?);
    for pipeline in pipelines {
        findings.extend(target::check(database, &mut client, pipeline).await?);
    }
    Ok(findings)
}
