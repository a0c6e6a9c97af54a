//! How a column's values are written, where that is not as the type's input has it.

use std::ops::Range;
use std::sync::Arc;

use super::broken::Broken;
use super::clock::{DAY, SECOND, in_range};
use super::number_format::NumberFormat;
use super::time_format::{ReadTime, TimeFormat};
use super::zone::{Zone, known, zone};
use super::{Verdict, append_field, encode, epoch, timestamp};
use crate::plan::{EpochUnit, ValueRules, ValueType};

/// How the column's values are written.
#[derive(Clone, Debug)]
pub enum Notation {
    /// As the type's input has it.
    Plain,
    /// With separators.
    Number(NumberFormat),
    /// As a count since 1970.
    Epoch(EpochUnit),
    /// In a format of its own, and in this session.
    Format(TimeFormat, Option<Session>),
    /// As the type's input has it in this session.
    Zoned(Session),
}

/// A session of the server in the time zone of a column.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its zone.
    pub zone: Arc<Zone>,
    /// The local times that mean the same on the server.
    pub agreed: Range<i64>,
}

impl Session {
    fn to_utc(&self, local: i64) -> Option<i64> {
        let agreed = self.agreed.contains(&local);
        agreed.then(|| self.zone.to_utc(local)).flatten()
    }
}

impl Notation {
    /// The notation that the rules of a column say.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(rules: &ValueRules) -> Result<Notation, String> {
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

    /// Appends the field for a text to `out`; or what the server is to be asked instead, which may be
    /// a copy in `scratch`. Numbers are in plain notation already.
    ///
    /// # Errors
    /// `Epoch`, `Format` or `TimeRange`.
    pub fn encode<'a>(
        &self,
        value_type: ValueType,
        text: &'a [u8],
        scratch: &'a mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, Broken> {
        match self {
            Notation::Plain | Notation::Number(_) => Ok(encode_plain(value_type, text, out)),
            Notation::Epoch(unit) => {
                append_field(&epoch::parse(*unit, text)?.to_be_bytes(), out);
                Ok(None)
            }
            Notation::Zoned(session) => {
                let to_utc = |local| session.to_utc(local);
                let verdict = timestamp::encode_in_zone(text, to_utc, out);
                Ok((verdict == Verdict::Unrecognised).then_some(text))
            }
            Notation::Format(format, session) => {
                let time = format.read(text).ok_or(Broken::Format)?;
                let session = session.as_ref().filter(|_| time.offset.is_none());
                append_time(value_type, &time, session, scratch, out)
            }
        }
    }

    /// The session in which times are read, where it is one of the column's own.
    pub fn session(&self) -> Option<&Session> {
        match self {
            Notation::Zoned(session) | Notation::Format(_, Some(session)) => Some(session),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn session_mut(&mut self) -> Option<&mut Session> {
        match self {
            Notation::Zoned(session) | Notation::Format(_, Some(session)) => Some(session),
            _ => None,
        }
    }
}

/// Appends the field for a text that is as the type's input has it; or gives the text back, which
/// the server is to be asked.
pub fn encode_plain<'a>(
    value_type: ValueType,
    text: &'a [u8],
    out: &mut Vec<u8>,
) -> Option<&'a [u8]> {
    (encode(value_type, text, out) == Verdict::Unrecognised).then_some(text)
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

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use super::*;
    use crate::plan::ValueType::{Date, Timestamp, Timestamptz};

    fn times(format: Option<&str>, time_zone: Option<&str>) -> ValueRules {
        ValueRules {
            format: format.map(str::to_owned),
            time_zone: time_zone.map(str::to_owned),
            ..ValueRules::default()
        }
    }

    /// The value's bytes, or the text that the server is to be asked.
    type Read = Result<Result<Vec<u8>, String>, Broken>;

    fn read(notation: &Notation, value_type: ValueType, text: &str) -> Read {
        let (mut scratch, mut out) = (Vec::new(), Vec::new());
        let asked = notation.encode(value_type, text.as_bytes(), &mut scratch, &mut out)?;
        Ok(match asked {
            None => Ok(out.split_off(4)),
            Some(text) => {
                assert!(out.is_empty());
                Err(String::from_utf8(text.to_vec()).unwrap())
            }
        })
    }

    /// What the type's own notation stands for.
    fn value(value_type: ValueType, text: &str) -> Read {
        Ok(Ok(encoded(value_type, text).unwrap()))
    }

    #[test]
    fn times_without_a_zone_are_those_of_the_column() {
        let berlin = Notation::new(&times(None, Some("Europe/Berlin"))).unwrap();
        let read = |text| read(&berlin, Timestamptz, text);
        for (text, expected) in [
            ("2024-07-01 12:00", "2024-07-01 10:00Z"),
            ("2024-01-01", "2023-12-31 23:00Z"),
            ("2024-07-01 12:00Z", "2024-07-01 12:00Z"),
            ("2024-07-01T12:00:00-05", "2024-07-01 17:00Z"),
            ("infinity", "infinity"),
        ] {
            assert_eq!(read(text), value(Timestamptz, expected), "{text}");
        }
        for text in ["1950-07-01 12:00", "Jan 5 2024", "now", "x"] {
            assert_eq!(read(text), Ok(Err(text.into())), "{text}");
        }
    }

    #[test]
    fn formats_are_read_for_each_type() {
        let format = "%d.%m.%Y %H:%M:%S";
        let read = |value_type, zone, text| {
            let notation = Notation::new(&times(Some(format), zone)).unwrap();
            read(&notation, value_type, text)
        };
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
        let notation = Notation::new(&times(format, None)).unwrap();
        let read = |value_type| read(&notation, value_type, text);
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
            let mut notation = Notation::new(&times(format, Some("europe/berlin"))).unwrap();
            assert!(matches!(read(&notation, Timestamptz, text), Ok(Ok(_))));
            let session = notation.session_mut().unwrap();
            assert_eq!(session.zone.name(), "Europe/Berlin");
            session.agreed = 0..0;
            assert_eq!(read(&notation, Timestamptz, text), Ok(Err(asked.into())));
        }
    }
}
