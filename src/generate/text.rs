//! Values as text, appended to a buffer: nothing here allocates.

/// A whole number.
pub fn decimal(out: &mut Vec<u8>, value: u64) {
    padded(out, value, 1);
}

/// A whole number with at least `width` digits (at most 20).
pub fn padded(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while value > 0 {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    let start = start.min(digits.len() - width);
    out.extend_from_slice(&digits[start..]);
}

/// Hundredths as a number with two decimals.
pub fn money(out: &mut Vec<u8>, cents: u64) {
    decimal(out, cents / 100);
    out.push(b'.');
    padded(out, cents % 100, 2);
}

/// Sixteen hexadecimal digits.
pub fn hexadecimal(out: &mut Vec<u8>, value: u64) {
    out.extend(
        (0..16)
            .rev()
            .map(|digit| hex_digit(u128::from(value), digit)),
    );
}

/// A uuid in lower case, with hyphens.
pub fn uuid(out: &mut Vec<u8>, value: u128) {
    let mut text = [b'-'; 36];
    let mut digit = 32;
    for (at, byte) in text.iter_mut().enumerate() {
        if !matches!(at, 8 | 13 | 18 | 23) {
            digit -= 1;
            *byte = hex_digit(value, digit);
        }
    }
    out.extend_from_slice(&text);
}

fn hex_digit(value: u128, digit: u32) -> u8 {
    b"0123456789abcdef"[(value >> (4 * digit)) as usize & 15]
}

/// A date as `2025-01-31`; `days` counts from 1970-01-01.
pub fn date(out: &mut Vec<u8>, days: u64) {
    // Howard Hinnant's civil_from_days, for days after 1970: years begin in March, so that the leap
    // day is a year's last.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    padded(out, year, 4);
    out.push(b'-');
    padded(out, month, 2);
    out.push(b'-');
    padded(out, day, 2);
}

/// A time of day as `23:59:59`.
pub fn clock(out: &mut Vec<u8>, second_of_day: u64) {
    padded(out, second_of_day / 3_600, 2);
    out.push(b':');
    padded(out, second_of_day / 60 % 60, 2);
    out.push(b':');
    padded(out, second_of_day % 60, 2);
}

/// A field of a CSV record: quoted where it has to be, or where it is wanted.
pub fn csv_field(out: &mut Vec<u8>, value: &[u8], quoted: bool) {
    let needed = value
        .iter()
        .any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'));
    if !quoted && !needed {
        out.extend_from_slice(value);
        return;
    }
    out.push(b'"');
    for byte in value {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// A field of COPY's text format.
pub fn copy_field(out: &mut Vec<u8>, value: Option<&[u8]>) {
    let Some(value) = value else {
        out.extend_from_slice(b"\\N");
        return;
    };
    for byte in value {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => out.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers() {
        assert_eq!(text(|out| decimal(out, 0)), "0");
        assert_eq!(text(|out| decimal(out, u64::MAX)), u64::MAX.to_string());
        assert_eq!(text(|out| padded(out, 42, 6)), "000042");
        assert_eq!(text(|out| padded(out, 1_234_567, 6)), "1234567");
        assert_eq!(text(|out| money(out, 5)), "0.05");
        assert_eq!(text(|out| money(out, 123_456)), "1234.56");
        assert_eq!(text(|out| hexadecimal(out, 0xabc)), "0000000000000abc");
        let value = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;
        assert_eq!(
            text(|out| uuid(out, value)),
            uuid::Uuid::from_u128(value).to_string()
        );
    }

    #[test]
    fn dates() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_600, "2025-01-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            let written = text(|out| {
                date(out, seconds / 86_400);
                out.push(b'T');
                clock(out, seconds % 86_400);
                out.push(b'Z');
            });
            assert_eq!(written, expected);
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            assert_eq!(humantime::parse_rfc3339(&written), Ok(time));
        }
    }

    #[test]
    fn fields() {
        assert_eq!(text(|out| csv_field(out, b"plain", false)), "plain");
        assert_eq!(text(|out| csv_field(out, b"plain", true)), "\"plain\"");
        assert_eq!(
            text(|out| csv_field(out, b"a,\"b\"", false)),
            "\"a,\"\"b\"\"\""
        );
        assert_eq!(text(|out| csv_field(out, b"", true)), "\"\"");
        assert_eq!(text(|out| copy_field(out, None)), "\\N");
        assert_eq!(text(|out| copy_field(out, Some(b""))), "");
        assert_eq!(
            text(|out| copy_field(out, Some(b"a\tb\\\n\r"))),
            "a\\tb\\\\\\n\\r"
        );
    }
}
