//! Claiming unfinished files: the epoch rises, and the checkpoints are read under their locks.

use std::collections::HashMap;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{Candidate, Checkpoint, Claim, FileId, Lane, Position};
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;

use super::Core;
use super::error::ledger_error;
use super::known::{COLUMNS, Known, to_signed, unsigned};
use super::notes::{lock_checkpoints, lock_files};
use super::others::takeable;
use crate::fs::{Fingerprint, path_text};
use crate::postgres::link::lane_lock;

/// An unfinished file that is to be claimed, with what it is now.
pub struct Wanted {
    /// The file.
    pub file: FileId,
    /// Where it stands and what it is.
    pub candidate: Candidate,
    /// Its hashes, where they were taken anew.
    pub fingerprint: Option<Fingerprint>,
}

impl Core {
    /// Ends the backends that write for instances that are dead: one that hangs would keep its locks,
    /// and ignores everything but this.
    pub(super) async fn end_dead_writers(
        &self,
        transaction: &Transaction<'_>,
        alone: bool,
    ) -> Result<()> {
        let dead = "w.pipeline = $1 and w.instance <> $2::uuid
                    and ($3 or not exists (select from ingestd.live_instances l
                                           where l.instance = w.instance))";
        // Behind a pooler a lane has no backend of its own, but a lock in each of its transactions.
        let statement = format!(
            "with dead as (delete from ingestd.writers w where {dead} returning *)
             select pg_terminate_backend(a.pid) from dead w
             join pg_stat_activity a on a.pid = w.backend and a.backend_start = w.backend_start
             union all
             select pg_terminate_backend(a.pid) from dead w
             join pg_locks a on {}",
            lane_lock("a", "w.pipeline", "w.instance::text", "w.lane")
        );
        transaction
            .query_typed(
                &statement,
                &[
                    (&self.pipeline, Type::TEXT),
                    (&self.instance, Type::TEXT),
                    (&alone, Type::BOOL),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "ending the writers of another instance"))?;
        Ok(())
    }

    /// Claims files. What is no longer unfinished is left out.
    ///
    /// The files are locked before their checkpoints, each in order; a writer locks checkpoints in
    /// the same order, and of files only the key, which an update leaves alone.
    pub(super) async fn claim(
        &self,
        transaction: &Transaction<'_>,
        wanted: &[Wanted],
        alone: bool,
    ) -> Result<HashMap<FileId, Claim>> {
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let failed = |error| ledger_error(error, "claiming files");
        // A claim that a crash of the server undoes would be made twice, under one epoch.
        transaction
            .batch_execute("set local synchronous_commit = on")
            .await
            .map_err(failed)?;
        self.end_dead_writers(transaction, alone).await?;
        let ids: Vec<i64> = wanted.iter().map(|wanted| wanted.file.0).collect();
        lock_files(transaction, &ids).await?;
        let files = self.raise_epochs(transaction, wanted, &ids, alone).await?;
        // Only those that are claimed: another instance may have the others in hand.
        let ids: Vec<i64> = files.iter().map(|known| known.file.0).collect();
        lock_checkpoints(transaction, &ids).await?;
        let rows = transaction
            .query_typed(
                "update ingestd.checkpoints c set epoch = f.epoch
                 from ingestd.files f
                 where f.file_id = c.file_id and c.file_id = any($1)
                 returning c.file_id, c.lane, c.record, c.byte, c.line, c.rejected",
                &[(&ids, Type::INT8_ARRAY)],
            )
            .await
            .map_err(failed)?;
        let mut checkpoints: HashMap<FileId, Vec<Checkpoint>> = HashMap::new();
        let mut rejected: HashMap<FileId, u64> = HashMap::new();
        for row in &rows {
            let Some(lane) = Lane::from_number(row.get("lane")) else {
                continue;
            };
            let position = Position {
                record: unsigned(row, "record"),
                offset: unsigned(row, "byte"),
                line: unsigned(row, "line"),
            };
            let file = FileId(row.get("file_id"));
            *rejected.entry(file).or_default() += unsigned(row, "rejected");
            checkpoints
                .entry(file)
                .or_default()
                .push(Checkpoint { lane, position });
        }
        let mut claims = self.claims(transaction, files, checkpoints).await?;
        for (file, claim) in &mut claims {
            claim.rejected = rejected.get(file).copied().unwrap_or(0);
        }
        Ok(claims)
    }

    /// Fences files that this instance can't load now, since they are not to be seen: whoever had them
    /// in hand, and is dead, may be about to come back to life.
    pub(super) async fn fence_unseen(
        &self,
        transaction: &Transaction<'_>,
        files: &[FileId],
        alone: bool,
    ) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let failed = |error| ledger_error(error, "fencing files");
        self.end_dead_writers(transaction, alone).await?;
        let ids: Vec<i64> = files.iter().map(|file| file.0).collect();
        lock_files(transaction, &ids).await?;
        let statement = format!(
            "update ingestd.files f set epoch = f.epoch + 1, owner = null
             where f.file_id = any($1) and f.state in ('SCHEDULED', 'READING', 'COMPLETED')
               and f.owner <> $2::uuid and {}
             returning f.file_id",
            takeable("$2", "$3")
        );
        let rows = transaction
            .query_typed(
                &statement,
                &[
                    (&ids, Type::INT8_ARRAY),
                    (&self.instance, Type::TEXT),
                    (&alone, Type::BOOL),
                ],
            )
            .await
            .map_err(failed)?;
        let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        lock_checkpoints(transaction, &ids).await?;
        transaction
            .execute_typed(
                "update ingestd.checkpoints c set epoch = f.epoch from ingestd.files f
                 where f.file_id = c.file_id and c.file_id = any($1)",
                &[(&ids, Type::INT8_ARRAY)],
            )
            .await
            .map_err(failed)?;
        Ok(())
    }

    async fn raise_epochs(
        &self,
        transaction: &Transaction<'_>,
        wanted: &[Wanted],
        ids: &[i64],
        alone: bool,
    ) -> Result<Vec<Known>> {
        let paths: Vec<String> = wanted
            .iter()
            .map(|wanted| path_text(&wanted.candidate.path))
            .collect();
        let numbers = |of: fn(&Candidate) -> i64| {
            let all = wanted.iter().map(|wanted| of(&wanted.candidate));
            all.collect::<Vec<i64>>()
        };
        let hashes = |of: fn(&Fingerprint) -> Option<&[u8; 32]>| {
            let all = wanted
                .iter()
                .map(|wanted| Some(of(wanted.fingerprint.as_ref()?)?.to_vec()));
            all.collect::<Vec<Option<Vec<u8>>>>()
        };
        // A content hash that was known belongs to the length that was known.
        let rows = transaction
            .query_typed(
                &format!(
                    "update ingestd.files f
                     set epoch = f.epoch + 1, owner = $11::uuid, path = n.path, size = n.size, modified = n.modified,
                         device = n.device, inode = n.inode,
                         head_hash = coalesce(n.head, f.head_hash),
                         tail_hash = coalesce(n.tail, f.tail_hash),
                         content_hash = case when f.size = n.size and f.tail_hash = coalesce(n.tail, f.tail_hash)
                                             then coalesce(n.content, f.content_hash)
                                             else n.content end
                     from unnest($2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
                                 $7::bigint[], $8::bytea[], $9::bytea[], $10::bytea[])
                          as n (file_id, path, size, modified, device, inode, head, tail, content)
                     where f.file_id = n.file_id and f.pipeline = $1
                       and f.state in ('SCHEDULED', 'READING', 'COMPLETED') and {}
                     returning {COLUMNS}",
                    takeable("$11", "$12")
                ),
                &[
                    (&self.pipeline, Type::TEXT),
                    (&ids, Type::INT8_ARRAY),
                    (&paths, Type::TEXT_ARRAY),
                    (&numbers(|it| to_signed(it.size)), Type::INT8_ARRAY),
                    (&numbers(|it| it.modified), Type::INT8_ARRAY),
                    (&numbers(|it| it.device.cast_signed()), Type::INT8_ARRAY),
                    (&numbers(|it| it.inode.cast_signed()), Type::INT8_ARRAY),
                    (&hashes(|print| Some(&print.head)), Type::BYTEA_ARRAY),
                    (&hashes(|print| Some(&print.tail)), Type::BYTEA_ARRAY),
                    (&hashes(|print| print.content.as_ref()), Type::BYTEA_ARRAY),
                    (&self.instance, Type::TEXT),
                    (&alone, Type::BOOL),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "claiming files"))?;
        rows.iter().map(Known::read).collect()
    }

    async fn claims(
        &self,
        transaction: &Transaction<'_>,
        files: Vec<Known>,
        mut checkpoints: HashMap<FileId, Vec<Checkpoint>>,
    ) -> Result<HashMap<FileId, Claim>> {
        let plan_ids: Vec<i64> = files.iter().filter_map(|known| known.plan).collect();
        let plans = self.plans.load(transaction, &plan_ids).await?;
        let mut claims = HashMap::new();
        for known in files {
            let plan = known.plan.and_then(|id| plans.get(&id));
            let mut lanes = checkpoints.remove(&known.file).unwrap_or_default();
            lanes.sort_by_key(|checkpoint| checkpoint.lane);
            let Some(plan) = plan.filter(|plan| lanes.len() == usize::from(plan.partitions) + 1)
            else {
                let message = format!(
                    "file {} of the ledger lacks its plan or some of its checkpoints",
                    known.file.0
                );
                return Err(Error::new(ErrorKind::Bug, message)
                    .with_advice("was the ledger changed by hand? delete that file's row"));
            };
            let claim = Claim {
                file: known.file,
                ends: known.ends(),
                candidate: known.candidate,
                epoch: known.epoch,
                plan: plan.clone(),
                base: known.base,
                checkpoints: lanes,
                watermark: known.watermark,
                hash_mark: known.mark,
                rejected: 0,
            };
            claims.insert(known.file, claim);
        }
        Ok(claims)
    }
}
