//! The row statements of one transaction.

use std::pin::pin;
use std::sync::OnceLock;

use bytes::Bytes;
use futures_util::SinkExt;
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::Counts;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, CopyInSink, SimpleQueryMessage, Statement};

use super::choice::Rules;
use super::copy_data::CopyData;
use super::fault::{Fault, fault};
use super::merge_sql::MergeSql;
use super::presence::Presence;
use super::selection::{Run, Selection};
use super::statements::{Facts, RangeSql, Statements};
use crate::plan::{LoadPlan, ValueType};
use crate::postgres::error::classify_ledger;
use crate::postgres::link::Link;
use crate::postgres::{classify, quote};

/// A plan as one connection carries it out.
#[derive(Debug)]
pub struct Loading {
    /// The plan's number.
    pub id: i64,
    /// The plan.
    pub plan: LoadPlan,
    /// What the table is.
    pub facts: Facts,
    /// How rows of one key are chosen.
    pub rules: Rules,
    /// What is sent.
    pub statements: Statements,
    /// How to ask which keys are there, where that can be asked.
    pub presence: Option<Presence>,
    /// The table's form when it was first written to: what the facts and the staging table follow.
    form: OnceLock<String>,
}

/// Reads what the statements for a plan depend on.
pub async fn prepare(client: &Client, id: i64, plan: &LoadPlan) -> Result<Loading> {
    let doing = format!("reading the catalog for table {}", plan.table);
    let columns: Vec<&str> = plan.columns.iter().map(|c| c.name.as_str()).collect();
    let name = quote::table(&plan.table);
    let found = client
        .query_typed_opt(
            "select c.relkind = 'p',
                    row_security_active(c.oid),
                    exists (select from pg_rewrite r where r.ev_class = c.oid and r.ev_type = '3')
                    or exists (select from pg_attribute a where a.attrelid = c.oid
                               and a.attidentity = 'a' and a.attname = any ($2)),
                    exists (select from pg_attribute a where a.attrelid = c.oid
                            and a.attname = $3 and a.atttypmod <> -1),
                    exists (select from pg_constraint f where f.contype = 'f'
                            and f.conrelid = c.oid and f.confrelid = c.oid)
             from pg_class c where c.oid = to_regclass($1)",
            &[
                (&name, Type::TEXT),
                (&columns, Type::TEXT_ARRAY),
                (&plan.rules.version, Type::TEXT),
            ],
        )
        .await
        .map_err(|error| classify_ledger(error, &doing))?;
    let Some(row) = found else {
        return Err(Error::new(
            ErrorKind::Configuration,
            format!("table {} is not there", plan.table),
        )
        .with_code("42P01")
        .with_advice("create the table, or set `create = true` for the pipeline"));
    };
    let row_security = row.get(1);
    let facts = Facts {
        partitioned: row.get(0),
        insert_only: row_security || row.get(2),
        row_security,
        cut_version: row.get(3),
        refers_to_itself: row.get(4),
    };
    Ok(Loading {
        id,
        plan: plan.clone(),
        facts,
        rules: Rules::new(plan, facts.cut_version),
        statements: Statements::new(id, plan, facts),
        presence: Presence::new(plan),
        form: OnceLock::new(),
    })
}

/// The first OID of types that were created in a database: only those can be domains.
const FIRST_OWN: u32 = 16_384;

/// What to do about a table that somebody else has locked.
pub const ASK_WHY: &str =
    "somebody has the table locked: `ingestd why FILE`, of a file that waits, says who";

/// Locks the table against changes of its form until the end of the transaction, and makes sure that
/// its columns still have the types that the rows are encoded for: a type of the same width would
/// take the bytes and mean something else.
///
/// Whether the table has the form that this connection knows. Where it has not, the connection's
/// staging table would cut or refuse values by the modifiers that the columns had before.
pub async fn check_types(client: &Client, loading: &Loading) -> Result<bool> {
    let table = quote::table(&loading.plan.table);
    let doing = format!("looking at the columns of {}", loading.plan.table);
    let sql = format!(
        "LOCK TABLE {table} IN ROW EXCLUSIVE MODE; \
         SELECT attname, coalesce(nullif(CASE WHEN atttypid >= {FIRST_OWN} THEN \
                (SELECT typbasetype FROM pg_catalog.pg_type t WHERE t.oid = atttypid) END, 0), \
                atttypid)::int8, format_type(atttypid, -1), \
                (atttypmod, attcollation, attidentity, c.oid, relkind, relrowsecurity, relhasrules) \
         FROM pg_catalog.pg_attribute JOIN pg_catalog.pg_class c ON c.oid = attrelid \
         WHERE attrelid = '{}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        table.replace('\'', "''")
    );
    let answer = client.simple_query(&sql).await;
    let answer = answer.map_err(|error| {
        let error = classify_ledger(error, &doing);
        match error.code() {
            Some("55P03") => error.with_advice(ASK_WHY),
            _ => error,
        }
    })?;
    let mut form = String::new();
    for message in &answer {
        let SimpleQueryMessage::Row(row) = message else {
            continue;
        };
        form.extend((0..row.len()).filter_map(|index| row.get(index)));
        let (name, now) = (row.get(0).unwrap_or(""), row.get(2).unwrap_or(""));
        let oid = row.get(1).and_then(|oid| oid.parse().ok()).unwrap_or(0);
        let Some(column) = loading
            .plan
            .columns
            .iter()
            .find(|column| column.name == name)
        else {
            continue;
        };
        let known = ValueType::from_oid(oid);
        let same = match column.value_type {
            ValueType::Other | ValueType::Enum => column.type_name == now,
            value_type => value_type == known,
        };
        if !same {
            let message = format!(
                "column {name:?} of table {} is of type {now} now, but rows were read for {}",
                loading.plan.table, column.type_name
            );
            return Err(Error::new(ErrorKind::Configuration, message)
                .with_advice("change the type back until the files that are begun are loaded"));
        }
    }
    Ok(*loading.form.get_or_init(|| form.clone()) == form)
}

/// Makes the staging table, where this connection lacks it, and counts from 1 in it.
///
/// The connection has it for good only once the transaction commits: see [`Link::staged`].
pub async fn ensure_staging(link: &Link, loading: &Loading) -> Result<()> {
    let statements = &loading.statements;
    let doing = format!("making a staging table for {}", loading.plan.table);
    let restart = &statements.restart_ordinals;
    let sql = if link.pooled {
        // A session that is anybody's keeps nothing. New, it counts from 1.
        statements.create_staging_for_once.clone()
    } else if link.staged.contains(&loading.id) {
        restart.clone()
    } else {
        format!("{}; {restart}", statements.create_staging)
    };
    link.client
        .batch_execute(&sql)
        .await
        .map_err(|error| classify_ledger(error, &doing))
}

/// Prepares a COPY: inside the transaction, and closed with it, for the sake of poolers.
pub async fn prepare_copy(client: &Client, sql: &str, loading: &Loading) -> Result<Statement> {
    let doing = format!("preparing to copy into {}", loading.plan.table);
    let prepared = client.prepare(sql).await;
    prepared.map_err(|error| classify(error, &doing))
}

/// Makes the index for ranges of staged rows, or drops it.
pub async fn prepare_ranges(client: &Client, sql: &str) -> Result<()> {
    let done = client.batch_execute(sql).await;
    done.map_err(|error| classify_ledger(error, "indexing the staged rows"))
}

/// Sends rows.
pub async fn copy(
    client: &Client,
    statement: &Statement,
    selection: &Selection<'_>,
    rows: &[u32],
    loading: &Loading,
) -> Result<(), Fault> {
    let doing = format!("copying into {}", loading.plan.table);
    let data = CopyData::new(selection.spans(rows));
    send(client, statement, data)
        .await
        .map_err(|error| fault(error, &doing, loading))
}

/// Sends the messages of a COPY.
pub async fn send(
    client: &Client,
    statement: &Statement,
    data: impl Iterator<Item = Bytes>,
) -> Result<(), tokio_postgres::Error> {
    let sink: CopyInSink<Bytes> = client.copy_in(statement).await?;
    let mut sink = pin!(sink);
    for piece in data {
        sink.feed(piece).await?;
    }
    sink.finish().await?;
    Ok(())
}

/// Staged rows that are merged together: their numbers, and the runs that their counts belong to.
pub struct Staged<'a> {
    /// What is done with them.
    pub sql: &'a RangeSql,
    /// Whether they delete the rows of their keys.
    pub deletes: bool,
    /// Whether the server is to pick among rows of one key.
    pub undecided: bool,
    /// The number of the first.
    pub first: i64,
    /// The number of the last.
    pub last: i64,
    /// The runs, with the number that each starts at.
    pub runs: &'a [(i64, Run)],
}

/// How many of some rows have changed the table, and how many of them are new in it.
#[derive(Clone, Copy, Default)]
struct Done {
    changed: u64,
    inserted: u64,
}

/// Brings staged rows into the table, and adds what came of them to the counts of their shares.
pub async fn merge(
    client: &Client,
    staged: &Staged<'_>,
    loading: &Loading,
    counts: &mut [Counts],
) -> Result<(), Fault> {
    let statements = match staged {
        Staged { deletes: true, .. } => &staged.sql.delete,
        Staged { undecided, .. } if *undecided => &staged.sql.pick,
        _ => &staged.sql.merge,
    };
    let mut done = vec![Done::default(); staged.runs.len()];
    for sql in statements {
        send_merge(client, staged, sql, loading, &mut done).await?;
    }
    for ((_, run), done) in staged.runs.iter().zip(done) {
        counts[run.share] += match staged.deletes {
            true => deleted(run.rows, done),
            false => written(run.rows, done),
        };
    }
    Ok(())
}

async fn send_merge(
    client: &Client,
    staged: &Staged<'_>,
    sql: &MergeSql,
    loading: &Loading,
    done: &mut [Done],
) -> Result<(), Fault> {
    let doing = format!("writing into {}", loading.plan.table);
    let failed = |error| fault(error, &doing, loading);
    let range = [
        (
            &staged.first as &(dyn tokio_postgres::types::ToSql + Sync),
            Type::INT8,
        ),
        (&staged.last, Type::INT8),
    ];
    let number = |row: &tokio_postgres::Row, index| row.get::<_, i64>(index) as u64;

    if let ([only], Some(sql)) = (&mut *done, &sql.total) {
        let row = client.query_typed_one(sql, &range).await.map_err(failed)?;
        only.changed += number(&row, 0);
        only.inserted += number(&row, 1);
        return Ok(());
    }
    let starts: Vec<i64> = staged.runs.iter().map(|(start, _)| *start).collect();
    let [first, last] = range;
    let rows = client
        .query_typed(&sql.by_run, &[first, last, (&starts, Type::INT8_ARRAY)])
        .await
        .map_err(failed)?;
    for row in rows {
        let run = row.get::<_, i32>(0) - 1;
        let Some(done) = done.get_mut(run as usize) else {
            let message = format!("{doing}: the server counted a run of rows that was not sent");
            return Err(Error::new(ErrorKind::Bug, message).into());
        };
        done.changed += number(&row, 1);
        done.inserted += number(&row, 2);
    }
    Ok(())
}

/// Rows by what became of them. What was not written was there already with the same values, or
/// was to stay.
fn written(rows: u64, done: Done) -> Counts {
    let inserted = done.inserted.min(rows);
    let updated = done.changed.min(rows).saturating_sub(inserted);
    Counts {
        inserted,
        updated,
        unchanged: rows - inserted - updated,
        ..Counts::default()
    }
}

/// Deletions by what became of them: what was not there leaves all unchanged.
fn deleted(rows: u64, done: Done) -> Counts {
    let deleted = done.changed.min(rows);
    Counts {
        deleted,
        unchanged: rows - deleted,
        ..Counts::default()
    }
}
