//! A pipeline without a configuration: for `load --table`.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use super::check_mode::default_mode;
use super::{ArchiveRules, Companions, FileOrder, Mapping, Pipeline, Redropped, Tolerance};
use crate::plan::{Dialect, TableName, WriteRules};

/// What the names of such pipelines begin with; configured ones can't.
pub(super) const PREFIX: &str = "load_";

pub(super) const SETTLE: Duration = Duration::from_secs(2);
pub(super) const SCAN_INTERVAL: Duration = Duration::from_secs(5);
pub(super) const BATCH_ROWS: usize = 50_000;
pub(super) const BATCH_BYTES: usize = 8 << 20;
pub(super) const MEMORY: usize = 48 << 20;

impl Pipeline {
    /// A pipeline with the defaults that loads named files into a table that exists: columns by the
    /// header, types from the table. It has no directory, and its files stay where they are.
    ///
    /// The ledger remembers files by the pipeline's name, so that each table has its own.
    pub fn ad_hoc(table: TableName, key: Vec<String>) -> Pipeline {
        Pipeline {
            name: name_for(&table),
            directory: PathBuf::new(),
            pattern: "*".to_owned(),
            recursive: false,
            order: FileOrder::Name,
            settle: SETTLE,
            scan_interval: SCAN_INTERVAL,
            table,
            mode: default_mode(&key),
            rules: WriteRules::default(),
            key,
            create: false,
            columns: Vec::new(),
            generated: Vec::new(),
            indexes: Vec::new(),
            dialect: Dialect::default(),
            mapping: Mapping::default(),
            partitions: default_partitions(),
            batch_rows: BATCH_ROWS,
            batch_bytes: BATCH_BYTES,
            memory: MEMORY,
            archive: None,
            quarantine: None,
            archive_rules: ArchiveRules::default(),
            redropped: Redropped::default(),
            companions: Companions::default(),
            tolerance: Tolerance::default(),
            letters: super::LetterRules::default(),
        }
    }
}

/// As many writers as cores, at most 8: more don't help one server.
pub(super) fn default_partitions() -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    u16::try_from(cores.min(8)).unwrap_or(8)
}

/// `load_events`, `load_sales-events`; a name that doesn't fit keeps apart from all others by its
/// hash.
fn name_for(table: &TableName) -> String {
    let parts: Vec<&str> = table
        .schema
        .as_deref()
        .into_iter()
        .chain([table.name.as_str()])
        .collect();
    let plain = parts.join("-");
    // A dash between parts is ours alone: no part of a fitting name has one.
    if parts.iter().all(|part| part.chars().all(fits)) {
        return format!("{PREFIX}{plain}");
    }
    let fitting: String = plain
        .chars()
        .map(|c| if fits(c) || c == '-' { c } else { '_' })
        .collect();
    let hash = blake3::hash(format!("{:?}", parts).as_bytes()).to_hex();
    format!("{PREFIX}{fitting}-{}", &hash[..16])
}

fn fits(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_table_has_a_pipeline_of_its_own() {
        let names = [
            "events",
            "sales.events",
            "sales_events",
            r#""sales.events""#,
            r#""sales-events""#,
            r#""Events""#,
            r#""events ""#,
            "öl",
            "äl",
        ];
        let pipelines: HashSet<String> = names
            .iter()
            .map(|name| Pipeline::ad_hoc(TableName::parse(name).unwrap(), vec![]).name)
            .collect();
        assert_eq!(pipelines.len(), names.len(), "{pipelines:?}");
        for name in &pipelines {
            assert!(name.chars().all(|c| fits(c) || c == '-'), "{name}");
        }
        assert!(pipelines.contains("load_events"));
        assert!(pipelines.contains("load_sales-events"));
    }

    #[test]
    fn it_leaves_files_alone_and_asks_the_table() {
        let table = TableName::parse("events").unwrap();
        let pipeline = Pipeline::ad_hoc(table, vec!["id".into()]);
        assert_eq!(pipeline.archive, None);
        assert_eq!(pipeline.quarantine, None);
        assert!(pipeline.columns.is_empty() && !pipeline.create);
        assert_eq!(pipeline.key, ["id"]);
        assert!((1..=8).contains(&pipeline.partitions));
    }
}
