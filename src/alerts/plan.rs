//! PURE: what a configuration says that has to be watched.

use std::path::PathBuf;
use std::time::Duration;

use crate::settings::{AlertRule, AlertSettings, Condition, Settings};

/// What is watched, and where.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub alerts: AlertSettings,
    /// The pipelines by name.
    pub pipelines: Vec<String>,
    /// The directories whose disks count.
    pub directories: Vec<PathBuf>,
    /// The service's data directory.
    pub place: String,
}

impl Plan {
    pub fn of(settings: &Settings) -> Plan {
        let data_dir = &settings.service.data_dir;
        let mut directories = vec![data_dir.clone()];
        if settings.service.database.is_none() {
            directories.push(data_dir.join("cluster"));
        }
        for pipeline in &settings.pipelines {
            directories.push(pipeline.directory.clone());
            directories.extend(pipeline.archive.clone());
            directories.extend(pipeline.quarantine.clone());
        }
        Plan {
            alerts: settings.alerts.clone(),
            pipelines: settings
                .pipelines
                .iter()
                .map(|it| it.name.clone())
                .collect(),
            directories,
            place: data_dir.display().to_string(),
        }
    }

    pub fn rule(&self, name: &str) -> Option<&AlertRule> {
        self.alerts.rules.iter().find(|rule| rule.name == name)
    }

    /// Whom a rule tells; all, where there is no such rule any more.
    pub fn sinks_of(&self, rule: &str) -> Vec<String> {
        match self.rule(rule) {
            Some(rule) => rule.sinks.clone(),
            None => {
                let sinks = self.alerts.sinks.iter();
                sinks.map(|sink| sink.name.clone()).collect()
            }
        }
    }

    /// For how long what was done has to be known.
    pub fn longest_window(&self) -> Option<Duration> {
        let windows = self
            .alerts
            .rules
            .iter()
            .filter_map(|rule| match rule.condition {
                Condition::ErrorRatio { over, .. } | Condition::Throughput { over, .. } => {
                    Some(over)
                }
                _ => None,
            });
        windows.max()
    }

    /// Whether anything looks at disks.
    pub fn looks_at_disks(&self) -> bool {
        let mut rules = self.alerts.rules.iter();
        rules.any(|rule| matches!(rule.condition, Condition::DiskNearlyFull { .. }))
    }
}
