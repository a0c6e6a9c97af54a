//! New rows of the ledger: files with their checkpoints, many at once.

use std::collections::HashMap;
use std::sync::Arc;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{
    Candidate, Checkpoint, Claim, Ends, Epoch, FileId, FileState, HashMark, Lane, Plan, Position,
};
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;

use super::Core;
use super::error::ledger_error;
use super::known::to_signed;
use super::manifest::Expected;
use crate::fs::{Fingerprint, path_text};

/// A file on its way into the ledger.
pub struct NewFile {
    /// What it is.
    pub candidate: Candidate,
    /// Its hashes; `None` where it can't be read.
    pub fingerprint: Option<Fingerprint>,
    /// The hash of its content, where it equals a file whose hash is known.
    pub content: Option<Vec<u8>>,
    /// The content hash's state, where a tail's beginning has been hashed.
    pub mark: Option<HashMark>,
    /// What it is loaded under; `None` where it isn't.
    pub plan: Option<Arc<Plan>>,
    /// The number of its header, where it has one.
    pub header: Option<i64>,
    /// The file whose tail it is.
    pub parent: Option<FileId>,
    /// Where its records begin; of a skipped file, where they end.
    pub base: Position,
    /// Its first state.
    pub state: FileState,
    /// Why it has that.
    pub reason: Option<String>,
    /// In which situation it comes again, and what is done.
    pub verdict: Option<String>,
    /// The file that it equals.
    pub duplicate_of: Option<FileId>,
    /// What its manifest says.
    pub expected: Option<Expected>,
}

/// The first claim of a file is made with it.
const FIRST: Epoch = Epoch(1);

impl Core {
    /// Writes files down; the number of each, in order. Paths must differ.
    pub(super) async fn register(
        &self,
        transaction: &Transaction<'_>,
        files: &[NewFile],
    ) -> Result<Vec<FileId>> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let paths: Vec<String> = files
            .iter()
            .map(|file| path_text(&file.candidate.path))
            .collect();
        let numbers = |of: fn(&NewFile) -> i64| files.iter().map(of).collect::<Vec<i64>>();
        let heads: Vec<&[u8]> = files
            .iter()
            .map(|file| hash_or_empty(file.fingerprint.as_ref().map(|print| &print.head)))
            .collect();
        let tails: Vec<&[u8]> = files
            .iter()
            .map(|file| hash_or_empty(file.fingerprint.as_ref().map(|print| &print.tail)))
            .collect();
        let contents: Vec<Option<&[u8]>> = files.iter().map(content_of).collect();
        let mark_offsets: Vec<Option<i64>> = files
            .iter()
            .map(|file| file.mark.map(|mark| to_signed(mark.offset)))
            .collect();
        let mark_chains: Vec<Option<Vec<u8>>> = files
            .iter()
            .map(|file| file.mark.map(|mark| mark.chain.to_vec()))
            .collect();
        let plans: Vec<Option<i64>> = files
            .iter()
            .map(|file| file.plan.as_ref().map(|plan| plan.id))
            .collect();
        let headers: Vec<Option<i64>> = files.iter().map(|file| file.header).collect();
        let parents: Vec<Option<i64>> = files
            .iter()
            .map(|file| file.parent.map(|parent| parent.0))
            .collect();
        let states: Vec<&str> = files.iter().map(|file| file.state.name()).collect();
        let reasons: Vec<Option<&str>> = files.iter().map(|file| file.reason.as_deref()).collect();
        let verdicts: Vec<Option<&str>> =
            files.iter().map(|file| file.verdict.as_deref()).collect();
        let manifests: Vec<Option<i64>> = files
            .iter()
            .map(|file| file.expected.map(|it| to_signed(it.records)))
            .collect();
        let originals: Vec<Option<i64>> = files
            .iter()
            .map(|file| file.duplicate_of.map(|original| original.0))
            .collect();
        let partitions: Vec<Option<i32>> = files
            .iter()
            .map(|file| file.plan.as_ref().map(|plan| i32::from(plan.partitions)))
            .collect();
        // The order in which numbers are given out is the order of the files.
        let rows = transaction
            .query_typed(
                "with n as (
                     select * from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[],
                          $6::bigint[], $7::bytea[], $8::bytea[], $9::bytea[], $10::bigint[],
                          $11::bytea[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[],
                          $16::text[], $17::text[], $19::bigint[], $20::integer[], $21::text[],
                          $22::bigint[], $23::bigint[], $25::bigint[]) with ordinality
                          as n (path, size, modified, device, inode, head, tail, content,
                                mark_offset, mark_chain, plan, parent, base_offset, base_line,
                                state, reason, original, partitions, verdict, manifest, before,
                                header, ordinal)),
                 new as (
                     insert into ingestd.files
                         (pipeline, path, size, modified, device, inode, head_hash, tail_hash,
                          content_hash, hash_offset, hash_chain, plan_id, parent_id, base_offset,
                          base_line, watermark_offset, watermark_line, state, reason, duplicate_of,
                          epoch, verdict, manifest_records, records_before, owner,
                          header_id)
                     select $1, n.path, n.size, n.modified, n.device, n.inode, n.head, n.tail,
                          n.content, n.mark_offset, n.mark_chain, n.plan, n.parent, n.base_offset,
                          n.base_line, n.base_offset, n.base_line, n.state, n.reason, n.original, $18,
                          n.verdict, n.manifest, n.before, $24::uuid, n.header
                     from n order by n.ordinal
                     returning file_id, path, base_offset, base_line),
                 checkpoints as (
                     insert into ingestd.checkpoints (file_id, lane, epoch, record, byte, line)
                     select new.file_id, lane, $18, 0, new.base_offset, new.base_line
                     from new join n using (path), generate_series(-1, n.partitions - 1) as lane
                     where n.plan is not null)
                 select file_id, path from new",
                &[
                    (&self.pipeline, Type::TEXT),
                    (&paths, Type::TEXT_ARRAY),
                    (&numbers(|file| to_signed(file.candidate.size)), Type::INT8_ARRAY),
                    (&numbers(|file| file.candidate.modified), Type::INT8_ARRAY),
                    (&numbers(|file| file.candidate.device.cast_signed()), Type::INT8_ARRAY),
                    (&numbers(|file| file.candidate.inode.cast_signed()), Type::INT8_ARRAY),
                    (&heads, Type::BYTEA_ARRAY),
                    (&tails, Type::BYTEA_ARRAY),
                    (&contents, Type::BYTEA_ARRAY),
                    (&mark_offsets, Type::INT8_ARRAY),
                    (&mark_chains, Type::BYTEA_ARRAY),
                    (&plans, Type::INT8_ARRAY),
                    (&parents, Type::INT8_ARRAY),
                    (&numbers(|file| to_signed(file.base.offset)), Type::INT8_ARRAY),
                    (&numbers(|file| to_signed(file.base.line)), Type::INT8_ARRAY),
                    (&states, Type::TEXT_ARRAY),
                    (&reasons, Type::TEXT_ARRAY),
                    (&FIRST.0, Type::INT8),
                    (&originals, Type::INT8_ARRAY),
                    (&partitions, Type::INT4_ARRAY),
                    (&verdicts, Type::TEXT_ARRAY),
                    (&manifests, Type::INT8_ARRAY),
                    (
                        &numbers(|file| file.expected.map_or(0, |it| to_signed(it.before))),
                        Type::INT8_ARRAY,
                    ),
                    (&self.instance, Type::TEXT),
                    (&headers, Type::INT8_ARRAY),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "writing files down"))?;
        let ids: HashMap<&str, FileId> = rows
            .iter()
            .map(|row| (row.get("path"), FileId(row.get("file_id"))))
            .collect();
        let ids: Vec<FileId> = paths
            .iter()
            .filter_map(|path| ids.get(&path[..]).copied())
            .collect();
        if ids.len() != files.len() {
            let message = "the ledger did not write down every file";
            return Err(Error::new(ErrorKind::Bug, message));
        }
        Ok(ids)
    }
}

/// The claim that comes with a file that has just been written down.
pub fn first_claim(file: &NewFile, id: FileId, plan: Arc<Plan>) -> Claim {
    let lanes = (0..plan.partitions)
        .map(Lane::Partition)
        .chain([Lane::Rejects]);
    Claim {
        file: id,
        candidate: file.candidate.clone(),
        ends: file.fingerprint.as_ref().map(|print| Ends {
            head: print.head,
            tail: print.tail,
        }),
        epoch: FIRST,
        base: file.base,
        checkpoints: lanes
            .map(|lane| Checkpoint {
                lane,
                position: file.base,
            })
            .collect(),
        watermark: file.base,
        hash_mark: file.mark,
        rejected: 0,
        plan,
    }
}

fn hash_or_empty(hash: Option<&[u8; 32]>) -> &[u8] {
    hash.map_or(&[], |hash| &hash[..])
}

fn content_of(file: &NewFile) -> Option<&[u8]> {
    let fresh = file
        .fingerprint
        .as_ref()
        .and_then(|print| print.content.as_ref());
    fresh.map(|hash| &hash[..]).or(file.content.as_deref())
}
