//! The ISO forms of dates, times of day and zones. Each parser returns what is left of the text.

use std::ops::Range;

use super::digits::digits_value;

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;

/// Microseconds in a day.
pub const DAY: i64 = 86_400 * SECOND;

/// The server's times, in microseconds since 2000-01-01: from 4713 BC (Julian day 0) to the year
/// 294276. `MIN_TIMESTAMP` and `END_TIMESTAMP` in `datatype/timestamp.h`.
const TIMES: Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// More digits after the second than anybody writes are for the server.
const MOST_FRACTION_DIGITS: usize = 30;

/// `YYYY-MM-DD`, a real day: days since 2000-01-01.
pub fn parse_date(text: &[u8]) -> Option<(i32, &[u8])> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, rest @ ..] = text else {
        return None;
    };
    let year = number([*y1, *y2, *y3, *y4])?;
    let month = number([*m1, *m2])?;
    let day = number([*d1, *d2])?;
    if year == 0 || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    if day > 28 && day > days_in_month(year, month) {
        return None;
    }
    Some((days_since_2000(year, month, day), rest))
}

/// `HH:MM[:SS[.F…]]`, before 24:00: microseconds since midnight. A fraction may round up to midnight.
pub fn parse_time(text: &[u8]) -> Option<(i64, &[u8])> {
    let [h1, h2, b':', m1, m2, rest @ ..] = text else {
        return None;
    };
    let hour = number([*h1, *h2])?;
    let minute = number([*m1, *m2])?;
    let (second, fraction, rest) = match rest {
        [b':', s1, s2, rest @ ..] => {
            let second = number([*s1, *s2])?;
            let (fraction, rest) = parse_fraction(rest)?;
            (second, fraction, rest)
        }
        [b':', ..] => return None,
        rest => (0, 0, rest),
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from((hour * 60 + minute) * 60 + second);
    Some((seconds * SECOND + fraction, rest))
}

/// `.F…`, or nothing: microseconds, rounded as the server rounds them.
fn parse_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', digits @ ..] = text else {
        return Some((0, text));
    };
    if let Some((micros, rest)) = digits.split_first_chunk::<6>()
        && !rest.first().is_some_and(u8::is_ascii_digit)
        && let Some(micros) = number(*micros)
    {
        return Some((i64::from(micros), rest));
    }
    let count = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if count == 0 || count > MOST_FRACTION_DIGITS {
        return None;
    }
    let rest = &digits[count..];
    if count <= 6 {
        let value = digits[..count].iter().fold(0, append_digit);
        return Some((value * 10i64.pow(6 - count as u32), rest));
    }
    // The server goes by way of a double, and so must we to agree on what lies halfway.
    let fraction: f64 = std::str::from_utf8(&text[..=count]).ok()?.parse().ok()?;
    Some(((fraction * SECOND as f64).round_ties_even() as i64, rest))
}

fn append_digit(value: i64, digit: &u8) -> i64 {
    value * 10 + i64::from(digit - b'0')
}

/// `Z`, `UTC`, `±HH`, `±HHMM`, `±HH:MM` or `±HH:MM:SS`: seconds east of Greenwich.
pub fn parse_zone(text: &[u8]) -> Option<i64> {
    let (east, text) = match text {
        [b'+', rest @ ..] => (true, rest),
        [b'-', rest @ ..] => (false, rest),
        [b'z' | b'Z'] => return Some(0),
        _ => return text.eq_ignore_ascii_case(b"utc").then_some(0),
    };
    let (hour, minute, second) = match text {
        [h1, h2] => (number([*h1, *h2])?, 0, 0),
        [h1, h2, m1, m2] | [h1, h2, b':', m1, m2] => (number([*h1, *h2])?, number([*m1, *m2])?, 0),
        [h1, h2, b':', m1, m2, b':', s1, s2] => (
            number([*h1, *h2])?,
            number([*m1, *m2])?,
            number([*s1, *s2])?,
        ),
        _ => return None,
    };
    if hour > 15 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from((hour * 60 + minute) * 60 + second);
    Some(if east { seconds } else { -seconds })
}

/// A time in microseconds since 2000-01-01, where the server can hold it.
pub fn in_range(micros: Option<i64>) -> Option<i64> {
    micros.filter(|micros| TIMES.contains(micros))
}

/// Whether the text is `infinity` (true) or `-infinity` (false).
pub fn infinity(text: &[u8]) -> Option<bool> {
    if text.eq_ignore_ascii_case(b"infinity") {
        Some(true)
    } else if text.eq_ignore_ascii_case(b"-infinity") {
        Some(false)
    } else {
        None
    }
}

/// The value of a few digits.
#[inline]
fn number<const N: usize>(digits: [u8; N]) -> Option<u32> {
    digits_value(&digits).map(|value| value as u32)
}

fn days_in_month(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The same for any year of four digits, those before the year 1 too (0 is 1 BC).
pub fn days_of_any_year(year: i32, month: u32, day: u32) -> i32 {
    // The calendar repeats itself every 400 years.
    const CYCLES: i32 = 30;
    days_since_2000((year + 400 * CYCLES) as u32, month, day) - 146_097 * CYCLES
}

/// In the proleptic Gregorian calendar. Years are counted from March, so that a leap day ends one.
fn days_since_2000(year: u32, month: u32, day: u32) -> i32 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days_before_month = (153 * month + 2) / 5;
    let days_before_year = year * 365 + year / 4 - year / 100 + year / 400;
    (days_before_year + days_before_month + day) as i32 - 730_426
}
