//! Dates and times in a notation of their own, as `strptime` reads them (crate `jiff`).

use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

use super::clock::{DAY, SECOND, days_of_any_year};
use super::space::trim;

/// How a column's dates and times are written.
#[derive(Clone, Debug)]
pub struct TimeFormat {
    text: String,
    has_offset: bool,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadTime {
    date: Date,
    /// Microseconds since midnight, up to that of the next day: a leap second, or a fraction that was
    /// rounded up, may end a day.
    time: i64,
    /// Seconds east of Greenwich, where it is written.
    pub offset: Option<i64>,
}

impl TimeFormat {
    /// A format, by the directives of `strptime`: `%d.%m.%Y %H:%M`.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn new(text: &str) -> Result<TimeFormat, String> {
        let directives = directives(text);
        for (directive, advice) in [
            ('s', "a count of seconds is read by epoch = \"seconds\""),
            (
                'Q',
                "a zone's name can't be read; without a format the server reads it",
            ),
            (
                'Z',
                "a zone's abbreviation can't be read; without a format the server reads it",
            ),
        ] {
            if directives.contains(&directive) {
                return Err(format!("%{directive} can't be used: {advice}"));
            }
        }
        let format = TimeFormat {
            text: text.to_owned(),
            has_offset: directives.contains(&'z'),
        };
        let unusable = |error| format!("it is no format of strptime: {error}");
        let example = format.write_example().map_err(unusable)?;
        let read = BrokenDownTime::parse(text, &example).map_err(unusable)?;
        match read.to_datetime() {
            Ok(time) if time.date() == sample().date() => Ok(format),
            _ => Err("it has to say which day it is, as \"%Y-%m-%d\" does".to_owned()),
        }
    }

    /// Whether every time has an offset from UTC of its own.
    pub fn has_offset(&self) -> bool {
        self.has_offset
    }

    /// An example for people.
    pub fn example(&self) -> String {
        self.write_example().unwrap_or_default()
    }

    fn write_example(&self) -> Result<String, jiff::Error> {
        let sample = sample().to_zoned(TimeZone::UTC)?;
        BrokenDownTime::from(&sample).to_string(&self.text)
    }

    /// Reads a text, the white space around it aside; `None` where it is written in another way.
    ///
    /// A time that is not in the format is midnight. Fractions of a second are rounded as the server
    /// rounds them, and a 60th second is the next minute, as it is there. A year has four digits,
    /// unless the format has two (`%y`): `24` is not the year 24.
    pub fn read(&self, text: &[u8]) -> Option<ReadTime> {
        let text = trim(text);
        let read = BrokenDownTime::parse(&self.text, text).ok()?;
        let local = read.to_datetime().ok()?;
        if matches!(local.year(), 0..1_000) && !has_four_digits(local.year(), text) {
            return None;
        }
        let time = local.time();
        let seconds = i64::from(time.hour()) * 3_600
            + i64::from(time.minute()) * 60
            + i64::from(time.second())
            + i64::from(time.second() == 59 && self.is_leap_second(text));
        let fraction = f64::from(time.subsec_nanosecond()) / 1e9;
        let fraction = (fraction * SECOND as f64).round_ties_even() as i64;
        let time = seconds * SECOND + fraction;
        // A day may end with its 60th second, but not within it.
        (time <= DAY).then(|| ReadTime {
            date: local.date(),
            time,
            offset: read.offset().map(|offset| i64::from(offset.seconds())),
        })
    }

    /// Whether the second is written as 60, which the crate takes for 59.
    fn is_leap_second(&self, text: &[u8]) -> bool {
        memchr::memmem::find_iter(text, b"60").any(|at| {
            let mut other = text.to_vec();
            other[at..at + 2].copy_from_slice(b"58");
            let read = BrokenDownTime::parse(&self.text, &other).ok();
            read.is_some_and(|read| read.second() == Some(58))
        })
    }
}

impl ReadTime {
    /// Days since 2000-01-01.
    pub fn days(&self) -> i32 {
        let date = self.date;
        days_of_any_year(date.year().into(), date.month() as u32, date.day() as u32)
    }

    /// Microseconds since 2000-01-01, the offset aside.
    pub fn local(&self) -> i64 {
        i64::from(self.days()) * DAY + self.time
    }

    /// The local time as the server reads it.
    pub fn write_iso(&self, out: &mut Vec<u8>) {
        let (date, seconds) = (self.date, self.time / SECOND);
        let (year, era) = match date.year() {
            year @ 1.. => (year, ""),
            year => (1 - year, " BC"),
        };
        let hour = (seconds / 3_600).min(23);
        let minute = ((seconds - hour * 3_600) / 60).min(59);
        let second = seconds - hour * 3_600 - minute * 60;
        let text = format!(
            "{year:04}-{:02}-{:02} {hour:02}:{minute:02}:{second:02}.{:06}{era}",
            date.month(),
            date.day(),
            self.time % SECOND,
        );
        out.clear();
        out.extend_from_slice(text.as_bytes());
    }
}

/// Whether an early year is written out.
fn has_four_digits(year: i16, text: &[u8]) -> bool {
    let year = format!("{year:04}");
    memchr::memmem::find(text, year.as_bytes()).is_some()
}

/// The time of the examples.
fn sample() -> DateTime {
    DateTime::constant(2024, 12, 31, 18, 30, 5, 0)
}

/// The letters of the directives of a format.
fn directives(format: &str) -> Vec<char> {
    let mut found = Vec::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if c == '%' {
            // Flags, widths and colons stand before the letter.
            found.extend(rest.find(|c| c.is_ascii_alphabetic() || *c == '%'));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: &str, text: &str) -> Option<(String, Option<i64>)> {
        let read = TimeFormat::new(format).unwrap().read(text.as_bytes())?;
        let mut iso = Vec::new();
        read.write_iso(&mut iso);
        Some((String::from_utf8(iso).unwrap(), read.offset))
    }

    fn iso(format: &str, text: &str) -> Option<String> {
        read(format, text).map(|(iso, _)| iso.strip_suffix(".000000").unwrap_or(&iso).to_owned())
    }

    #[test]
    fn dates_and_times_in_usual_notations() {
        for (format, text, expected) in [
            ("%d.%m.%Y", "05.01.2024", "2024-01-05 00:00:00"),
            ("%d.%m.%Y", " 5.1.2024\t", "2024-01-05 00:00:00"),
            (
                "%m/%d/%y %I:%M %p",
                "1/5/24 12:30 AM",
                "2024-01-05 00:30:00",
            ),
            ("%m/%d/%y %I:%M %p", "1/5/99 1:30 pm", "1999-01-05 13:30:00"),
            ("%d.%m.%Y", "05.01.0024", "0024-01-05 00:00:00"),
            ("%d-%b-%Y", "05-jan-2024", "2024-01-05 00:00:00"),
            (
                "%A, %d %B %Y",
                "Friday, 05 January 2024",
                "2024-01-05 00:00:00",
            ),
            ("%Y%m%d%H%M%S", "20240105010203", "2024-01-05 01:02:03"),
            ("%Y%m%dT%H%M%SZ", "20240105T010203Z", "2024-01-05 01:02:03"),
            ("%Y-%j", "2024-060", "2024-02-29 00:00:00"),
            ("%G-W%V-%u", "2024-W01-1", "2024-01-01 00:00:00"),
            ("%F %T%.f", "2024-01-05 01:02:03", "2024-01-05 01:02:03"),
            (
                "%F %T%.f",
                "2024-01-05 01:02:03.25",
                "2024-01-05 01:02:03.250000",
            ),
        ] {
            assert_eq!(
                iso(format, text).as_deref(),
                Some(expected),
                "{format} {text}"
            );
        }
    }

    #[test]
    fn what_is_written_in_another_way_is_not_read() {
        for (format, text) in [
            ("%d.%m.%Y", "2024-01-05"),
            ("%d.%m.%Y", "05.01.24"),
            ("%Y%m%d", "240105"),
            ("%d.%m.%Y", "31.04.2024"),
            ("%d.%m.%Y", "29.02.2023"),
            ("%d.%m.%Y", "05.13.2024"),
            ("%d.%m.%Y", "05.01.2024 10:00"),
            ("%d.%m.%Y", ""),
            ("%d.%m.%Y", "infinity"),
            ("%A, %d %B %Y", "Monday, 05 January 2024"),
            ("%F %T", "2024-01-05 24:00:00"),
            ("%F %T", "2024-01-05 10:60:00"),
            ("%F %T", "2024-01-05 10:00:61"),
            ("%F %T%.f", "2016-12-31 23:59:60.1"),
            ("%F %z", "2024-01-05"),
        ] {
            assert_eq!(iso(format, text), None, "{format} {text}");
        }
    }

    #[test]
    fn offsets_are_read() {
        let offset = |format, text| read(format, text).unwrap().1;
        assert_eq!(offset("%F %T %z", "2024-01-05 01:02:03 +0130"), Some(5_400));
        assert_eq!(
            offset("%FT%T%:z", "2024-01-05T01:02:03-08:00"),
            Some(-28_800)
        );
        assert_eq!(offset("%F %T", "2024-01-05 01:02:03"), None);
    }

    #[test]
    fn fractions_are_rounded_as_the_server_rounds_them() {
        for (fraction, expected) in [
            (".1234564", ".123456"),
            (".1234565", ".123456"),
            (".1234575", ".123458"),
            (".123456789", ".123457"),
            (".9999999", "1.000000"),
        ] {
            let text = format!("2024-01-05 01:02:00{fraction}");
            let found = iso("%F %T%.f", &text).unwrap();
            let expected = match expected.strip_prefix('1') {
                Some(_) => "2024-01-05 01:02:01".to_owned(),
                None => format!("2024-01-05 01:02:00{expected}"),
            };
            assert_eq!(found, expected, "{fraction}");
        }
    }

    #[test]
    fn a_sixtieth_second_is_not_the_fifty_ninth() {
        for (format, text, expected) in [
            ("%F %T", "2016-12-31 23:59:60", "2016-12-31 23:59:60"),
            ("%F %T", "2016-12-31 10:00:60", "2016-12-31 10:01:00"),
            ("%F %T", "2016-12-31 10:00:59", "2016-12-31 10:00:59"),
            ("%Y%m%d%H%M%S", "19601231105959", "1960-12-31 10:59:59"),
            ("%Y%m%d%H%M%S", "19601231105960", "1960-12-31 11:00:00"),
            (
                "%F %T%.f",
                "2016-12-31 10:00:59.60",
                "2016-12-31 10:00:59.600000",
            ),
        ] {
            assert_eq!(iso(format, text).as_deref(), Some(expected), "{text}");
        }
        let read = TimeFormat::new("%F %T")
            .unwrap()
            .read(b"1999-12-31 23:59:60");
        assert_eq!(read.unwrap().local(), 0);
    }

    #[test]
    fn years_before_the_first_are_those_of_the_server() {
        let format = TimeFormat::new("%Y-%m-%d").unwrap();
        assert_eq!(
            iso("%Y-%m-%d", "-0043-03-15").unwrap(),
            "0044-03-15 00:00:00.000000 BC"
        );
        assert_eq!(format.read(b"0001-01-01").unwrap().days(), -730_119);
        assert_eq!(format.read(b"0000-12-31").unwrap().days(), -730_120);
        assert_eq!(format.read(b"2000-01-01").unwrap().days(), 0);
    }

    #[test]
    fn an_unusable_format_says_why() {
        for (format, said) in [
            ("", "which day it is"),
            ("%H:%M", "which day it is"),
            ("%d.%m.", "which day it is"),
            ("%Y-%m", "which day it is"),
            ("%s", "epoch = \"seconds\""),
            ("%F %T %Z", "abbreviation"),
            ("%F %T %:Q", "zone's name"),
            ("%F %c", "no format of strptime"),
            ("%F %!", "no format of strptime"),
            ("%F %", "no format of strptime"),
            ("YYYY-MM-DD", "which day it is"),
        ] {
            let error = TimeFormat::new(format).unwrap_err();
            assert!(error.contains(said), "{format}: {error}");
        }
    }

    #[test]
    fn an_example_is_in_the_format() {
        let format = TimeFormat::new("%d.%m.%Y %H:%M %z").unwrap();
        assert!(format.has_offset());
        assert_eq!(format.example(), "31.12.2024 18:30 +0000");
        assert!(!TimeFormat::new("%d.%m.%Y %%z").unwrap().has_offset());
    }
}
