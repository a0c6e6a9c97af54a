//! One field of a record, as a span.

use memchr::memchr;

/// A field's span in the buffer, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where its content starts.
    pub start: u32,
    /// Where its content ends.
    pub end: u32,
    /// Whether it stood in quotes.
    pub quoted: bool,
    /// Whether its content holds doubled quotes that each stand for one.
    pub escaped: bool,
}

impl Field {
    /// The field's content as it stands in the buffer, doubled quotes included.
    #[inline]
    pub fn content<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start as usize..self.end as usize]
    }

    /// The field's text: the content itself, or a copy in `scratch` without the doubled quotes.
    #[inline]
    pub fn text<'a>(&self, bytes: &'a [u8], quote: u8, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let content = self.content(bytes);
        if self.escaped {
            without_doubled(quote, content, scratch)
        } else {
            content
        }
    }
}

fn without_doubled<'a>(quote: u8, mut rest: &[u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    scratch.clear();
    while let Some(at) = memchr(quote, rest) {
        scratch.extend_from_slice(&rest[..=at]);
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    scratch.extend_from_slice(rest);
    scratch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescaped(content: &[u8]) -> Vec<u8> {
        let field = Field {
            start: 0,
            end: content.len() as u32,
            quoted: true,
            escaped: true,
        };
        field.text(content, b'"', &mut Vec::new()).to_vec()
    }

    #[test]
    fn doubled_quotes_stand_for_one() {
        assert_eq!(unescaped(b"a\"\"b"), b"a\"b");
        assert_eq!(unescaped(b"\"\"\"\""), b"\"\"");
        assert_eq!(unescaped(b"x\"\""), b"x\"");
    }
}
