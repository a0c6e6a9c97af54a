//! `date`: `YYYY-MM-DD` of the years 1 to 9999, and infinity.

use super::clock::{infinity, parse_date};
use super::space::trim;
use super::{Verdict, append_field};

/// Appends a `date`: days since 2000-01-01.
pub fn encode(text: &[u8], out: &mut Vec<u8>) -> Verdict {
    let text = trim(text);
    let days = match parse_date(text) {
        Some((days, [])) => days,
        Some(_) => return Verdict::Unrecognised,
        None => match infinity(text) {
            Some(true) => i32::MAX,
            Some(false) => i32::MIN,
            None => return Verdict::Unrecognised,
        },
    };
    append_field(&days.to_be_bytes(), out);
    Verdict::Encoded
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use crate::plan::ValueType::Date;

    fn days(text: &str) -> Option<i32> {
        encoded(Date, text).map(|bytes| i32::from_be_bytes(bytes.try_into().unwrap()))
    }

    #[test]
    fn days_since_the_year_2000() {
        for (text, expected) in [
            ("2000-01-01", 0),
            (" 2000-03-01\t", 60),
            ("1999-12-31", -1),
            ("2024-02-29", 8825),
            ("0001-01-01", -730119),
            ("9999-12-31", 2921939),
            ("infinity", i32::MAX),
            ("-Infinity", i32::MIN),
        ] {
            assert_eq!(days(text), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut expected = days("0001-01-01").expect("the first");
        for (year, month, day) in (1..=2400).flat_map(|year| {
            (1..=12).flat_map(move |month| (1..=31).map(move |day| (year, month, day)))
        }) {
            if let Some(now) = days(&format!("{year:04}-{month:02}-{day:02}")) {
                assert_eq!(now, expected, "{year}-{month}-{day}");
                expected += 1;
            } else {
                assert!(
                    day > 28 && (month == 2 || day == 31),
                    "{year}-{month}-{day}"
                );
            }
        }
        assert_eq!(Some(expected), days("2401-01-01"));
    }

    #[test]
    fn anything_else_is_for_the_server() {
        for text in [
            "",
            "2023-02-29",
            "1900-02-29",
            "2024-04-31",
            "2024-00-10",
            "2024-13-01",
            "2024-01-00",
            "0000-01-01",
            "2024-1-5",
            "24-01-05",
            "12024-01-05",
            "2024/01/05",
            "20240105",
            "2024-01-05 BC",
            "2024-01-05 10:00",
            "today",
            "infinit",
        ] {
            assert_eq!(days(text), None, "{text:?}");
        }
    }
}
