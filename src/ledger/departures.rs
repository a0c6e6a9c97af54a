//! What the ledger says of files that leave the inbox: a fixed number of statements for a group.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use ingestd_actors::error::Result;
use ingestd_actors::model::FileId;
use tokio_postgres::types::Type;

use super::error::ledger_error;
use super::others::takeable;
use crate::fs::{path_from_text, path_text};
use crate::postgres::Client;

/// How far a file has come on its way out.
pub enum Stored {
    /// Not begun.
    No,
    /// Its target is noted.
    Begun(PathBuf),
    /// It has left, or was missing.
    Done(Option<PathBuf>),
}

/// What is noted of each of these files that the ledger knows.
pub async fn stored(client: &Client, files: &[FileId]) -> Result<HashMap<FileId, Stored>> {
    let ids: Vec<i64> = files.iter().map(|file| file.0).collect();
    let rows = client
        .query_typed(
            "select file_id, archive_path, archived_at is not null as archived
             from ingestd.files where file_id = any($1)",
            &[(&ids, Type::INT8_ARRAY)],
        )
        .await
        .map_err(|error| ledger_error(error, "reading where files go"))?;
    let stored = rows.iter().map(|row| {
        let path = row
            .get::<_, Option<&str>>("archive_path")
            .map(path_from_text);
        let stored = match (path, row.get("archived")) {
            (path, true) => Stored::Done(path),
            (Some(path), false) => Stored::Begun(path),
            (None, false) => Stored::No,
        };
        (FileId(row.get("file_id")), stored)
    });
    Ok(stored.collect())
}

/// Notes where files are about to go, or that they stay; of those that no other instance has in hand.
/// Returns these: from here on this instance has them in hand.
pub async fn store(
    client: &Client,
    instance: &str,
    files: &[(FileId, Option<PathBuf>)],
) -> Result<HashSet<FileId>> {
    if files.is_empty() {
        return Ok(HashSet::new());
    }
    let (ids, targets) = columns(files);
    let rows = client
        .query_typed(
            &format!(
                // Durable, whatever the role has set: a file whose target is not known could not be found
                // there after a crash.
                "with durable as materialized (
                 select set_config('synchronous_commit', 'on', true)),
             locked as (
                 select f.file_id from ingestd.files f where f.file_id = any($1)
                 order by f.file_id for no key update)
             update ingestd.files f set archive_path = n.target, owner = $3::uuid
             from unnest($1::bigint[], $2::text[]) as n (file_id, target)
                  join locked using (file_id), durable
             where f.file_id = n.file_id and f.archived_at is null and {}
             returning f.file_id",
                takeable("$3", "false")
            ),
            &[
                (&ids, Type::INT8_ARRAY),
                (&targets, Type::TEXT_ARRAY),
                (&instance, Type::TEXT),
            ],
        )
        .await
        .map_err(|error| ledger_error(error, "noting where files go"))?;
    Ok(rows.iter().map(|row| FileId(row.get("file_id"))).collect())
}

/// Notes that files have left, or were gone, unless another instance has taken them over meanwhile. A
/// tail takes the files that it continues with it: they stood at the same path.
pub async fn finish(
    client: &Client,
    instance: &str,
    files: &[(FileId, Option<PathBuf>)],
) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let (ids, targets) = columns(files);
    client
        .execute_typed(
            "with recursive family as (
                 select f.file_id, f.parent_id, n.target
                 from ingestd.files f
                 join unnest($1::bigint[], $2::text[]) as n (file_id, target) using (file_id)
                 where f.owner is null or f.owner = $3::uuid
                 union
                 select p.file_id, p.parent_id, family.target
                 from ingestd.files p join family on p.file_id = family.parent_id),
             wanted as (
                 -- Where two tails of one file leave together, either tells where it went.
                 select file_id, min(target) as target from family group by file_id),
             locked as (
                 select f.file_id from ingestd.files f
                 where f.file_id in (select file_id from wanted)
                 order by f.file_id for no key update)
             update ingestd.files f
             set state = case when f.state = 'COMMITTED' then 'ARCHIVED' else f.state end,
                 archived_at = clock_timestamp(), archive_path = w.target,
                 reason = case when w.target is null and f.state = 'COMMITTED'
                               then 'missing: it was gone before it could be archived'
                               else f.reason end
             from wanted w join locked using (file_id)
             where f.file_id = w.file_id and f.archived_at is null",
            &[
                (&ids, Type::INT8_ARRAY),
                (&targets, Type::TEXT_ARRAY),
                (&instance, Type::TEXT),
            ],
        )
        .await
        .map_err(|error| ledger_error(error, "noting that files are archived"))?;
    Ok(())
}

fn columns(files: &[(FileId, Option<PathBuf>)]) -> (Vec<i64>, Vec<Option<String>>) {
    files
        .iter()
        .map(|(file, target)| (file.0, target.as_deref().map(path_text)))
        .unzip()
}
