//! `real` and `double precision`: decimal notation, infinity and NaN.

use super::space::trim;
use super::{Verdict, append_field};

/// Appends a `real`.
pub fn encode_float4(text: &[u8], out: &mut Vec<u8>) -> Verdict {
    // Parsed as what it is: rounding to double first would round twice.
    let value = match shape(trim(text)) {
        Some(Shape::Special(value)) => value as f32,
        Some(Shape::Decimal { text, zero }) => match text.parse::<f32>() {
            Ok(value) if value.is_finite() && (zero || value != 0.0) => value,
            _ => return Verdict::Unrecognised,
        },
        None => return Verdict::Unrecognised,
    };
    append_field(&value.to_be_bytes(), out);
    Verdict::Encoded
}

/// Appends a `double precision`.
pub fn encode_float8(text: &[u8], out: &mut Vec<u8>) -> Verdict {
    let value = match shape(trim(text)) {
        Some(Shape::Special(value)) => value,
        Some(Shape::Decimal { text, zero }) => match text.parse::<f64>() {
            Ok(value) if value.is_finite() && (zero || value != 0.0) => value,
            _ => return Verdict::Unrecognised,
        },
        None => return Verdict::Unrecognised,
    };
    append_field(&value.to_be_bytes(), out);
    Verdict::Encoded
}

enum Shape<'a> {
    Special(f64),
    /// Decimal notation; `zero` where no digit of it but the exponent's is other than 0: then, and
    /// only then, is it no underflow if its value is 0.
    Decimal {
        text: &'a str,
        zero: bool,
    },
}

fn shape(text: &[u8]) -> Option<Shape<'_>> {
    if let Some(value) = special(text) {
        return Some(Shape::Special(value));
    }
    let unsigned = match text {
        [b'+' | b'-', rest @ ..] => rest,
        rest => rest,
    };
    let (mantissa, exponent) = match unsigned.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (mut digits, mut points, mut zero) = (0, 0, true);
    for byte in mantissa {
        match byte {
            b'0'..=b'9' => {
                digits += 1;
                zero &= *byte == b'0';
            }
            b'.' => points += 1,
            _ => return None,
        }
    }
    if digits == 0 || points > 1 {
        return None;
    }
    if let Some(exponent) = exponent {
        let digits = match exponent {
            [b'+' | b'-', rest @ ..] => rest,
            rest => rest,
        };
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
    }
    let text = std::str::from_utf8(text).ok()?;
    Some(Shape::Decimal { text, zero })
}

fn special(text: &[u8]) -> Option<f64> {
    if text.eq_ignore_ascii_case(b"nan") {
        return Some(f64::NAN);
    }
    let (value, name) = match text {
        [b'-', name @ ..] => (f64::NEG_INFINITY, name),
        [b'+', name @ ..] => (f64::INFINITY, name),
        name => (f64::INFINITY, name),
    };
    let infinite = name.eq_ignore_ascii_case(b"infinity") || name.eq_ignore_ascii_case(b"inf");
    infinite.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use crate::plan::ValueType::{Float4, Float8};

    fn float8(text: &str) -> Option<f64> {
        encoded(Float8, text).map(|bytes| f64::from_be_bytes(bytes.try_into().unwrap()))
    }

    fn float4(text: &str) -> Option<f32> {
        encoded(Float4, text).map(|bytes| f32::from_be_bytes(bytes.try_into().unwrap()))
    }

    #[test]
    fn decimal_notation() {
        for (text, value) in [
            ("1", 1.0),
            (" -1.5 ", -1.5),
            ("+.5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("1E-2", 0.01),
            ("0.1", 0.1),
            ("4.9e-324", 5e-324),
            ("1.7976931348623157e308", f64::MAX),
        ] {
            assert_eq!(float8(text), Some(value), "{text:?}");
        }
        assert!(float8("-0").unwrap().is_sign_negative());
    }

    #[test]
    fn real_is_rounded_once() {
        // Halfway between two reals, and a little more: by way of double it would round down.
        assert_eq!(float4("1.00000005960464477540"), Some(1.0 + f32::EPSILON));
        assert_eq!(float4("3.4028235e38"), Some(f32::MAX));
    }

    #[test]
    fn overflow_and_underflow_are_for_the_server() {
        for text in ["1e400", "-1e309", "1e-400", "0.1e-399"] {
            assert_eq!(float8(text), None, "{text:?}");
        }
        assert_eq!(float8("0e-400"), Some(0.0));
        assert_eq!(float4("1e39"), None);
        assert_eq!(float4("1e-50"), None);
    }

    #[test]
    fn infinity_and_nan() {
        assert_eq!(float8("Infinity"), Some(f64::INFINITY));
        assert_eq!(float8("-inf"), Some(f64::NEG_INFINITY));
        assert_eq!(
            encoded(Float8, "NaN"),
            Some(vec![0x7F, 0xF8, 0, 0, 0, 0, 0, 0])
        );
        assert_eq!(encoded(Float4, "nan"), Some(vec![0x7F, 0xC0, 0, 0]));
        assert_eq!(float4("-Infinity"), Some(f32::NEG_INFINITY));
    }

    #[test]
    fn anything_else_is_for_the_server() {
        for text in [
            "", ".", "-", "1e", "1e+", "e5", "1.2.3", "0x1p3", "1,5", "1 2", "infinit", "-nan",
        ] {
            assert_eq!(float8(text), None, "{text:?}");
        }
    }
}
