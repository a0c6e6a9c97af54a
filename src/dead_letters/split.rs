//! PURE: a record's text, split into its fields.

use crate::csv::{Escape, Record, Scan, Scanner};
use crate::plan::Dialect;

/// The text of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldText {
    /// Without its quotes.
    pub text: String,
    /// Whether it stood in quotes.
    pub quoted: bool,
    /// Where its content stands in the record.
    pub span: (usize, usize),
}

/// The fields of a record; `None` where it is no whole record of this dialect, or no text.
pub fn split(raw: &[u8], dialect: &Dialect) -> Option<Vec<FieldText>> {
    let mut bytes = raw.to_vec();
    bytes.push(b'\n');
    let mut fields = Vec::new();
    let scan = Scanner::new(dialect).scan(&bytes, 0, true, &mut fields);
    let Scan::Record(Record { start: 0, next, .. }) = scan else {
        return None;
    };
    if next != bytes.len() || raw.contains(&0) {
        return None;
    }
    let escape = Escape::new(dialect);
    let mut scratch = Vec::new();
    let text = |field: &crate::csv::Field| {
        let text = field.text(&bytes, escape, &mut scratch);
        Some(FieldText {
            text: std::str::from_utf8(text).ok()?.to_owned(),
            quoted: field.quoted,
            span: (field.start as usize, field.end as usize),
        })
    };
    fields.iter().map(text).collect()
}

/// A record as text; bytes that are none, and NUL, become U+FFFD.
pub fn lossy(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).replace('\0', "\u{FFFD}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_split_as_it_was_when_its_file_was_read() {
        let texts = |raw: &[u8], dialect: &Dialect| {
            let fields = split(raw, dialect)?.into_iter();
            Some(fields.map(|it| (it.text, it.quoted)).collect::<Vec<_>>())
        };
        let plain = Dialect::default();
        let wanted = vec![
            ("1".to_owned(), false),
            ("a\n\"b\"".to_owned(), true),
            (String::new(), true),
        ];
        assert_eq!(texts(b"1,\"a\n\"\"b\"\"\",\"\"", &plain), Some(wanted));
        for bad in [&b"\"a\"x"[..], b"\"a", b"a\nb", b"\xFF", b"a\0"] {
            assert_eq!(texts(bad, &plain), None, "{bad:?}");
        }
        let other = Dialect {
            delimiter: b";".to_vec(),
            escape: Some(b'\\'),
            ..Dialect::default()
        };
        let wanted = vec![("a\"".to_owned(), true), ("1,5".to_owned(), false)];
        assert_eq!(texts(b"\"a\\\"\";1,5", &other), Some(wanted));
    }
}
