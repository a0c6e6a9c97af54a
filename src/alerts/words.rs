//! PURE: what is told of an alert, in words and in numbers.

use std::time::Duration;

use super::rule::{Limit, Rule};
use crate::settings::{AlertRule, Condition, Free};

/// What a rule decides by.
pub fn machine(rule: &AlertRule) -> Rule {
    let above = |fires: f64, ends: f64| Limit::Above { fires, ends };
    let seconds = |duration: &Duration| duration.as_secs_f64();
    let limit = match &rule.condition {
        Condition::Lag {
            above: fires,
            until,
        } => above(seconds(fires), seconds(until)),
        Condition::ErrorRatio {
            above: fires,
            until,
            ..
        } => above(*fires, *until),
        Condition::Throughput { below, until, .. } => Limit::Below {
            fires: *below,
            ends: *until,
        },
        Condition::BatchFailing { longer_than }
        | Condition::DatabaseUnreachable { longer_than } => {
            above(seconds(longer_than), seconds(longer_than))
        }
        Condition::FileQuarantined => above(0.0, 0.0),
        Condition::DiskNearlyFull { free_below, until } => Limit::Below {
            fires: amount(free_below),
            ends: amount(until),
        },
    };
    Rule {
        limit,
        hold: rule.hold,
        repeat: rule.repeat,
        rises: rule.condition == Condition::FileQuarantined,
    }
}

fn amount(free: &Free) -> f64 {
    match free {
        Free::Share(share) => *share,
        Free::Bytes(bytes) => *bytes as f64,
    }
}

/// What its values are.
pub fn unit(condition: &Condition) -> &'static str {
    match condition {
        Condition::Lag { .. }
        | Condition::BatchFailing { .. }
        | Condition::DatabaseUnreachable { .. } => "seconds",
        Condition::ErrorRatio { .. } => "ratio",
        Condition::Throughput { .. } => "records_per_second",
        Condition::FileQuarantined => "files",
        Condition::DiskNearlyFull {
            free_below: Free::Share(_),
            ..
        } => "ratio",
        Condition::DiskNearlyFull {
            free_below: Free::Bytes(_),
            ..
        } => "bytes",
    }
}

/// A value of a unit, for people.
pub fn amount_of(value: f64, unit: &str) -> String {
    match unit {
        "seconds" => {
            let whole = Duration::from_secs(value.max(0.0).round() as u64);
            humantime::format_duration(whole).to_string()
        }
        "ratio" => {
            let percent = format!("{:.2}", value * 100.0);
            format!("{}%", percent.trim_end_matches('0').trim_end_matches('.'))
        }
        "records_per_second" => format!("{value:.0} records/s"),
        "bytes" => format!("{:.0} MiB", value / f64::from(1 << 20)),
        "files" if value == 1.0 => "1 file".to_owned(),
        "files" => format!("{value:.0} files"),
        _ => format!("{value}"),
    }
}

/// What fires, in words; `detail` says which file, disk or reason.
pub fn firing(rule: &AlertRule, pipeline: &str, value: f64, detail: &str) -> String {
    let unit = unit(&rule.condition);
    let much = amount_of(value, unit);
    let limit = amount_of(machine(rule).limit.threshold(), unit);
    let text = match &rule.condition {
        Condition::Lag { .. } => format!(
            "pipeline {pipeline} lags behind by {much} (the limit is {limit}): its oldest file that is not loaded"
        ),
        Condition::ErrorRatio { over, .. } => format!(
            "{much} of the records that pipeline {pipeline} has read within {} became dead letters (the limit is {limit})",
            humantime::format_duration(*over)
        ),
        Condition::Throughput { .. } => {
            format!("pipeline {pipeline} loads {much} while files wait (the limit is {limit})")
        }
        Condition::BatchFailing { .. } => {
            format!("pipeline {pipeline} has been held up for {much} (the limit is {limit})")
        }
        Condition::FileQuarantined => {
            format!("pipeline {pipeline} has {much} in quarantine; the newest")
        }
        Condition::DatabaseUnreachable { .. } => {
            format!("the database has been out of reach for {much} (the limit is {limit})")
        }
        Condition::DiskNearlyFull { .. } => {
            format!("{much} are free on the disk (the limit is {limit})")
        }
    };
    match detail {
        "" => text,
        detail => format!("{text}: {detail}"),
    }
}

/// What has ended, in words.
pub fn resolved(rule: &AlertRule, pipeline: &str, value: f64) -> String {
    let much = amount_of(value, unit(&rule.condition));
    match &rule.condition {
        Condition::Lag { .. } => format!("pipeline {pipeline} has caught up: it lags by {much}"),
        Condition::ErrorRatio { .. } => format!(
            "{much} of the records that pipeline {pipeline} has read lately became dead letters"
        ),
        Condition::Throughput { .. } => {
            format!("pipeline {pipeline} is fast enough again, or no file waits")
        }
        Condition::BatchFailing { .. } => format!("nothing holds pipeline {pipeline} up any more"),
        Condition::FileQuarantined => {
            format!("pipeline {pipeline} has no file in quarantine any more")
        }
        Condition::DatabaseUnreachable { .. } => "the database is reached again".to_owned(),
        Condition::DiskNearlyFull { .. } => format!("{much} are free on the disk again"),
    }
}

/// The command that shows more.
pub fn look_at(condition: &Condition, pipeline: &str) -> String {
    match condition {
        Condition::Lag { .. } | Condition::Throughput { .. } => "ingestd status --watch".to_owned(),
        Condition::BatchFailing { .. } => "ingestd status".to_owned(),
        Condition::ErrorRatio { .. } => format!("ingestd dead-letters list --pipeline {pipeline}"),
        Condition::FileQuarantined => {
            format!("ingestd files --pipeline {pipeline} --state QUARANTINED")
        }
        Condition::DatabaseUnreachable { .. } => "ingestd check".to_owned(),
        Condition::DiskNearlyFull { .. } => "df -h".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_said_as_people_say_them() {
        for (value, unit, said) in [
            (303.2, "seconds", "5m 3s"),
            (0.0, "seconds", "0s"),
            (0.0123, "ratio", "1.23%"),
            (0.05, "ratio", "5%"),
            (0.1, "ratio", "10%"),
            (999.6, "records_per_second", "1000 records/s"),
            (1.0, "files", "1 file"),
            (12.0, "files", "12 files"),
            (10_737_418_240.0, "bytes", "10240 MiB"),
        ] {
            assert_eq!(amount_of(value, unit), said);
        }
    }
}
