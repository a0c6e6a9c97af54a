//! Makes the plan for a file: its header, the catalog's table, and what the pipeline wants.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::Candidate;
use ingestd_actors::port::PortFuture;
use tokio::sync::Mutex;

use crate::fs::{file_error, open_regular};
use crate::ledger::Planner;
use crate::plan::catalog::Table;
use crate::plan::{LoadPlan, build};
use crate::postgres::{Database, catalog, ddl};
use crate::settings::Pipeline;
use crate::source::read_file_header;

use super::first_load::FirstLoad;

/// How long what the catalog says is believed: many small files are planned with one look at it.
/// The sink looks at the column types again, under the table's lock, in every transaction.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// The planner of one pipeline.
pub struct CatalogPlanner {
    database: Database,
    pipeline: Arc<Pipeline>,
    first_load: FirstLoad,
    seen: Arc<Mutex<Option<Seen>>>,
}

/// The table as it was found.
struct Seen {
    table: Table,
    at: Instant,
}

impl CatalogPlanner {
    /// A planner.
    pub fn new(database: Database, pipeline: Arc<Pipeline>, first_load: FirstLoad) -> Self {
        Self {
            database,
            pipeline,
            first_load,
            seen: Arc::default(),
        }
    }

    /// Creates the pipeline's table where it is to be created, and reads what it is.
    ///
    /// # Errors
    /// `Configuration` where there is no such table, or it may not be read.
    pub fn table(&self) -> PortFuture<Table> {
        let (database, pipeline) = (self.database.clone(), Arc::clone(&self.pipeline));
        let first_load = self.first_load.clone();
        self.database
            .run(async move { read_or_create(&database, &pipeline, &first_load).await })
    }
}

async fn look_up(
    seen: &Mutex<Option<Seen>>,
    database: &Database,
    pipeline: &Pipeline,
    first_load: &FirstLoad,
) -> Result<Table> {
    let mut seen = seen.lock().await;
    if let Some(seen) = seen.as_ref().filter(|it| it.at.elapsed() < BELIEVED_FOR) {
        return Ok(seen.table.clone());
    }
    let table = read_or_create(database, pipeline, first_load).await?;
    *seen = Some(Seen {
        table: table.clone(),
        at: Instant::now(),
    });
    Ok(table)
}

async fn read_or_create(
    database: &Database,
    pipeline: &Pipeline,
    first_load: &FirstLoad,
) -> Result<Table> {
    let mut client = database.client().await?;
    if let Some(table) = catalog::read_table(&client, &pipeline.table).await? {
        return Ok(table);
    }
    if pipeline.create {
        let further = first_load.further_indexes();
        ddl::create_table(database, &mut client, pipeline, further).await?;
        if let Some(table) = catalog::read_table(&client, &pipeline.table).await? {
            return Ok(table);
        }
    }
    Err(Error::new(
        ErrorKind::Configuration,
        format!("there is no table {} that this role can see", pipeline.table),
    )
    .with_advice("create it, or name it with its schema; a configured pipeline with columns and `create = true` makes its own"))
}

impl Planner for CatalogPlanner {
    fn plan_for(&self, file: &Candidate) -> PortFuture<LoadPlan> {
        let (database, pipeline) = (self.database.clone(), Arc::clone(&self.pipeline));
        let first_load = self.first_load.clone();
        let seen = Arc::clone(&self.seen);
        let file = file.clone();
        self.database.run(async move {
            let header = {
                let pipeline = Arc::clone(&pipeline);
                tokio::task::spawn_blocking(move || header_of(&file, &pipeline))
                    .await
                    .map_err(|error| {
                        Error::new(ErrorKind::Bug, "reading a header").with_source(error)
                    })??
            };
            let table = look_up(&seen, &database, &pipeline, &first_load).await?;
            Ok(build(&pipeline, &table, &header)?)
        })
    }
}

/// The names of a file's fields; none where it has none.
fn header_of(seen: &Candidate, pipeline: &Pipeline) -> Result<Vec<String>> {
    if !pipeline.dialect.header {
        return Ok(Vec::new());
    }
    let file = open_regular(&seen.path).map_err(unopened)?;
    let found = file
        .metadata()
        .map_err(|error| file_error(error, "looking at the file"))?;
    if (found.dev(), found.ino()) != (seen.device, seen.inode) {
        // A link to somebody's secrets, it may be: what is no header is told, with its first names.
        let message = "another file took its place before it was read";
        return Err(Error::new(ErrorKind::Transient, message));
    }
    Ok(read_file_header(&file, &pipeline.dialect)?.names)
}

/// It was looked at a moment ago: asked again at once, the ledger sees what has become of it.
fn unopened(error: io::Error) -> Error {
    let kind = error.kind();
    let error = file_error(error, "opening the file");
    match kind {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
            Error::new(ErrorKind::Transient, error.message()).with_source(error)
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_went_away_since_it_was_looked_at_is_looked_at_again_soon() {
        for number in [libc::ENOENT, libc::EACCES] {
            let error = unopened(io::Error::from_raw_os_error(number));
            assert_eq!(error.kind(), ErrorKind::Transient);
        }
        let error = unopened(io::Error::from_raw_os_error(libc::EISDIR));
        assert_eq!(error.kind(), ErrorKind::File);
    }
}
