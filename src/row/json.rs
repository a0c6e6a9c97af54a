//! `json` and `jsonb`: the document itself, once it is known to be one.
//!
//! The grammar is that of RFC 8259, as `src/common/jsonapi.c` of the server has it. `json` keeps the
//! text; `jsonb` is sent as its version and the text.

use super::Verdict;
use super::hex::pair;

/// The version of the binary format of `jsonb`.
pub const JSONB_VERSION: u8 = 1;

/// Numbers of `jsonb` are of type `numeric`, which has limits; beyond these it is to apply them.
const MOST_NUMBER_LENGTH: usize = 1_000;
const MOST_EXPONENT_DIGITS: usize = 3;

/// Appends a `json`.
pub fn encode_json(text: &[u8], out: &mut Vec<u8>) -> Verdict {
    append(text, false, out)
}

/// Appends a `jsonb`.
pub fn encode_jsonb(text: &[u8], out: &mut Vec<u8>) -> Verdict {
    append(text, true, out)
}

fn append(text: &[u8], binary: bool, out: &mut Vec<u8>) -> Verdict {
    let mut document = Document { rest: text, binary };
    if document.check().is_none() {
        return Verdict::Unrecognised;
    }
    let length = text.len() as u32 + u32::from(binary);
    out.extend_from_slice(&length.to_be_bytes());
    if binary {
        out.push(JSONB_VERSION);
    }
    out.extend_from_slice(text);
    Verdict::Encoded
}

/// A text on its way through the grammar. Each step is `None` where the text does not follow it, or
/// is beyond what is recognised here.
struct Document<'a> {
    rest: &'a [u8],
    /// Whether escapes and numbers have to be what `jsonb` can hold.
    binary: bool,
}

/// What is open around a value, innermost last: a bit for each, behind a first one that is set.
/// Deeper than 63 is for the server, which has a limit of its own.
#[derive(Clone, Copy)]
struct Open(u64);

impl Open {
    fn within(self, object: bool) -> Option<Open> {
        (self.0.leading_zeros() > 0).then_some(Open(self.0 << 1 | u64::from(object)))
    }

    fn without(self) -> Open {
        Open(self.0 >> 1)
    }

    fn is_nothing(self) -> bool {
        self.0 == 1
    }

    fn is_object(self) -> bool {
        self.0 & 1 == 1
    }
}

impl Document<'_> {
    fn check(&mut self) -> Option<()> {
        let mut open = Open(1);
        self.skip_blanks();
        loop {
            match self.next()? {
                b'{' => {
                    self.skip_blanks();
                    if !self.skip(b'}') {
                        open = open.within(true)?;
                        self.key()?;
                        continue;
                    }
                }
                b'[' => {
                    self.skip_blanks();
                    if !self.skip(b']') {
                        open = open.within(false)?;
                        continue;
                    }
                }
                b'"' => self.string()?,
                b't' => self.word(b"rue")?,
                b'f' => self.word(b"alse")?,
                b'n' => self.word(b"ull")?,
                first @ (b'-' | b'0'..=b'9') => self.number(first)?,
                _ => return None,
            }
            // A value has ended here, and with it perhaps what is around it.
            loop {
                self.skip_blanks();
                if open.is_nothing() {
                    return self.rest.is_empty().then_some(());
                }
                match (self.next()?, open.is_object()) {
                    (b',', object) => {
                        self.skip_blanks();
                        if object {
                            self.key()?;
                        }
                        break;
                    }
                    (b'}', true) | (b']', false) => open = open.without(),
                    _ => return None,
                }
            }
        }
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn skip(&mut self, byte: u8) -> bool {
        let there = self.rest.first() == Some(&byte);
        if there {
            self.rest = &self.rest[1..];
        }
        there
    }

    fn skip_blanks(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(rest)?;
        Some(())
    }

    /// A key, its colon, and the blanks around that.
    fn key(&mut self) -> Option<()> {
        if !self.skip(b'"') {
            return None;
        }
        self.string()?;
        self.skip_blanks();
        if !self.skip(b':') {
            return None;
        }
        self.skip_blanks();
        Some(())
    }

    /// What follows the first quote of a string.
    fn string(&mut self) -> Option<()> {
        loop {
            let special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
            let at = self.rest.iter().position(special)?;
            let byte = self.rest[at];
            self.rest = &self.rest[at + 1..];
            match byte {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
    }

    /// What follows a backslash. `jsonb` holds characters: no NUL, and surrogates in pairs.
    fn escape(&mut self) -> Option<()> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => return Some(()),
            b'u' => {}
            _ => return None,
        }
        let unit = self.unit()?;
        if !self.binary {
            return Some(());
        }
        match unit {
            0 | 0xDC00..=0xDFFF => None,
            0xD800..=0xDBFF => {
                self.word(b"\\u")?;
                matches!(self.unit()?, 0xDC00..=0xDFFF).then_some(())
            }
            _ => Some(()),
        }
    }

    fn unit(&mut self) -> Option<u16> {
        let (digits, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        let [a, b, c, d] = *digits;
        Some(u16::from_be_bytes([pair(a, b)?, pair(c, d)?]))
    }

    fn number(&mut self, first: u8) -> Option<()> {
        let before = self.rest.len() + 1;
        let first = match first {
            b'-' => self.next()?,
            digit => digit,
        };
        match first {
            b'0' => {}
            b'1'..=b'9' => {
                self.skip_digits();
            }
            _ => return None,
        }
        if self.skip(b'.') && self.skip_digits() == 0 {
            return None;
        }
        let mut exponent = 0;
        if self.skip(b'e') || self.skip(b'E') {
            let _sign = self.skip(b'+') || self.skip(b'-');
            exponent = self.skip_digits();
            if exponent == 0 {
                return None;
            }
        }
        let usual =
            before - self.rest.len() <= MOST_NUMBER_LENGTH && exponent <= MOST_EXPONENT_DIGITS;
        (usual || !self.binary).then_some(())
    }

    /// How many there were.
    fn skip_digits(&mut self) -> usize {
        let count = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.rest = &self.rest[count..];
        count
    }
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use crate::plan::ValueType::{Json, Jsonb};

    const DOCUMENTS: [&str; 16] = [
        "null",
        " true ",
        "\t[ ]\n",
        "{}",
        "[1, -0, 0.5, 1e3, -1.5E-10, 12]",
        "{\"a\": {\"b\": [{}, [], \"\"]}, \"a\" : null}",
        "\"\"",
        "\"é\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u00e9\\uD83D\\ude00\"",
        "[[[[1]]]]",
        "{\"\":0}",
        "false",
        "[{\"a\":1},2]",
        "\"\u{7f}\"",
        "\r{\r}\r",
        "1E+2",
    ];

    const NONE: [&str; 30] = [
        "",
        " ",
        "nul",
        "nulll",
        "True",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1",
        "1]",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "'a'",
        "\"a",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "01",
        "+1",
        "1.",
        ".5",
        "1e",
        "-",
        "[1}",
        "1 1",
        "\u{a0}1",
    ];

    #[test]
    fn documents_are_taken_as_they_are() {
        for text in DOCUMENTS {
            assert_eq!(
                encoded(Json, text),
                Some(text.as_bytes().to_vec()),
                "{text}"
            );
            let binary = [&[1], text.as_bytes()].concat();
            assert_eq!(encoded(Jsonb, text), Some(binary), "{text}");
        }
    }

    #[test]
    fn anything_else_is_for_the_server() {
        for text in NONE {
            assert_eq!(encoded(Json, text), None, "{text}");
            assert_eq!(encoded(Jsonb, text), None, "{text}");
        }
    }

    #[test]
    fn escapes_and_numbers_of_jsonb_are_characters_and_numerics() {
        for text in [
            r#""\u0000""#,
            r#""\ud83d""#,
            r#""\ud83dx""#,
            r#""\ud83d\u0041""#,
            r#""\ude00""#,
            "1e1000",
            &"1".repeat(1_001),
        ] {
            assert!(encoded(Json, text).is_some(), "{text}");
            assert_eq!(encoded(Jsonb, text), None, "{text}");
        }
    }

    #[test]
    fn depth_is_left_to_the_server() {
        let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(encoded(Json, &nested(63)).is_some());
        assert_eq!(encoded(Json, &nested(64)), None);
    }
}
