//! `boolean`: true, yes, on, 1 and their opposites, and beginnings of them.

use super::space::trim;
use super::{Verdict, append_field};

/// The words, with the fewest letters that are taken for each.
const WORDS: [(&[u8], usize, u8); 8] = [
    (b"true", 1, 1),
    (b"false", 1, 0),
    (b"yes", 1, 1),
    (b"no", 1, 0),
    (b"on", 2, 1),
    (b"off", 2, 0),
    (b"1", 1, 1),
    (b"0", 1, 0),
];

/// Appends a `boolean`.
pub fn encode(text: &[u8], out: &mut Vec<u8>) -> Verdict {
    let text = trim(text);
    for (word, fewest, value) in WORDS {
        let beginning = word.get(..text.len());
        if text.len() >= fewest && beginning.is_some_and(|word| word.eq_ignore_ascii_case(text)) {
            append_field(&[value], out);
            return Verdict::Encoded;
        }
    }
    Verdict::Unrecognised
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use crate::plan::ValueType::Bool;

    #[test]
    fn words_and_their_beginnings() {
        for text in ["t", "TRUE", "tru", "y", "Yes", "on", "1", " true\n"] {
            assert_eq!(encoded(Bool, text), Some(vec![1]), "{text:?}");
        }
        for text in ["f", "False", "n", "no", "of", "OFF", "0"] {
            assert_eq!(encoded(Bool, text), Some(vec![0]), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_for_the_server() {
        for text in ["", "o", "truee", "2", "10", "ja", "t rue"] {
            assert_eq!(encoded(Bool, text), None, "{text:?}");
        }
    }
}
