//! Runs of decimal digits.

/// The value of up to 19 digits; `None` where a byte is none.
#[inline]
pub fn digits_value(digits: &[u8]) -> Option<u64> {
    debug_assert!(digits.len() <= 19);
    let (mut value, mut largest) = (0u64, 0);
    for byte in digits {
        // What is no digit is looked for once, at the end; until then it may overflow.
        let digit = byte.wrapping_sub(b'0');
        largest = digit.max(largest);
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    (largest < 10).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::digits_value;

    #[test]
    fn only_digits_have_a_value() {
        assert_eq!(digits_value(b""), Some(0));
        assert_eq!(digits_value(b"0042"), Some(42));
        assert_eq!(digits_value(&[b'9'; 19]), Some(9_999_999_999_999_999_999));
        for text in ["1/", ":1", "1 ", "-1", "1\u{e9}", "\u{661}"] {
            assert_eq!(digits_value(text.as_bytes()), None, "{text:?}");
        }
    }
}
