//! What the ledger says of a file.

use std::path::PathBuf;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{Counts, FileId, FileState};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::fs::path_from_text;
use crate::ledger::DELETED;
use crate::ledger::known::{COLUMNS, Known, to_unsigned};
use crate::postgres::{Database, classify};

/// What the ledger says of a file.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its row.
    pub known: Known,
    /// Its pipeline.
    pub pipeline: String,
    /// Whether its content was to be removed, and was: by the configuration's leave.
    pub removed: bool,
    /// What became of its records.
    pub counts: Counts,
    /// The plan that it was loaded under; empty where there is none.
    pub plan: String,
    /// Where its reading began.
    pub first_path: PathBuf,
    /// When, as PostgreSQL writes it.
    pub load_time: String,
    /// Its dead letters: record, reason as the file was loaded, and whether the server has refused it.
    pub letters: Vec<(u64, String, bool)>,
    /// How many more there were, that retention has removed.
    pub forgotten: u64,
    /// How many of those that are there were replayed, and how many discarded.
    pub settled: (u64, u64),
}

impl Account {
    /// Reads it.
    pub async fn read(database: &Database, file: FileId) -> Result<Account> {
        let failed = |error| classify(error, "reading the ledger");
        let client = database.client().await?;
        let sql = format!(
            "select {COLUMNS}, f.pipeline, p.definition::text as definition,
                    coalesce(f.load_path, f.path) as first_path,
                    to_char(coalesce(f.load_time, f.discovered_at) at time zone 'UTC',
                            'YYYY-MM-DD HH24:MI:SS.US\"+00\"') as load_time,
                    f.archive_removed_at is not null
                        or f.state = 'ARCHIVED' and f.archive_path is null
                           and coalesce(f.reason, '') = $2 as removed,
                    f.letters_forgotten,
                    (select count(*) from ingestd.dead_letters d
                     where d.file_id = f.file_id and d.status = 'RESOLVED') as resolved,
                    (select count(*) from ingestd.dead_letters d
                     where d.file_id = f.file_id and d.status = 'DISCARDED') as discarded,
                    f.inserted, f.updated, f.unchanged, f.duplicate, f.deleted, f.filtered, f.rejected
             from ingestd.files f left join ingestd.plans p using (plan_id) where f.file_id = $1"
        );
        let row = client
            .query_typed_opt(&sql, &[(&file.0, Type::INT8), (&DELETED, Type::TEXT)])
            .await
            .map_err(failed)?;
        let Some(row) = row else {
            let message = format!("there is no file {} in the ledger", file.0);
            return Err(Error::new(ErrorKind::Configuration, message));
        };
        let letters = client
            .query_typed(
                "select record, coalesce(first_reason, reason),
                        case when first_reason is null then sqlstate
                             else first_sqlstate end is not null
                 from ingestd.dead_letters
                 where file_id = $1 order by record",
                &[(&file.0, Type::INT8)],
            )
            .await
            .map_err(failed)?;
        let letter = |row: &Row| (to_unsigned(row.get(0)), row.get(1), row.get(2));
        Ok(Account {
            known: Known::read(&row)?,
            pipeline: row.get("pipeline"),
            counts: counts(&row),
            removed: row.get("removed"),
            plan: row
                .get::<_, Option<String>>("definition")
                .unwrap_or_default(),
            first_path: path_from_text(row.get("first_path")),
            load_time: row.get("load_time"),
            letters: letters.iter().map(letter).collect(),
            forgotten: to_unsigned(row.get("letters_forgotten")),
            settled: (
                to_unsigned(row.get("resolved")),
                to_unsigned(row.get("discarded")),
            ),
        })
    }

    /// Whether all of it is loaded.
    pub fn is_committed(&self) -> bool {
        matches!(self.known.state, FileState::Committed | FileState::Archived)
    }
}

fn counts(row: &Row) -> Counts {
    let of = |column: &str| row.get::<_, Option<i64>>(column).map_or(0, to_unsigned);
    Counts {
        inserted: of("inserted"),
        updated: of("updated"),
        unchanged: of("unchanged"),
        duplicate: of("duplicate"),
        deleted: of("deleted"),
        filtered: of("filtered"),
        rejected: of("rejected"),
        staged: 0,
    }
}
