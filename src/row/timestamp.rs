//! `timestamp` and `timestamptz`: a date, and after a blank or a `T` a time, and a zone.

use super::clock::{DAY, SECOND, infinity, parse_date, parse_time, parse_zone};
use super::space::trim;
use super::{Verdict, append_field};

/// Appends a `timestamp`: microseconds since 2000-01-01. A zone is passed over, as the server does.
pub fn encode_timestamp(text: &[u8], out: &mut Vec<u8>) -> Verdict {
    append(parse(text).map(|(local, _)| local), out)
}

/// Appends a `timestamptz`: microseconds since 2000-01-01 UTC, which is the session's zone too.
pub fn encode_timestamptz(text: &[u8], out: &mut Vec<u8>) -> Verdict {
    let utc = |(local, zone): (i64, Option<i64>)| local - zone.unwrap_or(0) * SECOND;
    append(parse(text).map(utc), out)
}

/// Appends a `timestamptz` as a session in another zone would have it: `to_utc` says what its local
/// times are, as far as that is known.
pub fn encode_in_zone(
    text: &[u8],
    to_utc: impl Fn(i64) -> Option<i64>,
    out: &mut Vec<u8>,
) -> Verdict {
    let utc = parse(text).and_then(|(local, zone)| match zone {
        Some(zone) => Some(local - zone * SECOND),
        None => to_utc(local),
    });
    append(utc, out)
}

fn append(value: Option<i64>, out: &mut Vec<u8>) -> Verdict {
    match value {
        Some(value) => {
            append_field(&value.to_be_bytes(), out);
            Verdict::Encoded
        }
        None => Verdict::Unrecognised,
    }
}

/// The local time in microseconds, and the zone in seconds where there is one.
fn parse(text: &[u8]) -> Option<(i64, Option<i64>)> {
    let text = trim(text);
    let Some((days, rest)) = parse_date(text) else {
        let value = if infinity(text)? { i64::MAX } else { i64::MIN };
        return Some((value, Some(0)));
    };
    let midnight = i64::from(days) * DAY;
    let [b' ' | b'T', rest @ ..] = rest else {
        return rest.is_empty().then_some((midnight, None));
    };
    let (time, rest) = parse_time(rest)?;
    let zone = match rest {
        [] => None,
        [b' ', zone @ ..] => Some(parse_zone(zone)?),
        zone => Some(parse_zone(zone)?),
    };
    Some((midnight + time, zone))
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use crate::plan::ValueType::{self, Timestamp, Timestamptz};

    fn value(value_type: ValueType, text: &str) -> Option<i64> {
        encoded(value_type, text).map(|bytes| i64::from_be_bytes(bytes.try_into().unwrap()))
    }

    const HOUR: i64 = 3_600_000_000;

    #[test]
    fn iso_forms() {
        for (text, expected) in [
            ("2000-01-01", 0),
            ("2000-01-01 01:00", HOUR),
            (" 2000-01-01T01:00:00\n", HOUR),
            ("2000-01-01 00:00:01.5", 1_500_000),
            ("2000-01-01 00:00:00.000001", 1),
            ("1999-12-31 23:59:59.999999", -1),
            ("2000-01-01 00:00:00Z", 0),
            ("2000-01-01 00:00:00 UTC", 0),
            ("2000-01-01 01:00:00+01", 0),
            ("2000-01-01T01:30:00+0130", 0),
            ("2000-01-01 01:30:15+01:30:15", 0),
            ("1999-12-31 22:30:00 -01:30", 0),
            ("infinity", i64::MAX),
            ("-infinity", i64::MIN),
        ] {
            assert_eq!(value(Timestamptz, text), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn without_a_zone_in_the_type_it_is_passed_over() {
        assert_eq!(value(Timestamp, "2000-01-01 01:00:00+05"), Some(HOUR));
        assert_eq!(value(Timestamp, "2000-01-01 01:00:00"), Some(HOUR));
    }

    #[test]
    fn fractions_round_to_microseconds() {
        for (fraction, expected) in [
            (".0000005", 0),
            (".0000015", 2),
            (".0000014", 1),
            (".1234564", 123_456),
            (".123456789123", 123_457),
            (".9999999", 1_000_000),
        ] {
            let text = format!("2000-01-01 00:00:00{fraction}");
            assert_eq!(value(Timestamp, &text), Some(expected), "{text:?}");
        }
        assert_eq!(
            value(Timestamp, "2000-01-01 23:59:59.9999999"),
            value(Timestamp, "2000-01-02")
        );
    }

    #[test]
    fn anything_else_is_for_the_server() {
        for text in [
            "",
            "2024-01-01 24:00:00",
            "2024-01-01 23:59:60",
            "2024-01-01 23:60:00",
            "2024-01-01 1:00:00",
            "2024-01-01 10",
            "2024-01-01 10:00:00.",
            "2024-01-01 10:00:0",
            "2024-01-01  10:00:00",
            "2024-01-01t10:00:00",
            "2024-01-01 10:00:00 PM",
            "2024-01-01 10:00:00 BC",
            "2024-01-01 10:00:00 Europe/Paris",
            "2024-01-01 10:00:00+16",
            "2024-01-01 10:00:00+1",
            "2024-01-01 10:00:00+01:60",
            "2024-01-01 10:00:00+01:",
            "2023-02-29 10:00:00",
            "now",
        ] {
            assert_eq!(value(Timestamptz, text), None, "{text:?}");
        }
    }
}
