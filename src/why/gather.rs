//! What the ledger and the server say of a file, and of what it waits for.
//!
//! Nothing is locked, and nothing takes long: each look is a transaction that only reads, with a limit.

use std::path::Path;
use std::time::Duration;

use ingestd_actors::error::Result;
use ingestd_actors::model::Candidate;
use postgres::types::Type;
use postgres::{Client, Row, Transaction};

use super::backends::{holder, writers};
use super::facts::{Ahead, Facts, File, Instance, Leaves, Pace, Pipeline};
use crate::fs::path_text;
use crate::ledger::known::{to_signed, to_unsigned};
use crate::ledger::retry::RETRIED;
use crate::plan::WriteMode;
use crate::postgres::classify;
use crate::settings::{self, Finished};
use crate::view::backlog::{BYTES, WAITING};
use crate::view::counts::among;
use crate::view::instances::{self, DEGRADED, DEGRADED_AT};
use crate::view::time;

/// A transaction that only reads, and takes no longer than a few seconds.
///
/// # Errors
/// What the server says.
pub fn reading(client: &mut Client) -> Result<Transaction<'_>> {
    let failed = |error| classify(error, "reading the ledger");
    let mut transaction = client
        .build_transaction()
        .read_only(true)
        .start()
        .map_err(failed)?;
    transaction
        .batch_execute("set local statement_timeout = '5s'")
        .map_err(failed)?;
    Ok(transaction)
}

/// The file that the ledger has at a path where this one stands: the one that is unfinished there, or
/// that was seen as this one is now.
///
/// # Errors
/// Where the ledger can't be read.
pub fn standing_at(
    reading: &mut Transaction<'_>,
    path: &Path,
    now: &Candidate,
) -> Result<Option<i64>> {
    let row = reading
        .query_typed_opt(
            "select file_id from ingestd.files
             where path = $1 and archived_at is null
               and (state in ('SCHEDULED', 'READING', 'COMPLETED')
                    or size = $2 and modified = $3 and inode = $4)
             order by file_id desc limit 1",
            &[
                (&path_text(path), Type::TEXT),
                (&to_signed(now.size), Type::INT8),
                (&now.modified, Type::INT8),
                (&now.inode.cast_signed(), Type::INT8),
            ],
        )
        .map_err(|error| classify(error, "reading the ledger"))?;
    Ok(row.map(|row| row.get(0)))
}

/// What the ledger knows of a file; its pipeline's name and path with it.
///
/// # Errors
/// Where the ledger can't be read.
pub fn file(reading: &mut Transaction<'_>, number: i64) -> Result<Option<(File, String, String)>> {
    let sql = format!(
        "select f.pipeline, f.path, f.state, f.reason, f.size, f.archive_path,
                f.archive_removed_at is not null as removed, f.duplicate_of,
                d.path as original,
                case when d.undone_at is null
                     then d.inserted + d.updated + d.unchanged + d.duplicate + d.deleted end as loaded_there, i.host, i.process,
                case when f.state = 'SKIPPED' and f.reason = $2 then (
                    select min(n.file_id) from ingestd.files n
                    where n.path in (f.path, f.load_path) and n.pipeline = f.pipeline
                      and n.file_id > f.file_id) end as went_on_as,
                greatest(f.watermark_offset, c.byte) as reached,
                coalesce(f.records, c.records, 0)::bigint as records,
                coalesce(f.inserted + f.updated + f.unchanged + f.duplicate + f.deleted, c.loaded, 0)::bigint
                    as loaded,
                extract(epoch from clock_timestamp() - f.started_at)::float8 as began,
                {}
         from ingestd.files f
         left join ingestd.files d on d.file_id = f.duplicate_of
         left join ingestd.live_instances i on i.instance = f.owner
         left join lateral (
             select max(byte) as byte,
                    sum(inserted + updated + unchanged + duplicate + deleted + filtered + rejected + staged)
                        as records,
                    sum(inserted + updated + unchanged + duplicate + deleted) as loaded
             from ingestd.checkpoints c where c.file_id = f.file_id) c on true
         where f.file_id = $1",
        TIMES
            .map(|column| format!("{} as {column}", time(&format!("f.{column}"))))
            .join(", ")
    );
    let row = reading
        .query_typed_opt(&sql, &[(&number, Type::INT8), (&RETRIED, Type::TEXT)])
        .map_err(|error| classify(error, "reading the ledger"))?;
    Ok(row.map(|row| {
        let path: String = row.get("path");
        (read_file(number, &path, &row), row.get("pipeline"), path)
    }))
}

const TIMES: [&str; 7] = [
    "discovered_at",
    "started_at",
    "completed_at",
    "committed_at",
    "archived_at",
    "leave_again_at",
    "undone_at",
];

fn read_file(number: i64, path: &str, row: &Row) -> File {
    let text = |column: &str| row.get::<_, Option<String>>(column);
    let count = |column: &str| to_unsigned(row.get::<_, Option<i64>>(column).unwrap_or(0));
    let began = row.get::<_, Option<f64>>("began").unwrap_or(0.0);
    let began = Duration::try_from_secs_f64(began).unwrap_or_default();
    let size = count("size");
    let endings = [".gz", ".zst", ".zstd"];
    File {
        file: number,
        state: row.get("state"),
        reason: text("reason"),
        size,
        compressed: endings.iter().any(|ending| path.ends_with(ending)),
        offset: count("reached"),
        records: count("records"),
        loaded: count("loaded"),
        discovered_at: text("discovered_at").unwrap_or_default(),
        started: text("started_at").map(|at| (at, began)),
        completed_at: text("completed_at"),
        committed_at: text("committed_at"),
        archived_at: text("archived_at"),
        archive_path: text("archive_path"),
        removed: row.get("removed"),
        went_on_as: row.get("went_on_as"),
        leave_again_at: text("leave_again_at"),
        duplicate_of: row
            .get::<_, Option<i64>>("duplicate_of")
            .map(|original| (original, text("original").unwrap_or_default())),
        loaded_there: count("loaded_there"),
        undone_at: text("undone_at"),
        owner: text("host").map(|host| Instance {
            host,
            process: row.get("process"),
        }),
        lately: None,
    }
}

/// A pipeline, as the ledger has it, and what the configuration says becomes of its files.
///
/// # Errors
/// Where the ledger can't be read.
pub fn pipeline(
    reading: &mut Transaction<'_>,
    name: &str,
    configured: Option<&settings::Pipeline>,
) -> Result<Pipeline> {
    let failed = |error| classify(error, "reading the ledger");
    let sql = format!(
        "select p.wanted, p.wanted_by, {} as wanted_at, {DEGRADED} as degraded, {} as degraded_at,
                exists (select from ingestd.service_pipelines s
                        join ingestd.live_services l using (service)
                        where s.pipeline = p.name) as served,
                (select t.definition ->> 'mode' = 'append' from ingestd.plans t
                 where t.pipeline = p.name order by t.plan_id desc limit 1) as appends
         from ingestd.pipelines p{} where p.name = $1",
        time("p.wanted_at"),
        time(DEGRADED_AT),
        instances::FROM
    );
    let row = reading
        .query_typed_opt(&sql, &[(&name, Type::TEXT)])
        .map_err(failed)?;
    let instances = reading
        .query_typed(
            "select host, process from ingestd.live_instances where pipeline = $1 order by since",
            &[(&name, Type::TEXT)],
        )
        .map_err(failed)?;
    let leaves = configured.map(|pipeline| match pipeline.archive_rules.finished {
        _ if pipeline.leaves_at_once() => Leaves::AtOnce,
        Finished::Delete { after } => Leaves::After(after),
        _ => Leaves::Never,
    });
    let mut found = Pipeline {
        name: name.to_owned(),
        wanted: "running".to_owned(),
        instances: instances
            .iter()
            .map(|row| Instance {
                host: row.get(0),
                process: row.get(1),
            })
            .collect(),
        leaves,
        tells_rows: configured.is_some_and(settings::Pipeline::tells_rows),
        ..Pipeline::default()
    };
    if let Some(row) = row {
        found.known = true;
        found.wanted = row.get("wanted");
        found.wanted_by = row.get("wanted_by");
        found.wanted_at = row.get("wanted_at");
        found.degraded = row.get("degraded");
        found.degraded_at = row.get("degraded_at");
        found.served = row.get("served");
        let loaded_so: Option<bool> = row.get("appends");
        found.appends = match configured {
            Some(pipeline) => pipeline.mode == WriteMode::Append,
            None => loaded_so.unwrap_or(false),
        };
    }
    Ok(found)
}

/// The unfinished files of a pipeline that come before a file, or all of them. Files that other
/// instances have in hand hold up none of this one's.
///
/// # Errors
/// Where the ledger can't be read.
pub fn ahead(reading: &mut Transaction<'_>, pipeline: &str, file: Option<i64>) -> Result<Ahead> {
    let sql = format!(
        "with ahead as (
             select f.file_id, f.path, f.state = 'SCHEDULED' as scheduled, {BYTES} as bytes
             from ingestd.files f
             where f.pipeline = $1 and f.state in {}
               and ($2::bigint is null
                    or (f.state <> 'SCHEDULED' or f.file_id < $2) and f.file_id <> $2
                       and f.owner is not distinct from
                           (select m.owner from ingestd.files m where m.file_id = $2))
         ),
         first as (select file_id, path from ahead order by scheduled, file_id limit 1)
         select (select count(*) from ahead) as files,
                (select coalesce(sum(bytes), 0)::bigint from ahead) as bytes,
                (select file_id from first) as first, (select path from first) as path",
        among(&WAITING)
    );
    let row = reading
        .query_typed_one(&sql, &[(&pipeline, Type::TEXT), (&file, Type::INT8)])
        .map_err(|error| classify(error, "reading the ledger"))?;
    let first: Option<i64> = row.get("first");
    Ok(Ahead {
        files: to_unsigned(row.get("files")),
        bytes: to_unsigned(row.get("bytes")),
        first: first.map(|first| (first, row.get("path"))),
    })
}

/// What a pipeline has come to in the last ten minutes.
///
/// # Errors
/// Where the ledger can't be read.
pub fn pace(reading: &mut Transaction<'_>, pipeline: &str) -> Result<Pace> {
    let row = reading
        .query_typed_one(
            "select coalesce(sum(size - base_offset), 0)::bigint,
                    coalesce(extract(epoch from max(committed_at) - min(started_at)), 0)::float8
             from (select size, base_offset, committed_at, started_at from ingestd.files
                   where pipeline = $1 and state in ('COMMITTED', 'ARCHIVED')
                   order by file_id desc limit 1000) f
             where committed_at > clock_timestamp() - interval '10 minutes'",
            &[(&pipeline, Type::TEXT)],
        )
        .map_err(|error| classify(error, "reading the ledger"))?;
    Ok(Pace {
        bytes: to_unsigned(row.get(0)),
        took: Duration::try_from_secs_f64(row.get(1)).unwrap_or_default(),
    })
}

/// All facts of a file that the ledger knows.
///
/// # Errors
/// Where the ledger can't be read.
pub fn of_file(
    reading: &mut Transaction<'_>,
    number: i64,
    pipelines: &[settings::Pipeline],
) -> Result<Option<Facts>> {
    let Some((found, name, path)) = file(reading, number)? else {
        return Ok(None);
    };
    let mut facts = Facts {
        path,
        ..of_pipeline(reading, &name, pipelines, Some(number))?
    };
    facts.file = Some(found);
    Ok(Some(facts))
}

/// What is to be known of a pipeline, for a file of it.
///
/// # Errors
/// Where the ledger can't be read.
pub fn of_pipeline(
    reading: &mut Transaction<'_>,
    name: &str,
    pipelines: &[settings::Pipeline],
    file: Option<i64>,
) -> Result<Facts> {
    let configured = pipelines.iter().find(|it| it.name == name);
    let pipeline = pipeline(reading, name, configured)?;
    let holder = match configured.filter(|_| pipeline.lacks_a_lock()) {
        Some(configured) => holder(reading, &configured.table)?,
        None => None,
    };
    Ok(Facts {
        pipeline: Some(pipeline),
        holder,
        ahead: ahead(reading, name, file)?,
        writers: writers(reading, name)?,
        pace: pace(reading, name)?,
        host: crate::ledger::host(),
        ..Facts::default()
    })
}
