//! The canonical image of a key: the same bytes exactly where the server calls two keys equal.

use super::order::{float, signed};
use super::{bpchar, numeric};
use crate::plan::ValueType;

/// Appends one column's part of a key's image, from its binary value. The parts stand behind their
/// lengths, so that no column can run into the next.
pub fn append_key_part(value_type: ValueType, value: &[u8], image: &mut Vec<u8>) {
    let start = image.len();
    image.extend_from_slice(&[0; 4]);
    match value_type {
        ValueType::Int2 | ValueType::Int4 | ValueType::Int8 => {
            image.extend_from_slice(&signed(value).to_be_bytes());
        }
        ValueType::Float4 | ValueType::Float8 => {
            image.extend_from_slice(&canonical(float(value)).to_be_bytes());
        }
        ValueType::Numeric => numeric::append_image(value, image),
        ValueType::Bpchar => image.extend_from_slice(bpchar::significant(value)),
        ValueType::Bool
        | ValueType::Text
        | ValueType::Uuid
        | ValueType::Date
        | ValueType::Time
        | ValueType::Timestamp
        | ValueType::Timestamptz
        | ValueType::Bytea
        | ValueType::Enum
        // These never are routed by.
        | ValueType::Json
        | ValueType::Jsonb
        | ValueType::Other => image.extend_from_slice(value),
    }
    let length = (image.len() - start - 4) as u32;
    image[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// One zero and one NaN.
fn canonical(value: f64) -> f64 {
    if value == 0.0 {
        0.0
    } else if value.is_nan() {
        f64::NAN
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use super::*;

    fn image(parts: &[(ValueType, &str)]) -> Vec<u8> {
        let mut image = Vec::new();
        for (value_type, text) in parts {
            append_key_part(
                *value_type,
                &encoded(*value_type, text).unwrap(),
                &mut image,
            );
        }
        image
    }

    #[test]
    fn equal_keys_have_one_image() {
        use ValueType::*;
        for (value_type, a, b) in [
            (Int4, "7", "+07"),
            (Numeric, "1.0", "1.000"),
            (Numeric, "0", "-0.00"),
            (Numeric, "10000", "10000.0"),
            (Float8, "0", "-0"),
            (Float4, "1.5", "15e-1"),
            (Bpchar, "a", "a   "),
            (
                Uuid,
                "a0eebc999c0b4ef8bb6d6bb9bd380a11",
                "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            ),
            (Timestamptz, "2024-01-01 02:00+02", "2024-01-01T00:00Z"),
            (Bool, "t", "yes"),
            (Time, "10:00", "10:00:00.000"),
            (Bytea, "\\x5c61", "\\\\a"),
        ] {
            assert_eq!(
                image(&[(value_type, a)]),
                image(&[(value_type, b)]),
                "{a} {b}"
            );
        }
    }

    #[test]
    fn different_keys_have_different_images() {
        use ValueType::*;
        for (value_type, a, b) in [
            (Int4, "7", "-7"),
            (Numeric, "1", "10000"),
            (Numeric, "1", "-1"),
            (Numeric, "1", "0.0001"),
            (Text, "a", "a "),
            (Text, "a", "A"),
            (Bpchar, "a", " a"),
            (Float8, "NaN", "0"),
        ] {
            assert_ne!(
                image(&[(value_type, a)]),
                image(&[(value_type, b)]),
                "{a} {b}"
            );
        }
    }

    #[test]
    fn a_nan_of_any_bits_is_one_key() {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        append_key_part(ValueType::Float8, &f64::NAN.to_be_bytes(), &mut a);
        append_key_part(
            ValueType::Float8,
            &0xFFF8_0000_0000_0001u64.to_be_bytes(),
            &mut b,
        );
        assert_eq!(a, b);
    }

    #[test]
    fn columns_do_not_run_into_each_other() {
        use ValueType::Text;
        assert_ne!(
            image(&[(Text, "ab"), (Text, "c")]),
            image(&[(Text, "a"), (Text, "bc")])
        );
        assert_ne!(
            image(&[(Text, ""), (Text, "a")]),
            image(&[(Text, "a"), (Text, "")])
        );
    }

    #[test]
    fn integers_of_any_width_have_one_image() {
        use ValueType::{Int2, Int8};
        assert_eq!(image(&[(Int2, "-5")]), image(&[(Int8, "-5")]));
    }
}
