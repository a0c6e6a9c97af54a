//! What a column's fields must be, and how they are read.

use super::entry::Entry;
use super::keys::nearest;
use super::problems::Section;
use super::service::one_of;
use crate::plan::{EpochUnit, Kind, ValueRules};
use crate::row::{Pattern, TimeFormat, zone, zone_names};

/// What is written of the rules.
pub(super) struct RawRules {
    pub pattern: Option<Entry<String>>,
    pub max_length: Option<Entry<u64>>,
    pub format: Option<Entry<String>>,
    pub time_zone: Option<Entry<String>>,
    pub epoch: Option<Entry<String>>,
    pub thousands: Option<Entry<String>>,
    pub decimal: Option<Entry<String>>,
}

/// Checks the rules of one column, of this type where it is written, against its allowed values too.
pub(super) fn check(
    raw: RawRules,
    sql_type: Option<&str>,
    allowed: &[String],
    section: &mut Section<'_, '_>,
) -> ValueRules {
    let rules = ValueRules {
        pattern: section.converted("pattern", raw.pattern, check_pattern),
        max_length: section.converted("max_length", raw.max_length, |most| match most {
            0 => Err("0 can't be; write 1 or more".to_owned()),
            most => Ok(most),
        }),
        format: section.converted("format", raw.format, |text| {
            TimeFormat::new(&text).map_err(|error| {
                format!("{text:?} can't be: {error}; write one such as \"%d.%m.%Y %H:%M:%S\"")
            })?;
            Ok(text)
        }),
        time_zone: section.converted("time_zone", raw.time_zone, check_time_zone),
        epoch: section.converted("epoch", raw.epoch, |text| match text.as_str() {
            "seconds" => Ok(EpochUnit::Seconds),
            "milliseconds" => Ok(EpochUnit::Milliseconds),
            "microseconds" => Ok(EpochUnit::Microseconds),
            _ => Err(one_of(&text, &["seconds", "milliseconds", "microseconds"])),
        }),
        thousands: section.converted("thousands", raw.thousands, |text| separator(&text)),
        decimal: section.converted("decimal", raw.decimal, |text| separator(&text)),
    };
    if let Some((key, text)) = contradiction(&rules) {
        section.problem(key, text);
    } else if let Some(sql_type) = sql_type
        && let Some(kind) = Kind::of_sql(sql_type)
    {
        for (key, advice) in rules.misfits(kind) {
            section.problem(key, format!("{advice}, and this one's type is {sql_type}"));
        }
    }
    if let Some((value, key)) = unreachable(&rules, allowed) {
        section.problem(
            "allowed",
            format!("{value:?} can never be met: {key} refuses it"),
        );
    }
    rules
}

/// An allowed value that another rule refuses, and that rule. Numbers with separators are written in
/// another way than they are compared.
fn unreachable<'a>(rules: &ValueRules, allowed: &'a [String]) -> Option<(&'a str, &'static str)> {
    if rules.thousands.is_some() || rules.decimal.is_some() {
        return None;
    }
    let pattern = rules
        .pattern
        .as_deref()
        .and_then(|text| Pattern::new(text).ok());
    let most = rules.max_length.unwrap_or(u64::MAX);
    allowed.iter().find_map(|value| {
        if value.chars().count() as u64 > most {
            return Some((value.as_str(), "max_length"));
        }
        let refused = pattern
            .as_ref()
            .is_some_and(|pattern| !pattern.matches(value.as_bytes()));
        refused.then_some((value.as_str(), "pattern"))
    })
}

fn check_pattern(text: String) -> Result<String, String> {
    if text.is_empty() {
        return Err("is empty, so that only empty texts would match; leave it out".to_owned());
    }
    match Pattern::new(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(format!(
            "{text:?} is no regular expression: {error}; write one such as \"[A-Z]{{2}}[0-9]+\""
        )),
    }
}

fn check_time_zone(text: String) -> Result<String, String> {
    zone(&text)
        .map(|zone| zone.name().to_owned())
        .map_err(|error| {
            let names = zone_names();
            let advice = match nearest(&text, names.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => "write a name such as \"Europe/Berlin\"".to_owned(),
            };
            format!("{error}; {advice}")
        })
}

/// One character that can stand between digits without being part of a number.
fn separator(text: &str) -> Result<char, String> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(c), None) if !c.is_alphanumeric() && !c.is_control() && c != '-' && c != '+' => Ok(c),
        _ => Err(format!(
            "{text:?} can't separate digits; write one character, such as \".\", \",\", \"'\" or \" \""
        )),
    }
}

/// Rules of which one leaves no room for another.
fn contradiction(rules: &ValueRules) -> Option<(&'static str, String)> {
    let number = match (rules.thousands, rules.decimal) {
        (Some(_), _) => Some("thousands"),
        (None, Some(_)) => Some("decimal"),
        _ => None,
    };
    let times = [
        ("format", rules.format.is_some()),
        ("epoch", rules.epoch.is_some()),
        ("time_zone", rules.time_zone.is_some()),
    ];
    let time = times.iter().find(|(_, given)| *given);
    if let (Some(number), Some((time, _))) = (number, time) {
        return Some((
            number,
            format!("is for numbers and {time} for times; leave one of them out"),
        ));
    }
    if let Some(thousands) = rules.thousands
        && thousands == rules.decimal.unwrap_or('.')
    {
        return Some((
            "thousands",
            "is what stands before the fraction, too; write the other one as decimal".to_owned(),
        ));
    }
    if rules.epoch.is_some() && rules.format.is_some() {
        return Some((
            "epoch",
            "is for times that are numbers, and format says how they are written; leave one of them out"
                .to_owned(),
        ));
    }
    if rules.epoch.is_some() && rules.time_zone.is_some() {
        return Some((
            "time_zone",
            "has no meaning beside epoch, which counts from 1970 in UTC; leave it out".to_owned(),
        ));
    }
    let format = rules.format.as_deref().map(TimeFormat::new);
    if rules.time_zone.is_some() && format.is_some_and(|it| it.is_ok_and(|it| it.has_offset())) {
        return Some((
            "time_zone",
            "has no meaning where every time has an offset of its own (%z in format); leave it out"
                .to_owned(),
        ));
    }
    None
}
