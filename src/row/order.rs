//! The order of two binary values of one type.

use std::cmp::Ordering;

use super::{bpchar, numeric};
use crate::plan::ValueType;

/// Compares two well-formed values as the server would; texts by their bytes.
pub fn compare(value_type: ValueType, a: &[u8], b: &[u8]) -> Ordering {
    match value_type {
        ValueType::Int2
        | ValueType::Int4
        | ValueType::Int8
        | ValueType::Date
        | ValueType::Time
        | ValueType::Timestamp
        | ValueType::Timestamptz => signed(a).cmp(&signed(b)),
        ValueType::Float4 | ValueType::Float8 => compare_floats(float(a), float(b)),
        ValueType::Numeric => numeric::compare(a, b),
        ValueType::Bpchar => bpchar::significant(a).cmp(bpchar::significant(b)),
        ValueType::Bool
        | ValueType::Text
        | ValueType::Uuid
        | ValueType::Bytea
        | ValueType::Json
        | ValueType::Jsonb
        | ValueType::Enum
        | ValueType::Other => a.cmp(b),
    }
}

/// Whether the value is neither infinite nor NaN, where its type knows such.
pub fn is_finite(value_type: ValueType, bytes: &[u8]) -> bool {
    match value_type {
        ValueType::Float4 | ValueType::Float8 => float(bytes).is_finite(),
        ValueType::Numeric => numeric::is_finite(bytes),
        ValueType::Date => !matches!(signed(bytes) as i32, i32::MIN | i32::MAX),
        ValueType::Timestamp | ValueType::Timestamptz => {
            !matches!(signed(bytes), i64::MIN | i64::MAX)
        }
        _ => true,
    }
}

/// A big-endian signed integer of 2, 4 or 8 bytes.
pub fn signed(bytes: &[u8]) -> i64 {
    match *bytes {
        [a, b] => i64::from(i16::from_be_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_be_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => unreachable!("integers are 2, 4 or 8 bytes long"),
    }
}

/// A big-endian floating point number of 4 or 8 bytes.
pub fn float(bytes: &[u8]) -> f64 {
    match *bytes {
        [a, b, c, d] => f64::from(f32::from_be_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => f64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => unreachable!("floating point numbers are 4 or 8 bytes long"),
    }
}

/// NaN equals itself and is greater than anything else.
fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b)
        .unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use super::*;

    fn order(value_type: ValueType, a: &str, b: &str) -> Ordering {
        let value = |text| encoded(value_type, text).unwrap();
        compare(value_type, &value(a), &value(b))
    }

    #[test]
    fn order_is_the_servers() {
        use Ordering::{Equal, Greater, Less};
        use ValueType::*;
        for (value_type, a, b, expected) in [
            (Int2, "-1", "1", Less),
            (Int4, "-1", "1", Less),
            (Int8, "10", "9", Greater),
            (Float8, "-0", "0", Equal),
            (Float8, "NaN", "Infinity", Greater),
            (Float4, "nan", "nan", Equal),
            (Float4, "-1.5", "-1.25", Less),
            (Numeric, "9.5", "10", Less),
            (Date, "1999-12-31", "2000-01-01", Less),
            (Timestamptz, "2000-01-01 01:00+02", "2000-01-01", Less),
            (Timestamp, "-infinity", "0001-01-01", Less),
            (Text, "B", "a", Less),
            (Text, "a", "a ", Less),
            (Bpchar, "a", "a  ", Equal),
            (Bool, "no", "yes", Less),
            (Time, "09:00", "10:00", Less),
            (Bytea, "\\x00ff", "\\x01", Less),
        ] {
            assert_eq!(order(value_type, a, b), expected, "{value_type:?} {a} {b}");
        }
    }

    #[test]
    fn infinity_and_nan_are_not_finite() {
        use ValueType::*;
        for (value_type, text, expected) in [
            (Float8, "NaN", false),
            (Float4, "-inf", false),
            (Float8, "1e300", true),
            (Date, "infinity", false),
            (Date, "2024-01-01", true),
            (Timestamptz, "-infinity", false),
            (Timestamp, "2024-01-01", true),
            (Numeric, "1", true),
            (Text, "infinity", true),
        ] {
            let value = encoded(value_type, text).unwrap();
            assert_eq!(
                is_finite(value_type, &value),
                expected,
                "{value_type:?} {text}"
            );
        }
    }
}
