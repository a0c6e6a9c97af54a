//! `text`, `character varying` and `character`: the text itself.

use super::{Verdict, append_field};

/// Appends the text, which the caller has found to be valid.
pub fn encode(text: &[u8], out: &mut Vec<u8>) -> Verdict {
    append_field(text, out);
    Verdict::Encoded
}

/// The first so many characters: of a value that is too long for a `character varying(n)`, the
/// server keeps these where only blanks follow, and refuses it otherwise.
pub fn first_characters(text: &[u8], most: usize) -> &[u8] {
    if text.len() <= most {
        return text;
    }
    let mut starts = text
        .iter()
        .enumerate()
        .filter(|(_, byte)| !is_continuation(**byte));
    match starts.nth(most) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// Whether a byte of UTF-8 goes on with the character before it.
fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use super::first_characters;
    use crate::plan::ValueType::{Bpchar, Text};

    #[test]
    fn nothing_is_changed() {
        assert_eq!(encoded(Text, " é\\N "), Some(" é\\N ".as_bytes().to_vec()));
        assert_eq!(encoded(Text, ""), Some(Vec::new()));
        assert_eq!(encoded(Bpchar, "a  "), Some(b"a  ".to_vec()));
    }

    #[test]
    fn characters_are_not_bytes() {
        for (text, most, expected) in [
            ("abc", 3, "abc"),
            ("abc  ", 3, "abc"),
            ("aé€😀 ", 4, "aé€😀"),
            ("aé€😀 ", 3, "aé€"),
            ("é", 1, "é"),
            ("", 1, ""),
        ] {
            assert_eq!(first_characters(text.as_bytes(), most), expected.as_bytes());
        }
    }
}
