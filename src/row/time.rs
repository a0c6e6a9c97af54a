//! `time`: `HH:MM[:SS[.F…]]`, without a zone.

use super::clock::parse_time;
use super::space::trim;
use super::{Verdict, append_field};

/// Appends a `time`: microseconds since midnight. A fraction may round up to 24:00.
pub fn encode(text: &[u8], out: &mut Vec<u8>) -> Verdict {
    match parse_time(trim(text)) {
        Some((time, [])) => {
            append_field(&time.to_be_bytes(), out);
            Verdict::Encoded
        }
        _ => Verdict::Unrecognised,
    }
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use crate::plan::ValueType::Time;

    fn micros(text: &str) -> Option<i64> {
        encoded(Time, text).map(|bytes| i64::from_be_bytes(bytes.try_into().unwrap()))
    }

    #[test]
    fn microseconds_since_midnight() {
        for (text, expected) in [
            ("00:00", 0),
            (" 01:00:00\t", 3_600_000_000),
            ("00:00:01.5", 1_500_000),
            ("00:00:00.0000015", 2),
            ("23:59:59.999999", 86_399_999_999),
            ("23:59:59.9999999", 86_400_000_000),
        ] {
            assert_eq!(micros(text), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_for_the_server() {
        for text in [
            "",
            "24:00",
            "23:59:60",
            "1:00",
            "10",
            "1000",
            "10:00 PM",
            "10:00Z",
            "10:00+01",
            "10:00:00.",
            "2024-01-01 10:00",
            "now",
        ] {
            assert_eq!(micros(text), None, "{text:?}");
        }
    }
}
