//! The files by whose loading others are judged: they may be taken back or forgotten in between.

use std::collections::HashSet;

use ingestd_actors::error::Result;
use ingestd_actors::model::FileId;
use ingestd_actors::port::Verdict;
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;

use super::answer::later;
use super::error::ledger_error;
use super::examined::Examined;
use super::notes::lock_files;
use super::verdict::Decision;
use crate::postgres::Client;

/// The files by whose loading others are judged, each with the one that it stands for itself.
pub(super) fn originals_of(examined: &[Examined]) -> Vec<(FileId, Option<FileId>)> {
    examined.iter().filter_map(original_of).collect()
}

fn original_of(one: &Examined) -> Option<(FileId, Option<FileId>)> {
    match &one.decision {
        Decision::Skip(Some(known), _) => Some((known.file, known.duplicate_of)),
        Decision::Refresh(known) => Some((known.file, known.duplicate_of)),
        Decision::LoadTail(fact) => Some((fact.known.file, fact.known.duplicate_of)),
        _ => None,
    }
}

/// Leaves out those that are judged by a file which somebody holds, as whoever takes it back does for as
/// long as that takes: they are decided later, and hold up no others.
pub(super) async fn leave_out_held(
    client: &Client,
    examined: &mut Vec<Examined>,
    verdicts: &mut [Option<Verdict>],
) -> Result<()> {
    let files: Vec<i64> = originals_of(examined).iter().map(|it| it.0.0).collect();
    if files.is_empty() {
        return Ok(());
    }
    let rows = client
        .query_typed(
            "select file_id from ingestd.files where file_id = any($1)
             order by file_id for no key update skip locked",
            &[(&files, Type::INT8_ARRAY)],
        )
        .await
        .map_err(|error| ledger_error(error, "admitting files"))?;
    let free: HashSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    examined.retain(|one| {
        let is_held = original_of(one).is_some_and(|(file, _)| !free.contains(&file.0));
        if is_held {
            let reason = "the file that it is compared with is locked, as by whoever takes it back or forgets it";
            verdicts[one.index] = Some(later(&one.candidate, reason));
        }
        !is_held
    });
    Ok(())
}

/// Locks files; where others are judged by some of them, whoever takes one of those back may take long, and
/// is not waited for while the pipeline's row is held: `false` then.
pub(super) async fn lock_in_time(
    transaction: &Transaction<'_>,
    files: &[i64],
    originals: &[(FileId, Option<FileId>)],
) -> Result<bool> {
    if originals.is_empty() {
        lock_files(transaction, files).await?;
        return Ok(true);
    }
    let set = |text: &'static str| async move {
        let done = transaction.batch_execute(text).await;
        done.map_err(|error| ledger_error(error, "admitting files"))
    };
    set("set local lock_timeout = '2s'").await?;
    match lock_files(transaction, files).await {
        Err(error) if error.code() == Some(LOCK_NOT_AVAILABLE) => Ok(false),
        Err(error) => Err(error),
        Ok(()) => set("set local lock_timeout to default")
            .await
            .map(|()| true),
    }
}

/// `lock_not_available` (<https://www.postgresql.org/docs/current/errcodes-appendix.html>)
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Whether none of these files, which are locked, was taken back or forgotten since it was looked at.
pub(super) async fn still_stand(
    transaction: &Transaction<'_>,
    originals: &[(FileId, Option<FileId>)],
) -> Result<bool> {
    if originals.is_empty() {
        return Ok(true);
    }
    let files: Vec<i64> = originals.iter().map(|(file, _)| file.0).collect();
    let stood_for: Vec<Option<i64>> = originals.iter().map(|(_, it)| it.map(|it| it.0)).collect();
    let row = transaction
        .query_typed_one(
            "select count(*) from unnest($1::bigint[], $2::bigint[]) as o (file_id, duplicate_of)
             join ingestd.files f using (file_id)
             where f.undone_at is null and f.duplicate_of is not distinct from o.duplicate_of",
            &[(&files, Type::INT8_ARRAY), (&stood_for, Type::INT8_ARRAY)],
        )
        .await
        .map_err(|error| ledger_error(error, "admitting files"))?;
    Ok(row.get::<_, i64>(0) == originals.len() as i64)
}
