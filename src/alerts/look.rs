//! What the ledger says of the pipelines, read in one short transaction that waits for nobody.

use std::path::PathBuf;

use ingestd_actors::error::Result;
use tokio_postgres::types::Type;
use tokio_postgres::{Row, Transaction};

use super::tally::FileFigures;
use crate::fs::path_text;
use crate::postgres::classify;
use crate::view::backlog::{oldest, seconds_since};
use crate::view::instances::{self, DEGRADED, DEGRADED_AT};

/// How the sessions of whoever only looks are set: for one transaction, so that it holds behind a
/// pooler too.
pub const SHORT: &str = "set local statement_timeout = '5s'; set local lock_timeout = '1s'";

/// Who looks.
#[derive(Clone, Debug)]
pub struct Me {
    /// The host.
    pub host: String,
    /// The process.
    pub process: i32,
    /// The service's data directory.
    pub place: String,
    /// Where the service lives, in all its lives: host and data directory.
    pub origin: String,
}

/// What a pipeline is doing.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// Whether it is this service that tells of it: it holds the lease; where nobody does, it is the
    /// oldest that looks after the pipeline.
    pub is_mine: bool,
    /// Whether it is to load: it is neither paused nor drained.
    pub is_running: bool,
    /// The oldest file that is not committed: how long it has waited, in seconds, and its path.
    pub oldest: Option<(f64, String)>,
    /// How long ago somebody has told it to run, in seconds: what was held back before waits from then on.
    pub wanted_ago: Option<f64>,
    /// What holds it up: for how long, in seconds, and why.
    pub held_up: Option<(f64, String)>,
    /// The files in quarantine, and the newest: its path and why.
    pub quarantined: (i64, Option<String>),
}

impl Pipeline {
    /// PURE: with the oldest file that this process has found for it, and for how long that has waited:
    /// where the pipeline can't begin, the ledger knows of none.
    pub fn with_found(&mut self, found: Option<(f64, PathBuf)>) {
        let Some((waited, path)) = found else {
            return;
        };
        let waited = self.wanted_ago.map_or(waited, |since| waited.min(since));
        if self
            .oldest
            .as_ref()
            .is_none_or(|(known, _)| *known < waited)
        {
            self.oldest = Some((waited, path_text(&path)));
        }
    }
}

/// What was seen.
pub struct Look {
    /// The pipelines that the ledger knows.
    pub pipelines: Vec<Pipeline>,
    /// The files that are read now, or were committed since the last look.
    pub files: Vec<FileFigures>,
    /// The server's time, for the next look.
    pub at: String,
}

fn pipelines() -> String {
    // What was held back on purpose waits from the command on that has let it go.
    let since = "greatest(o.discovered_at, coalesce(p.wanted_at, o.discovered_at))";
    format!(
        "select p.name, p.wanted = 'running' as running, clock_timestamp()::text as at,
       coalesce(
           (select l.host = $2 and l.process = $3
            from ingestd.live_instances l
            join ingestd.live_services s on s.host = l.host and s.process = l.process
            where l.instance = p.lease_instance limit 1),
           (select s.host = $2 and s.process = $3
            from ingestd.service_pipelines sp join ingestd.live_services s using (service)
            where sp.pipeline = p.name order by s.started_at, s.service limit 1),
           false) as mine,
       {} as waited, o.path as oldest,
       case when p.wanted_at is not null then {} end as wanted_ago,
       {} as held_up_for, {DEGRADED} as held_up,
       q.quarantined, q.newest
from ingestd.pipelines p{}{}
left join lateral (
    select count(*) as quarantined,
           (select f.path || coalesce(': ' || f.reason, '') from ingestd.files f
            where f.pipeline = p.name and f.state = 'QUARANTINED' and f.archive_removed_at is null
            order by f.file_id desc limit 1) as newest
    from ingestd.files f
    where f.pipeline = p.name and f.state = 'QUARANTINED' and f.archive_removed_at is null
) q on true
where p.name = any($1)",
        seconds_since(since),
        seconds_since("p.wanted_at"),
        seconds_since(DEGRADED_AT),
        instances::FROM,
        oldest(),
    )
}

/// The files that were committed a little before the last look come once more: a commit is seen a
/// little after its time.
const FILES: &str = "
select f.file_id, f.pipeline, coalesce(f.records, c.records, 0)::bigint as records,
       coalesce(f.rejected, c.rejected, 0)::bigint as rejected
from (select file_id, pipeline, records, rejected from ingestd.files
      where pipeline = any($1) and state in ('READING', 'COMPLETED')
      union
      select file_id, pipeline, records, rejected from ingestd.files
      where pipeline = any($1) and committed_at > $2::text::timestamptz - interval '10 s') f
left join lateral (
    select sum(inserted + updated + unchanged + duplicate + deleted + filtered + rejected) as records,
           sum(rejected) as rejected
    from ingestd.checkpoints c where c.file_id = f.file_id
) c on f.records is null";

/// Looks at these pipelines.
///
/// # Errors
/// What the server says.
pub async fn look(
    transaction: &Transaction<'_>,
    names: &[String],
    me: &Me,
    last: Option<&str>,
    with_files: bool,
) -> Result<Look> {
    let failed = |error| classify(error, "looking for what is wrong");
    let rows = transaction
        .query_typed(
            &pipelines(),
            &[
                (&names, Type::TEXT_ARRAY),
                (&me.host, Type::TEXT),
                (&me.process, Type::INT4),
            ],
        )
        .await
        .map_err(failed)?;
    let at = match rows.first() {
        Some(row) => row.get("at"),
        None => last.unwrap_or("now").to_owned(),
    };
    let files = match with_files {
        false => Vec::new(),
        true => transaction
            .query_typed(
                FILES,
                &[
                    (&names, Type::TEXT_ARRAY),
                    (&last.unwrap_or("now"), Type::TEXT),
                ],
            )
            .await
            .map_err(failed)?,
    };
    Ok(Look {
        pipelines: rows.iter().map(pipeline).collect(),
        files: files.iter().map(figures).collect(),
        at,
    })
}

fn pipeline(row: &Row) -> Pipeline {
    let timed = |seconds: &str, text: &str| {
        let seconds: Option<f64> = row.get(seconds);
        let text: Option<String> = row.get(text);
        seconds.zip(text)
    };
    Pipeline {
        name: row.get("name"),
        is_mine: row.get("mine"),
        is_running: row.get("running"),
        oldest: timed("waited", "oldest"),
        wanted_ago: row.get("wanted_ago"),
        held_up: timed("held_up_for", "held_up"),
        quarantined: (row.get("quarantined"), row.get("newest")),
    }
}

fn figures(row: &Row) -> FileFigures {
    let count = |column: &str| u64::try_from(row.get::<_, i64>(column)).unwrap_or(0);
    FileFigures {
        file: row.get("file_id"),
        pipeline: row.get("pipeline"),
        records: count("records"),
        rejected: count("rejected"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_knows_of_files_that_the_ledger_does_not() {
        let oldest = |known: Option<f64>, wanted_ago, found: Option<f64>| {
            let mut pipeline = Pipeline {
                name: "ghost".to_owned(),
                is_mine: true,
                is_running: true,
                oldest: known.map(|it| (it, "/in/known".to_owned())),
                wanted_ago,
                held_up: None,
                quarantined: (0, None),
            };
            pipeline.with_found(found.map(|it| (it, PathBuf::from("/in/found"))));
            pipeline.oldest
        };
        let is = |waited, path: &str| Some((waited, path.to_owned()));
        assert_eq!(oldest(None, None, None), None);
        assert_eq!(oldest(None, None, Some(20.0)), is(20.0, "/in/found"));
        assert_eq!(oldest(Some(30.0), None, Some(20.0)), is(30.0, "/in/known"));
        assert_eq!(oldest(Some(30.0), None, Some(31.0)), is(31.0, "/in/found"));
        let resumed = oldest(None, Some(3.0), Some(20.0));
        assert_eq!(resumed, is(3.0, "/in/found"), "it was held back on purpose");
    }
}
