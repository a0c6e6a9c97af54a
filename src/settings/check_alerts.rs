//! `[alerting]` and `[alerts.NAME]`: what is watched. `check_sinks.rs` has whom it is told.

use std::collections::BTreeMap;
use std::time::Duration;

use config::ValueKind;
use globset::Glob;

use super::alerts::{AlertRule, AlertSettings, AlertSink, Condition, Free, LOG_SINK, built_in};
use super::check_pipeline::plain_name;
use super::entry::{Entry, FromValue, Names};
use super::keys::nearest;
use super::problems::{Problems, Section};
use super::raw::{RawAlert, RawAlerting};
use super::service::{at_least, one_of};
use super::units;

/// The rules that `when` can name, with the key of what is too much, and an example.
const RULES: [(&str, Option<(&str, &str)>); 7] = [
    ("lag", Some(("above", "\"5min\""))),
    ("error_ratio", Some(("above", "0.01"))),
    ("throughput", Some(("below", "1000"))),
    ("batch_failing", Some(("longer_than", "\"10min\""))),
    ("file_quarantined", None),
    ("database_unreachable", Some(("longer_than", "\"30s\""))),
    ("disk_nearly_full", Some(("free_below", "\"5%\""))),
];

/// A bound as it is written: a number, or a text with its unit.
#[derive(Clone, Debug, PartialEq)]
pub enum Level {
    Number(f64),
    Text(String),
}

impl FromValue for Level {
    fn from_value(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::String(text) => Ok(Level::Text(text.clone())),
            other => f64::from_value(other)
                .map(Level::Number)
                .map_err(|_| "expected a number, or text in quotes such as \"5min\"".to_owned()),
        }
    }
}

impl Level {
    fn duration(self) -> Result<Duration, String> {
        match self {
            Level::Text(text) => units::duration(&text),
            Level::Number(number) => Err(format!(
                "{number} has no unit; write a duration such as \"5min\""
            )),
        }
    }

    fn number(self) -> Result<f64, String> {
        let number = match &self {
            Level::Number(number) => Some(*number),
            Level::Text(text) => text.replace('_', "").parse().ok(),
        };
        let number = number.filter(|number| number.is_finite() && *number >= 0.0);
        number.ok_or_else(|| match self {
            Level::Number(number) => format!("{number} is not a number from 0 on"),
            Level::Text(text) => format!("{text:?} is not a number from 0 on"),
        })
    }

    fn ratio(self) -> Result<f64, String> {
        let ratio = self.number()?;
        match ratio < 1.0 {
            true => Ok(ratio),
            false => Err(format!(
                "{ratio} is never reached; write a share of 1 such as 0.01, which is one record of a hundred"
            )),
        }
    }

    fn free(self) -> Result<Free, String> {
        const HOW: &str = "write a share such as \"5%\", or a size such as \"10GiB\"";
        let Level::Text(text) = self else {
            return Err(format!("has no unit; {HOW}"));
        };
        match text.strip_suffix('%').map(|share| share.trim().parse()) {
            Some(Ok(share)) if (0.0..100.0).contains(&share) => {
                let share: f64 = share;
                Ok(Free::Share(share / 100.0))
            }
            Some(_) => Err(format!("{text:?} is no share of a disk; {HOW}")),
            None => units::size(&text)
                .map(Free::Bytes)
                .map_err(|_| format!("{text:?} is neither; {HOW}")),
        }
    }
}

/// What is there for rules to be about.
pub(super) struct Known<'a> {
    pub pipelines: &'a [String],
    pub sinks: Vec<AlertSink>,
}

pub(super) fn check(
    alerting: RawAlerting,
    rules: BTreeMap<String, RawAlert>,
    known: Known<'_>,
    problems: &mut Problems<'_>,
) -> AlertSettings {
    let mut section = problems.at("alerting");
    let with_defaults = section.optional("defaults", alerting.defaults) != Some(false);
    let interval = section
        .converted("interval", alerting.interval, |interval| {
            at_least(interval, Duration::from_millis(100))
        })
        .unwrap_or(Duration::from_secs(5));
    let quiet_start = section
        .optional("quiet_start", alerting.quiet_start)
        .unwrap_or(Duration::from_secs(30));
    let all_sinks = || known.sinks.iter().map(|sink| sink.name.clone());

    let mut checked = Vec::new();
    for (name, condition, hold) in built_in() {
        if with_defaults && !rules.contains_key(name) {
            let pipelines = match condition.is_of_pipelines() {
                true => known.pipelines.to_vec(),
                false => Vec::new(),
            };
            checked.push(AlertRule {
                name: name.to_owned(),
                condition,
                hold,
                repeat: None,
                pipelines,
                sinks: all_sinks().collect(),
                built_in: true,
            });
        }
    }
    for (name, rule) in rules {
        let path = format!("alerts.{name}");
        if let Err(text) = plain_name(&name, "an alert's name") {
            problems.add(&path, text);
            continue;
        }
        checked.extend(check_rule(&name, rule, &known, &mut problems.at(path)));
    }
    AlertSettings {
        interval,
        quiet_start,
        rules: checked,
        sinks: known.sinks,
    }
}

fn check_rule(
    name: &str,
    mut raw: RawAlert,
    known: &Known<'_>,
    section: &mut Section<'_, '_>,
) -> Option<AlertRule> {
    let words = RULES.map(|(word, _)| word);
    let when = section.required(
        "when",
        raw.when.take(),
        "say what is watched, as in \"lag\"",
    )?;
    let Some((word, key)) = RULES.iter().find(|(word, _)| *word == when) else {
        section.problem("when", one_of(&when, &words));
        return None;
    };
    let hold = section.optional("for", raw.hold.take()).unwrap_or_default();
    let repeat = section.converted("repeat", raw.repeat.take(), |repeat| {
        at_least(repeat, Duration::from_secs(1))
    });
    let pipelines = section.optional("pipelines", raw.pipelines.take());
    let sinks = check_sinks(raw.sinks.take(), &known.sinks, section);
    let condition = check_condition(word, *key, raw, section)?;
    if pipelines.is_some() && !condition.is_of_pipelines() {
        section.problem(
            "pipelines",
            format!("is not for when = {word:?}, which is about the service; leave it out"),
        );
    }
    let pipelines = match (condition.is_of_pipelines(), pipelines) {
        (false, _) => Vec::new(),
        (true, None) => known.pipelines.to_vec(),
        (true, Some(globs)) => matching(&globs.0, known.pipelines, section),
    };
    Some(AlertRule {
        name: name.to_owned(),
        condition,
        hold,
        repeat,
        pipelines,
        sinks,
        built_in: false,
    })
}

/// The pipelines that some pattern matches; one that matches none is a slip.
fn matching(globs: &[String], known: &[String], section: &mut Section<'_, '_>) -> Vec<String> {
    let mut found = Vec::new();
    for text in globs {
        let Ok(glob) = Glob::new(text) else {
            section.problem(
                "pipelines",
                format!("{text:?} is no pattern; write a name, or \"orders-*\""),
            );
            continue;
        };
        let glob = glob.compile_matcher();
        let before = found.len();
        found.extend(known.iter().filter(|name| glob.is_match(name)).cloned());
        if found.len() == before {
            let there = known.join(", ");
            section.problem(
                "pipelines",
                format!("{text:?} is no pipeline; there are {there}"),
            );
        }
    }
    found.sort();
    found.dedup();
    found
}

fn check_sinks(
    names: Option<Entry<Names>>,
    sinks: &[AlertSink],
    section: &mut Section<'_, '_>,
) -> Vec<String> {
    let known = || sinks.iter().map(|sink| sink.name.as_str());
    let Some(names) = section.optional("sinks", names) else {
        return known().map(str::to_owned).collect();
    };
    for name in &names.0 {
        if !known().any(|it| it == name) {
            let advice = match nearest(name, known()) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => format!("there are {}", known().collect::<Vec<_>>().join(", ")),
            };
            section.problem("sinks", format!("{name:?} is no sink; {advice}"));
        }
    }
    if names.0.is_empty() {
        section.problem(
            "sinks",
            format!("is empty, so that nobody would hear of it; write [{LOG_SINK:?}]"),
        );
    }
    names.0
}

fn check_condition(
    word: &str,
    key: Option<(&str, &str)>,
    mut raw: RawAlert,
    section: &mut Section<'_, '_>,
) -> Option<Condition> {
    let mut levels = [
        ("above", raw.above.take()),
        ("below", raw.below.take()),
        ("longer_than", raw.longer_than.take()),
        ("free_below", raw.free_below.take()),
    ];
    let mut level = None;
    for (name, entry) in &mut levels {
        match key {
            Some((wanted, example)) if wanted == *name => {
                let advice = format!("write what is too much, as in {example}");
                level = section.required(name, entry.take(), &advice);
            }
            Some((wanted, example)) if entry.is_some() => {
                let advice = format!("is not for when = {word:?}; write {wanted} = {example}");
                section.problem(name, advice);
            }
            None if entry.is_some() => {
                section.problem(name, format!("is not for when = {word:?}; leave it out"));
            }
            _ => {}
        }
    }
    if !matches!(
        word,
        "lag" | "error_ratio" | "throughput" | "disk_nearly_full"
    ) && raw.until.is_some()
    {
        let advice = "which ends as soon as it is over; leave it out";
        section.problem("until", format!("is not for when = {word:?}, {advice}"));
        raw.until = None;
    }
    if !matches!(word, "error_ratio" | "throughput") && raw.over.is_some() {
        section.problem("over", format!("is not for when = {word:?}; leave it out"));
        raw.over = None;
    }
    if word != "error_ratio" && raw.min_records.is_some() {
        section.problem(
            "min_records",
            format!("is not for when = {word:?}; leave it out"),
        );
        raw.min_records = None;
    }
    let over = |section: &mut Section<'_, '_>, entry, default| {
        let over = section.converted("over", entry, |over| at_least(over, Duration::from_secs(1)));
        over.unwrap_or(Duration::from_secs(default))
    };
    let key = key.map_or("when", |(key, _)| key);
    let condition = match word {
        "lag" => {
            let above = told(section, key, level?.duration())?;
            let until = ends(section, raw.until, Level::duration, above / 2, |until| {
                *until <= above
            })?;
            Condition::Lag { above, until }
        }
        "error_ratio" => {
            let above = told(section, key, level?.ratio())?;
            let until = ends(section, raw.until, Level::ratio, above / 2.0, |until| {
                *until <= above
            })?;
            let over = over(section, raw.over, 300);
            let min_records = section.optional("min_records", raw.min_records);
            Condition::ErrorRatio {
                above,
                until,
                over,
                min_records: min_records.unwrap_or(100),
            }
        }
        "throughput" => {
            let below = told(section, key, level?.number())?;
            let until = ends(section, raw.until, Level::number, below * 1.25, |until| {
                *until >= below
            })?;
            Condition::Throughput {
                below,
                until,
                over: over(section, raw.over, 60),
            }
        }
        "batch_failing" => Condition::BatchFailing {
            longer_than: told(section, key, level?.duration())?,
        },
        "database_unreachable" => Condition::DatabaseUnreachable {
            longer_than: told(section, key, level?.duration())?,
        },
        "disk_nearly_full" => {
            let free_below = told(section, key, level?.free())?;
            let default = match free_below {
                Free::Share(share) => Free::Share((share * 1.2).min(1.0)),
                Free::Bytes(bytes) => Free::Bytes(bytes.saturating_add(bytes / 5)),
            };
            let until = ends(section, raw.until, Level::free, default, |until| {
                match (free_below, *until) {
                    (Free::Share(from), Free::Share(to)) => to >= from,
                    (Free::Bytes(from), Free::Bytes(to)) => to >= from,
                    _ => false,
                }
            })?;
            Condition::DiskNearlyFull { free_below, until }
        }
        _ => Condition::FileQuarantined,
    };
    Some(condition)
}

fn told<T>(section: &mut Section<'_, '_>, key: &str, value: Result<T, String>) -> Option<T> {
    value.map_err(|text| section.problem(key, text)).ok()
}

/// Where it ends, which has to be on the other side of where it fires.
fn ends<T>(
    section: &mut Section<'_, '_>,
    entry: Option<Entry<Level>>,
    read: fn(Level) -> Result<T, String>,
    default: T,
    fits: impl FnOnce(&T) -> bool,
) -> Option<T> {
    if entry.is_none() {
        return Some(default);
    }
    let level = section.optional("until", entry)?;
    let until = told(section, "until", read(level))?;
    if !fits(&until) {
        section.problem(
            "until",
            "would end while it still fires; write in the same unit what is less of it",
        );
        return None;
    }
    Some(until)
}
