//! `text`, `character varying` and `character`: the text itself.

use super::{Verdict, append_field};

/// Appends the text, which the caller has found to be valid.
pub fn encode(text: &[u8], out: &mut Vec<u8>) -> Verdict {
    append_field(text, out);
    Verdict::Encoded
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use crate::plan::ValueType::{Bpchar, Text};

    #[test]
    fn nothing_is_changed() {
        assert_eq!(encoded(Text, " é\\N "), Some(" é\\N ".as_bytes().to_vec()));
        assert_eq!(encoded(Text, ""), Some(Vec::new()));
        assert_eq!(encoded(Bpchar, "a  "), Some(b"a  ".to_vec()));
    }
}
