//! `uuid`: 32 hexadecimal digits, with a hyphen allowed after any four, and braces around.

use super::hex::{HIGH, LOW, NO_DIGIT, pair};
use super::{Verdict, append_field};

/// Appends a `uuid`.
pub fn encode(text: &[u8], out: &mut Vec<u8>) -> Verdict {
    match parse(text) {
        Some(bytes) => {
            append_field(&bytes, out);
            Verdict::Encoded
        }
        None => Verdict::Unrecognised,
    }
}

fn parse(text: &[u8]) -> Option<[u8; 16]> {
    match text.try_into() {
        Ok(usual) => parse_usual(usual).or_else(|| parse_any(text)),
        Err(_) => parse_any(text),
    }
}

/// Where the bytes' digits stand in `01234567-0123-0123-0123-0123456789ab`.
const PAIRS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// The form that nearly all have, without a branch for each digit.
fn parse_usual(text: &[u8; 36]) -> Option<[u8; 16]> {
    if [text[8], text[13], text[18], text[23]] != [b'-'; 4] {
        return None;
    }
    let mut seen = 0;
    let bytes = PAIRS.map(|at| {
        let byte = HIGH[usize::from(text[at])] | LOW[usize::from(text[at + 1])];
        seen |= byte;
        byte as u8
    });
    (seen < NO_DIGIT).then_some(bytes)
}

fn parse_any(text: &[u8]) -> Option<[u8; 16]> {
    let mut rest = match text {
        [b'{', inner @ .., b'}'] => inner,
        [b'{', ..] => return None,
        plain => plain,
    };
    let mut bytes = [0; 16];
    for (index, byte) in bytes.iter_mut().enumerate() {
        if index % 2 == 0
            && index > 0
            && let [b'-', after @ ..] = rest
        {
            rest = after;
        }
        let [high, low, after @ ..] = rest else {
            return None;
        };
        *byte = pair(*high, *low)?;
        rest = after;
    }
    rest.is_empty().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use crate::plan::ValueType::Uuid;

    const BYTES: [u8; 16] = [
        0xA0, 0xEE, 0xBC, 0x99, 0x9C, 0x0B, 0x4E, 0xF8, 0xBB, 0x6D, 0x6B, 0xB9, 0xBD, 0x38, 0x0A,
        0x11,
    ];

    #[test]
    fn every_form_of_the_server() {
        for text in [
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
            "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
        ] {
            assert_eq!(encoded(Uuid, text), Some(BYTES.to_vec()), "{text:?}");
        }
    }

    #[test]
    fn every_byte_is_looked_at_in_every_place() {
        let text = *b"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        for place in 0..text.len() {
            for byte in 0..=u8::MAX {
                let mut text = text;
                text[place] = byte;
                assert_eq!(
                    super::parse_usual(&text),
                    super::parse_any(&text),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn anything_else_is_for_the_server() {
        for text in [
            "",
            "{}",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g",
            "a0-eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "a0eebc99--9c0b-4ef8-bb6d-6bb9bd380a11",
            "-a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
            " a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        ] {
            assert_eq!(encoded(Uuid, text), None, "{text:?}");
        }
    }
}
