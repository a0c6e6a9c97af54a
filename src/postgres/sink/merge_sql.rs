//! PURE: the statements that bring staged rows into the table, and say what came of them.

use super::statements::{Facts, ORDINAL};
use crate::plan::{LoadPlan, WriteMode};
use crate::postgres::quote;

/// A statement for staged rows, with the numbers of the first and the last as `$1` and `$2`.
#[derive(Clone, Debug)]
pub struct MergeSql {
    /// How many rows it has changed, and how many of them are new; `None` where the table can't tell.
    pub total: Option<String>,
    /// The same by runs of rows, that start at the numbers in `$3`: the run (from 1), how many rows it
    /// has changed, how many are new. A run of which nothing is to be said may be left out.
    pub by_run: String,
}

/// What the statements of one range are made of.
pub struct Merges<'a> {
    /// The plan.
    pub plan: &'a LoadPlan,
    /// What the table is.
    pub facts: Facts,
    /// Its name, quoted, as are all names here.
    pub table: &'a str,
    /// The staging table.
    pub staging: &'a str,
    /// The columns that are loaded.
    pub columns: &'a str,
    /// The condition for the range.
    pub range: &'a str,
}

/// Which of several rows of a key the server picks, by the order of their numbers; a greater version
/// comes before that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pick {
    First,
    Last,
    /// The last, after the first was written: a row that equals none is not written twice.
    Then,
}

/// Where rows come from.
struct Source {
    from: String,
    condition: String,
}

impl Merges<'_> {
    /// For rows of which each key has one.
    pub fn merge(&self) -> Vec<MergeSql> {
        vec![self.one(None)]
    }

    /// For rows of which a key may have several.
    pub fn pick(&self) -> Vec<MergeSql> {
        let picks: &[Pick] = match self.plan.mode {
            WriteMode::Append => return self.merge(),
            // What is not replaced is the first row's, where the key is new; the rest is the last's.
            WriteMode::Upsert if self.plan.rules.update.is_some() => &[Pick::First, Pick::Then],
            WriteMode::Upsert | WriteMode::Newest => &[Pick::Last],
            WriteMode::Ignore => &[Pick::First],
        };
        picks.iter().map(|pick| self.one(Some(*pick))).collect()
    }

    /// For rows that delete those of their keys: changed is what is deleted. A key with a NULL meets
    /// nothing; where the version decides, an older deletion meets nothing either.
    pub fn delete(&self) -> Vec<MergeSql> {
        if !self.plan.merges() {
            return Vec::new();
        }
        let (table, staging, range) = (self.table, self.staging, self.range);
        let equal = self.all(" AND ", |_, name| format!("target.{name} = source.{name}"));
        let passes = match self.version() {
            Some(version) => {
                format!(" AND (target.{version} IS NULL OR source.{version} >= target.{version})")
            }
            None => String::new(),
        };
        let deletion = format!(
            "WITH gone AS (DELETE FROM {table} AS target USING {staging} AS source \
             WHERE {range} AND {equal}{passes} RETURNING source.{ORDINAL} AS ordinal)"
        );
        vec![MergeSql {
            total: Some(format!("{deletion} SELECT count(*), 0::bigint FROM gone")),
            by_run: format!(
                "{deletion} SELECT width_bucket(ordinal, $3::int8[]), count(*), 0::bigint \
                 FROM gone GROUP BY 1"
            ),
        }]
    }

    fn one(&self, pick: Option<Pick>) -> MergeSql {
        MergeSql {
            total: (!self.facts.partitioned).then(|| self.total(pick)),
            by_run: self.by_run(pick),
        }
    }

    fn key(&self) -> Vec<String> {
        let key = self.plan.key.iter();
        key.map(|name| quote::identifier(name)).collect()
    }

    /// Something for each of the key's columns, by its number and name.
    fn all(&self, between: &str, render: impl Fn(usize, &str) -> String) -> String {
        let key = self.key().into_iter().enumerate();
        let parts: Vec<_> = key.map(|(index, name)| render(index, &name)).collect();
        parts.join(between)
    }

    fn version(&self) -> Option<String> {
        let newest = self.plan.mode == WriteMode::Newest;
        let version = self.plan.rules.version.as_ref().filter(|_| newest);
        version.map(|name| quote::identifier(name))
    }

    /// The columns that are replaced where the key is there.
    fn replaced(&self) -> Vec<String> {
        if self.plan.mode == WriteMode::Ignore {
            return Vec::new();
        }
        let update = self.plan.rules.update.as_ref();
        let columns = self.plan.columns.iter().map(|column| &column.name);
        let columns = columns.filter(|name| !self.plan.key.contains(name));
        let columns = columns.filter(|name| update.is_none_or(|update| update.contains(name)));
        columns.map(|name| quote::identifier(name)).collect()
    }

    /// What is sent into the table: the range itself, or the rows that the server picks of it.
    fn source(&self, pick: Option<Pick>) -> Source {
        let (staging, range) = (self.staging, self.range);
        let Some(pick) = pick else {
            return Source {
                from: format!("{staging} AS source"),
                condition: range.to_owned(),
            };
        };
        // One that has a NULL in its key equals none.
        let null = self.all(" OR ", |_, name| format!("{name} IS NULL"));
        let key = self.key().join(", ");
        let single = format!("{key}, CASE WHEN {null} THEN {ORDINAL} END");
        let by = match self.version() {
            Some(version) => format!("{version} DESC NULLS LAST, {ORDINAL} DESC"),
            None if pick == Pick::First => ORDINAL.to_owned(),
            None => format!("{ORDINAL} DESC"),
        };
        let left_out = match pick {
            Pick::First | Pick::Last => String::new(),
            Pick::Then => format!(" AND NOT ({null})"),
        };
        Source {
            from: format!(
                "(SELECT DISTINCT ON ({single}) * FROM {staging} WHERE {range}{left_out} \
                 ORDER BY {single}, {by}) AS source"
            ),
            condition: "true".to_owned(),
        }
    }

    /// The INSERT, without RETURNING. Rows go in in the order of the key, so that two writers wait
    /// for each other in one direction only.
    fn insert(&self, Source { from, condition }: &Source) -> String {
        let (table, columns) = (self.table, self.columns);
        let insert = format!(
            "INSERT INTO {table} AS target ({columns}) \
             SELECT {columns} FROM {from} WHERE {condition}"
        );
        if !self.plan.merges() {
            return format!("{insert} ORDER BY {ORDINAL}");
        }
        let key = self.key().join(", ");
        format!("{insert} ORDER BY {key} {}", self.on_conflict())
    }

    fn on_conflict(&self) -> String {
        let key = self.key().join(", ");
        let replaced = self.replaced();
        if replaced.is_empty() {
            return format!("ON CONFLICT ({key}) DO NOTHING");
        }
        let list = |prefix: &str| {
            let names = replaced.iter().map(|name| format!("{prefix}{name}"));
            names.collect::<Vec<_>>().join(", ")
        };
        let set: Vec<_> = replaced
            .iter()
            .map(|name| format!("{name} = excluded.{name}"))
            .collect();
        let passes = match self.version() {
            Some(version) => {
                format!("(target.{version} IS NULL OR excluded.{version} >= target.{version}) AND ")
            }
            None => String::new(),
        };
        // As bytes: needs no operator of the types, and takes NULL for equal to NULL.
        format!(
            "ON CONFLICT ({key}) DO UPDATE SET {} \
             WHERE {passes}ROW({})::record OPERATOR(pg_catalog.*<>) ROW({})::record",
            set.join(", "),
            list("target."),
            list("excluded.")
        )
    }

    /// An updated row carries the lock of ON CONFLICT in `xmax`, an inserted one nothing.
    fn total(&self, pick: Option<Pick>) -> String {
        format!(
            "WITH merged AS ({} RETURNING target.xmax = 0 AS inserted) \
             SELECT count(*), count(*) FILTER (WHERE inserted) FROM merged",
            self.insert(&self.source(pick))
        )
    }

    /// What the INSERT returns knows no source row: it is joined back by the key. A row whose key
    /// has a NULL meets nothing, neither here nor in the table: it is always new.
    fn by_run(&self, pick: Option<Pick>) -> String {
        let run = format!("SELECT width_bucket({ORDINAL}, $3::int8[]) AS run");
        let source = self.source(pick);
        if !self.plan.merges() {
            let Source { from, condition } = &source;
            return format!(
                "WITH merged AS ({} RETURNING 1) \
                 {run}, count(*), count(*) FROM {from} WHERE {condition} GROUP BY 1",
                self.insert(&source)
            );
        }
        let (table, partitioned) = (self.table, self.facts.partitioned);
        let returned = self.all(", ", |index, name| format!("target.{name} AS k{index}"));
        let equal = self.all(" AND ", |index, name| {
            format!("merged.k{index} = source.{name}")
        });
        let null = self.all(" OR ", |_, name| format!("source.{name} IS NULL"));
        let there = self.all(" AND ", |_, name| format!("present.{name} = source.{name}"));
        // The whole statement sees the table as it was before it.
        let (is_new, returning) = if partitioned {
            let missing = format!("NOT EXISTS (SELECT FROM {table} AS present WHERE {there})");
            (missing, "true")
        } else {
            ("merged.inserted".to_owned(), "target.xmax = 0")
        };
        let written = format!("count(*) FILTER (WHERE merged.k0 IS NOT NULL OR {null})");
        let inserted =
            format!("count(*) FILTER (WHERE (merged.k0 IS NOT NULL AND {is_new}) OR {null})");
        // What is picked, is picked once.
        let (kept, source) = match pick {
            None => (String::new(), source),
            Some(_) => {
                let kept = format!("kept AS MATERIALIZED (SELECT * FROM {}), ", source.from);
                let source = Source {
                    from: "kept AS source".to_owned(),
                    condition: source.condition,
                };
                (kept, source)
            }
        };
        let Source { from, condition } = &source;
        format!(
            "WITH {kept}merged AS ({} RETURNING {returned}, {returning} AS inserted) \
             {run}, {written}, {inserted} FROM {from} LEFT JOIN merged ON {equal} \
             WHERE {condition} GROUP BY 1",
            self.insert(&source)
        )
    }
}
