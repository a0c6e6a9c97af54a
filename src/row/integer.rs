//! `smallint`, `integer`, `bigint`: an optional sign and decimal digits.

use super::digits::digits_value;
use super::space::trim;
use super::{Verdict, append_field};

/// Appends a `smallint`.
pub fn encode_int2(text: &[u8], out: &mut Vec<u8>) -> Verdict {
    append(
        parse(text)
            .and_then(|value| i16::try_from(value).ok())
            .map(i16::to_be_bytes),
        out,
    )
}

/// Appends an `integer`.
pub fn encode_int4(text: &[u8], out: &mut Vec<u8>) -> Verdict {
    append(
        parse(text)
            .and_then(|value| i32::try_from(value).ok())
            .map(i32::to_be_bytes),
        out,
    )
}

/// Appends a `bigint`.
pub fn encode_int8(text: &[u8], out: &mut Vec<u8>) -> Verdict {
    append(parse(text).map(i64::to_be_bytes), out)
}

/// A number of so many digits fits into 64 bits, whichever they are.
const NEVER_TOO_LARGE: usize = 18;

fn append<const N: usize>(value: Option<[u8; N]>, out: &mut Vec<u8>) -> Verdict {
    match value {
        Some(bytes) => {
            append_field(&bytes, out);
            Verdict::Encoded
        }
        None => Verdict::Unrecognised,
    }
}

fn parse(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match trim(text) {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    if digits.len() <= NEVER_TOO_LARGE {
        let value = digits_value(digits)? as i64;
        return Some(if negative { -value } else { value });
    }
    // Counted downwards, since the lowest value has no positive counterpart.
    let mut value = 0i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative {
        Some(value)
    } else {
        value.checked_neg()
    }
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use crate::plan::ValueType::{Int2, Int4, Int8};

    #[test]
    fn digits_with_a_sign_and_space_around() {
        assert_eq!(encoded(Int4, "42"), Some(vec![0, 0, 0, 42]));
        assert_eq!(encoded(Int4, " \t+0042\n"), Some(vec![0, 0, 0, 42]));
        assert_eq!(encoded(Int2, "-1"), Some(vec![0xFF, 0xFF]));
        assert_eq!(encoded(Int8, "-0"), Some(vec![0; 8]));
    }

    #[test]
    fn the_range_is_exact() {
        assert_eq!(encoded(Int2, "32767"), Some(vec![0x7F, 0xFF]));
        assert_eq!(encoded(Int2, "-32768"), Some(vec![0x80, 0]));
        assert_eq!(encoded(Int2, "32768"), None);
        assert_eq!(encoded(Int2, "-32769"), None);
        assert!(encoded(Int4, "-2147483648").is_some());
        assert_eq!(encoded(Int4, "2147483648"), None);
        assert!(encoded(Int8, "9223372036854775807").is_some());
        assert_eq!(
            encoded(Int8, "-9223372036854775808"),
            Some(i64::MIN.to_be_bytes().to_vec())
        );
        assert_eq!(encoded(Int8, "9223372036854775808"), None);
        assert_eq!(encoded(Int8, "-9223372036854775809"), None);
    }

    #[test]
    fn the_length_does_not_matter() {
        for digits in 1..=22 {
            let text = format!("{:0digits$}", 7);
            assert_eq!(encoded(Int8, &text), Some(vec![0, 0, 0, 0, 0, 0, 0, 7]));
            let nines = "9".repeat(digits);
            let expected = nines.parse::<i64>().ok().map(|value| value.to_be_bytes());
            assert_eq!(encoded(Int8, &nines), expected.map(Vec::from), "{nines}");
            assert_eq!(encoded(Int8, &format!("{nines}x")), None);
        }
    }

    #[test]
    fn anything_else_is_for_the_server() {
        for text in [
            "", " ", "-", "+", "--1", "1 2", "1.0", "0x1F", "1_000", "1e3", "١", "- 1",
        ] {
            assert_eq!(encoded(Int4, text), None, "{text:?}");
        }
    }
}
