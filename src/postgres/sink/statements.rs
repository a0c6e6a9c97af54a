//! PURE: the statements that write rows of one plan.

use super::merge_sql::{MergeSql, Merges};
use crate::plan::LoadPlan;
use crate::postgres::quote;

/// What the catalog says of a table, as far as the statements depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// It is partitioned: RETURNING can't tell an insert from an update by `xmax`.
    pub partitioned: bool,
    /// COPY would not do what INSERT does: row-level security, rules, identity columns.
    pub insert_only: bool,
    /// Row-level security concerns this role: 42501 may be one row's.
    pub row_security: bool,
    /// A foreign key leads from it to itself.
    pub refers_to_itself: bool,
    /// The server cuts or rounds the values of the version's column to a modifier.
    pub cut_version: bool,
}

/// The statements of one plan.
#[derive(Clone, Debug)]
pub struct Statements {
    /// COPY straight into the table.
    pub copy: String,
    /// Makes the staging table, once a connection.
    pub create_staging: String,
    /// Makes the staging table for one transaction.
    pub create_staging_for_once: String,
    /// Counts the staged rows from 1 again.
    pub restart_ordinals: String,
    /// COPY into the staging table.
    pub stage: String,
    /// The numbers of the staged rows, ascending.
    pub ordinals: String,
    /// An index for ranges of staged rows; and its end, before it burdens the next batch.
    pub index_staging: String,
    /// See `index_staging`.
    pub unindex_staging: String,
    /// What is done with all staged rows.
    pub all: RangeSql,
    /// What is done with the staged rows `$1` to `$2`.
    pub range: RangeSql,
}

/// What is done with staged rows; statements of one list are sent one after the other.
#[derive(Clone, Debug)]
pub struct RangeSql {
    /// Writes them, where each key has one row.
    pub merge: Vec<MergeSql>,
    /// Writes them, where a key may have several.
    pub pick: Vec<MergeSql>,
    /// Deletes the rows of their keys.
    pub delete: Vec<MergeSql>,
}

/// The staged row's number: a name that no column of a CSV is likely to have.
pub const ORDINAL: &str = "\"ingestd: ordinal\"";

impl Statements {
    /// The statements of plan `id`.
    pub fn new(id: i64, plan: &LoadPlan, facts: Facts) -> Statements {
        let table = quote::table(&plan.table);
        let names: Vec<&str> = plan.columns.iter().map(|c| c.name.as_str()).collect();
        let columns = quote::identifiers(names.iter().copied());
        let staging = format!("pg_temp.ingestd_staging_{id}");
        let sequence = format!("pg_temp.ingestd_ordinal_{id}");
        let on = |range: &str| {
            let merges = Merges {
                plan,
                facts,
                table: &table,
                staging: &staging,
                columns: &columns,
                range,
            };
            RangeSql {
                merge: merges.merge(),
                pick: merges.pick(),
                delete: merges.delete(),
            }
        };
        Statements {
            copy: format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)"),
            // CREATE TABLE AS takes over the types with their modifiers, and no constraint. Without
            // data the table needs no look at a row, and no lock beyond this transaction. See `staged`.
            create_staging: format!(
                "CREATE TEMP SEQUENCE IF NOT EXISTS ingestd_ordinal_{id} CACHE 100; \
                 CREATE TEMP TABLE IF NOT EXISTS ingestd_staging_{id} ON COMMIT DELETE ROWS AS \
                 SELECT {}, 0::bigint AS {ORDINAL} FROM {table} WITH NO DATA; \
                 ALTER TABLE {staging} ALTER COLUMN {ORDINAL} SET DEFAULT nextval('{sequence}')",
                staged(plan)
            ),
            create_staging_for_once: format!(
                "CREATE TEMP SEQUENCE ingestd_ordinal_{id} CACHE 100; \
                 CREATE TEMP TABLE ingestd_staging_{id} ON COMMIT DROP AS \
                 SELECT {}, 0::bigint AS {ORDINAL} FROM {table} WITH NO DATA; \
                 ALTER TABLE {staging} ALTER COLUMN {ORDINAL} SET DEFAULT nextval('{sequence}'); \
                 ALTER SEQUENCE {sequence} OWNED BY {staging}.{ORDINAL}",
                staged(plan)
            ),
            restart_ordinals: format!("SELECT setval('{sequence}', 1, false)"),
            stage: format!("COPY {staging} ({columns}) FROM STDIN (FORMAT binary)"),
            ordinals: format!("SELECT {ORDINAL} FROM {staging} ORDER BY {ORDINAL}"),
            index_staging: format!(
                "CREATE INDEX ingestd_range_{id} ON {staging} ({ORDINAL}); ANALYZE {staging}"
            ),
            unindex_staging: format!("DROP INDEX pg_temp.ingestd_range_{id}"),
            // A range of a table without statistics is taken for a few rows, and a few rows are
            // joined one by one; this is true, and gone before the plan is made.
            all: on("$1::bigint IS NOT NULL AND $2::bigint IS NOT NULL"),
            range: on(&format!("{ORDINAL} BETWEEN $1 AND $2")),
        }
    }
}

/// The columns as they are staged. A deletion is NULL where nothing tells, which a domain may refuse:
/// beside a NULL without a type a domain is its base type, and the INSERT checks what it inserts.
pub fn staged(plan: &LoadPlan) -> String {
    let staged = plan.columns.iter().map(|column| {
        let name = quote::identifier(&column.name);
        match plan.rules.delete_when.is_some() && !plan.tells(&column.name) {
            true => format!("coalesce({name}, NULL) AS {name}"),
            false => name,
        }
    });
    staged.collect::<Vec<_>>().join(", ")
}
