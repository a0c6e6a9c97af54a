//! Times that are written as numbers: so many seconds since 1970, or thousandths or millionths.

use super::broken::Broken;
use super::clock::{SECOND, in_range};
use super::digits::digits_value;
use super::space::trim;
use crate::plan::EpochUnit;

/// Seconds from 1970-01-01 to 2000-01-01.
const EPOCH: i64 = 946_684_800;

/// More digits before the point are beyond any time, whatever they count.
const MOST_DIGITS: usize = 18;

/// Microseconds since 2000-01-01 UTC.
///
/// A fraction of a second is rounded as the server rounds that of a time. (Its `to_timestamp` goes by
/// way of a double, and misses a microsecond now and then; intervals are rounded by the server's
/// version.)
///
/// # Errors
/// `Epoch` for what is no decimal number, or has a fraction where only seconds may; `TimeRange`.
pub fn parse(unit: EpochUnit, text: &[u8]) -> Result<i64, Broken> {
    let text = trim(text);
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let (integer, fraction) = match digits.iter().position(|byte| *byte == b'.') {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &digits[..0]),
    };
    let is_number = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
    if integer.is_empty() && fraction.is_empty() || !is_number(integer) || !is_number(fraction) {
        return Err(Broken::Epoch);
    }
    let scale = match unit {
        EpochUnit::Seconds => SECOND,
        EpochUnit::Milliseconds => 1_000,
        EpochUnit::Microseconds => 1,
    };
    let zeros = fraction.iter().rev().take_while(|digit| **digit == b'0');
    let fraction = &fraction[..fraction.len() - zeros.count()];
    if !fraction.is_empty() && unit != EpochUnit::Seconds {
        return Err(Broken::Epoch);
    }
    let zeros = integer.iter().take_while(|digit| **digit == b'0').count();
    let integer = &integer[zeros..];
    if integer.len() > MOST_DIGITS {
        return Err(Broken::TimeRange);
    }
    let (Some(whole), Some(part)) = (digits_value(integer), fraction_micros(fraction)) else {
        return Err(Broken::Epoch);
    };
    let micros = i128::from(whole) * i128::from(scale) + i128::from(part);
    let micros = if negative { -micros } else { micros } - i128::from(EPOCH * SECOND);
    in_range(i64::try_from(micros).ok()).ok_or(Broken::TimeRange)
}

/// The microseconds of a fraction of a second.
fn fraction_micros(digits: &[u8]) -> Option<i64> {
    if digits.len() <= 6 {
        let value = digits_value(digits)? as i64;
        return Some(value * 10i64.pow(6 - digits.len() as u32));
    }
    let fraction: f64 = format!(".{}", std::str::from_utf8(digits).ok()?)
        .parse()
        .ok()?;
    Some((fraction * SECOND as f64).round_ties_even() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use EpochUnit::{Microseconds, Milliseconds, Seconds};

    /// Microseconds since 1970.
    fn since_1970(unit: EpochUnit, text: &str) -> Option<i64> {
        let micros = parse(unit, text.as_bytes()).ok()?;
        Some(micros + EPOCH * SECOND)
    }

    #[test]
    fn units_and_fractions() {
        for (unit, text, expected) in [
            (Seconds, "0", 0),
            (Seconds, "1704067200", 1_704_067_200_000_000),
            (Seconds, " 1704067200.25 ", 1_704_067_200_250_000),
            (Seconds, "-1.5", -1_500_000),
            (Seconds, "+.000001", 1),
            (Seconds, "1.", 1_000_000),
            (Seconds, "1704067200.1234560000", 1_704_067_200_123_456),
            (Seconds, "1704067200.1234567", 1_704_067_200_123_457),
            (Seconds, "1.0000005", 1_000_000),
            (Seconds, "1.0000015", 1_000_002),
            (Seconds, "1.99999999999", 2_000_000),
            (Seconds, "-1704067200.1234567", -1_704_067_200_123_457),
            (Seconds, "0000000000000000000001", 1_000_000),
            (Milliseconds, "1704067200123", 1_704_067_200_123_000),
            (Milliseconds, "1704067200123.0", 1_704_067_200_123_000),
            (Microseconds, "-1", -1),
        ] {
            assert_eq!(since_1970(unit, text), Some(expected), "{unit:?} {text:?}");
        }
    }

    #[test]
    fn what_is_no_count_is_refused() {
        for text in [
            "", ".", "-", "1e9", "1,5", "0x10", "infinity", "NaN", "1 2", "1.2.3", "now", "--1",
        ] {
            assert_eq!(
                parse(Seconds, text.as_bytes()),
                Err(Broken::Epoch),
                "{text:?}"
            );
        }
        for unit in [Milliseconds, Microseconds] {
            assert_eq!(parse(unit, b"1.5"), Err(Broken::Epoch));
        }
    }

    #[test]
    fn a_time_that_the_server_can_not_hold_is_out_of_range() {
        let since_2000 = |text: &str| parse(Seconds, text.as_bytes());
        assert_eq!(since_2000("-210866803200"), Ok(-211_813_488_000 * SECOND));
        assert_eq!(since_2000("9224318015999"), Ok(9_223_371_331_199 * SECOND));
        for text in [
            "-210866803201",
            "9224318016000",
            "9224318016000.1234567",
            "99999999999999999999",
        ] {
            assert_eq!(
                parse(Seconds, text.as_bytes()),
                Err(Broken::TimeRange),
                "{text}"
            );
        }
        let highest = i64::MAX.to_string();
        assert_eq!(
            parse(Microseconds, highest.as_bytes()),
            Err(Broken::TimeRange)
        );
    }
}
