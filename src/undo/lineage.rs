//! Which rows of a table are a file's: by the columns of its plan that are derived from the file.
//!
//! Its number alone tells them exactly. So do the time at which its reading began, to the microsecond,
//! and its name together, where the ledger has no other file with both. A name alone does not: another
//! file may have had it, which the ledger may have forgotten.

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::FileId;
use postgres::types::{ToSql, Type};
use postgres::{Row, Transaction};

use super::refuse;
use crate::fs::path_from_text;
use crate::plan::{Column, ColumnSource, LoadPlan, ValueRules, WriteMode};
use crate::postgres::{classify, quote};
use crate::source::Origin;

/// How a file's rows are told.
#[derive(Clone, Debug, Default)]
pub struct Lineage {
    /// The columns.
    pub columns: Vec<String>,
    /// The condition in SQL; its parameters are texts.
    pub condition: String,
    texts: Vec<String>,
}

impl Lineage {
    /// The parameters.
    pub fn values(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        let texts = self.texts.iter();
        texts
            .map(|text| (text as &(dyn ToSql + Sync), Type::TEXT))
            .collect()
    }

    fn and(&mut self, column: &str, sql_type: &str, text: &str) {
        let before = match self.condition.is_empty() {
            true => "",
            false => " and ",
        };
        self.texts.push(text.to_owned());
        self.condition.push_str(&format!(
            "{before}{} = ${}::text::{sql_type}",
            quote::identifier(column),
            self.texts.len()
        ));
        self.columns.push(column.to_owned());
    }
}

/// A column of the table as it is now: its name, and its type without a modifier, where it has none.
type Live = (String, Option<String>);

/// How the rows of a file are told.
///
/// # Errors
/// `Configuration` where they can't be.
pub fn of_file(
    transaction: &mut Transaction<'_>,
    file: i64,
    pipeline: &str,
    plan: &LoadPlan,
) -> Result<Lineage> {
    let live = columns(transaction, plan)?;
    let numbers = [
        "bigint",
        "integer",
        "smallint",
        "numeric",
        "text",
        "character varying",
    ];
    let texts = ["text", "character varying"];
    let times = ["timestamp with time zone", "timestamp without time zone"];
    let find = |source: ColumnSource, types: &[&str]| {
        let mut columns = plan.columns.iter().filter(|it| it.source == source);
        columns.find_map(|column| {
            let (name, sql_type) = live.iter().find(|(name, _)| *name == column.name)?;
            let sql_type = sql_type.as_deref().filter(|it| types.contains(it))?;
            is_plain(column).then(|| (name.clone(), sql_type.to_owned()))
        })
    };
    let mut lineage = Lineage::default();
    if let Some((column, sql_type)) = find(ColumnSource::FileId, &numbers) {
        refuse_unmarked(transaction, file, plan, &column)?;
        lineage.and(&column, &sql_type, &file.to_string());
        return Ok(lineage);
    }
    let name = find(ColumnSource::FilePath, &texts)
        .map(|it| (it, true))
        .or_else(|| Some((find(ColumnSource::FileName, &texts)?, false)));
    if let Some((time, time_type)) = find(ColumnSource::LoadTime, &times)
        && let Some(((column, sql_type), is_path)) = name
        && let Some(origin) = origin(transaction, file)?
    {
        refuse_a_twin(transaction, file)?;
        refuse_unmarked(transaction, file, plan, &time)?;
        refuse_unmarked(transaction, file, plan, &column)?;
        lineage.and(&time, &time_type, &origin.load_time);
        let text = if is_path { &origin.path } else { &origin.name };
        lineage.and(&column, &sql_type, text);
        return Ok(lineage);
    }
    let message = format!(
        "file {file} of pipeline {pipeline}: no column of {} tells its rows from those of other files",
        quote::table(&plan.table)
    );
    Err(refuse(
        message,
        "give the pipeline a column with from = \"file_id\": files that are loaded from then on can be taken back \
         (a name alone may be that of several files; with from = \"load_time\" beside it, it will do)",
    ))
}

/// Whether a column has the very text that it is derived from.
fn is_plain(column: &Column) -> bool {
    column.case.is_none() && !column.trim && column.rules == ValueRules::default()
}

/// The columns of the plan's table, as it is now.
fn columns(transaction: &mut Transaction<'_>, plan: &LoadPlan) -> Result<Vec<Live>> {
    let rows = transaction
        .query_typed(
            "select a.attname::text,
                    case when a.atttypmod = -1 then format_type(a.atttypid, null) end
             from pg_attribute a
             where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped",
            &[(&quote::table(&plan.table), Type::TEXT)],
        )
        .map_err(|error| classify(error, "reading the table's columns"))?;
    if rows.is_empty() {
        let message = format!("there is no table {}", quote::table(&plan.table));
        return Err(refuse(
            message,
            "nothing of the file is there any more: `ingestd forget` makes the ledger forget it",
        ));
    }
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Refuses where rows may be another file's and have this one's mark: whoever overwrites a row has to
/// overwrite the mark with it. So do this file's own plan, for what it has overwritten itself, and the plans of
/// all that was loaded into the table since.
fn refuse_unmarked(
    transaction: &mut Transaction<'_>,
    file: i64,
    plan: &LoadPlan,
    column: &str,
) -> Result<()> {
    let rows = transaction
        .query_typed(
            "select p.definition::text, p.pipeline from ingestd.plans p
             where p.plan_id in (
                 select n.plan_id from ingestd.files f
                 join ingestd.files n on n.file_id >= f.file_id or n.committed_at >= f.started_at
                      or n.state in ('SCHEDULED', 'READING', 'COMPLETED')
                 where f.file_id = $1)
             union all
             select w.plan::text, r.pipeline
             from ingestd.replays r, jsonb_array_elements(r.plans) w (plan), ingestd.files f
             where f.file_id = $1 and r.started_at >= f.started_at and r.updated > 0",
            &[(&file, Type::INT8)],
        )
        .map_err(|error| classify(error, "reading the plans"))?;
    for row in &rows {
        let other = plan_of(row)?;
        if other.table.name != plan.table.name || marks(plan, &other, column) {
            continue;
        }
        let message = format!(
            "file {file}: pipeline {} overwrites rows and leaves their column {column:?} as it is, which would tell \
             whose they are",
            row.get::<_, &str>(1)
        );
        return Err(refuse(
            message,
            "let the column be one of those that it replaces, for files to come",
        ));
    }
    refuse_unmarked_replays(transaction, file, plan, column)
}

/// Refuses where records of the file were replayed into another table, or without the mark.
fn refuse_unmarked_replays(
    transaction: &mut Transaction<'_>,
    file: i64,
    plan: &LoadPlan,
    column: &str,
) -> Result<()> {
    let rows = transaction
        .query_typed(
            "select w.plan::text, r.pipeline from ingestd.replays r, jsonb_array_elements(r.plans) w (plan)
             where exists (select from ingestd.dead_letters d
                           where d.file_id = $1 and d.replay_id = r.replay_id and d.status = 'RESOLVED'
                             and d.resolution ~ '^(inserted|updated)')",
            &[(&file, Type::INT8)],
        )
        .map_err(|error| classify(error, "reading the plans of replays"))?;
    for row in &rows {
        let other = plan_of(row)?;
        if other.table.name == plan.table.name
            && source(&other, column) == source(plan, column)
            && marks(plan, &other, column)
        {
            continue;
        }
        let message = format!(
            "file {file}: records of it were replayed under a mapping that writes elsewhere, or without the column \
             {column:?}, by which its rows are told"
        );
        return Err(refuse(message, "take those rows out by hand"));
    }
    Ok(())
}

fn plan_of(row: &Row) -> Result<LoadPlan> {
    serde_json::from_str(row.get(0)).map_err(|error| {
        Error::new(ErrorKind::Bug, "a stored plan can't be read").with_source(error)
    })
}

fn source(plan: &LoadPlan, column: &str) -> Option<ColumnSource> {
    let mut columns = plan.columns.iter();
    columns
        .find(|it| it.name == column)
        .map(|it| it.source.clone())
}

/// PURE: whether rows that are written under `other` have their own mark in a column that is one in `plan`.
fn marks(plan: &LoadPlan, other: &LoadPlan, column: &str) -> bool {
    let has_it = source(other, column) == source(plan, column);
    let update = other.rules.update.as_ref();
    match other.mode {
        // A row that is new has the mark, or NULL.
        WriteMode::Append | WriteMode::Ignore => has_it || source(other, column).is_none(),
        WriteMode::Upsert | WriteMode::Newest => {
            has_it && update.is_none_or(|update| update.iter().any(|name| name == column))
        }
    }
}

/// What the file was when its reading began, where the ledger has noted that.
fn origin(transaction: &mut Transaction<'_>, file: i64) -> Result<Option<Origin>> {
    let row = transaction
        .query_typed_one(
            "select load_path, to_char(load_time at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"')
             from ingestd.files where file_id = $1",
            &[(&file, Type::INT8)],
        )
        .map_err(|error| classify(error, "reading the ledger"))?;
    let path: Option<String> = row.get(0);
    let time: Option<String> = row.get(1);
    Ok(path
        .zip(time)
        .map(|(path, time)| Origin::new(FileId(file), &path_from_text(&path), time)))
}

/// Two files whose reading began at the same microsecond, under the same name, can't be told apart.
fn refuse_a_twin(transaction: &mut Transaction<'_>, file: i64) -> Result<()> {
    let twin = transaction
        .query_typed_opt(
            "select t.file_id from ingestd.files f
             join ingestd.files t on t.load_time = f.load_time and t.file_id <> f.file_id
                  and regexp_replace(t.load_path, '^.*/', '') = regexp_replace(f.load_path, '^.*/', '')
             where f.file_id = $1 limit 1",
            &[(&file, Type::INT8)],
        )
        .map_err(|error| classify(error, "reading the ledger"))?;
    match twin {
        None => Ok(()),
        Some(row) => {
            let twin: i64 = row.get(0);
            let message = format!(
                "file {file} has the name of file {twin}, and was begun at the same moment: nothing tells their rows apart"
            );
            Err(refuse(message, "delete them by hand"))
        }
    }
}
