//! The configuration: TOML, environment and flags, merged, then validated into plain structs.
//!
//! [`Settings::load`] does all of it. Every problem is reported at once, with its file (or variable,
//! or flag), its key, and what would be right.

mod ad_hoc;
mod alerts;
mod archive_rules;
mod change;
mod check_alerts;
mod check_archive;
mod check_columns;
mod check_database;
mod check_dialect;
mod check_http;
mod check_input;
mod check_letters;
mod check_mapping;
mod check_mode;
mod check_pipeline;
mod check_redropped;
mod check_sinks;
mod check_tolerance;
mod check_values;
mod entry;
mod glob;
mod inboxes;
mod keys;
mod letter_rules;
mod pipeline;
mod places;
mod problems;
mod raw;
mod redropped;
mod secrets;
mod service;
pub mod show;
mod sources;
mod tolerance;
mod toml_text;
mod units;

#[cfg(test)]
mod tests;

use config::{Map, Value, ValueKind};
use ingestd_actors::error::{Error, ErrorKind, Result};
use serde::Deserialize;

use problems::Problems;
use raw::RawSettings;
use service::DataDirDefaults;

pub use alerts::{
    AlertRule, AlertSettings, AlertSink, Condition, Free, Hidden, LOG_SINK, Secret, SinkKind,
    Webhook,
};
pub use archive_rules::{ArchiveRules, Collision, Finished};
pub use change::Change;
pub use check_archive::format_date;
pub use check_database::DatabaseSettings;
pub use check_http::{HttpSettings, HttpTls, TOKEN_VARIABLE};
pub use keys::nearest;
pub use letter_rules::LetterRules;
pub use pipeline::{ColumnSettings, FileOrder, GeneratedColumn, Mapping, Pipeline};
pub use problems::Lines;
pub use redropped::{Companions, OnReturn, Redropped};
pub use service::{LogFormat, LogLevel, LogSettings, Service};
pub use sources::{ConfigFile, DEFAULT_FILE, Environment, FILE_VARIABLE, Sources};
pub use tolerance::Tolerance;
pub use toml_text::quoted as toml_string;

/// What the demo runs.
pub const ECOMMERCE: ConfigFile = ConfigFile::Embedded {
    name: "config/ecommerce.toml (part of the program)",
    text: include_str!("../../config/ecommerce.toml"),
};

/// The whole configuration, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What concerns the whole service.
    pub service: Service,
    /// The pipelines, by name.
    pub pipelines: Vec<Pipeline>,
    /// What is watched, and whom it is told.
    pub alerts: AlertSettings,
}

impl Settings {
    /// Merges the sources and validates what comes of it.
    ///
    /// # Errors
    /// `Configuration`, with all problems, one a line.
    pub fn load(sources: &Sources) -> Result<Settings> {
        let (mut tree, origins) = sources.merge()?;
        let mut problems = Problems::new(&origins);
        keys::prune(&mut tree, &mut problems);
        let raw = read(tree)?;

        let defaults = DataDirDefaults {
            root: sources.is_root(),
            environment: sources.environment(),
        };
        let service = service::check(
            raw.service,
            raw.database,
            raw.log,
            raw.http,
            &defaults,
            &origins,
            &mut problems,
        );
        let sinks = check_sinks::check(raw.alert_sinks, &service.data_dir, &mut problems);
        let names: Vec<String> = raw.pipelines.keys().cloned().collect();
        let known = check_alerts::Known {
            pipelines: &names,
            sinks,
        };
        let alerts = check_alerts::check(raw.alerting, raw.alerts, known, &mut problems);
        let mut pipelines = Vec::new();
        for (name, pipeline) in raw.pipelines {
            let checked = check_pipeline::check(&name, pipeline, &service.data_dir, &mut problems);
            pipelines.extend(checked);
        }
        inboxes::check(&pipelines, &mut problems);
        problems.finish()?;
        Ok(Settings {
            service,
            pipelines,
            alerts,
        })
    }

    /// The pipelines, for a command that has nothing to do without any.
    ///
    /// # Errors
    /// `Configuration` where none is configured.
    pub fn some_pipelines(&self) -> Result<&[Pipeline]> {
        if self.pipelines.is_empty() {
            let error = Error::new(ErrorKind::Configuration, "no pipeline is configured");
            return Err(error.with_advice(
                "add a table [pipelines.NAME] with a directory and a table; config/ingestd.toml has an example",
            ));
        }
        Ok(&self.pipelines)
    }

    /// A pipeline by its name.
    ///
    /// # Errors
    /// `Configuration` where there is none of that name, with the names that there are.
    pub fn pipeline(&self, name: &str) -> Result<&Pipeline> {
        let names = || self.pipelines.iter().map(|pipeline| pipeline.name.as_str());
        let found = self.pipelines.iter().find(|pipeline| pipeline.name == name);
        found.ok_or_else(|| {
            let advice = match keys::nearest(name, names()) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None if self.pipelines.is_empty() => "none is configured".to_owned(),
                None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
            };
            let message = format!("there is no pipeline {name:?}");
            Error::new(ErrorKind::Configuration, message).with_advice(advice)
        })
    }
}

fn read(tree: Map<String, Value>) -> Result<RawSettings> {
    RawSettings::deserialize(Value::new(None, ValueKind::Table(tree))).map_err(|error| {
        // Entries don't fail and unknown keys are gone, so that nothing is left to go wrong.
        let message = "the configuration does not fit the program's own description of it";
        Error::new(ErrorKind::Bug, message).with_source(error)
    })
}
