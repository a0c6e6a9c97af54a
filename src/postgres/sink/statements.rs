//! PURE: the statements that write rows of one plan.

use crate::plan::{LoadPlan, Routing};
use crate::postgres::quote;

/// What the catalog says of a table, as far as the statements depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// It is partitioned: RETURNING can't tell an insert from an update by `xmax`.
    pub partitioned: bool,
    /// COPY would not do what INSERT does: row-level security, rules, identity columns.
    pub insert_only: bool,
}

/// The statements of one plan.
#[derive(Clone, Debug)]
pub struct Statements {
    /// COPY straight into the table.
    pub copy: String,
    /// Makes the staging table, once a connection.
    pub create_staging: String,
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
    /// Writes all staged rows.
    pub merge_all: MergeSql,
    /// Writes the staged rows `$1` to `$2`.
    pub merge_range: MergeSql,
}

/// Statements that write staged rows, with the numbers of the first and the last as `$1` and `$2`.
#[derive(Clone, Debug)]
pub struct MergeSql {
    /// How many were written, and how many of them are new; `None` where the table can't tell.
    pub total: Option<String>,
    /// The same by runs of rows, that start at the numbers in `$3`: the run (from 1), its rows, how
    /// many were written, how many are new.
    pub by_run: String,
}

/// The staged row's number: a name that no column of a CSV is likely to have.
const ORDINAL: &str = "\"ingestd: ordinal\"";

/// Whether the staged row is the last one of its key: as unlikely a name.
const LAST: &str = "\"ingestd: last\"";

impl Statements {
    /// The statements of plan `id`.
    pub fn new(id: i64, plan: &LoadPlan, facts: Facts) -> Statements {
        let table = quote::table(&plan.table);
        let names: Vec<&str> = plan.columns.iter().map(|c| c.name.as_str()).collect();
        let columns = quote::identifiers(names.iter().copied());
        let staging = format!("pg_temp.ingestd_staging_{id}");
        let sequence = format!("pg_temp.ingestd_ordinal_{id}");
        let merge = |range: &str| {
            let merge = Merge {
                plan,
                table: &table,
                staging: &staging,
                columns: &columns,
                range,
            };
            MergeSql {
                total: (!facts.partitioned).then(|| merge.total()),
                by_run: merge.by_run(facts.partitioned),
            }
        };
        Statements {
            copy: format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)"),
            // CREATE TABLE AS takes over the types with their modifiers, and no constraint. Without
            // data the table needs no look at a row, and no lock beyond this transaction.
            create_staging: format!(
                "CREATE TEMP SEQUENCE IF NOT EXISTS ingestd_ordinal_{id} CACHE 100; \
                 CREATE TEMP TABLE IF NOT EXISTS ingestd_staging_{id} ON COMMIT DELETE ROWS AS \
                 SELECT {columns}, 0::bigint AS {ORDINAL} FROM {table} WITH NO DATA; \
                 ALTER TABLE {staging} ALTER COLUMN {ORDINAL} SET DEFAULT nextval('{sequence}')"
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
            merge_all: merge("$1::bigint IS NOT NULL AND $2::bigint IS NOT NULL"),
            merge_range: merge(&format!("{ORDINAL} BETWEEN $1 AND $2")),
        }
    }
}

struct Merge<'a> {
    plan: &'a LoadPlan,
    table: &'a str,
    staging: &'a str,
    columns: &'a str,
    range: &'a str,
}

impl Merge<'_> {
    fn key(&self) -> impl Iterator<Item = String> + '_ {
        self.plan.key.iter().map(|name| quote::identifier(name))
    }

    /// What is equal in rows that supersede each other, where only the server knows which keys are
    /// equal; a key that is NULL equals none.
    fn single(&self) -> String {
        let key = self.key().collect::<Vec<_>>().join(", ");
        let null = self.key().map(|name| format!("{name} IS NULL"));
        let null = null.collect::<Vec<_>>().join(" OR ");
        format!("{key}, CASE WHEN {null} THEN {ORDINAL} END")
    }

    fn others(&self) -> Vec<String> {
        let others = self.plan.columns.iter();
        let others = others.filter(|column| !self.plan.key.contains(&column.name));
        others
            .map(|column| quote::identifier(&column.name))
            .collect()
    }

    /// The INSERT, without RETURNING. Rows go in in the order of the key, so that two writers wait
    /// for each other in one direction only.
    fn insert(&self) -> String {
        let Merge {
            table,
            staging,
            columns,
            range,
            ..
        } = self;
        let key: Vec<String> = self.key().collect();
        let range = format!("FROM {staging} WHERE {range}");
        if key.is_empty() {
            return format!(
                "INSERT INTO {table} AS target ({columns}) SELECT {columns} {range} \
                 ORDER BY {ORDINAL}"
            );
        }
        let key = key.join(", ");
        let source = if self.plan.routing == Routing::Single {
            let single = self.single();
            format!(
                "SELECT DISTINCT ON ({single}) {columns} {range} ORDER BY {single}, {ORDINAL} DESC"
            )
        } else {
            format!("SELECT {columns} {range} ORDER BY {key}")
        };
        format!(
            "INSERT INTO {table} AS target ({columns}) {source} {}",
            self.on_conflict()
        )
    }

    fn on_conflict(&self) -> String {
        let key = self.key().collect::<Vec<_>>().join(", ");
        let others = self.others();
        if others.is_empty() {
            return format!("ON CONFLICT ({key}) DO NOTHING");
        }
        let list = |prefix: &str| {
            let names = others.iter().map(|name| format!("{prefix}{name}"));
            names.collect::<Vec<_>>().join(", ")
        };
        let set: Vec<_> = others
            .iter()
            .map(|name| format!("{name} = excluded.{name}"))
            .collect();
        // As bytes: needs no operator of the types, and takes NULL for equal to NULL.
        format!(
            "ON CONFLICT ({key}) DO UPDATE SET {} \
             WHERE ROW({})::record OPERATOR(pg_catalog.*<>) ROW({})::record",
            set.join(", "),
            list("target."),
            list("excluded.")
        )
    }

    /// An updated row carries the lock of ON CONFLICT in `xmax`, an inserted one nothing.
    fn total(&self) -> String {
        format!(
            "WITH merged AS ({} RETURNING target.xmax = 0 AS inserted) \
             SELECT count(*), count(*) FILTER (WHERE inserted) FROM merged",
            self.insert()
        )
    }

    /// What the INSERT returns knows no source row: it is joined back by the key. A row whose key
    /// has a NULL meets nothing, neither here nor in the table: it is always new.
    fn by_run(&self, partitioned: bool) -> String {
        let (table, staging, range) = (self.table, self.staging, self.range);
        // Rows that the server has found to be superseded were not written.
        let (staged, last) = if self.plan.routing == Routing::Single {
            let single = self.single();
            let last = format!("{ORDINAL} = max({ORDINAL}) OVER (PARTITION BY {single})");
            let staged = format!("(SELECT *, {last} AS {LAST} FROM {staging} WHERE {range})");
            (staged, format!(" AND source.{LAST}"))
        } else {
            (staging.to_owned(), String::new())
        };
        let source = format!(
            "SELECT width_bucket({ORDINAL}, $3::int8[]) AS run, \
             count(*), {{written}}, {{inserted}} FROM {staged} AS source {{join}} \
             WHERE {range} GROUP BY 1"
        );
        let fill = |written: &str, inserted: &str, join: &str| {
            source
                .replace("{written}", written)
                .replace("{inserted}", inserted)
                .replace("{join}", join)
        };
        if self.plan.key.is_empty() {
            return format!(
                "WITH merged AS ({} RETURNING 1) {}",
                self.insert(),
                fill("count(*)", "count(*)", "")
            );
        }
        let numbered: Vec<_> = self.key().enumerate().collect();
        let all = |render: &dyn Fn(usize, &str) -> String, between: &str| {
            let parts = numbered.iter().map(|(index, name)| render(*index, name));
            parts.collect::<Vec<_>>().join(between)
        };
        let returned = all(&|index, name| format!("target.{name} AS k{index}"), ", ");
        let equal = all(
            &|index, name| format!("merged.k{index} = source.{name}"),
            " AND ",
        );
        let null = all(&|_, name| format!("source.{name} IS NULL"), " OR ");
        let there = all(
            &|_, name| format!("present.{name} = source.{name}"),
            " AND ",
        );
        // The whole statement sees the table as it was before it.
        let inserted = if partitioned {
            format!("NOT EXISTS (SELECT FROM {table} AS present WHERE {there})")
        } else {
            "merged.inserted".to_owned()
        };
        let returning = if partitioned {
            "true".to_owned()
        } else {
            "target.xmax = 0".to_owned()
        };
        let written = format!("count(*) FILTER (WHERE merged.k0 IS NOT NULL OR {null})");
        let inserted =
            format!("count(*) FILTER (WHERE (merged.k0 IS NOT NULL AND {inserted}) OR {null})");
        format!(
            "WITH merged AS ({} RETURNING {returned}, {returning} AS inserted) {}",
            self.insert(),
            fill(
                &written,
                &inserted,
                &format!("LEFT JOIN merged ON {equal}{last}")
            )
        )
    }
}
