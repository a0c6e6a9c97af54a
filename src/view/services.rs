//! The services that run, and what each has in hand.

use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::time;

/// A service that runs, on this machine or another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ServiceNow {
    /// The number of this life of it.
    pub service: String,
    /// The machine.
    pub host: String,
    /// The process there.
    pub process: i32,
    /// Since when it runs.
    pub started_at: String,
    /// When it was heard of last.
    pub seen_at: String,
    /// Its pipelines.
    pub pipelines: Vec<ServicePipeline>,
}

/// A pipeline of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ServicePipeline {
    /// Its name.
    pub pipeline: String,
    /// What the service does by the last command that it has done; null until it has done any.
    pub state: Option<String>,
    /// Whether that is the last command that was given.
    pub obeyed: bool,
    /// Whether the service has the pipeline's lease, or a share in it.
    pub loads: bool,
}

/// The statement for [`gather`]: a row for each pipeline of each service.
pub fn query() -> String {
    format!(
        "select l.service::text as service, l.host, l.process, {} as started_at, {} as seen_at,
       s.pipeline, s.state, coalesce(s.command = p.command, false) as obeyed,
       exists (select from ingestd.live_instances i
               where i.pipeline = s.pipeline and i.host = l.host and i.process = l.process) as loads
from ingestd.live_services l
left join ingestd.service_pipelines s using (service)
left join ingestd.pipelines p on p.name = s.pipeline
order by l.started_at, l.service, s.pipeline",
        time("l.started_at"),
        time("l.seen_at")
    )
}

/// The rows of [`query`], put together.
pub fn gather(rows: &[Row]) -> Vec<ServiceNow> {
    let mut services: Vec<ServiceNow> = Vec::new();
    for row in rows {
        let name: String = row.get("service");
        if services.last().is_none_or(|last| last.service != name) {
            services.push(ServiceNow {
                service: name,
                host: row.get("host"),
                process: row.get("process"),
                started_at: row.get("started_at"),
                seen_at: row.get("seen_at"),
                pipelines: Vec::new(),
            });
        }
        let pipeline: Option<String> = row.get("pipeline");
        if let (Some(service), Some(pipeline)) = (services.last_mut(), pipeline) {
            service.pipelines.push(ServicePipeline {
                pipeline,
                state: row.get("state"),
                obeyed: row.get("obeyed"),
                loads: row.get("loads"),
            });
        }
    }
    services
}
