//! Making files COMMITTED: many in one transaction, whose commit is always waited for on disk.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use futures_util::try_join;
use ingestd_actors::error::Result;
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::model::{Checkpoint, Counts, Epoch, FileId, Lane, Position};
use ingestd_actors::port::{Committed, Completion};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, Transaction};

use super::Core;
use super::admit::blocking;
use super::balance::{Account, Judgement, judge};
use super::budget::{Passed, quarantine};
use super::error::ledger_error;
use super::known::{COLUMNS, Known, to_signed, to_unsigned, unsigned};
use super::manifest::Expected;
use super::notes::{delete_checkpoints, end_files, keep_checkpoints};
use crate::fs::edge_hashes;

const COUNTS: [&str; 7] = [
    "inserted",
    "updated",
    "unchanged",
    "duplicate",
    "deleted",
    "filtered",
    "rejected",
];

/// A completion with what its open file says of itself.
pub(super) struct Ended {
    pub(super) completion: Completion,
    device: i64,
    inode: i64,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Core {
    pub(super) async fn commit(&self, completions: Vec<Completion>) -> Result<Vec<Committed>> {
        self.lease.check().await?;
        if let [one] = &completions[..]
            && one.plan.all_or_nothing
        {
            let (one, plan) = (one.clone(), Arc::clone(&one.plan));
            return Ok(vec![self.commit_whole(one, &plan).await?]);
        }
        let failed = |error| ledger_error(error, "committing files");
        let ended =
            blocking(move || completions.into_iter().map(look_at).collect::<Vec<_>>()).await?;
        let ids: Vec<i64> = ended.iter().map(|one| one.completion.file.0).collect();
        let mut client = self.database.client().await?;
        let transaction = self.database.begin(&mut client).await?;
        let accounts = accounts(&transaction, &ids).await?;
        pass(Step::CommitJudge).await?;
        let mut answers = Vec::with_capacity(ended.len());
        let (mut good, mut bad, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for one in &ended {
            let Completion {
                file,
                epoch,
                seen,
                end,
                ..
            } = &one.completion;
            let file = *file;
            let judgement = judge(accounts.get(&file), *epoch, seen, end);
            if let Judgement::Commit(counts) = judgement
                && let Some(passed) = Passed::at_end(&self.budget, counts.rejected, end.end.record)
            {
                let reason = quarantine(&transaction, file, *epoch, &passed).await?;
                answers.push(Committed::Refused { file, reason });
                continue;
            }
            answers.push(match judgement {
                Judgement::Commit(counts) => {
                    good.push((one, counts));
                    Committed::Done { file, counts }
                }
                Judgement::Done(counts) => Committed::Done { file, counts },
                Judgement::Fenced => Committed::Fenced { file },
                Judgement::Unbalanced(reason) => {
                    bad.push((file, reason.clone()));
                    Committed::Unbalanced { file, reason }
                }
                Judgement::Refuse(reason) => {
                    refused.push((one, reason.clone()));
                    Committed::Refused { file, reason }
                }
                Judgement::Refused(reason) => Committed::Refused { file, reason },
            });
        }
        make_committed(&transaction, &good).await?;
        make_failed(&transaction, &bad).await?;
        make_refused(&transaction, &refused).await?;
        pass(Step::CommitCommit).await?;
        transaction.commit().await.map_err(failed)?;
        pass(Step::CommitCommitted).await?;
        Ok(answers)
    }
}

/// The file's ends are taken again: it may have grown since it was admitted.
pub(super) fn look_at(completion: Completion) -> Ended {
    let file = &completion.end.handle;
    let metadata = file.metadata().ok();
    let (head, tail) = match edge_hashes(file, completion.end.size) {
        Ok((head, tail)) => (head.to_vec(), tail.to_vec()),
        Err(_) => (Vec::new(), Vec::new()),
    };
    Ended {
        device: metadata.as_ref().map_or(0, |file| file.dev().cast_signed()),
        inode: metadata.as_ref().map_or(0, |file| file.ino().cast_signed()),
        head,
        tail,
        completion,
    }
}

/// Locks files and their checkpoints, and reads what they add up to.
pub(super) async fn accounts(
    transaction: &Transaction<'_>,
    ids: &[i64],
) -> Result<HashMap<FileId, Account>> {
    let ids = [(&ids as &(dyn ToSql + Sync), Type::INT8_ARRAY)];
    let locked_files = format!(
        "select {COLUMNS}, f.manifest_records, f.records_before, f.inserted, f.updated, f.unchanged, f.duplicate, f.deleted,
                f.filtered, f.rejected
         from ingestd.files f where f.file_id = any($1)
         order by f.file_id for no key update"
    );
    let locked_lanes = "select * from ingestd.checkpoints where file_id = any($1)
                        order by file_id, lane for update";
    // Sent at once, carried out one after the other.
    let ((), files, lanes) = try_join!(
        transaction.batch_execute("set local synchronous_commit = on"),
        transaction.query_typed(&locked_files, &ids),
        transaction.query_typed(locked_lanes, &ids),
    )
    .map_err(|error| ledger_error(error, "adding up files"))?;
    let mut accounts = HashMap::new();
    for row in &files {
        let known = Known::read(row)?;
        let account = Account {
            state: known.state,
            epoch: known.epoch,
            reason: known.reason,
            expected: expected(row),
            counts: counts(row),
            lanes: Vec::new(),
        };
        accounts.insert(known.file, account);
    }
    for row in &lanes {
        let file = FileId(row.get("file_id"));
        if let (Some(account), Some(lane)) =
            (accounts.get_mut(&file), Lane::from_number(row.get("lane")))
        {
            let position = Position {
                record: unsigned(row, "record"),
                offset: unsigned(row, "byte"),
                line: unsigned(row, "line"),
            };
            let epoch = Epoch(row.get("epoch"));
            let counts = Counts {
                staged: unsigned(row, "staged"),
                ..counts(row)
            };
            account
                .lanes
                .push((Checkpoint { lane, position }, epoch, counts));
        }
    }
    Ok(accounts)
}

fn expected(row: &Row) -> Option<Expected> {
    Some(Expected {
        records: to_unsigned(row.get::<_, Option<i64>>("manifest_records")?),
        before: unsigned(row, "records_before"),
    })
}

fn counts(row: &Row) -> Counts {
    let [
        inserted,
        updated,
        unchanged,
        duplicate,
        deleted,
        filtered,
        rejected,
    ] = COUNTS.map(|column| row.get::<_, Option<i64>>(column).map_or(0, to_unsigned));
    Counts {
        inserted,
        updated,
        unchanged,
        duplicate,
        deleted,
        filtered,
        rejected,
        staged: 0,
    }
}

pub(super) async fn make_committed(
    transaction: &Transaction<'_>,
    good: &[(&Ended, Counts)],
) -> Result<()> {
    if good.is_empty() {
        return Ok(());
    }
    let numbers = |of: fn(&(&Ended, Counts)) -> i64| good.iter().map(of).collect::<Vec<i64>>();
    let counted = |of: fn(&Counts) -> u64| {
        let all = good.iter().map(|(_, counts)| to_signed(of(counts)));
        all.collect::<Vec<i64>>()
    };
    let hashes = |of: fn(&Ended) -> &[u8]| good.iter().map(|(one, _)| of(one)).collect::<Vec<_>>();
    let ids = numbers(|(one, _)| one.completion.file.0);
    let committed = async {
        let done = transaction
            .execute_typed(
                "update ingestd.files f
             set state = 'COMMITTED', committed_at = clock_timestamp(),
                 started_at = coalesce(f.started_at, clock_timestamp()),
                 completed_at = coalesce(f.completed_at, clock_timestamp()),
                 size = n.size, modified = n.modified, device = n.device, inode = n.inode,
                 head_hash = case when n.head = '' then f.head_hash else n.head end,
                 tail_hash = case when n.head = '' then f.tail_hash else n.tail end,
                 content_hash = n.content, hash_offset = null, hash_chain = null,
                 watermark_record = n.record, watermark_offset = n.byte, watermark_line = n.line,
                 records = n.record, inserted = n.inserted, updated = n.updated,
                 unchanged = n.unchanged, duplicate = n.duplicate, deleted = n.deleted,
                 filtered = n.filtered, rejected = n.rejected
             from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                         $6::bytea[], $7::bytea[], $8::bytea[], $9::bigint[], $10::bigint[],
                         $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[],
                         $16::bigint[], $17::bigint[], $18::bigint[])
                  as n (file_id, size, modified, device, inode, head, tail, content, record, byte,
                        line, inserted, updated, unchanged, duplicate, deleted, filtered, rejected)
             where f.file_id = n.file_id",
                &[
                    (&ids, Type::INT8_ARRAY),
                    (
                        &numbers(|(one, _)| to_signed(one.completion.end.size)),
                        Type::INT8_ARRAY,
                    ),
                    (
                        &numbers(|(one, _)| one.completion.end.modified),
                        Type::INT8_ARRAY,
                    ),
                    (&numbers(|(one, _)| one.device), Type::INT8_ARRAY),
                    (&numbers(|(one, _)| one.inode), Type::INT8_ARRAY),
                    (&hashes(|one| &one.head), Type::BYTEA_ARRAY),
                    (&hashes(|one| &one.tail), Type::BYTEA_ARRAY),
                    (
                        &hashes(|one| &one.completion.end.content_hash),
                        Type::BYTEA_ARRAY,
                    ),
                    (
                        &numbers(|(one, _)| to_signed(one.completion.end.end.record)),
                        Type::INT8_ARRAY,
                    ),
                    (
                        &numbers(|(one, _)| to_signed(one.completion.end.end.offset)),
                        Type::INT8_ARRAY,
                    ),
                    (
                        &numbers(|(one, _)| to_signed(one.completion.end.end.line)),
                        Type::INT8_ARRAY,
                    ),
                    (&counted(|counts| counts.inserted), Type::INT8_ARRAY),
                    (&counted(|counts| counts.updated), Type::INT8_ARRAY),
                    (&counted(|counts| counts.unchanged), Type::INT8_ARRAY),
                    (&counted(|counts| counts.duplicate), Type::INT8_ARRAY),
                    (&counted(|counts| counts.deleted), Type::INT8_ARRAY),
                    (&counted(|counts| counts.filtered), Type::INT8_ARRAY),
                    (&counted(|counts| counts.rejected), Type::INT8_ARRAY),
                ],
            )
            .await;
        done.map_err(|error| ledger_error(error, "committing files"))
    };
    try_join!(committed, delete_checkpoints(transaction, &ids))?;
    Ok(())
}

/// The checkpoints stay, for whoever looks into it; the sums say what is in the table.
pub(super) async fn make_failed(
    transaction: &Transaction<'_>,
    bad: &[(FileId, String)],
) -> Result<()> {
    if bad.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = bad.iter().map(|(file, _)| file.0).collect();
    let reasons: Vec<&str> = bad.iter().map(|(_, reason)| &reason[..]).collect();
    let statement = end_files("'FAILED'", "null", "true", "f.epoch");
    transaction
        .execute_typed(&statement, &[(&ids, Type::INT8_ARRAY)])
        .await
        .map_err(|error| ledger_error(error, "failing files"))?;
    transaction
        .execute_typed(
            "update ingestd.files f set reason = n.reason
             from unnest($1::bigint[], $2::text[]) as n (file_id, reason)
             where f.file_id = n.file_id and f.state = 'FAILED' and f.reason is null",
            &[(&ids, Type::INT8_ARRAY), (&reasons, Type::TEXT_ARRAY)],
        )
        .await
        .map_err(|error| ledger_error(error, "failing files"))?;
    Ok(())
}

/// The rows stay, and so does what was read of the file: equal content is known by it, in whatever
/// length it stood at its end. The raised epoch fences, as any quarantine does.
pub(super) async fn make_refused(
    transaction: &Transaction<'_>,
    refused: &[(&Ended, String)],
) -> Result<()> {
    if refused.is_empty() {
        return Ok(());
    }
    let failed = |error| ledger_error(error, "quarantining files at their end");
    let numbers = |of: fn(&Ended) -> i64| {
        let all = refused.iter().map(|(one, _)| of(one));
        all.collect::<Vec<i64>>()
    };
    let hashes = |of: fn(&Ended) -> &[u8]| {
        let all = refused.iter().map(|(one, _)| of(one));
        all.collect::<Vec<_>>()
    };
    let ids = numbers(|one| one.completion.file.0);
    let reasons: Vec<&str> = refused.iter().map(|(_, reason)| &reason[..]).collect();
    let statement = end_files("'QUARANTINED'", "null", "true", "f.epoch + 1");
    transaction
        .execute_typed(&statement, &[(&ids, Type::INT8_ARRAY)])
        .await
        .map_err(failed)?;
    transaction
        .execute_typed(
            "update ingestd.files f
             set reason = n.reason, size = n.size, modified = n.modified, device = n.device,
                 inode = n.inode, content_hash = n.content,
                 head_hash = case when n.head = '' then f.head_hash else n.head end,
                 tail_hash = case when n.head = '' then f.tail_hash else n.tail end
             from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[],
                         $6::bigint[], $7::bytea[], $8::bytea[], $9::bytea[])
                  as n (file_id, reason, size, modified, device, inode, content, head, tail)
             where f.file_id = n.file_id and f.state = 'QUARANTINED'",
            &[
                (&ids, Type::INT8_ARRAY),
                (&reasons, Type::TEXT_ARRAY),
                (
                    &numbers(|one| to_signed(one.completion.end.size)),
                    Type::INT8_ARRAY,
                ),
                (
                    &numbers(|one| one.completion.end.modified),
                    Type::INT8_ARRAY,
                ),
                (&numbers(|one| one.device), Type::INT8_ARRAY),
                (&numbers(|one| one.inode), Type::INT8_ARRAY),
                (
                    &hashes(|one| &one.completion.end.content_hash),
                    Type::BYTEA_ARRAY,
                ),
                (&hashes(|one| &one.head), Type::BYTEA_ARRAY),
                (&hashes(|one| &one.tail), Type::BYTEA_ARRAY),
            ],
        )
        .await
        .map_err(failed)?;
    keep_checkpoints(transaction, &ids).await
}
