//! Claiming unfinished files: the epoch rises, and the checkpoints are read under their locks.

use std::collections::HashMap;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{Candidate, Checkpoint, Claim, FileId, Lane, Position};
use tokio_postgres::Transaction;

use super::Core;
use super::error::ledger_error;
use super::known::{COLUMNS, Known, to_signed, unsigned};
use crate::fs::{Fingerprint, path_text};

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
    /// Ends the backends that write for other instances: one that hangs would keep its locks, and
    /// ignores everything but this.
    pub(super) async fn end_other_writers(&self, transaction: &Transaction<'_>) -> Result<()> {
        let failed = |error| ledger_error(error, "ending the writers of another instance");
        let instance = self.instance.to_string();
        transaction
            .execute(
                "select pg_terminate_backend(a.pid)
                 from ingestd.writers w
                 join pg_stat_activity a on a.pid = w.backend and a.backend_start = w.backend_start
                 where w.pipeline = $1 and w.instance <> $2::text::uuid",
                &[&self.pipeline, &instance],
            )
            .await
            .map_err(failed)?;
        transaction
            .execute(
                "delete from ingestd.writers
                 where pipeline = $1 and instance <> $2::text::uuid",
                &[&self.pipeline, &instance],
            )
            .await
            .map_err(failed)?;
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
    ) -> Result<HashMap<FileId, Claim>> {
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let failed = |error| ledger_error(error, "claiming files");
        self.end_other_writers(transaction).await?;
        let ids: Vec<i64> = wanted.iter().map(|wanted| wanted.file.0).collect();
        transaction
            .execute(
                "select from ingestd.files where file_id = any($1)
                 order by file_id for no key update",
                &[&ids],
            )
            .await
            .map_err(failed)?;
        let files = self.raise_epochs(transaction, wanted, &ids).await?;
        let rows = transaction
            .query(
                "select from ingestd.checkpoints where file_id = any($1)
                 order by file_id, lane for update",
                &[&ids],
            )
            .await
            .map_err(failed)?;
        drop(rows);
        let rows = transaction
            .query(
                "update ingestd.checkpoints c set epoch = f.epoch
                 from ingestd.files f
                 where f.file_id = c.file_id and c.file_id = any($1)
                 returning c.file_id, c.lane, c.record, c.byte, c.line, c.rejected",
                &[&ids],
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

    async fn raise_epochs(
        &self,
        transaction: &Transaction<'_>,
        wanted: &[Wanted],
        ids: &[i64],
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
            .query(
                &format!(
                    "update ingestd.files f
                     set epoch = f.epoch + 1, path = n.path, size = n.size, modified = n.modified,
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
                       and f.state in ('SCHEDULED', 'READING', 'COMPLETED')
                     returning {COLUMNS}"
                ),
                &[
                    &self.pipeline,
                    &ids,
                    &paths,
                    &numbers(|candidate| to_signed(candidate.size)),
                    &numbers(|candidate| candidate.modified),
                    &numbers(|candidate| candidate.device.cast_signed()),
                    &numbers(|candidate| candidate.inode.cast_signed()),
                    &hashes(|print| Some(&print.head)),
                    &hashes(|print| Some(&print.tail)),
                    &hashes(|print| print.content.as_ref()),
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
