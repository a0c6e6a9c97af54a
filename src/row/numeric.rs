//! `numeric`: groups of four decimal digits.
//!
//! The binary value is four 16-bit numbers (the count of groups, the power of 10,000 of the first
//! one, the sign, the digits shown after the point) and the groups, without zero groups at either end.

use std::cmp::Ordering;

use super::Verdict;
use super::digits::digits_value;
use super::space::trim;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

/// Beyond these the server has limits of its own, which it is to apply itself.
const MOST_INTEGER_DIGITS: usize = 100_000;
const MOST_FRACTION_DIGITS: usize = 16_383;

const HEADER: usize = 8;

/// Appends a `numeric` in plain decimal notation.
pub fn encode(text: &[u8], out: &mut Vec<u8>) -> Verdict {
    let (negative, digits) = match trim(text) {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let (integer, fraction) = match digits.iter().position(|byte| *byte == b'.') {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &digits[..0]),
    };
    if integer.len() <= USUAL_DIGITS && fraction.len() <= USUAL_DIGITS {
        return encode_usual(negative, integer, fraction, out);
    }
    encode_any(negative, integer, fraction, out)
}

/// Up to so many digits on each side of the point make four groups.
const USUAL_DIGITS: usize = 8;

const POWERS_OF_TEN: [u64; USUAL_DIGITS + 1] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
];

/// Numbers of a usual size: the groups are four 16-bit parts of one number.
fn encode_usual(negative: bool, integer: &[u8], fraction: &[u8], out: &mut Vec<u8>) -> Verdict {
    let (Some(before), Some(after)) = (digits_value(integer), digits_value(fraction)) else {
        return Verdict::Unrecognised;
    };
    if integer.is_empty() && fraction.is_empty() {
        return Verdict::Unrecognised;
    }
    let after = after * POWERS_OF_TEN[USUAL_DIGITS - fraction.len()];
    let groups = (before / 10_000) << 48
        | (before % 10_000) << 32
        | (after / 10_000) << 16
        | (after % 10_000);
    let (leading, trailing) = match groups {
        0 => (0, 4),
        _ => (groups.leading_zeros() / 16, groups.trailing_zeros() / 16),
    };
    let shown = 4 - leading - trailing;
    let (weight, sign) = match (groups, negative) {
        (0, _) => (0, 0),
        (_, true) => (1 - leading as i16, NEGATIVE),
        (_, false) => (1 - leading as i16, 0),
    };
    let length = HEADER as u32 + 2 * shown;
    let header = u64::from(shown) << 48
        | u64::from(weight as u16) << 32
        | u64::from(sign) << 16
        | fraction.len() as u64;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&header.to_be_bytes());
    out.extend_from_slice(&(groups << (16 * leading)).to_be_bytes());
    out.truncate(out.len() - 2 * (4 - shown) as usize);
    Verdict::Encoded
}

/// Numbers of any size, group by group.
fn encode_any(negative: bool, integer: &[u8], fraction: &[u8], out: &mut Vec<u8>) -> Verdict {
    if !integer.iter().all(u8::is_ascii_digit) || !fraction.iter().all(u8::is_ascii_digit) {
        return Verdict::Unrecognised;
    }
    let leading = integer.iter().take_while(|digit| **digit == b'0').count();
    let integer = &integer[leading..];
    if integer.len() > MOST_INTEGER_DIGITS || fraction.len() > MOST_FRACTION_DIGITS {
        return Verdict::Unrecognised;
    }

    let start = out.len();
    let first_group = start + 4 + HEADER;
    out.resize(first_group, 0);
    let (head, groups) = integer.split_at(integer.len() % 4);
    if !head.is_empty() {
        push(head.iter().fold(0, append_digit), out);
    }
    for group in groups.chunks_exact(4) {
        push(group.iter().fold(0, append_digit), out);
    }
    let mut weight = integer.len().div_ceil(4) as i16 - 1;
    for group in fraction.chunks(4) {
        let padding = 10u16.pow(4 - group.len() as u32);
        let value = group.iter().fold(0, append_digit) * padding;
        if value == 0 && out.len() == first_group {
            weight -= 1;
        } else {
            push(value, out);
        }
    }
    while out.len() > first_group && out.ends_with(&[0, 0]) {
        out.truncate(out.len() - 2);
    }

    let groups = (out.len() - first_group) / 2;
    let (weight, sign) = match (groups, negative) {
        (0, _) => (0, 0),
        (_, true) => (weight, NEGATIVE),
        (_, false) => (weight, 0),
    };
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    out[start + 4..start + 6].copy_from_slice(&(groups as u16).to_be_bytes());
    out[start + 6..start + 8].copy_from_slice(&weight.to_be_bytes());
    out[start + 8..start + 10].copy_from_slice(&sign.to_be_bytes());
    out[start + 10..start + 12].copy_from_slice(&(fraction.len() as u16).to_be_bytes());
    Verdict::Encoded
}

fn append_digit(value: u16, digit: &u8) -> u16 {
    value * 10 + u16::from(digit - b'0')
}

fn push(group: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&group.to_be_bytes());
}

/// Whether bytes are as long as their count of groups says.
pub fn is_well_formed(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER && bytes.len() == HEADER + 2 * usize::from(number(bytes, 0))
}

/// Whether the value is neither NaN nor infinite.
pub fn is_finite(bytes: &[u8]) -> bool {
    matches!(number(bytes, 4), 0 | NEGATIVE)
}

/// Compares as the server does: NaN is the greatest.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (Value::of(bytes_of(a)), Value::of(bytes_of(b)));
    a.rank().cmp(&b.rank()).then_with(|| match a.sign {
        0 => a.magnitude(&b),
        NEGATIVE => b.magnitude(&a),
        _ => Ordering::Equal,
    })
}

/// Appends the value's one image: without the digits shown, and without zero groups at its ends.
pub fn append_image(bytes: &[u8], out: &mut Vec<u8>) {
    let value = Value::of(bytes_of(bytes));
    out.extend_from_slice(&value.sign.to_be_bytes());
    out.extend_from_slice(&value.weight.to_be_bytes());
    out.extend_from_slice(value.groups);
}

fn bytes_of(bytes: &[u8]) -> &[u8] {
    debug_assert!(is_well_formed(bytes));
    bytes
}

fn number(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// A value in normal form: no zero group at either end; zero has no group, no weight and no sign.
struct Value<'a> {
    sign: u16,
    weight: i16,
    groups: &'a [u8],
}

impl<'a> Value<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let mut weight = number(bytes, 2) as i16;
        let mut groups = &bytes[HEADER..];
        while let [0, 0, rest @ ..] = groups {
            groups = rest;
            weight = weight.saturating_sub(1);
        }
        while let [rest @ .., 0, 0] = groups {
            groups = rest;
        }
        let sign = number(bytes, 4);
        if groups.is_empty() {
            let sign = if sign == NEGATIVE { 0 } else { sign };
            return Value {
                sign,
                weight: 0,
                groups,
            };
        }
        Value {
            sign,
            weight,
            groups,
        }
    }

    /// The order of what the sign alone tells apart.
    fn rank(&self) -> i8 {
        match self.sign {
            NEGATIVE_INFINITY => -2,
            NEGATIVE => -1,
            INFINITY => 2,
            NAN => 3,
            _ if self.groups.is_empty() => 0,
            _ => 1,
        }
    }

    fn magnitude(&self, other: &Value) -> Ordering {
        // Big-endian groups without zeros at their ends compare as bytes.
        self.weight
            .cmp(&other.weight)
            .then_with(|| self.groups.cmp(other.groups))
    }
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use super::*;
    use crate::plan::ValueType::Numeric;
    use proptest::prelude::*;

    fn words(text: &str) -> Option<Vec<u16>> {
        let bytes = encoded(Numeric, text)?;
        Some(bytes.chunks(2).map(|word| number(word, 0)).collect())
    }

    #[test]
    fn groups_weight_sign_and_shown_digits() {
        for (text, expected) in [
            ("0", vec![0, 0, 0, 0]),
            ("-0.00", vec![0, 0, 0, 2]),
            ("1", vec![1, 0, 0, 0, 1]),
            ("12345", vec![2, 1, 0, 0, 1, 2345]),
            ("10000", vec![1, 1, 0, 0, 1]),
            ("00010000.00", vec![1, 1, 0, 2, 1]),
            ("1.5", vec![2, 0, 0, 1, 1, 5000]),
            (" -19.99 ", vec![2, 0, NEGATIVE, 2, 19, 9900]),
            ("+.5", vec![1, 0xFFFF, 0, 1, 5000]),
            ("5.", vec![1, 0, 0, 0, 5]),
            ("0.00001", vec![1, 0xFFFE, 0, 5, 1000]),
            ("0.000000001", vec![1, 0xFFFD, 0, 9, 1000]),
            ("100000000.0001", vec![4, 2, 0, 4, 1, 0, 0, 1]),
        ] {
            assert_eq!(words(text), Some(expected), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn both_ways_make_the_same_of_usual_numbers(
            negative: bool, integer in "[0-9]{0,8}", fraction in "(0{0,8}|[0-9]{0,8})",
        ) {
            prop_assume!(!integer.is_empty() || !fraction.is_empty());
            let (mut usual, mut any) = (Vec::new(), Vec::new());
            encode_usual(negative, integer.as_bytes(), fraction.as_bytes(), &mut usual);
            encode_any(negative, integer.as_bytes(), fraction.as_bytes(), &mut any);
            prop_assert_eq!(usual, any);
        }
    }

    #[test]
    fn precision_is_not_limited() {
        let text = format!("{}.{}", "9".repeat(1001), "1".repeat(999));
        let words = words(&text).unwrap();
        assert_eq!(words[..4], [251 + 250, 250, 0, 999]);
        assert_eq!(words[4], 9);
        assert_eq!(*words.last().unwrap(), 1110);
        assert_eq!(
            super::super::encoded(Numeric, &"9".repeat(MOST_INTEGER_DIGITS + 1)),
            None
        );
        assert_eq!(
            super::super::encoded(Numeric, &format!(".{}", "1".repeat(16_384))),
            None
        );
    }

    #[test]
    fn anything_else_is_for_the_server() {
        for text in [
            "", ".", "-", "1e5", "NaN", "Infinity", "1,5", "1 0", "1.2.3", "--1", "0x10", "1_0",
        ] {
            assert_eq!(encoded(Numeric, text), None, "{text:?}");
        }
    }

    #[test]
    fn order_is_that_of_numbers() {
        let special = |sign: u16| {
            let mut bytes = vec![0; 8];
            bytes[4..6].copy_from_slice(&sign.to_be_bytes());
            bytes
        };
        let value = |text| encoded(Numeric, text).unwrap();
        let ascending = [
            special(NEGATIVE_INFINITY),
            value("-10000.5"),
            value("-10000"),
            value("-1.01"),
            value("-1.0"),
            value("0"),
            value("0.00009"),
            value("0.5"),
            value("0.50001"),
            value("9999"),
            value("10000"),
            special(INFINITY),
            special(NAN),
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{i} {j}");
            }
        }
        assert_eq!(compare(&value("1.0"), &value("1.000")), Ordering::Equal);
        assert!(!is_finite(&ascending[0]) && !is_finite(&ascending[12]));
        assert!(is_finite(&ascending[1]) && is_finite(&ascending[5]));
    }
}
