//! What the ledger says of files that leave the inbox: a fixed number of statements for a group.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use ingestd_actors::error::Result;
use ingestd_actors::model::FileId;
use jiff::Timestamp;
use tokio_postgres::types::Type;

use super::error::ledger_error;
use super::others::takeable;
use crate::fs::{path_from_text, path_text};
use crate::postgres::Client;

/// What is noted of a file that is to leave.
pub struct Stored {
    /// How far it has come.
    pub way: Way,
    /// The ledger's own part of private names.
    pub tag: String,
    /// Where its reading began, where that is not where it stands.
    pub began: Option<PathBuf>,
    /// The hash of all of it, where that is known.
    pub content: Option<Vec<u8>>,
    /// When it was committed; of one that never was, when it was found.
    pub time: Timestamp,
}

/// How far a file has come on its way out.
pub enum Way {
    /// Not begun.
    No,
    /// Its target is noted; of one that is to be deleted, the private name that it has until then.
    Begun(PathBuf),
    /// It has left, or was missing.
    Done(Option<PathBuf>),
}

/// What is noted of each of these files that the ledger knows.
pub async fn stored(client: &Client, files: &[FileId]) -> Result<HashMap<FileId, Stored>> {
    let ids: Vec<i64> = files.iter().map(|file| file.0).collect();
    let rows = client
        .query_typed(
            "select f.file_id, f.archive_path, f.archived_at is not null as archived, p.tag,
                    f.load_path, f.content_hash, (extract(epoch from coalesce(f.committed_at, f.discovered_at))
                                     * 1000000)::bigint as time
             from ingestd.files f join ingestd.pipelines p on p.name = f.pipeline
             where f.file_id = any($1)",
            &[(&ids, Type::INT8_ARRAY)],
        )
        .await
        .map_err(|error| ledger_error(error, "reading where files go"))?;
    let stored = rows.iter().map(|row| {
        let path = row
            .get::<_, Option<&str>>("archive_path")
            .map(path_from_text);
        let way = match (path, row.get("archived")) {
            (path, true) => Way::Done(path),
            (Some(path), false) => Way::Begun(path),
            (None, false) => Way::No,
        };
        let stored = Stored {
            way,
            tag: row.get("tag"),
            began: row.get::<_, Option<&str>>("load_path").map(path_from_text),
            content: row.get("content_hash"),
            time: Timestamp::from_microsecond(row.get("time")).unwrap_or(Timestamp::UNIX_EPOCH),
        };
        (FileId(row.get("file_id")), stored)
    });
    Ok(stored.collect())
}

/// Where a file is about to go.
#[derive(Clone, Debug)]
pub struct Note {
    /// The file.
    pub file: FileId,
    /// What was noted of it, as this instance has read or written it.
    pub was: Option<PathBuf>,
    /// What is to be noted; `None`: it stays.
    pub target: Option<PathBuf>,
}

/// What became of notes of where files are about to go.
#[derive(Debug, Default)]
pub struct Noted {
    /// Those that are noted: from here on this instance has these files in hand.
    pub ours: HashSet<FileId>,
    /// Those of which something else is noted by now than was read: it has to be read again.
    pub changed: HashSet<FileId>,
}

/// Notes where files are about to go, or that they stay; of those that are finished, that no other
/// instance has in hand, and of which the same is noted as was read. Where it is not, whoever has noted
/// it may have moved the file there, and died; or it was this instance, which has lost the answer to that.
pub async fn store(client: &Client, instance: &str, notes: &[Note]) -> Result<Noted> {
    let mut noted = Noted::default();
    if notes.is_empty() {
        return Ok(noted);
    }
    let ids: Vec<i64> = notes.iter().map(|note| note.file.0).collect();
    let texts = |of: fn(&Note) -> &Option<PathBuf>| -> Vec<Option<String>> {
        let paths = notes.iter().map(|note| of(note).as_deref());
        paths.map(|path| path.map(path_text)).collect()
    };
    let (targets, before) = (texts(|note| &note.target), texts(|note| &note.was));
    let rows = client
        .query_typed(
            &format!(
                // Durable, whatever the role has set: a file whose target is not known could not be found
                // there after a crash.
                "with durable as materialized (
                 select set_config('synchronous_commit', 'on', true)),
             locked as (
                 select f.file_id, f.archive_path, f.archived_at, f.state, f.owner
                 from ingestd.files f where f.file_id = any($1)
                 order by f.file_id for no key update),
             wanted as (
                 select f.file_id, n.target, f.archive_path is not distinct from n.was as as_read
                 from unnest($1::bigint[], $2::text[], $4::text[]) as n (file_id, target, was)
                      join locked f using (file_id)
                 where f.archived_at is null
                   -- One that goes on, since somebody has retried it, stays where it is read.
                   and f.state not in ('SCHEDULED', 'READING', 'COMPLETED') and {}),
             noted as (
                 update ingestd.files f set archive_path = w.target, owner = $3::uuid
                 from wanted w, durable
                 where f.file_id = w.file_id and w.as_read)
             select file_id, as_read from wanted",
                takeable("$3", "false")
            ),
            &[
                (&ids, Type::INT8_ARRAY),
                (&targets, Type::TEXT_ARRAY),
                (&instance, Type::TEXT),
                (&before, Type::TEXT_ARRAY),
            ],
        )
        .await
        .map_err(|error| ledger_error(error, "noting where files go"))?;
    for row in rows {
        let into = match row.get("as_read") {
            true => &mut noted.ours,
            false => &mut noted.changed,
        };
        into.insert(FileId(row.get("file_id")));
    }
    Ok(noted)
}

/// A file that has left.
#[derive(Clone, Debug)]
pub struct Gone {
    /// The file.
    pub file: FileId,
    /// Where it stands now.
    pub target: Option<PathBuf>,
    /// What there is to say of it, where it was committed.
    pub reason: Option<&'static str>,
}

/// Notes that files have left, or were gone, unless another instance has taken them over meanwhile. A
/// tail takes the files that it continues with it: they stood at the same path.
pub async fn finish(client: &Client, instance: &str, files: &[Gone]) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = files.iter().map(|one| one.file.0).collect();
    let targets = files.iter().map(|one| one.target.as_deref());
    let targets: Vec<Option<String>> = targets.map(|target| target.map(path_text)).collect();
    let reasons: Vec<Option<&str>> = files.iter().map(|one| one.reason).collect();
    client
        .execute_typed(
            // Durable: whoever has let go of a file looks at it no more in this life.
            "with recursive durable as materialized (
                 select set_config('synchronous_commit', 'on', true)),
             family as (
                 select f.file_id, f.parent_id, n.target, n.reason
                 from ingestd.files f
                 join unnest($1::bigint[], $2::text[], $3::text[]) as n (file_id, target, reason)
                      using (file_id)
                 where f.owner is null or f.owner = $4::uuid
                 union
                 select p.file_id, p.parent_id, family.target, family.reason
                 from ingestd.files p join family on p.file_id = family.parent_id
                 -- One that is on its own way stands elsewhere, and still has to arrive.
                 where p.archive_path is null),
             wanted as (
                 -- Where two tails of one file leave together, either tells where it went.
                 select file_id, min(target) as target, min(reason) as reason
                 from family group by file_id),
             locked as (
                 select f.file_id from ingestd.files f
                 where f.file_id in (select file_id from wanted)
                 order by f.file_id for no key update)
             update ingestd.files f
             set state = case when f.state = 'COMMITTED' then 'ARCHIVED' else f.state end,
                 archived_at = clock_timestamp(), archive_path = w.target, leave_again_at = null,
                 reason = case when f.state <> 'COMMITTED' then f.reason
                               when w.reason is not null then w.reason
                               -- Why it was held is over.
                               when f.leave_again_at is null then f.reason end
             from wanted w join locked using (file_id), durable
             where f.file_id = w.file_id and f.archived_at is null
               and f.state not in ('SCHEDULED', 'READING', 'COMPLETED')",
            &[
                (&ids, Type::INT8_ARRAY),
                (&targets, Type::TEXT_ARRAY),
                (&reasons, Type::TEXT_ARRAY),
                (&instance, Type::TEXT),
            ],
        )
        .await
        .map_err(|error| ledger_error(error, "noting that files are archived"))?;
    Ok(())
}

/// Where files are that are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldIn {
    /// The inbox, which they could not leave.
    Inbox,
    /// The archive, from which they could not be removed.
    Archive,
}

/// Notes that files could not leave, or not be removed, and are tried again: after as long as they
/// have waited by then, within bounds; unless they have left meanwhile by another hand. A reason is for
/// people, and stands where the file is committed.
pub async fn hold(
    client: &tokio_postgres::Client,
    place: HeldIn,
    files: &[(FileId, Option<String>)],
) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = files.iter().map(|(file, _)| file.0).collect();
    let reasons: Vec<Option<&str>> = files.iter().map(|(_, it)| it.as_deref()).collect();
    client
        .execute_typed(
            "with locked as (
                 select f.file_id from ingestd.files f where f.file_id = any($1)
                 order by f.file_id for no key update)
             update ingestd.files f
             set leave_again_at = clock_timestamp() + least(interval '1 minute', greatest(
                     interval '2 seconds', clock_timestamp()
                     - coalesce(f.archived_at, f.committed_at, f.discovered_at))),
                 reason = case when f.state = 'COMMITTED' then coalesce(n.reason, f.reason)
                               else f.reason end
             from unnest($1::bigint[], $2::text[]) as n (file_id, reason)
                  join locked using (file_id)
             where f.file_id = n.file_id and (f.archived_at is not null) = $3",
            &[
                (&ids, Type::INT8_ARRAY),
                (&reasons, Type::TEXT_ARRAY),
                (&(place == HeldIn::Archive), Type::BOOL),
            ],
        )
        .await
        .map_err(|error| ledger_error(error, "noting that files stay for now"))?;
    Ok(())
}

/// Notes of files that stand at these targets that others from the same paths have replaced them there.
/// It comes before [`finish`]: what leaves together is not over with that.
pub async fn note_overwritten(
    client: &Client,
    pipeline: &str,
    files: &[(FileId, String, PathBuf)],
) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = files.iter().map(|(file, ..)| file.0).collect();
    let sources: Vec<&str> = files.iter().map(|(_, source, _)| &source[..]).collect();
    let targets: Vec<String> = files.iter().map(|(.., target)| path_text(target)).collect();
    client
        .execute_typed(
            "update ingestd.files f set archive_removed_at = clock_timestamp()
             from unnest($2::bigint[], $3::text[], $4::text[]) as n (file_id, source, target)
             where f.pipeline = $1 and f.path = n.source and f.archive_path = n.target
               and f.file_id <> n.file_id and f.archived_at is not null
               and f.archive_removed_at is null",
            &[
                (&pipeline, Type::TEXT),
                (&ids, Type::INT8_ARRAY),
                (&sources, Type::TEXT_ARRAY),
                (&targets, Type::TEXT_ARRAY),
            ],
        )
        .await
        .map_err(|error| ledger_error(error, "noting what was replaced in the archive"))?;
    Ok(())
}
