//! The ledger forgets a file: it may be loaded again, and what is loaded of it stays.

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::Candidate;
use postgres::types::Type;
use postgres::{Client, Transaction};
use serde::Serialize;

use super::family::{self, Relative, Tail};
use super::prospect::refuse_on_its_way;
use super::{begin, commit, lock, refuse};
use crate::fs::{candidate_at, path_text};
use crate::ledger::known::{COLUMNS, Known};
use crate::ledger::retry::freshen;
use crate::plan::LoadPlan;
use crate::postgres::{classify, quote};

/// A file that is forgotten, or can be.
#[derive(Clone, Debug, Serialize)]
pub struct Forgotten {
    /// Its number.
    pub file: i64,
    /// Its pipeline.
    pub pipeline: String,
    /// Where it was found.
    pub path: String,
    /// The state that it is in.
    pub state: String,
    /// How many of its records are in the table, and stay there.
    pub loaded: u64,
    /// The table, where it was loaded into any.
    pub table: Option<String>,
    /// Whether nothing would tell its rows from those of another loading: they would be there twice.
    pub would_double: bool,
    /// How many dead letters are forgotten with it.
    pub dead_letters: u64,
    /// What was skipped as its duplicate: it stands for nothing then.
    pub duplicates: Vec<Relative>,
    /// What was added to it, of which nothing is loaded: forgotten with it.
    pub tails: Vec<Tail>,
    /// Whether it stands where it was found, seen from here: then a service loads it again at once.
    pub stands: bool,
    /// Where it stands since it has left the inbox, seen from here: nobody looks after it there any more.
    pub left_at: Option<String>,
}

/// What forgetting a file would do; nothing is changed.
///
/// # Errors
/// `Configuration` where it can't be forgotten, with what to do.
pub fn forgettable(client: &mut Client, file: i64) -> Result<Forgotten> {
    let mut transaction = begin(client)?;
    look(&mut transaction, file).map(|(forgotten, _)| forgotten)
}

/// Forgets a file, its checkpoints and its dead letters, and with it what was added to it and not loaded:
/// a tail begins where its file ends, and means nothing without it. Where it stands in the inbox still, it is
/// touched, so that a service that has seen it there sees it anew.
///
/// # Errors
/// `Configuration` where it can't be forgotten, with what to do.
pub fn forget(client: &mut Client, file: i64) -> Result<Forgotten> {
    let mut transaction = begin(client)?;
    lock(&mut transaction, file)?;
    let (forgotten, candidate) = look(&mut transaction, file)?;
    family::set_free(&mut transaction, file)?;
    transaction
        .execute_typed(
            "delete from ingestd.files where file_id = $1",
            &[(&file, Type::INT8)],
        )
        .map_err(|error| classify(error, "forgetting a file"))?;
    let committed = commit(transaction);
    // Also where it is not known whether it came about: typed again there would be nothing to forget, and
    // a service that has seen the file would never look at it again.
    let may_be = |error: &Error| error.kind() == ErrorKind::Unknown;
    if forgotten.stands && committed.as_ref().err().is_none_or(may_be) {
        freshen(&candidate.path);
    }
    committed.map(|()| forgotten)
}

fn look(transaction: &mut Transaction<'_>, file: i64) -> Result<(Forgotten, Candidate)> {
    let sql = format!(
        "select {COLUMNS}, f.pipeline, p.definition::text as definition,
                (select count(*) from ingestd.dead_letters d where d.file_id = f.file_id)
                    as dead_letters,
                (select count(*) from ingestd.dead_letters d
                 where d.file_id = f.file_id and d.status = 'RESOLVED'
                   and d.resolution ~ '^(inserted|updated)') as replayed
         from ingestd.files f left join ingestd.plans p using (plan_id) where f.file_id = $1"
    );
    let row = transaction
        .query_typed_opt(&sql, &[(&file, Type::INT8)])
        .map_err(|error| classify(error, "reading the ledger"))?;
    let row = row.ok_or_else(|| {
        let message = format!("there is no file {file} in the ledger");
        refuse(
            message,
            "it is forgotten, or never was; `ingestd files` shows the others",
        )
    })?;
    let known = Known::read(&row)?;
    let goes_to = row.get("archive_path");
    let state = known.state.name();
    refuse_on_its_way(file, state, !known.archived, goes_to, "forget")?;
    family::refuse_with_tails(transaction, file, "forget")?;
    let plan: Option<String> = row.get("definition");
    // One that can't be read says nothing of its table, and holds up nothing.
    let plan = plan.and_then(|plan| serde_json::from_str::<LoadPlan>(&plan).ok());
    let found = candidate_at(&known.candidate.path).ok().flatten();
    let stands = !known.archived
        && found
            .is_some_and(|found| crate::ledger::verdict::same_metadata(&found, &known.candidate));
    let left = known.archive_path.as_deref().filter(|_| known.archived);
    let left = left.filter(|path| path.symlink_metadata().is_ok());
    let loaded = known.loaded + row.get::<_, i64>("replayed").cast_unsigned();
    let forgotten = Forgotten {
        file,
        pipeline: row.get("pipeline"),
        path: row.get("path"),
        state: state.to_owned(),
        loaded,
        table: plan.as_ref().map(|plan| quote::table(&plan.table)),
        would_double: loaded > 0 && plan.is_some_and(|plan| !plan.merges() && plan.key.is_empty()),
        dead_letters: row.get::<_, i64>("dead_letters").cast_unsigned(),
        duplicates: family::duplicates(transaction, file)?,
        tails: family::tails(transaction, file)?,
        stands,
        left_at: left.map(path_text),
    };
    Ok((forgotten, known.candidate))
}
