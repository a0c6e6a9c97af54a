//! The configuration as it is written, before anything is checked. See `docs/configuration.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::check_alerts::Level;
use super::entry::{Entry, NameLists, Names, Scalar, Scalars, Size, Switch, Target, Texts};
use crate::plan::FieldRef;

/// The whole of it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawSettings {
    pub service: RawService,
    pub database: RawDatabase,
    pub log: RawLog,
    pub http: RawHttp,
    pub pipelines: BTreeMap<String, RawPipeline>,
    pub alerting: RawAlerting,
    pub alerts: BTreeMap<String, RawAlert>,
    pub alert_sinks: BTreeMap<String, RawAlertSink>,
}

/// `[service]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawService {
    pub data_dir: Option<Entry<String>>,
    pub shutdown_timeout: Option<Entry<Duration>>,
    pub stuck_after: Option<Entry<Duration>>,
    pub lease: Option<Entry<Duration>>,
}

/// `[database]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawDatabase {
    pub url: Option<Entry<String>>,
    pub host: Option<Entry<String>>,
    pub port: Option<Entry<u64>>,
    pub name: Option<Entry<String>>,
    pub user: Option<Entry<String>>,
    pub password: Option<Entry<String>>,
    pub password_file: Option<Entry<String>>,
    pub sslmode: Option<Entry<String>>,
    pub sslrootcert: Option<Entry<String>>,
    pub sslcert: Option<Entry<String>>,
    pub sslkey: Option<Entry<String>>,
    pub pooler: Option<Entry<String>>,
}

/// `[log]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawLog {
    pub format: Option<Entry<String>>,
    pub level: Option<Entry<String>>,
    pub file: Option<Entry<String>>,
}

/// `[http]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawHttp {
    pub listen: Option<Entry<Texts>>,
    pub token_file: Option<Entry<String>>,
    pub tls: Option<RawHttpTls>,
}

/// `[http.tls]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawHttpTls {
    pub certificate: Option<Entry<String>>,
    pub key: Option<Entry<String>>,
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
    pub finished: Option<Entry<String>>,
    pub delete_after: Option<Entry<String>>,
    pub archive_collision: Option<Entry<String>>,
    pub archive_dates: Option<Entry<String>>,
    pub archive_compression: Option<Entry<String>>,
    pub archive_retention: Option<Entry<String>>,
    pub quarantine_retention: Option<Entry<String>>,
    pub delimiter: Option<Entry<String>>,
    pub quote: Option<Entry<Switch>>,
    pub escape: Option<Entry<String>>,
    pub comment: Option<Entry<String>>,
    pub trim: Option<Entry<bool>>,
    pub skip_lines: Option<Entry<u64>>,
    pub null: Option<Entry<Texts>>,
    pub quoted_null: Option<Entry<Texts>>,
    pub header: Option<Entry<bool>>,
    pub max_record: Option<Entry<Size>>,
    pub encoding: Option<Entry<String>>,
    pub compression: Option<Entry<String>>,
    pub max_ratio: Option<Entry<u64>>,
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
    pub all_or_nothing: Option<Entry<bool>>,
    pub dead_letter_retention: Option<Entry<String>>,
    pub dead_letter_most: Option<Entry<u64>>,
    pub new_dead_letter_retention: Option<Entry<String>>,
    pub max_errors: Option<Entry<u64>>,
    pub max_error_ratio: Option<Entry<f64>>,
    pub min_records: Option<Entry<u64>>,
    pub header_case: Option<Entry<String>>,
    pub extra_columns: Option<Entry<String>>,
    pub missing_columns: Option<Entry<String>>,
    pub other_columns: Option<Entry<String>>,
    pub columns: Vec<RawColumn>,
    pub generated: Vec<RawGenerated>,
    pub filters: Vec<RawFilter>,
    pub redropped: Option<RawRedropped>,
    pub done_marker: Option<Entry<String>>,
    pub manifest: Option<Entry<String>>,
}

/// `[pipelines.NAME.redropped]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRedropped {
    pub same: Option<Entry<String>>,
    pub appended: Option<Entry<String>>,
    pub changed: Option<Entry<String>>,
    pub renamed: Option<Entry<String>>,
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
    pub field: Option<Entry<FieldRef>>,
    pub from: Option<Entry<String>>,
    pub constant: Option<Entry<Scalar>>,
    #[serde(rename = "type")]
    pub sql_type: Option<Entry<String>>,
    #[serde(rename = "default")]
    pub sql_default: Option<Entry<String>>,
    pub required: Option<Entry<bool>>,
    pub trim: Option<Entry<bool>>,
    pub null: Option<Entry<Texts>>,
    pub quoted_null: Option<Entry<Texts>>,
    pub case: Option<Entry<String>>,
    pub allowed: Option<Entry<Scalars>>,
    pub minimum: Option<Entry<Scalar>>,
    pub maximum: Option<Entry<Scalar>>,
    pub finite: Option<Entry<bool>>,
    pub pattern: Option<Entry<String>>,
    pub max_length: Option<Entry<u64>>,
    pub format: Option<Entry<String>>,
    pub time_zone: Option<Entry<String>>,
    pub epoch: Option<Entry<String>>,
    pub thousands: Option<Entry<String>>,
    pub decimal: Option<Entry<String>>,
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

/// `[[pipelines.NAME.filters]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawFilter {
    pub field: Option<Entry<FieldRef>>,
    #[serde(rename = "in")]
    pub is_in: Option<Entry<Scalars>>,
    pub not_in: Option<Entry<Scalars>>,
    pub matches: Option<Entry<String>>,
    pub empty: Option<Entry<bool>>,
}

/// `[alerting]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAlerting {
    pub defaults: Option<Entry<bool>>,
    pub interval: Option<Entry<Duration>>,
    pub quiet_start: Option<Entry<Duration>>,
}

/// `[alerts.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAlert {
    pub when: Option<Entry<String>>,
    pub above: Option<Entry<Level>>,
    pub below: Option<Entry<Level>>,
    pub longer_than: Option<Entry<Level>>,
    pub free_below: Option<Entry<Level>>,
    pub until: Option<Entry<Level>>,
    pub over: Option<Entry<Duration>>,
    pub min_records: Option<Entry<u64>>,
    #[serde(rename = "for")]
    pub hold: Option<Entry<Duration>>,
    pub repeat: Option<Entry<Duration>>,
    pub pipelines: Option<Entry<Names>>,
    pub sinks: Option<Entry<Names>>,
}

/// `[alert_sinks.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAlertSink {
    #[serde(rename = "type")]
    pub kind: Option<Entry<String>>,
    pub url: Option<Entry<String>>,
    pub secret: Option<Entry<String>>,
    pub secret_file: Option<Entry<String>>,
    pub retry_for: Option<Entry<Duration>>,
    pub command: Option<Entry<Texts>>,
    pub timeout: Option<Entry<Duration>>,
}
