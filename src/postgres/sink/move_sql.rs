//! PURE: the staging table of a file that is loaded as a whole, and the statements that move its rows.

use ingestd_actors::model::FileId;

use super::merge_sql::Merges;
use super::statements::{Facts, ORDINAL, RangeSql, staged};
use crate::plan::LoadPlan;
use crate::postgres::quote;

/// The record's number, whatever its ordinal becomes.
const RECORD: &str = "\"ingestd: record\"";
const LINE: &str = "\"ingestd: line\"";
const OFFSET: &str = "\"ingestd: offset\"";
const DELETES: &str = "\"ingestd: deletes\"";
const RAW: &str = "\"ingestd: raw\"";
const WAVE: &str = "\"ingestd: wave\"";

/// How many fields a staged row has beside those of its columns.
pub const EXTRA_FIELDS: i16 = 6;

/// Numbers from here on are those of rows that were put behind all others.
pub const FAR: i64 = 1 << 62;

/// What the rows of a plan with deletions are put in turn in.
const TURNS: &str = "pg_temp.ingestd_turns";

/// The file's staging table.
pub fn table(file: FileId) -> String {
    format!("ingestd.staged_{}", file.0)
}

/// Makes it. It is logged, since its rows have to outlive what their checkpoints outlive, and nobody
/// needs statistics of it before it is moved.
///
/// Where it can be, it is the loading role's, so that another login of that goes on with the file.
pub fn create(file: FileId, plan: &LoadPlan) -> String {
    let table = table(file);
    format!(
        "CREATE TABLE IF NOT EXISTS {table} WITH (autovacuum_enabled = false) AS \
         SELECT {}, 0::bigint AS {ORDINAL}, 0::bigint AS {RECORD}, 0::bigint AS {LINE}, \
         0::bigint AS {OFFSET}, false AS {DELETES}, ''::bytea AS {RAW} FROM {} WITH NO DATA; \
         DO $$ BEGIN \
             IF (SELECT pg_has_role(g.oid, 'MEMBER') AND c.relowner <> g.oid \
                        AND pg_has_role(c.relowner, 'USAGE') \
                        AND has_schema_privilege(g.oid, 'ingestd', 'CREATE') \
                 FROM pg_catalog.pg_class c, pg_catalog.pg_roles g \
                 WHERE c.oid = '{table}'::regclass AND g.rolname = 'ingestd_load') \
             THEN ALTER TABLE {table} OWNER TO ingestd_load; \
             END IF; \
         EXCEPTION WHEN insufficient_privilege THEN NULL; \
         END $$",
        staged(plan),
        quote::table(&plan.table)
    )
}

/// Drops it, where it is.
pub fn drop(file: FileId) -> String {
    format!("DROP TABLE IF EXISTS {}", table(file))
}

/// COPY into it.
pub fn stage(file: FileId, plan: &LoadPlan) -> String {
    format!(
        "COPY {} ({}, {ORDINAL}, {RECORD}, {LINE}, {OFFSET}, {DELETES}, {RAW}) \
         FROM STDIN (FORMAT binary)",
        table(file),
        columns(plan)
    )
}

fn columns(plan: &LoadPlan) -> String {
    quote::identifiers(plan.columns.iter().map(|column| column.name.as_str()))
}

/// The order in which deletions and other rows take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    /// There are no deletions.
    None,
    /// Those of one key.
    OfKeys,
    /// All, since a deletion may have to make way for a row of another key.
    OfAll,
}

/// What moves the rows of one file.
pub struct MoveSql {
    /// How many rows are staged, and whether any deletes.
    pub count: String,
    /// For the statements' plans.
    pub analyze: String,
    /// Puts the rows in turn, where they take turns.
    pub take_turns: Option<String>,
    /// The first and the last row behind `$1`, how many they are, and whether they delete: those of the
    /// next wave. A row of NULLs at the end.
    pub next_wave: String,
    /// How many rows are in the range.
    pub count_range: String,
    /// An index for ranges, before rows are looked for.
    pub index: String,
    /// What a dead letter needs of a row.
    pub row: String,
    /// Gives rows (`$1`) new numbers (`$2`).
    pub renumber: String,
    /// What is done with a range of rows.
    pub range: RangeSql,
}

impl MoveSql {
    /// The statements for a file.
    pub fn new(file: FileId, plan: &LoadPlan, facts: Facts, turns: Turns) -> MoveSql {
        let staged = table(file);
        let from = match turns {
            Turns::None => staged.clone(),
            Turns::OfKeys | Turns::OfAll => TURNS.to_owned(),
        };
        let (target, columns) = (quote::table(&plan.table), columns(plan));
        let merges = Merges {
            plan,
            facts,
            table: &target,
            staging: &from,
            columns: &columns,
            range: &format!("{ORDINAL} BETWEEN $1 AND $2"),
        };
        let (wave, deletes) = match turns {
            Turns::None => ("true".to_owned(), "false"),
            _ => {
                // They are numbered without a gap.
                let next = format!("(SELECT {WAVE} FROM {from} WHERE {ORDINAL} = $1 + 1)");
                (format!("{WAVE} = {next}"), DELETES)
            }
        };
        MoveSql {
            count: format!("SELECT count(*), coalesce(bool_or({DELETES}), false) FROM {staged}"),
            analyze: format!("ANALYZE {from}"),
            take_turns: take_turns(&staged, plan, &columns, turns),
            next_wave: format!(
                "SELECT min({ORDINAL}), max({ORDINAL}), count(*), coalesce(bool_or({deletes}), false) \
                 FROM {from} WHERE {ORDINAL} > $1 AND {ORDINAL} < {FAR} AND {wave}"
            ),
            count_range: format!("SELECT count(*) FROM {from} WHERE {ORDINAL} BETWEEN $1 AND $2"),
            index: format!("CREATE INDEX ON {from} ({ORDINAL})"),
            row: format!(
                "SELECT {RECORD}, {LINE}, {OFFSET}, {RAW} FROM {from} WHERE {ORDINAL} = $1"
            ),
            renumber: format!(
                "UPDATE {from} AS r SET {ORDINAL} = n.later \
                 FROM unnest($1::int8[], $2::int8[]) AS n (now, later) WHERE r.{ORDINAL} = n.now"
            ),
            range: RangeSql {
                merge: merges.merge(),
                pick: merges.pick(),
                delete: merges.delete(),
            },
        }
    }
}

/// A copy of the rows, numbered wave by wave: even waves write, odd ones delete. In a wave each row of a
/// key is of one kind, so that it may be written with one statement.
fn take_turns(staged: &str, plan: &LoadPlan, columns: &str, turns: Turns) -> Option<String> {
    let by_key = match turns {
        Turns::None => return None,
        Turns::OfAll => String::new(),
        Turns::OfKeys => {
            let key = plan.key.iter().map(String::as_str);
            format!("PARTITION BY {} ", quote::identifiers(key))
        }
    };
    let order = format!("OVER ({by_key}ORDER BY {RECORD})");
    Some(format!(
        "CREATE TEMP TABLE ingestd_turns ON COMMIT DROP AS \
         SELECT {columns}, row_number() OVER (ORDER BY {WAVE}, {RECORD}) AS {ORDINAL}, {RECORD}, \
                {LINE}, {OFFSET}, {DELETES}, {RAW}, {WAVE} \
         FROM (SELECT *, sum(\"ingestd: turn\") {order} AS {WAVE} \
               FROM (SELECT *, ({DELETES} IS DISTINCT FROM \
                                coalesce(lag({DELETES}) {order}, false))::int AS \"ingestd: turn\" \
                     FROM {staged}) AS changes) AS waves; \
         CREATE INDEX ON {TURNS} ({WAVE}); CREATE INDEX ON {TURNS} ({ORDINAL})"
    ))
}
