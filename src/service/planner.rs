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
use crate::ledger::{Planned, Planner};
use crate::plan::build;
use crate::plan::catalog::Table;
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

/// What was found, by a look that began then.
struct Seen<T = Table> {
    table: T,
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

/// Makes a plan by what is remembered of the table. Where nothing is, or that is old, or nothing fits it,
/// the table is looked at: somebody may have mended it in this very second, and tries the file again.
/// Where it was looked at just now, it is not looked at once more.
async fn plan_by<T: Clone, P, F: Future<Output = Result<T>>>(
    seen: &Mutex<Option<Seen<T>>>,
    look: impl Fn() -> F,
    build: impl Fn(&T) -> Result<P>,
) -> Result<P> {
    let asked = Instant::now();
    let believed = asked.checked_sub(BELIEVED_FOR).unwrap_or(asked);
    let (table, at) = look_up(seen, &look, believed).await?;
    match build(&table) {
        Err(_) if at < asked => {
            let (table, _) = look_up(seen, &look, asked).await?;
            build(&table)
        }
        done => done,
    }
}

/// What was found by a look since then, or is found by one now: one for all who wait for it.
async fn look_up<T: Clone, F: Future<Output = Result<T>>>(
    seen: &Mutex<Option<Seen<T>>>,
    look: impl Fn() -> F,
    since: Instant,
) -> Result<(T, Instant)> {
    let mut seen = seen.lock().await;
    if let Some(seen) = seen.as_ref().filter(|it| it.at >= since) {
        return Ok((seen.table.clone(), seen.at));
    }
    let at = Instant::now();
    let table = look().await?;
    *seen = Some(Seen {
        table: table.clone(),
        at,
    });
    Ok((table, at))
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
    fn plan_for(&self, file: &Candidate) -> PortFuture<Planned> {
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
            let look = || read_or_create(&database, &pipeline, &first_load);
            let build = |table: &Table| build(&pipeline, table, &header).map_err(Error::from);
            let plan = plan_by(&seen, look, build).await?;
            Ok(Planned { plan, header })
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
    use std::cell::Cell;

    use super::*;

    /// What is planned by a table of this number, remembered from so long ago, and how often the table
    /// is looked at: it is number 2 by now, and a file wants that very one.
    async fn planned(remembered: Option<(u32, Duration)>, wanted: u32) -> (Option<u32>, u32) {
        let seen = Mutex::new(remembered.map(|(table, age)| Seen {
            table,
            at: Instant::now().checked_sub(age).expect("a time"),
        }));
        let looks = Cell::new(0);
        let look = || {
            looks.set(looks.get() + 1);
            async { Ok(2) }
        };
        let build = |table: &u32| match *table == wanted {
            true => Ok(*table),
            false => Err(Error::new(ErrorKind::File, "it does not fit")),
        };
        let plan = plan_by(&seen, look, build).await;
        (plan.ok(), looks.get())
    }

    #[tokio::test]
    async fn a_header_that_does_not_fit_looks_anew_only_at_a_table_that_was_remembered() {
        let lately = BELIEVED_FOR / 10;
        assert_eq!(planned(None, 2).await, (Some(2), 1));
        assert_eq!(
            planned(None, 3).await,
            (None, 1),
            "it was looked at just now"
        );
        assert_eq!(planned(Some((1, lately)), 1).await, (Some(1), 0));
        assert_eq!(planned(Some((1, lately)), 2).await, (Some(2), 1), "mended");
        assert_eq!(planned(Some((1, lately)), 3).await, (None, 1));
        assert_eq!(planned(Some((1, BELIEVED_FOR * 2)), 2).await, (Some(2), 1));
    }

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
