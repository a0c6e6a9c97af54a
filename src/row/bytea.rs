//! `bytea`: hexadecimal digits after `\x`, or the escape format.
//!
//! As `byteain` of src/backend/utils/adt/varlena.c has them.

use super::Verdict;
use super::hex::pair;

/// Appends a `bytea`.
pub fn encode(text: &[u8], out: &mut Vec<u8>) -> Verdict {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let recognised = match text {
        [b'\\', b'x', digits @ ..] => append_hex(digits, out),
        escaped => append_escaped(escaped, out),
    };
    if recognised.is_none() {
        out.truncate(start);
        return Verdict::Unrecognised;
    }
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Verdict::Encoded
}

/// Pairs of digits; blanks may stand between pairs, not within one.
fn append_hex(mut digits: &[u8], out: &mut Vec<u8>) -> Option<()> {
    loop {
        digits = match digits {
            [] => return Some(()),
            [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] => rest,
            [high, low, rest @ ..] => {
                out.push(pair(*high, *low)?);
                rest
            }
            [_] => return None,
        }
    }
}

/// Bytes as they are, `\\` and `\ooo`. What is not ASCII depends on the encoding of the database.
fn append_escaped(mut text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    loop {
        let (byte, rest) = match text {
            [] => return Some(()),
            [b'\\', b'\\', rest @ ..] => (b'\\', rest),
            [
                b'\\',
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                rest @ ..,
            ] => ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), rest),
            [b'\\', ..] => return None,
            [byte, rest @ ..] if byte.is_ascii() => (*byte, rest),
            _ => return None,
        };
        out.push(byte);
        text = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use crate::plan::ValueType::Bytea;

    #[test]
    fn hexadecimal_digits_and_the_escape_format() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("\\x", b""),
            ("\\x00fFA0", b"\x00\xFF\xA0"),
            ("\\x 00\tff\n", b"\x00\xFF"),
            ("abc", b"abc"),
            (" a\n", b" a\n"),
            ("a\\\\b", b"a\\b"),
            ("\\000\\377x", b"\x00\xFFx"),
            ("x00", b"x00"),
        ] {
            assert_eq!(encoded(Bytea, text), Some(bytes.to_vec()), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_for_the_server() {
        for text in [
            "\\", "\\x0", "\\x0 0", "\\xgg", "\\x00-", "\\X00", "\\400", "\\08", "\\n", "a\\", "é",
        ] {
            assert_eq!(encoded(Bytea, text), None, "{text:?}");
        }
    }
}
