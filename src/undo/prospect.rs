//! What taking a file back means, looked at before it is done.

use ingestd_actors::error::{Error, ErrorKind, Result};
use postgres::types::Type;
use postgres::{Row, Transaction};
use serde::Serialize;

use super::family::{self, Relative};
use super::lineage::{self, Lineage};
use super::{Undone, refuse};
use crate::ledger::known::to_unsigned;
use crate::plan::LoadPlan;
use crate::postgres::{classify, quote};
use crate::view::time;

/// A file that can be taken back.
#[derive(Clone, Debug, Serialize)]
pub struct Prospect {
    /// Its number.
    pub file: i64,
    /// Its pipeline.
    pub pipeline: String,
    /// Where it was found.
    pub path: String,
    /// Whether it still stands there.
    pub in_inbox: bool,
    /// Where it was archived.
    pub archive_path: Option<String>,
    /// The state that it was in.
    pub state: String,
    /// The table, quoted as SQL has it.
    pub table: String,
    /// Its rows that are in the table.
    pub rows: u64,
    /// The rows that it has inserted, and those of which it has overwritten others.
    pub inserted: u64,
    /// The rows of other files, or of somebody else, that it has overwritten: they don't come back.
    pub updated: u64,
    /// The rows that it has deleted: they don't come back.
    pub deleted: u64,
    /// The rows that it had written and that are its no more: a later file has overwritten them, or
    /// somebody has deleted them. They stay as they are.
    pub no_longer_its: u64,
    /// Its dead letters that wait for somebody.
    pub dead_letters: u64,
    /// What was skipped as its duplicate: it stands for nothing then, and is not loaded by itself.
    pub duplicates: Vec<Relative>,
    /// The columns that tell its rows.
    pub told_by: Vec<String>,
    #[serde(skip)]
    pub(super) lineage: Lineage,
}

impl Prospect {
    /// Looks at a file. Its rows are not counted yet.
    pub(super) fn look(transaction: &mut Transaction<'_>, file: i64) -> Result<Undone> {
        let row = read(transaction, file)?;
        if let Some(at) = row.get::<_, Option<String>>("undone_at") {
            return Ok(Undone::Before { file, at });
        }
        let state: String = row.get("state");
        let in_inbox: bool = row.get("in_inbox");
        refuse_on_its_way(file, &state, in_inbox, row.get("archive_path"), "undo")?;
        let count = |column: &str| row.get::<_, Option<i64>>(column).map_or(0, to_unsigned);
        if state == "SKIPPED" {
            let message = format!("file {file} was skipped: none of its records was loaded");
            return Err(refuse(message, "there is nothing to be taken back"));
        }
        family::refuse_with_tails(transaction, file, "undo")?;
        let plan: Option<String> = row.get("definition");
        let plan = plan.ok_or_else(|| {
            let message = format!("file {file} is {state}, and none of its records was loaded");
            refuse(message, "there is nothing to be taken back")
        })?;
        let plan: LoadPlan = serde_json::from_str(&plan).map_err(|error| {
            Error::new(ErrorKind::Bug, "the stored plan can't be read").with_source(error)
        })?;
        let pipeline: String = row.get("pipeline");
        let lineage = lineage::of_file(transaction, file, &pipeline, &plan)?;
        Ok(Undone::Undone(Box::new(Prospect {
            file,
            path: row.get("path"),
            in_inbox,
            archive_path: row.get("archive_path"),
            state,
            table: quote::table(&plan.table),
            rows: 0,
            // A replay's rows are its too.
            inserted: count("inserted") + count("replayed"),
            updated: count("updated"),
            deleted: count("deleted"),
            no_longer_its: 0,
            dead_letters: count("dead_letters"),
            duplicates: family::duplicates(transaction, file)?,
            told_by: lineage.columns.clone(),
            lineage,
            pipeline,
        })))
    }

    /// So many rows are its.
    pub(super) fn found(&mut self, rows: u64) {
        self.rows = rows;
        self.no_longer_its = (self.inserted + self.updated).saturating_sub(rows);
    }
}

fn read(transaction: &mut Transaction<'_>, file: i64) -> Result<Row> {
    let sql = format!(
        "select f.pipeline, f.path, f.state, f.archive_path, f.archived_at is null as in_inbox,
                f.inserted, f.updated, f.deleted, p.definition::text as definition,
                {} as undone_at,
                (select count(*) from ingestd.dead_letters d
                 where d.file_id = f.file_id and d.status = 'NEW') as dead_letters,
                (select count(*) from ingestd.dead_letters d
                 where d.file_id = f.file_id and d.status = 'RESOLVED'
                   and d.resolution ~ '^(inserted|updated)') as replayed
         from ingestd.files f left join ingestd.plans p using (plan_id) where f.file_id = $1",
        time("f.undone_at")
    );
    let row = transaction
        .query_typed_opt(&sql, &[(&file, Type::INT8)])
        .map_err(|error| classify(error, "reading the ledger"))?;
    row.ok_or_else(|| {
        let message = format!("there is no file {file} in the ledger");
        refuse(message, "`ingestd files` shows the files that it knows")
    })
}

/// Refuses a file that is being loaded, or being moved.
pub(super) fn refuse_on_its_way(
    file: i64,
    state: &str,
    in_inbox: bool,
    goes_to: Option<String>,
    doing: &str,
) -> Result<()> {
    if matches!(state, "SCHEDULED" | "READING" | "COMPLETED") {
        let message = format!("file {file} is in flight: it is {state}");
        let advice = format!(
            "let it be loaded to its end, then `ingestd {doing} {file}`; `ingestd why {file}` says what it waits for"
        );
        return Err(refuse(message, &advice));
    }
    if in_inbox && goes_to.is_some() {
        let message = format!("file {file} is just leaving the inbox");
        let advice =
            "type it again once it has; where no service runs, `ingestd run` lets it go on";
        return Err(Error::new(ErrorKind::Transient, message).with_advice(advice));
    }
    Ok(())
}
