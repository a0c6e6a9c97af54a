//! Hexadecimal digits.

/// The value of each byte as the first or the second hexadecimal digit of two.
pub static HIGH: [u16; 256] = digits(16);
/// See [`HIGH`].
pub static LOW: [u16; 256] = digits(1);

/// The value of what is no digit: beyond that of any two.
pub const NO_DIGIT: u16 = 0x100;

const fn digits(unit: u16) -> [u16; 256] {
    let mut table = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u16 * unit;
        table[b"0123456789ABCDEF"[value] as usize] = value as u16 * unit;
        value += 1;
    }
    table
}

/// The byte that two digits stand for.
#[inline]
pub fn pair(high: u8, low: u8) -> Option<u8> {
    let value = HIGH[usize::from(high)] | LOW[usize::from(low)];
    (value < NO_DIGIT).then_some(value as u8)
}

#[cfg(test)]
mod tests {
    use super::pair;

    #[test]
    fn two_digits_of_either_case_are_a_byte() {
        assert_eq!(pair(b'0', b'9'), Some(0x09));
        assert_eq!(pair(b'a', b'F'), Some(0xAF));
        for (high, low) in [(b'g', b'0'), (b'0', b'g'), (b'-', b'1'), (0xE9, b'1')] {
            assert_eq!(pair(high, low), None);
        }
    }
}
