//! What is noted about files on their way: progress, quarantine, and what has taken their place.

use futures_util::{TryFutureExt, try_join};
use ingestd_actors::error::Result;
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::model::{Candidate, Epoch, FileId};
use ingestd_actors::port::Progress;
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;

use super::Core;
use super::comes_again::Return;
use super::error::{fenced, ledger_error};
use super::known::to_signed;
use super::others::takeable;
use crate::postgres::stages::drop_tables;

/// Adds up the checkpoints of files that end otherwise than COMMITTED, so that their figures stay.
/// `state`, `reason` and `epoch` are expressions over the file `f` and the sums `c`.
pub(super) fn end_files(state: &str, reason: &str, condition: &str, epoch: &str) -> String {
    format!(
        "update ingestd.files f
         set state = {state}, reason = {reason}, epoch = {epoch},
             inserted = c.inserted, updated = c.updated, unchanged = c.unchanged,
             duplicate = c.duplicate, deleted = c.deleted, filtered = c.filtered,
             rejected = c.rejected, records = c.total
         from (select k.file_id, sum(k.inserted)::bigint as inserted,
                      sum(k.updated)::bigint as updated, sum(k.unchanged)::bigint as unchanged,
                      sum(k.duplicate)::bigint as duplicate, sum(k.deleted)::bigint as deleted,
                      sum(k.filtered)::bigint as filtered, sum(k.rejected)::bigint as rejected,
                      sum(k.inserted + k.updated + k.unchanged + k.duplicate
                          + k.deleted)::bigint as loaded,
                      sum(k.inserted + k.updated + k.unchanged + k.duplicate + k.deleted
                          + k.filtered + k.rejected)::bigint as total
               from ingestd.checkpoints k where k.file_id = any($1) group by k.file_id) c
         where f.file_id = c.file_id and f.state in ('SCHEDULED', 'READING', 'COMPLETED')
           and {condition}"
    )
}

/// Ends files whose content is gone. Of what was replaced before any of it was loaded, there is nothing
/// for an operator to do. (Of a file that is loaded as a whole, nothing ever is by then.)
fn end_replaced(condition: &str) -> String {
    end_files(
        "case when c.loaded > 0 then 'FAILED' else 'SKIPPED' end",
        "case when c.loaded > 0
              then format('changed while being loaded: %s of its records were loaded before other content took its place', c.loaded)
              else 'other content took its place before any of it was loaded' end",
        condition,
        "f.epoch + 1",
    )
}

/// Notes of the files that were ended so that they stand at their paths no longer; those, with their
/// reasons.
async fn note_departure(transaction: &Transaction<'_>, ids: &[i64]) -> Result<Vec<(i64, String)>> {
    let rows = transaction
        .query_typed(
            "update ingestd.files set archived_at = coalesce(archived_at, clock_timestamp())
             where file_id = any($1) and state in ('FAILED', 'SKIPPED')
             returning file_id, coalesce(reason, '')",
            &[(&ids, Type::INT8_ARRAY)],
        )
        .await
        .map_err(|error| ledger_error(error, "giving up a replaced file"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

impl Core {
    pub(super) async fn progress(&self, progress: Vec<Progress>) -> Result<()> {
        self.lease.check().await?;
        if progress.is_empty() {
            return Ok(());
        }
        let failed = |error| ledger_error(error, "noting progress");
        let numbers = |of: fn(&Progress) -> i64| progress.iter().map(of).collect::<Vec<i64>>();
        let mark_offsets: Vec<Option<i64>> = progress
            .iter()
            .map(|one| one.hash_mark.map(|mark| to_signed(mark.offset)))
            .collect();
        let mark_chains: Vec<Option<Vec<u8>>> = progress
            .iter()
            .map(|one| one.hash_mark.map(|mark| mark.chain.to_vec()))
            .collect();
        let completed: Vec<bool> = progress.iter().map(|one| one.completed).collect();
        let seen = || {
            progress
                .iter()
                .flat_map(|one| one.seen.iter().map(|it| (one.file, it)))
        };
        let seen_files: Vec<i64> = seen().map(|(file, _)| file.0).collect();
        let seen_lanes: Vec<i32> = seen().map(|(_, it)| it.lane.number()).collect();
        let seen_records: Vec<i64> = seen()
            .map(|(_, it)| to_signed(it.position.record))
            .collect();
        let mut client = self.database.client().await?;
        let transaction = self.database.begin(&mut client).await?;
        let ids = numbers(|one| one.file.0);
        let noted = async {
            let done = transaction
                .execute_typed(
                    "update ingestd.files f
                 set state = case when n.completed then 'COMPLETED'
                                  when f.state = 'SCHEDULED' then 'READING' else f.state end,
                     started_at = coalesce(f.started_at, clock_timestamp()),
                     completed_at = case when n.completed
                                         then coalesce(f.completed_at, clock_timestamp())
                                         else f.completed_at end,
                     watermark_record = n.record, watermark_offset = n.byte,
                     watermark_line = n.line,
                     hash_offset = coalesce(n.mark_offset, f.hash_offset),
                     hash_chain = coalesce(n.mark_chain, f.hash_chain)
                 from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                             $6::bigint[], $7::bytea[], $8::boolean[])
                      as n (file_id, epoch, record, byte, line, mark_offset, mark_chain, completed)
                 where f.file_id = n.file_id and f.epoch = n.epoch
                   and f.state in ('SCHEDULED', 'READING', 'COMPLETED')
                   and f.watermark_record <= n.record
                   -- After a crash the server may have lost what it had acknowledged, where it was
                   -- told not to wait for its disk: to go on at the watermark would skip that.
                   and not exists (
                       select from unnest($9::bigint[], $10::integer[], $11::bigint[])
                                as seen (file_id, lane, record)
                       left join ingestd.checkpoints c using (file_id, lane)
                       where seen.file_id = f.file_id
                         and coalesce(c.record, -1) < seen.record)",
                    &[
                        (&ids, Type::INT8_ARRAY),
                        (&numbers(|one| one.epoch.0), Type::INT8_ARRAY),
                        (
                            &numbers(|one| to_signed(one.watermark.record)),
                            Type::INT8_ARRAY,
                        ),
                        (
                            &numbers(|one| to_signed(one.watermark.offset)),
                            Type::INT8_ARRAY,
                        ),
                        (
                            &numbers(|one| to_signed(one.watermark.line)),
                            Type::INT8_ARRAY,
                        ),
                        (&mark_offsets, Type::INT8_ARRAY),
                        (&mark_chains, Type::BYTEA_ARRAY),
                        (&completed, Type::BOOL_ARRAY),
                        (&seen_files, Type::INT8_ARRAY),
                        (&seen_lanes, Type::INT4_ARRAY),
                        (&seen_records, Type::INT8_ARRAY),
                    ],
                )
                .await;
            done.map_err(failed)
        };
        // A note that is lost in a crash costs reading again, never a row.
        let needs_no_wait = transaction
            .batch_execute("set local synchronous_commit = off")
            .map_err(failed);
        // Sent at once, carried out one after the other.
        try_join!(needs_no_wait, lock_files(&transaction, &ids), noted)?;
        pass(Step::ProgressCommit).await?;
        transaction.commit().await.map_err(failed)
    }

    pub(super) async fn quarantine(
        &self,
        file: FileId,
        epoch: Epoch,
        reason: String,
    ) -> Result<()> {
        self.lease.check().await?;
        let failed = |error| ledger_error(error, "quarantining a file");
        let mut client = self.database.client().await?;
        let transaction = self.database.begin(&mut client).await?;
        let ids = vec![file.0];
        lock_files(&transaction, &ids).await?;
        lock_checkpoints(&transaction, &ids).await?;
        let ended = transaction
            .execute_typed(
                &end_files("'QUARANTINED'", "$2", "f.epoch = $3", "f.epoch + 1"),
                &[
                    (&ids, Type::INT8_ARRAY),
                    (&reason, Type::TEXT),
                    (&epoch.0, Type::INT8),
                ],
            )
            .await
            .map_err(failed)?;
        if ended == 0 {
            let before = transaction
                .query_typed_opt(
                    "select from ingestd.files
                     where file_id = $1 and state = 'QUARANTINED' and epoch - 1 = $2",
                    &[(&file.0, Type::INT8), (&epoch.0, Type::INT8)],
                )
                .await
                .map_err(failed)?;
            return match before {
                Some(_) => Ok(()),
                None => Err(fenced(format!("file {} has a newer claim", file.0))),
            };
        }
        keep_checkpoints(&transaction, &ids).await?;
        drop_tables(&transaction, &ids).await?;
        pass(Step::QuarantineCommit).await?;
        transaction.commit().await.map_err(failed)?;
        pass(Step::QuarantineCommitted).await
    }

    /// Ends unfinished files whose content is gone.
    pub(super) async fn give_up(
        &self,
        transaction: &Transaction<'_>,
        files: &[FileId],
        alone: bool,
    ) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = files.iter().map(|file| file.0).collect();
        self.end_dead_writers(transaction, alone).await?;
        lock_files(transaction, &ids).await?;
        lock_checkpoints(transaction, &ids).await?;
        transaction
            .execute_typed(
                &end_replaced(&takeable("$2", "$3")),
                &[
                    (&ids, Type::INT8_ARRAY),
                    (&self.instance, Type::TEXT),
                    (&alone, Type::BOOL),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "giving up a replaced file"))?;
        let ended = note_departure(transaction, &ids).await?;
        let ids: Vec<i64> = ended.into_iter().map(|(file, _)| file).collect();
        drop_tables(transaction, &ids).await?;
        delete_checkpoints(transaction, &ids).await
    }

    /// Ends a file of this life whose content was gone before it was read on; the reason.
    pub(super) async fn replaced(&self, file: FileId, epoch: Epoch) -> Result<String> {
        self.lease.check().await?;
        let failed = |error| ledger_error(error, "ending a replaced file");
        let mut client = self.database.client().await?;
        let transaction = self.database.begin(&mut client).await?;
        let ids = vec![file.0];
        lock_files(&transaction, &ids).await?;
        lock_checkpoints(&transaction, &ids).await?;
        transaction
            .execute_typed(
                &end_replaced("f.epoch = $2"),
                &[(&ids, Type::INT8_ARRAY), (&epoch.0, Type::INT8)],
            )
            .await
            .map_err(failed)?;
        // The answer may have been lost, and this is the second time.
        let ended = note_departure(&transaction, &ids).await?;
        let Some((_, reason)) = ended.into_iter().next() else {
            return Err(fenced(format!("file {} has a newer claim", file.0)));
        };
        drop_tables(&transaction, &ids).await?;
        delete_checkpoints(&transaction, &ids).await?;
        pass(Step::QuarantineCommit).await?;
        transaction.commit().await.map_err(failed)?;
        pass(Step::QuarantineCommitted).await?;
        Ok(reason)
    }

    /// Notes that committed files were replaced at their path before they could be archived.
    pub(super) async fn note_replaced(
        &self,
        transaction: &Transaction<'_>,
        files: &[FileId],
        alone: bool,
    ) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = files.iter().map(|file| file.0).collect();
        let statement = format!(
            "update ingestd.files f
             set state = 'ARCHIVED', archived_at = clock_timestamp(),
                 reason = 'another file took its place after it was committed'
             where f.file_id = any($1) and f.state = 'COMMITTED'
               -- Whoever has begun to move it meanwhile says what has become of it.
               and f.archive_path is null and {}",
            takeable("$2", "$3")
        );
        transaction
            .execute_typed(
                &statement,
                &[
                    (&ids, Type::INT8_ARRAY),
                    (&self.instance, Type::TEXT),
                    (&alone, Type::BOOL),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "noting a replaced file"))?;
        Ok(())
    }

    /// Notes what finished files look like now, so that the next scan need not hash them.
    pub(super) async fn refresh(
        &self,
        transaction: &Transaction<'_>,
        files: &[(FileId, Candidate, Option<Return>)],
    ) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = files.iter().map(|(file, ..)| file.0).collect();
        let numbers = |of: fn(&Candidate) -> i64| {
            let all = files.iter().map(|(_, now, _)| of(now));
            all.collect::<Vec<i64>>()
        };
        let texts = |of: fn(&Return) -> &str| {
            let all = files.iter().map(|(.., again)| again.as_ref().map(of));
            all.collect::<Vec<Option<&str>>>()
        };
        transaction
            .execute_typed(
                "update ingestd.files f
                 set modified = n.modified, device = n.device, inode = n.inode,
                     verdict = coalesce(n.verdict, f.verdict), reason = coalesce(n.reason, f.reason)
                 from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[],
                             $6::text[])
                      as n (file_id, modified, device, inode, verdict, reason)
                 where f.file_id = n.file_id",
                &[
                    (&ids, Type::INT8_ARRAY),
                    (&numbers(|now| now.modified), Type::INT8_ARRAY),
                    (&numbers(|now| now.device.cast_signed()), Type::INT8_ARRAY),
                    (&numbers(|now| now.inode.cast_signed()), Type::INT8_ARRAY),
                    (&texts(|again| &again.verdict), Type::TEXT_ARRAY),
                    (&texts(|again| &again.reason), Type::TEXT_ARRAY),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "noting a touched file"))?;
        Ok(())
    }
}

/// Locks files in order; their keys stay free for rows that refer to them.
pub(super) async fn lock_files(transaction: &Transaction<'_>, ids: &[i64]) -> Result<()> {
    let statement = "select from ingestd.files where file_id = any($1)
                     order by file_id for no key update";
    transaction
        .execute_typed(statement, &[(&ids, Type::INT8_ARRAY)])
        .await
        .map_err(|error| ledger_error(error, "locking files"))?;
    Ok(())
}

/// Locks checkpoints in the order in which writers do.
pub(super) async fn lock_checkpoints(transaction: &Transaction<'_>, ids: &[i64]) -> Result<()> {
    let statement = "select from ingestd.checkpoints where file_id = any($1)
                     order by file_id, lane for update";
    transaction
        .execute_typed(statement, &[(&ids, Type::INT8_ARRAY)])
        .await
        .map_err(|error| ledger_error(error, "locking checkpoints"))?;
    Ok(())
}

/// Fences the checkpoints of quarantined files of which rows are loaded, and keeps them: a retry goes
/// on from there. Those of files of which none is are of no use.
pub(super) async fn keep_checkpoints(transaction: &Transaction<'_>, ids: &[i64]) -> Result<()> {
    let failed = |error| ledger_error(error, "keeping checkpoints");
    let loaded = "f.inserted + f.updated + f.unchanged + f.duplicate + f.deleted > 0";
    for statement in [
        format!(
            "delete from ingestd.checkpoints c using ingestd.files f
             where c.file_id = any($1) and f.file_id = c.file_id and not ({loaded})"
        ),
        "update ingestd.checkpoints c set epoch = f.epoch from ingestd.files f
         where c.file_id = any($1) and f.file_id = c.file_id"
            .to_owned(),
    ] {
        transaction
            .execute_typed(&statement, &[(&ids, Type::INT8_ARRAY)])
            .await
            .map_err(failed)?;
    }
    Ok(())
}

pub(super) async fn delete_checkpoints(transaction: &Transaction<'_>, ids: &[i64]) -> Result<()> {
    transaction
        .execute_typed(
            "delete from ingestd.checkpoints where file_id = any($1)",
            &[(&ids, Type::INT8_ARRAY)],
        )
        .await
        .map_err(|error| ledger_error(error, "deleting checkpoints"))?;
    Ok(())
}
