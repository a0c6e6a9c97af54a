//! The configuration as it is written, before anything is checked. See `docs/configuration.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::entry::{Entry, NameLists, Names, Scalar, Scalars, Size, Target};

/// The whole of it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawSettings {
    pub service: RawService,
    pub database: RawDatabase,
    pub log: RawLog,
    pub pipelines: BTreeMap<String, RawPipeline>,
}

/// `[service]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawService {
    pub data_dir: Option<Entry<String>>,
    pub shutdown_timeout: Option<Entry<Duration>>,
    pub stuck_after: Option<Entry<Duration>>,
}

/// `[database]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawDatabase {
    pub url: Option<Entry<String>>,
}

/// `[log]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawLog {
    pub format: Option<Entry<String>>,
    pub level: Option<Entry<String>>,
    pub file: Option<Entry<String>>,
}

/// `[pipelines.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawPipeline {
    pub directory: Option<Entry<String>>,
    pub pattern: Option<Entry<String>>,
    pub recursive: Option<Entry<bool>>,
    pub order: Option<Entry<String>>,
    pub settle: Option<Entry<Duration>>,
    pub scan_interval: Option<Entry<Duration>>,
    pub archive: Option<Entry<Target>>,
    pub quarantine: Option<Entry<Target>>,
    pub delimiter: Option<Entry<String>>,
    pub quote: Option<Entry<String>>,
    pub header: Option<Entry<bool>>,
    pub max_record: Option<Entry<Size>>,
    pub table: Option<Entry<String>>,
    pub key: Option<Entry<Names>>,
    pub mode: Option<Entry<String>>,
    pub update: Option<Entry<Names>>,
    pub version: Option<Entry<String>>,
    pub delete_when: Option<RawDeleteWhen>,
    pub create: Option<Entry<bool>>,
    pub indexes: Option<Entry<NameLists>>,
    pub partitions: Option<Entry<u64>>,
    pub batch_rows: Option<Entry<u64>>,
    pub batch_bytes: Option<Entry<Size>>,
    pub memory: Option<Entry<Size>>,
    pub columns: Vec<RawColumn>,
    pub generated: Vec<RawGenerated>,
}

/// `[pipelines.NAME.delete_when]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawDeleteWhen {
    pub field: Option<Entry<String>>,
    pub values: Option<Entry<Scalars>>,
}

/// `[[pipelines.NAME.columns]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawColumn {
    pub name: Option<Entry<String>>,
    pub field: Option<Entry<String>>,
    #[serde(rename = "type")]
    pub sql_type: Option<Entry<String>>,
    #[serde(rename = "default")]
    pub sql_default: Option<Entry<String>>,
    pub required: Option<Entry<bool>>,
    pub trim: Option<Entry<bool>>,
    pub case: Option<Entry<String>>,
    pub allowed: Option<Entry<Scalars>>,
    pub minimum: Option<Entry<Scalar>>,
    pub maximum: Option<Entry<Scalar>>,
    pub finite: Option<Entry<bool>>,
}

/// `[[pipelines.NAME.generated]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawGenerated {
    pub name: Option<Entry<String>>,
    #[serde(rename = "type")]
    pub sql_type: Option<Entry<String>>,
    pub expression: Option<Entry<String>>,
}
