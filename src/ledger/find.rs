//! Finding what is known of candidates: two questions, whatever their number.

use std::collections::HashMap;

use futures_util::try_join;
use ingestd_actors::error::Result;
use ingestd_actors::model::{Candidate, FileId};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Core;
use super::error::ledger_error;
use super::known::{COLUMNS, Known, to_signed};
use crate::fs::{Fingerprint, path_text};
use crate::postgres::Client;

/// Of the files that were seen at one path this many newest ones count, and of those that have the same
/// ends as many: the unfinished ones, and the oldest of the others.
const NEWEST: i64 = 16;

impl Core {
    /// For each candidate the files that are known at its path and have not left it.
    pub(super) async fn find_at_paths(
        &self,
        client: &Client,
        candidates: &[Candidate],
    ) -> Result<Vec<Vec<Known>>> {
        let paths: Vec<String> = candidates
            .iter()
            .map(|candidate| path_text(&candidate.path))
            .collect();
        let rows = client
            .query_typed(
                &format!(
                    "select c.ordinal, {COLUMNS}
                     from unnest($2::text[]) with ordinality as c (path, ordinal)
                     cross join lateral (
                         select * from ingestd.files f
                         where f.pipeline = $1 and f.path = c.path and f.archived_at is null
                         order by f.file_id desc limit $3) f"
                ),
                &[
                    (&self.pipeline, Type::TEXT),
                    (&paths, Type::TEXT_ARRAY),
                    (&NEWEST, Type::INT8),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "looking for known files"))?;
        by_ordinal(&rows, candidates.len())
    }

    /// For each candidate the files that have its length and its ends, wherever they are.
    pub(super) async fn find_equal(
        &self,
        client: &Client,
        candidates: &[(&Candidate, &Fingerprint)],
    ) -> Result<Vec<Vec<Known>>> {
        let sizes: Vec<i64> = candidates
            .iter()
            .map(|(candidate, _)| to_signed(candidate.size))
            .collect();
        let heads: Vec<&[u8]> = candidates
            .iter()
            .map(|(_, print)| &print.head[..])
            .collect();
        let tails: Vec<&[u8]> = candidates
            .iter()
            .map(|(_, print)| &print.tail[..])
            .collect();
        let rows = client
            .query_typed(
                &format!(
                    "select c.ordinal, {COLUMNS}
                     from unnest($2::bigint[], $3::bytea[], $4::bytea[]) with ordinality
                         as c (size, head, tail, ordinal)
                     cross join lateral (
                         select * from ingestd.files f
                         where f.pipeline = $1 and f.size = c.size and f.size > 0
                           and f.head_hash = c.head and f.tail_hash = c.tail
                           and f.state <> 'SKIPPED' and f.records is distinct from 0
                         -- However often this content was loaded: what is unfinished goes on.
                         order by f.state not in ('SCHEDULED', 'READING', 'COMPLETED'), f.file_id
                         limit $5) f"
                ),
                &[
                    (&self.pipeline, Type::TEXT),
                    (&sizes, Type::INT8_ARRAY),
                    (&heads, Type::BYTEA_ARRAY),
                    (&tails, Type::BYTEA_ARRAY),
                    (&NEWEST, Type::INT8),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "looking for equal files"))?;
        by_ordinal(&rows, candidates.len())
    }

    /// For each candidate the file that stood there as it did and was loaded and moved since, with where
    /// it went.
    pub(super) async fn find_departed(
        &self,
        client: &Client,
        candidates: &[Candidate],
    ) -> Result<Vec<Option<(FileId, String)>>> {
        let paths: Vec<String> = candidates.iter().map(|it| path_text(&it.path)).collect();
        let numbers = |of: fn(&Candidate) -> i64| candidates.iter().map(of).collect::<Vec<_>>();
        let rows = client
            .query_typed(
                "select f.file_id, coalesce(f.archive_path, '?') as went
                 from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
                      with ordinality as c (path, size, modified, inode, ordinal)
                 left join lateral (
                     select * from ingestd.files f
                     where f.pipeline = $1 and f.path = c.path and f.state = 'ARCHIVED'
                       and f.size = c.size and f.modified = c.modified and f.inode = c.inode
                     order by f.file_id desc limit 1) f on true
                 order by c.ordinal",
                &[
                    (&self.pipeline, Type::TEXT),
                    (&paths, Type::TEXT_ARRAY),
                    (&numbers(|it| to_signed(it.size)), Type::INT8_ARRAY),
                    (&numbers(|it| it.modified), Type::INT8_ARRAY),
                    (&numbers(|it| it.inode.cast_signed()), Type::INT8_ARRAY),
                ],
            )
            .await
            .map_err(|error| ledger_error(error, "looking for files that were moved"))?;
        let departed = rows.iter().map(|row| {
            let file: Option<i64> = row.get("file_id");
            file.map(|file| (FileId(file), row.get("went")))
        });
        Ok(departed.collect())
    }

    /// For each candidate what was loaded last under its name, wherever that file is by now.
    pub(super) async fn find_last(
        &self,
        client: &Client,
        candidates: &[(&Candidate, &Fingerprint)],
    ) -> Result<Vec<Vec<Known>>> {
        let paths: Vec<String> = candidates
            .iter()
            .map(|(candidate, _)| path_text(&candidate.path))
            .collect();
        let rows = client
            .query_typed(
                &format!(
                    "select c.ordinal, {COLUMNS}
                     from unnest($2::text[]) with ordinality as c (path, ordinal)
                     cross join lateral (
                         select * from ingestd.files f
                         where f.pipeline = $1 and f.path = c.path
                           and (f.state in ('COMMITTED', 'ARCHIVED') and f.records > 0
                                or f.state = 'SKIPPED' and f.duplicate_of is not null)
                         order by f.file_id desc limit 1) f"
                ),
                &[(&self.pipeline, Type::TEXT), (&paths, Type::TEXT_ARRAY)],
            )
            .await
            .map_err(|error| ledger_error(error, "looking for files of the same name"))?;
        by_ordinal(&rows, candidates.len())
    }

    /// For each candidate all files that it may be related to, the oldest first.
    pub(super) async fn find_related(
        &self,
        client: &Client,
        candidates: &[(&Candidate, &Fingerprint)],
        at_paths: Vec<Vec<Known>>,
    ) -> Result<Vec<Vec<Known>>> {
        // Sent at once, carried out one after the other.
        let (equal, last) = try_join!(
            self.find_equal(client, candidates),
            self.find_last(client, candidates),
        )?;
        let others = equal.into_iter().zip(last);
        let merged = at_paths
            .into_iter()
            .zip(others)
            .map(|(here, (equal, last))| {
                let all = here.into_iter().chain(equal).chain(last);
                let all: HashMap<_, _> = all.map(|known| (known.file, known)).collect();
                let mut all: Vec<Known> = all.into_values().collect();
                all.sort_by_key(|known| known.file);
                all
            });
        Ok(merged.collect())
    }
}

fn by_ordinal(rows: &[Row], candidates: usize) -> Result<Vec<Vec<Known>>> {
    let mut found: Vec<Vec<Known>> = (0..candidates).map(|_| Vec::new()).collect();
    for row in rows {
        let ordinal: i64 = row.get("ordinal");
        let slot = usize::try_from(ordinal - 1)
            .ok()
            .and_then(|index| found.get_mut(index));
        if let Some(slot) = slot {
            slot.push(Known::read(row)?);
        }
    }
    Ok(found)
}
