//! What waits to be loaded, how late that is and how fresh the table: one definition, for all who tell of
//! it. docs/metrics.md has it in words.
//!
//! - The **backlog** are the files that the ledger knows and that are not COMMITTED, skipped or in trouble
//!   yet; its bytes are those of them that are not durable yet.
//! - The **lag** is how long ago the oldest of them was found; 0 where there is none. Files are numbered in
//!   the order in which they are found, so that the oldest is found without a look at all others.
//! - The **freshness** is how long ago a file was committed last.
//!
//! The process that loads a pipeline knows of more: files that it has found and that are not admitted yet,
//! since the pipeline is held, or can't begin. Every few seconds it writes down how many; while the pipeline is
//! held or can't go on, all tell the larger figures ([`Backlog::with`]), and the process itself always does.
//! (While it goes on, what it has written down may be loaded since.)

use tokio_postgres::Row;

use super::count;
use super::counts::among;
use crate::metrics::Waiting;

/// The states of a file that waits or is being loaded.
pub const WAITING: [&str; 3] = ["SCHEDULED", "READING", "COMPLETED"];

/// SQL: the bytes of a file `f` that are not durable yet.
pub const BYTES: &str = "greatest(f.size - f.watermark_offset, 0)";

/// SQL: how many seconds ago that was; 0 where it was never, or is still to come.
pub fn seconds_since(time: &str) -> String {
    format!("greatest(extract(epoch from clock_timestamp() - {time}), 0)::float8")
}

/// SQL: what stands behind `ingestd.pipelines p` to have the oldest file of its backlog as `o`: one
/// look into an index for each state, however many wait.
pub fn oldest() -> String {
    format!(
        "
left join lateral (
    select f.path, f.discovered_at
    from unnest(array['{}']) as s (state)
    cross join lateral (
        select f.file_id, f.path, f.discovered_at from ingestd.files f
        where f.pipeline = p.name and f.state = s.state and f.state in {}
        order by f.file_id limit 1
    ) f
    order by f.file_id limit 1
) o on true",
        WAITING.join("', '"),
        among(&WAITING)
    )
}

/// SQL: what stands behind `ingestd.pipelines p` to have what its services have found as `w`, where the
/// pipeline is held or can't go on. Services of one pipeline mostly look at one directory.
pub const FOUND: &str = "
left join lateral (
    select max(f.files) as files, max(f.bytes) as bytes, min(f.since) as since
    from ingestd.found f join ingestd.live_services l using (service)
    where f.pipeline = p.name
      and (p.wanted <> 'running' or p.degraded is not null
           or exists (select from ingestd.live_instances i
                      where i.pipeline = p.name and i.degraded is not null))
) w on true";

/// SQL: the columns of [`Backlog::of`], of what [`from`] has added.
pub fn columns() -> String {
    format!(
        "b.files as backlog_files, b.bytes as backlog_bytes, {} as lag,
       coalesce(w.files, 0) as found_files, coalesce(w.bytes, 0) as found_bytes, {} as found_lag",
        seconds_since("o.discovered_at"),
        seconds_since("w.since")
    )
}

/// SQL: what stands behind `ingestd.pipelines p` to have its backlog as `b`, with these further
/// columns, the oldest of it as `o`, and what services have found as `w`.
pub fn from(further: &str) -> String {
    format!(
        "
left join lateral (
    select count(*) as files, coalesce(sum({BYTES}), 0)::bigint as bytes{further}
    from ingestd.files f where f.pipeline = p.name and f.state in {}
) b on true{}{FOUND}",
        among(&WAITING),
        oldest()
    )
}

/// What waits, and for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Backlog {
    /// How many files.
    pub files: u64,
    /// Their bytes that are not durable yet.
    pub bytes: u64,
    /// How long ago the oldest was found, in seconds.
    pub lag: f64,
}

impl Backlog {
    /// A row with [`columns`].
    pub fn of(row: &Row) -> Backlog {
        let known = Backlog {
            files: count(row, "backlog_files"),
            bytes: count(row, "backlog_bytes"),
            lag: row.get("lag"),
        };
        known.with(&Waiting {
            files: usize::try_from(count(row, "found_files")).unwrap_or(usize::MAX),
            bytes: count(row, "found_bytes"),
            seconds: row.get("found_lag"),
        })
    }

    /// PURE: with what the process that loads the pipeline has found. Where that is no more than the ledger
    /// knows, the ledger's bytes count: of files that are being loaded only the rest waits.
    pub fn with(self, found: &Waiting) -> Backlog {
        let files = u64::try_from(found.files).unwrap_or(u64::MAX);
        Backlog {
            files: self.files.max(files),
            bytes: match files > self.files {
                true => self.bytes.max(found.bytes),
                false => self.bytes,
            },
            lag: self.lag.max(found.seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_knows_of_more_is_believed() {
        let found = |files, bytes, seconds| Waiting {
            files,
            bytes,
            seconds,
        };
        let backlog = |files, bytes, lag| Backlog { files, bytes, lag };
        let unknown = backlog(0, 0, 0.0).with(&found(1, 100, 278.0));
        assert_eq!(unknown, backlog(1, 100, 278.0), "none is admitted yet");
        let more = backlog(2, 150, 60.0).with(&found(5, 500, 9.0));
        assert_eq!(more, backlog(5, 500, 60.0), "an earlier life has found one");
        let same = backlog(2, 150, 60.0).with(&found(2, 200, 61.0));
        assert_eq!(same, backlog(2, 150, 61.0), "some of it is durable");
        let elsewhere = backlog(3, 150, 60.0).with(&found(0, 0, 0.0));
        assert_eq!(elsewhere, backlog(3, 150, 60.0));
    }
}
