//! From a field's text to its column's value, where the column has rules: trimming, change of case,
//! the checks of the text, and notations that are not the type's own.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::broken::Broken;
use super::clock::{DAY, SECOND, in_range};
use super::number_format::NumberFormat;
use super::pattern::Pattern;
use super::space::trim;
use super::time_format::{ReadTime, TimeFormat};
use super::zone::{Zone, known, zone};
use super::{Verdict, append_field, encode, epoch, timestamp};
use crate::plan::{Case, Column, EpochUnit, ValueRules, ValueType};

/// Up to here, looking at one value after the other is faster than hashing.
const FEW: usize = 12;

/// The changes and the checks of one column.
#[derive(Clone, Debug)]
pub struct Transform {
    trim: bool,
    case: Option<Case>,
    max_length: Option<usize>,
    pattern: Option<Pattern>,
    allowed: Allowed,
    notation: Notation,
}

#[derive(Clone, Debug)]
enum Allowed {
    Any,
    Few(Vec<Box<[u8]>>),
    Many(HashSet<Box<[u8]>>),
}

/// How the column's values are written.
#[derive(Clone, Debug)]
enum Notation {
    /// As the type's input has it.
    Plain,
    Number(NumberFormat),
    Epoch(EpochUnit),
    Format(TimeFormat, Option<Session>),
    /// As the type's input has it in this session.
    Zoned(Session),
}

/// The time zone of a column.
#[derive(Clone, Debug)]
struct Session {
    zone: Arc<Zone>,
    /// The local times that mean the same on the server.
    agreed: Range<i64>,
}

impl Session {
    fn to_utc(&self, local: i64) -> Option<i64> {
        let agreed = self.agreed.contains(&local);
        agreed.then(|| self.zone.to_utc(local)).flatten()
    }
}

impl Transform {
    /// The transform of a column; `None` where nothing is to be changed or checked.
    ///
    /// # Errors
    /// What is wrong with its rules.
    pub fn new(column: &Column) -> Result<Option<Transform>, String> {
        let plain = !column.trim && column.case.is_none() && column.allowed.is_empty();
        if plain && column.rules == ValueRules::default() {
            return Ok(None);
        }
        let allowed = column.allowed.iter().map(|text| Box::from(text.as_bytes()));
        let pattern = column.rules.pattern.as_deref().map(Pattern::new);
        let most = column.rules.max_length;
        Ok(Some(Transform {
            trim: column.trim,
            case: column.case,
            max_length: most.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
            pattern: pattern.transpose()?,
            allowed: match column.allowed.len() {
                0 => Allowed::Any,
                1..=FEW => Allowed::Few(allowed.collect()),
                _ => Allowed::Many(allowed.collect()),
            },
            notation: Notation::new(&column.rules)?,
        }))
    }

    /// The text after the trimming.
    #[inline]
    pub fn trim<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        if self.trim { trim(text) } else { text }
    }

    /// The text after the change of case: as it is, or a copy in `scratch`.
    #[inline]
    pub fn change_case<'a>(&self, text: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
        match self.case {
            None => text,
            Some(case) => change_case(case, text, scratch),
        }
    }

    /// Checks a text that stands for a value, and appends the field to `out`; or what the server is
    /// to be asked instead, which may be a copy in `scratch`.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn encode<'a>(
        &self,
        value_type: ValueType,
        text: &'a [u8],
        scratch: &'a mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, Broken> {
        self.check_text(text)?;
        if let Notation::Number(format) = &self.notation {
            let text = format.plain(text, scratch).ok_or(Broken::Number)?;
            self.check_allowed(text)?;
            return Ok(unless_encoded(encode(value_type, text, out), text));
        }
        self.check_allowed(text)?;
        match &self.notation {
            Notation::Plain | Notation::Number(_) => {
                Ok(unless_encoded(encode(value_type, text, out), text))
            }
            Notation::Epoch(unit) => {
                append_field(&epoch::parse(*unit, text)?.to_be_bytes(), out);
                Ok(None)
            }
            Notation::Zoned(session) => {
                let to_utc = |local| session.to_utc(local);
                let verdict = timestamp::encode_in_zone(text, to_utc, out);
                Ok(unless_encoded(verdict, text))
            }
            Notation::Format(format, session) => {
                let time = format.read(text).ok_or(Broken::Format)?;
                let session = session.as_ref().filter(|_| time.offset.is_none());
                append_time(value_type, &time, session, scratch, out)
            }
        }
    }

    /// The zone in which the column's times are read, where it is one of its own.
    pub fn zone(&self) -> Option<&Arc<Zone>> {
        match &self.notation {
            Notation::Zoned(session) | Notation::Format(_, Some(session)) => Some(&session.zone),
            _ => None,
        }
    }

    /// Leaves the local times of a zone that are not `agreed` on to the server.
    pub fn agree(&mut self, zone: &str, agreed: &Range<i64>) {
        if let Notation::Zoned(session) | Notation::Format(_, Some(session)) = &mut self.notation
            && session.zone.name() == zone
        {
            session.agreed = agreed.clone();
        }
    }

    fn check_text(&self, text: &[u8]) -> Result<(), Broken> {
        // There are never more characters than bytes.
        if let Some(most) = self.max_length
            && text.len() > most
            && characters(text) > most
        {
            return Err(Broken::TooLong);
        }
        match &self.pattern {
            Some(pattern) if !pattern.matches(text) => Err(Broken::Pattern),
            _ => Ok(()),
        }
    }

    fn check_allowed(&self, text: &[u8]) -> Result<(), Broken> {
        let allows = match &self.allowed {
            Allowed::Any => true,
            Allowed::Few(values) => values.iter().any(|value| **value == *text),
            Allowed::Many(values) => values.contains(text),
        };
        allows.then_some(()).ok_or(Broken::NotAllowed)
    }
}

impl Notation {
    fn new(rules: &ValueRules) -> Result<Notation, String> {
        let session = |name: &str| {
            let zone = zone(name).map_err(|error| error.to_string())?;
            let agreed = known();
            Ok::<_, String>(Session { zone, agreed })
        };
        let session = rules.time_zone.as_deref().map(session).transpose()?;
        Ok(match (rules.epoch, &rules.format, session) {
            (Some(unit), _, _) => Notation::Epoch(unit),
            (_, Some(format), session) => Notation::Format(TimeFormat::new(format)?, session),
            (_, _, Some(session)) => Notation::Zoned(session),
            _ if rules.thousands.is_some() || rules.decimal.is_some() => {
                Notation::Number(NumberFormat::new(rules.thousands, rules.decimal))
            }
            _ => Notation::Plain,
        })
    }
}

fn unless_encoded(verdict: Verdict, text: &[u8]) -> Option<&[u8]> {
    (verdict == Verdict::Unrecognised).then_some(text)
}

fn append_time<'a>(
    value_type: ValueType,
    time: &ReadTime,
    session: Option<&Session>,
    scratch: &'a mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<Option<&'a [u8]>, Broken> {
    if value_type == ValueType::Date {
        // The server drops the time of day, as it does for a date that is written with one.
        in_range(Some(i64::from(time.days()) * DAY)).ok_or(Broken::TimeRange)?;
        append_field(&time.days().to_be_bytes(), out);
        return Ok(None);
    }
    let local = time.local();
    let micros = match (value_type, time.offset, session) {
        // It has no zone, and passes over one that is written, as the server does.
        (ValueType::Timestamp, _, _) => local,
        (_, Some(offset), _) => local - offset * SECOND,
        (_, None, None) => local,
        (_, None, Some(session)) => match session.to_utc(local) {
            Some(utc) => utc,
            None => {
                time.write_iso(scratch);
                return Ok(Some(scratch));
            }
        },
    };
    let micros = in_range(Some(micros)).ok_or(Broken::TimeRange)?;
    append_field(&micros.to_be_bytes(), out);
    Ok(None)
}

/// The characters of a text, which is valid UTF-8: every byte but those that go on with one.
fn characters(text: &[u8]) -> usize {
    text.iter().filter(|byte| (**byte as i8) >= -0x40).count()
}

fn change_case<'a>(case: Case, text: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let changes = |byte: &u8| match case {
        Case::Lower => byte.is_ascii_uppercase(),
        Case::Upper => byte.is_ascii_lowercase(),
    };
    if text.is_ascii() {
        if !text.iter().any(changes) {
            return text;
        }
        scratch.clear();
        scratch.extend_from_slice(text);
        match case {
            Case::Lower => scratch.make_ascii_lowercase(),
            Case::Upper => scratch.make_ascii_uppercase(),
        }
        return scratch;
    }
    let Ok(text) = std::str::from_utf8(text) else {
        return text;
    };
    *scratch = match case {
        Case::Lower => text.to_lowercase(),
        Case::Upper => text.to_uppercase(),
    }
    .into_bytes();
    scratch
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use super::*;
    use crate::plan::ValueType::{Date, Int4, Numeric, Text, Timestamp, Timestamptz};

    fn column(trim: bool, case: Option<Case>, allowed: &[&str]) -> Column {
        Column {
            trim,
            case,
            allowed: allowed.iter().map(|text| text.to_string()).collect(),
            ..Column::new("c", Text, "text")
        }
    }

    fn ruled(value_type: ValueType, rules: ValueRules) -> Column {
        Column {
            rules,
            ..Column::new("c", value_type, "any")
        }
    }

    fn transform(column: &Column) -> Transform {
        Transform::new(column)
            .unwrap()
            .expect("there is something to do")
    }

    fn apply(trim: bool, case: Option<Case>, text: &str) -> String {
        let mut scratch = Vec::new();
        let transform = transform(&column(trim, case, &[]));
        let text = transform.change_case(transform.trim(text.as_bytes()), &mut scratch);
        String::from_utf8(text.to_vec()).unwrap()
    }

    /// The value's bytes, or the text that the server is to be asked.
    fn read(column: &Column, text: &str) -> Result<Result<Vec<u8>, String>, Broken> {
        let (mut scratch, mut out) = (Vec::new(), Vec::new());
        let transform = transform(column);
        let asked = transform.encode(column.value_type, text.as_bytes(), &mut scratch, &mut out)?;
        Ok(match asked {
            None => Ok(out.split_off(4)),
            Some(text) => {
                assert!(out.is_empty());
                Err(String::from_utf8(text.to_vec()).unwrap())
            }
        })
    }

    /// What the type's own notation stands for.
    fn value(value_type: ValueType, text: &str) -> Result<Result<Vec<u8>, String>, Broken> {
        Ok(Ok(encoded(value_type, text).unwrap()))
    }

    #[test]
    fn trimming_comes_before_the_change_of_case() {
        assert_eq!(apply(true, Some(Case::Lower), " View\t"), "view");
        assert_eq!(apply(false, Some(Case::Lower), " View"), " view");
        assert_eq!(apply(true, None, " View "), "View");
        assert_eq!(apply(false, Some(Case::Lower), "view"), "view");
        assert!(Transform::new(&column(false, None, &[])).unwrap().is_none());
    }

    #[test]
    fn case_is_unicodes() {
        assert_eq!(apply(false, Some(Case::Lower), "ÄÉΣ"), "äéς");
        assert_eq!(apply(false, Some(Case::Upper), "straße"), "STRASSE");
    }

    #[test]
    fn allowed_values_are_few_or_many() {
        let many: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for allowed in [&many[..3], &many[..]] {
            let column = column(false, None, allowed);
            assert!(read(&column, "2").is_ok());
            assert_eq!(read(&column, "100"), Err(Broken::NotAllowed));
            assert_eq!(read(&column, ""), Err(Broken::NotAllowed));
        }
        assert!(read(&column(true, None, &[]), "anything").is_ok());
    }

    #[test]
    fn length_is_counted_in_characters() {
        let rules = ValueRules {
            max_length: Some(3),
            ..ValueRules::default()
        };
        let column = ruled(Text, rules);
        for text in ["", "abc", "äöü", "😀😀😀", "e\u{301}x"] {
            assert!(read(&column, text).is_ok(), "{text}");
        }
        for text in ["abcd", "äöüx", "e\u{301}xy"] {
            assert_eq!(read(&column, text), Err(Broken::TooLong), "{text}");
        }
    }

    #[test]
    fn length_and_pattern_are_checked_before_what_is_allowed() {
        let mut column = ruled(
            Text,
            ValueRules {
                pattern: Some("[a-z]+".into()),
                max_length: Some(2),
                ..ValueRules::default()
            },
        );
        column.allowed = vec!["ab".into(), "1".into()];
        assert!(read(&column, "ab").is_ok());
        assert_eq!(read(&column, "123"), Err(Broken::TooLong));
        assert_eq!(read(&column, "1"), Err(Broken::Pattern));
        assert_eq!(read(&column, "xy"), Err(Broken::NotAllowed));
    }

    #[test]
    fn numbers_are_compared_and_asked_in_plain_notation() {
        let rules = ValueRules {
            thousands: Some('.'),
            decimal: Some(','),
            pattern: Some("[0-9.,e]+".into()),
            ..ValueRules::default()
        };
        let mut column = ruled(Numeric, rules);
        assert_eq!(read(&column, "1.234,50"), value(Numeric, "1234.50"));
        assert_eq!(read(&column, "1,5e3"), Ok(Err("1.5e3".into())));
        assert_eq!(read(&column, "1234.5"), Err(Broken::Number));
        column.allowed = vec!["1.5".into()];
        assert_eq!(read(&column, "1,5"), value(Numeric, "1.5"));
        assert_eq!(read(&column, "1,6"), Err(Broken::NotAllowed));
        let column = ruled(Int4, column.rules);
        assert_eq!(read(&column, "1.234"), value(Int4, "1234"));
        assert_eq!(read(&column, "1,0"), Ok(Err("1.0".into())));
    }

    fn times(format: Option<&str>, time_zone: Option<&str>) -> ValueRules {
        ValueRules {
            format: format.map(str::to_owned),
            time_zone: time_zone.map(str::to_owned),
            ..ValueRules::default()
        }
    }

    #[test]
    fn times_without_a_zone_are_those_of_the_column() {
        let column = ruled(Timestamptz, times(None, Some("Europe/Berlin")));
        for (text, expected) in [
            ("2024-07-01 12:00", "2024-07-01 10:00Z"),
            ("2024-01-01", "2023-12-31 23:00Z"),
            ("2024-07-01 12:00Z", "2024-07-01 12:00Z"),
            ("2024-07-01T12:00:00-05", "2024-07-01 17:00Z"),
            ("infinity", "infinity"),
        ] {
            assert_eq!(read(&column, text), value(Timestamptz, expected), "{text}");
        }
        for text in ["1950-07-01 12:00", "Jan 5 2024", "now", "x"] {
            assert_eq!(read(&column, text), Ok(Err(text.into())), "{text}");
        }
    }

    #[test]
    fn formats_are_read_for_each_type() {
        let format = "%d.%m.%Y %H:%M:%S";
        let read =
            |value_type, zone, text| read(&ruled(value_type, times(Some(format), zone)), text);
        let text = "01.07.2024 12:00:05";
        assert_eq!(read(Date, None, text), value(Date, "2024-07-01"));
        assert_eq!(
            read(Timestamp, None, text),
            value(Timestamp, "2024-07-01 12:00:05")
        );
        assert_eq!(
            read(Timestamptz, None, text),
            value(Timestamptz, "2024-07-01 12:00:05Z")
        );
        let berlin = Some("Europe/Berlin");
        assert_eq!(
            read(Timestamptz, berlin, text),
            value(Timestamptz, "2024-07-01 10:00:05Z")
        );
        assert_eq!(
            read(Timestamptz, berlin, "01.07.1950 12:00:05"),
            Ok(Err("1950-07-01 12:00:05.000000".into()))
        );
        assert_eq!(read(Date, None, "2024-07-01"), Err(Broken::Format));
        for value_type in [Date, Timestamp, Timestamptz] {
            let far = "01.01.-9000 00:00:00";
            assert_eq!(read(value_type, None, far), Err(Broken::TimeRange));
        }
    }

    #[test]
    fn an_offset_that_is_written_counts_for_timestamptz_alone() {
        let format = Some("%F %T %z");
        let text = "2024-07-01 12:00:00 +0200";
        let read = |value_type| read(&ruled(value_type, times(format, None)), text);
        assert_eq!(read(Timestamptz), value(Timestamptz, "2024-07-01 10:00Z"));
        assert_eq!(read(Timestamp), value(Timestamp, "2024-07-01 12:00"));
        assert_eq!(read(Date), value(Date, "2024-07-01"));
    }

    #[test]
    fn a_zone_that_the_server_has_otherwise_is_left_to_it() {
        for (format, text, asked) in [
            (None, "2024-07-01 12:00", "2024-07-01 12:00"),
            (Some("%d.%m.%Y"), "01.07.2024", "2024-07-01 00:00:00.000000"),
        ] {
            let column = ruled(Timestamptz, times(format, Some("europe/berlin")));
            let mut transform = transform(&column);
            assert_eq!(transform.zone().unwrap().name(), "Europe/Berlin");
            transform.agree("Europe/Paris", &(0..0));
            let read = |transform: &Transform| {
                let (mut scratch, mut out) = (Vec::new(), Vec::new());
                let text = transform.encode(Timestamptz, text.as_bytes(), &mut scratch, &mut out);
                text.unwrap()
                    .map(|text| String::from_utf8(text.to_vec()).unwrap())
            };
            assert_eq!(read(&transform), None);
            transform.agree("Europe/Berlin", &(0..0));
            assert_eq!(read(&transform).as_deref(), Some(asked));
        }
    }

    #[test]
    fn rules_that_can_not_be_carried_out_are_errors() {
        let error = |rules| Transform::new(&ruled(Text, rules)).unwrap_err();
        assert!(error(times(Some("%Y"), None)).contains("which day"));
        assert!(error(times(None, Some("Nowhere"))).contains("Nowhere"));
        let pattern = ValueRules {
            pattern: Some("[".into()),
            ..ValueRules::default()
        };
        assert!(error(pattern).contains("unclosed"));
    }
}
