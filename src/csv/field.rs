//! One field of a record, as a span.

use memchr::memchr;

use crate::plan::Dialect;

/// A field's span in the buffer, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where its content starts.
    pub start: u32,
    /// Where its content ends.
    pub end: u32,
    /// Whether it stood in quotes.
    pub quoted: bool,
    /// Whether its content holds quotes or escapes that only make the next character stand for
    /// itself.
    pub escaped: bool,
}

/// What makes a quote stand for itself inside quotes.
#[derive(Clone, Copy, Debug)]
pub struct Escape {
    quote: u8,
    escape: u8,
}

impl Escape {
    /// That of a dialect.
    pub fn new(dialect: &Dialect) -> Escape {
        // Without quotes no field is escaped, and nobody asks.
        let quote = dialect.quote.unwrap_or_default();
        Escape {
            quote,
            escape: dialect.escape.unwrap_or(quote),
        }
    }
}

impl Field {
    /// The field's content as it stands in the buffer, escapes included.
    #[inline]
    pub fn content<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start as usize..self.end as usize]
    }

    /// The field's text: the content itself, or a copy in `scratch` without the escapes.
    #[inline]
    pub fn text<'a>(&self, bytes: &'a [u8], escape: Escape, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let content = self.content(bytes);
        if self.escaped {
            unescaped(escape, content, scratch)
        } else {
            content
        }
    }
}

/// Whether the fields are those of a blank line.
#[inline]
pub fn is_blank_line(fields: &[Field]) -> bool {
    matches!(fields, [field] if field.start == field.end && !field.quoted)
}

/// An escape before a quote or an escape goes; before anything else it is data.
fn unescaped<'a>(escape: Escape, mut rest: &[u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    scratch.clear();
    while let Some(at) = memchr(escape.escape, rest) {
        scratch.extend_from_slice(&rest[..at]);
        let stands = match rest.get(at + 1) {
            Some(&next) if next == escape.quote || next == escape.escape => at + 1,
            _ => at,
        };
        scratch.push(rest[stands]);
        rest = &rest[stands + 1..];
    }
    scratch.extend_from_slice(rest);
    scratch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescaped(dialect: &Dialect, content: &str) -> String {
        let field = Field {
            start: 0,
            end: content.len() as u32,
            quoted: true,
            escaped: true,
        };
        let mut scratch = Vec::new();
        let text = field.text(content.as_bytes(), Escape::new(dialect), &mut scratch);
        String::from_utf8(text.to_vec()).expect("as it was")
    }

    #[test]
    fn doubled_quotes_stand_for_one() {
        let dialect = Dialect::default();
        assert_eq!(unescaped(&dialect, r#"a""b"#), r#"a"b"#);
        assert_eq!(unescaped(&dialect, "\"\"\"\""), "\"\"");
        assert_eq!(unescaped(&dialect, r#"x"""#), r#"x""#);
    }

    #[test]
    fn an_escape_is_data_before_anything_but_a_quote_or_itself() {
        let dialect = Dialect {
            escape: Some(b'\\'),
            ..Dialect::default()
        };
        assert_eq!(unescaped(&dialect, r#"a\"b\\c\nd\\\"e"#), r#"a"b\c\nd\"e"#);
        assert_eq!(unescaped(&dialect, r#"x\""#), r#"x""#);
    }
}
